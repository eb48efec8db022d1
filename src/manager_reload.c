/* SPDX-License-Identifier: ISC */
#include "src/manager_reload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/text.h"
#include "src/manager.h"

enum { NEWS_MAGIC = 0x6d726c64, NEWS_MAX = 2, NEWS_SIZE = 64 };

static const double AGAIN_S = 0.1;

struct manager_reload {
    unsigned magic;
    struct ev_loop *loop;
    struct ev_timer timer;
    char waiting[NEWS_MAX][NEWS_SIZE]; /* the oldest first */
    size_t count;
};

static void send_waiting(struct manager_reload *news)
{
    while (news->count && manager_try(news->waiting[0])) {
        news->count--;
        memmove(news->waiting[0], news->waiting[1], NEWS_SIZE);
    }
    if (!news->count) {
        ev_timer_stop(news->loop, &news->timer);
        return;
    }
    if (!ev_is_active(&news->timer))
        log_warn("the service manager does not read: it is told of the reload when it does");
    ev_timer_again(news->loop, &news->timer);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct manager_reload *news = timer->data;

    (void)loop, (void)events;
    MUST_BE(news, NEWS_MAGIC);
    send_waiting(news);
}

static void tell(struct manager_reload *news, const char *state)
{
    MUST(news->count < NEWS_MAX &&
         span_copy(span_of(state), news->waiting[news->count], NEWS_SIZE));
    news->count++;
    send_waiting(news);
}

struct manager_reload *manager_reload_new(struct ev_loop *loop)
{
    struct manager_reload *news = calloc(1, sizeof(*news));

    MUST(news != NULL);
    news->magic = NEWS_MAGIC;
    news->loop = loop;
    ev_init(&news->timer, on_time);
    news->timer.repeat = AGAIN_S;
    news->timer.data = news;
    return news;
}

void manager_reload_free(struct manager_reload *news)
{
    if (!news)
        return;
    MUST_BE(news, NEWS_MAGIC);
    ev_timer_stop(news->loop, &news->timer);
    news->magic = 0;
    free(news);
}

void manager_reload_begins(struct manager_reload *news, mono_t now)
{
    char state[NEWS_SIZE];
    struct text text = TEXT_OVER(state);

    MUST_BE(news, NEWS_MAGIC);
    text_printf(&text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now.ns / 1000);
    news->count = 0;
    tell(news, state);
}

void manager_reload_ends(struct manager_reload *news)
{
    MUST_BE(news, NEWS_MAGIC);
    tell(news, "READY=1");
}
