/* SPDX-License-Identifier: ISC */
#include "src/fetch_inner.h"

#include <errno.h>
#include <stdlib.h>

#include "src/base/must.h"

/* A socket of curl's that is watched. */
struct watch {
    struct fetch *fetch;
    struct ev_io io;
};

/* Takes what curl has finished off its hands. The message is gone with the handle's removal, so
 * it is copied first. */
static void collect(struct fetch *fetch)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetch->multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        MUST(curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer) == CURLE_OK);
        MUST_BE(transfer, TRANSFER_MAGIC);
        transfer_ended(transfer, code);
    }
}

static void act(struct fetch *fetch, curl_socket_t fd, int what)
{
    int running;
    CURLMcode code = curl_multi_socket_action(fetch->multi, fd, what, &running);

    errno = code == CURLM_OUT_OF_MEMORY ? ENOMEM : 0;
    MUST(code != CURLM_OUT_OF_MEMORY); /* it has forgotten a socket, and stumbles over it later */
    collect(fetch);
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct fetch *fetch = ((struct watch *)io->data)->fetch;
    int what = (events & EV_READ ? CURL_CSELECT_IN : 0) |
               (events & EV_WRITE ? CURL_CSELECT_OUT : 0) |
               (events & EV_ERROR ? CURL_CSELECT_ERR : 0);

    (void)loop;
    MUST_BE(fetch, FETCH_MAGIC);
    act(fetch, io->fd, what); /* io may be gone after this */
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct fetch *fetch = timer->data;

    (void)loop, (void)events;
    MUST_BE(fetch, FETCH_MAGIC);
    act(fetch, CURL_SOCKET_TIMEOUT, 0);
}

/* curl's wish for a timer. It must not be called back from here, however short the time is. */
static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct fetch *fetch = arg;

    (void)multi;
    MUST_BE(fetch, FETCH_MAGIC);
    ev_timer_stop(fetch->loop, &fetch->timer);
    if (ms < 0)
        return 0;
    ev_now_update(fetch->loop);
    ev_timer_set(&fetch->timer, (double)ms / 1000., 0.);
    ev_timer_start(fetch->loop, &fetch->timer);
    return 0;
}

/* The descriptor may be closed by now: nothing is asked of it. */
static void forget(struct fetch *fetch, curl_socket_t fd, struct watch *watch)
{
    if (!watch)
        return;
    ev_io_stop(fetch->loop, &watch->io);
    curl_multi_assign(fetch->multi, fd, NULL);
    free(watch);
}

static struct watch *watch_new(struct fetch *fetch, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    MUST(watch != NULL);
    watch->fetch = fetch;
    ev_init(&watch->io, on_ready);
    watch->io.data = watch;
    curl_multi_assign(fetch->multi, fd, watch);
    return watch;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct fetch *fetch = arg;
    struct watch *watch = assigned;

    (void)easy;
    MUST_BE(fetch, FETCH_MAGIC);
    if (what == CURL_POLL_REMOVE) {
        forget(fetch, fd, watch);
        return 0;
    }
    if (!watch)
        watch = watch_new(fetch, fd);
    ev_io_stop(fetch->loop, &watch->io);
    ev_io_set(&watch->io, fd,
              (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    ev_io_start(fetch->loop, &watch->io);
    return 0;
}

void fetch_loop_go(struct fetch *fetch)
{
    act(fetch, CURL_SOCKET_TIMEOUT, 0);
}

CURL *fetch_loop_take(struct fetch *fetch)
{
    CURL *easy;

    if (fetch->idle_count)
        return fetch->idle[--fetch->idle_count];
    easy = curl_easy_init();
    MUST(easy != NULL);
    transfer_set_up(easy);
    return easy;
}

/* One that was taken back while it waited for a connection keeps a buffer, with which libcurl lets
 * no other size be set (7.88). */
static bool is_as_new(CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)CURL_MAX_READ_SIZE) == CURLE_OK;
}

void fetch_loop_give(struct fetch *fetch, CURL *easy)
{
    if (fetch->idle_count == FETCH_IDLE_MAX || !is_as_new(easy))
        curl_easy_cleanup(easy);
    else
        fetch->idle[fetch->idle_count++] = easy;
}

#define SET(multi, option, value) MUST(curl_multi_setopt(multi, option, value) == CURLM_OK)

void fetch_loop_open(struct fetch *fetch)
{
    CURLM *multi = fetch->multi = curl_multi_init();

    MUST(multi != NULL);
    ev_init(&fetch->timer, on_timer);
    fetch->timer.data = fetch;
    SET(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    SET(multi, CURLMOPT_SOCKETDATA, fetch);
    SET(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    SET(multi, CURLMOPT_TIMERDATA, fetch);
    SET(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)FETCH_HOST_CONNECTIONS);
    SET(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)FETCH_CONNECTIONS);
    SET(multi, CURLMOPT_MAXCONNECTS, (long)FETCH_CONNECTIONS); /* else few requests keep few */
    SET(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
}

void fetch_loop_close(struct fetch *fetch)
{
    while (fetch->idle_count)
        curl_easy_cleanup(fetch->idle[--fetch->idle_count]);
    MUST(curl_multi_cleanup(fetch->multi) == CURLM_OK);
    ev_timer_stop(fetch->loop, &fetch->timer);
    fetch->multi = NULL;
}
