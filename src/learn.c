/* SPDX-License-Identifier: ISC */
#include "src/learn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/adoption.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/catchup.h"
#include "src/clock.h"
#include "src/isconf_file.h"
#include "src/workers.h"

enum { LESSON_MAGIC = 0x6c65736e };

struct learn {
    struct learn_options options;
    size_t under_way;         /* main thread, like the rest */
    struct log_flood refused; /* the fetch thread's: files of ISconf hosts that are too large */
    struct workers *comparer; /* one thread: reads our own catalogue; NULL once stopped */
};

/* One manifest or page on its way from the peer to the report. */
struct lesson {
    unsigned magic;
    struct learn *learn;
    struct fetch_request request;
    char name[NAME_SIZE]; /* empty: a page */
    uint64_t store_id;    /* whose position `since` is */
    uint64_t since;
    struct store_touch touch; /* what it told of itself */
    bool by_ranges;           /* it is another store than we know, and more than a page */

    struct adoption adoption;
    struct letter letter;
};

struct learn *learn_new(const struct learn_options *options)
{
    struct learn *learn = calloc(1, sizeof(*learn));

    MUST(learn != NULL);
    learn->options = *options;
    learn->comparer = workers_new(1);
    return learn;
}

void learn_stop(struct learn *learn)
{
    workers_free(learn->comparer);
    learn->comparer = NULL;
}

void learn_free(struct learn *learn)
{
    if (!learn)
        return;
    MUST(learn->under_way == 0);
    learn_stop(learn);
    free(learn);
}

/* ---- the end: main thread ------------------------------------------------------------------- */

/* Whom we follow has nothing more that we lack. */
static void note_touch(const struct lesson *lesson)
{
    const struct learn_options *options = &lesson->learn->options;

    if (options->routes &&
        routes_to(options->routes, clock_mono(), &lesson->request.server) & ROUTE_FOLLOWED)
        store_in_touch(options->store, &lesson->touch);
}

static void end(struct lesson *lesson, struct exchange_event *event)
{
    struct learn *learn = lesson->learn;

    event->kind = lesson->name[0] ? EXCHANGE_LEARNED : EXCHANGE_COMPARED;
    event->from = lesson->request.server;
    event->answered = lesson->request.answered;
    event->name = span_of(lesson->name);
    learn->under_way--;
    if (event->kind == EXCHANGE_COMPARED && event->result == EXCHANGE_DONE && !event->page.more &&
        learn->comparer)
        note_touch(lesson);
    learn->options.report(learn->options.arg, event);
    adoption_clear(&lesson->adoption);
    free(lesson->request.body);
    lesson->magic = 0;
    free(lesson);
}

static void caught_up(void *arg, const struct catchup_end *how)
{
    struct lesson *lesson = arg;
    struct exchange_event event = {.result = how->result, .fault = how->fault};

    MUST_BE(lesson, LESSON_MAGIC);
    event.page.ahead = how->result == EXCHANGE_AHEAD;
    event.page.store_id = how->store_id;
    event.page.last = how->last;
    lesson->touch = how->touch;
    end(lesson, &event);
}

/* Who has nothing need not compare. */
static bool has_any(const struct learn *learn)
{
    struct store_head own;

    store_head(learn->options.store, &own);
    return own.sequence > 0;
}

static void catch_up(struct lesson *lesson)
{
    const struct learn_options *options = &lesson->learn->options;
    struct catchup_options how = {.fetch = options->fetch,
                                  .store = options->store,
                                  .mailbox = options->mailbox,
                                  .comparer = &lesson->learn->comparer,
                                  .routes = options->routes,
                                  .gate = options->gate,
                                  .domain = options->domain,
                                  .server = lesson->request.server,
                                  .done = caught_up,
                                  .arg = lesson};

    catchup_begin(&how);
}

static void report(struct letter *letter)
{
    struct lesson *lesson = LETTER_OWNER(letter, struct lesson, letter);
    struct exchange_event event = {.result = lesson->adoption.result,
                                   .fault = lesson->adoption.fault};

    MUST_BE(lesson, LESSON_MAGIC);
    if (lesson->by_ranges) {
        catch_up(lesson);
        return;
    }
    if (!lesson->name[0] && lesson->request.result == FETCH_OK) {
        event.page.store_id = lesson->request.store_id;
        event.page.last = lesson->request.sequence_last;
        event.page.more = lesson->request.more;
        lesson->touch = lesson->request.touch;
        event.page.ahead = event.result == EXCHANGE_AHEAD;
    }
    end(lesson, &event);
}

/* ---- fetched: the fetch thread; adopted: a thread of the store's ----------------------------- */

static void finish(struct lesson *lesson)
{
    lesson->letter.read = report;
    mailbox_post(lesson->learn->options.mailbox, &lesson->letter);
}

static void adopted(struct adoption *adoption)
{
    struct lesson *lesson = adoption->owner;

    MUST_BE(lesson, LESSON_MAGIC);
    finish(lesson);
}

static void adopt(struct lesson *lesson)
{
    const struct learn_options *options = &lesson->learn->options;
    struct adoption_source source = {.server = lesson->request.answered,
                                     .routes = options->routes,
                                     .gate = options->gate,
                                     .domain = options->domain,
                                     .name = lesson->name[0] ? lesson->name : NULL};

    lesson->adoption.done = adopted;
    lesson->adoption.owner = lesson;
    (void)adoption_read(&lesson->adoption,
                        (struct span){lesson->request.body, lesson->request.body_len}, &source);
    adoption_begin(&lesson->adoption, options->store);
}

/* A first page of a large catalogue that was made anew, of which we may have most. */
static bool is_by_ranges(const struct lesson *lesson)
{
    const struct fetch_request *request = &lesson->request;

    return !lesson->name[0] && request->more && request->store_id != lesson->store_id &&
           has_any(lesson->learn);
}

static void fail(struct lesson *lesson)
{
    const struct fetch_request *request = &lesson->request;

    lesson->adoption.result = EXCHANGE_FAILED;
    if (request->result == FETCH_FAULT) {
        lesson->adoption.fault = request->fault;
        if (!peer_fault_is_absence(request->fault))
            lesson->adoption.result = EXCHANGE_FAULTY;
    }
    finish(lesson);
}

static void fetched(struct fetch_request *request)
{
    struct lesson *lesson = request->owner;

    MUST_BE(lesson, LESSON_MAGIC);
    lesson->by_ranges = request->result == FETCH_OK && is_by_ranges(lesson);
    if (lesson->by_ranges)
        finish(lesson);
    else if (request->result == FETCH_OK)
        adopt(lesson);
    else
        fail(lesson);
}

/* ---- asking: main thread -------------------------------------------------------------------- */

static struct lesson *lesson_new(struct learn *learn, const struct address *http, size_t most)
{
    struct lesson *lesson = calloc(1, sizeof(*lesson));

    MUST(lesson != NULL);
    lesson->magic = LESSON_MAGIC;
    lesson->learn = learn;
    lesson->request.server = *http;
    lesson->request.most = most;
    lesson->request.done = fetched;
    lesson->request.owner = lesson;
    learn->under_way++;
    return lesson;
}

void learn_name(struct learn *learn, struct span name, const struct address *http)
{
    struct lesson *lesson = lesson_new(learn, http, MESSAGE_MAX);
    struct text target = TEXT_OVER(lesson->request.target);

    MUST(span_copy(name, lesson->name, sizeof(lesson->name)));
    text_puts(&target, "/.pond/manifest");
    name_to_target(name, &target);
    MUST(!target.full);
    fetch_submit(learn->options.fetch, &lesson->request);
}

static void brought(void *arg, enum exchange_result result, enum peer_fault fault)
{
    struct lesson *lesson = arg;
    struct exchange_event event = {.result = result, .fault = fault};

    MUST_BE(lesson, LESSON_MAGIC);
    end(lesson, &event);
}

void learn_isconf(struct learn *learn, struct span name, const struct address *http)
{
    struct lesson *lesson = lesson_new(learn, http, 0);
    struct isconf_file_options options = {.fetch = learn->options.fetch,
                                          .store = learn->options.store,
                                          .mailbox = learn->options.mailbox,
                                          .refused = &learn->refused,
                                          .server = *http,
                                          .name = name,
                                          .done = brought,
                                          .arg = lesson};

    MUST(span_copy(name, lesson->name, sizeof(lesson->name)));
    isconf_file_get(&options);
}

void learn_page(struct learn *learn, const struct address *http, uint64_t store_id, uint64_t since)
{
    struct lesson *lesson = lesson_new(learn, http, CATCHUP_PAGE_MAX);
    struct text target = TEXT_OVER(lesson->request.target);
    struct store_touch touch;
    struct store_head own;

    lesson->request.stay = true;
    lesson->store_id = store_id;
    lesson->since = since;
    stat_add(STAT_COMPARISONS, 1);
    store_touch(learn->options.store, &touch);
    if ((!store_id || touch.away) && has_any(learn)) {
        catch_up(lesson);
        return;
    }
    store_head(learn->options.store, &own);
    text_printf(&target,
                "/.pond/catalogue?store=%016" PRIx64 "&since=%" PRIu64 "&digest=", store_id, since);
    text_hex(&target, own.digest.bytes, sizeof(own.digest.bytes)); /* the same: nothing to send */
    fetch_submit(learn->options.fetch, &lesson->request);
}
