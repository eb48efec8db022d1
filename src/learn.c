/* SPDX-License-Identifier: ISC */
#include "src/learn.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/manifest.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"

enum {
    LESSON_MAGIC = 0x6c65736e,
    PAGE_MAX = 512 * 1024,    /* bytes of a catalogue page; ours are half of that */
    PAGE_MANIFESTS_MAX = 4096 /* manifests in one */
};

struct learn {
    struct learn_options options;
    size_t under_way; /* main thread */
};

/* One manifest or page on its way from the peer to the report. */
struct lesson {
    unsigned magic;
    struct learn *learn;
    struct fetch_request request;
    char name[NAME_SIZE]; /* empty: a page */
    uint64_t since;

    struct store_job *jobs;
    size_t job_count;
    _Atomic size_t jobs_left;

    enum exchange_result result;
    enum peer_fault fault;
    struct letter letter;
};

struct learn *learn_new(const struct learn_options *options)
{
    struct learn *learn = calloc(1, sizeof(*learn));

    MUST(learn != NULL);
    learn->options = *options;
    return learn;
}

void learn_free(struct learn *learn)
{
    if (!learn)
        return;
    MUST(learn->under_way == 0);
    free(learn);
}

/* ---- the end: main thread ------------------------------------------------------------------- */

static void report(struct letter *letter)
{
    struct lesson *lesson = LETTER_OWNER(letter, struct lesson, letter);
    struct learn *learn = lesson->learn;
    struct exchange_event event = {
        .kind = lesson->name[0] ? EXCHANGE_LEARNED : EXCHANGE_COMPARED,
        .from = lesson->request.server,
        .name = span_of(lesson->name),
        .result = lesson->result,
        .fault = lesson->fault,
    };

    MUST_BE(lesson, LESSON_MAGIC);
    if (!lesson->name[0] && lesson->request.result == FETCH_OK) {
        event.page.store_id = lesson->request.store_id;
        event.page.last = lesson->request.sequence_last;
        event.page.more = lesson->request.more;
        event.page.ahead = lesson->result == EXCHANGE_AHEAD;
        event.page.retry = lesson->since;
    }
    learn->under_way--;
    learn->options.report(learn->options.arg, &event);
    free(lesson->request.body);
    free(lesson->jobs);
    lesson->magic = 0;
    free(lesson);
}

static void finish(struct lesson *lesson)
{
    lesson->letter.read = report;
    mailbox_post(lesson->learn->options.mailbox, &lesson->letter);
}

/* ---- adopting: a store's thread ------------------------------------------------------------- */

/* The worst that befell any manifest is the result of the whole lesson. */
static void take_result(struct lesson *lesson)
{
    for (size_t i = 0; i < lesson->job_count; i++) {
        enum store_status status = lesson->jobs[i].status;
        if (status == STORE_AHEAD && lesson->result == EXCHANGE_DONE)
            lesson->result = EXCHANGE_AHEAD;
        else if (status != STORE_OK && status != STORE_NOT_NEWER && status != STORE_AHEAD)
            lesson->result = EXCHANGE_FAILED;
    }
    if (lesson->result == EXCHANGE_AHEAD)
        lesson->fault = PEER_AHEAD;
}

static void adopted(struct store_job *job)
{
    struct lesson *lesson = job->owner;

    MUST_BE(lesson, LESSON_MAGIC);
    if (atomic_fetch_sub(&lesson->jobs_left, 1) != 1)
        return;
    if (lesson->result != EXCHANGE_FAULTY)
        take_result(lesson);
    finish(lesson);
}

static void adopt(struct lesson *lesson)
{
    size_t count = lesson->job_count;

    if (count == 0) {
        finish(lesson);
        return;
    }
    atomic_init(&lesson->jobs_left, count);
    for (size_t i = 0; i < count; i++)
        store_submit(lesson->learn->options.store, &lesson->jobs[i]);
}

/* ---- fetched: the fetch thread -------------------------------------------------------------- */

static void blame(struct lesson *lesson, const char *what)
{
    char from[ADDRESS_TEXT_SIZE];

    lesson->result = EXCHANGE_FAULTY;
    lesson->fault = PEER_WRONG_MANIFEST;
    log_warn("%s sent a wrong manifest: %s", address_text(&lesson->request.server, from), what);
}

/* Holds one manifest against what it was asked as. False, and the blame is laid, where it is not
 * what it should be. */
static bool is_right(struct lesson *lesson, enum message_verdict verdict,
                     const struct manifest *manifest)
{
    enum name_verdict name = NAME_OK;

    if (verdict != MESSAGE_OK) {
        blame(lesson, message_verdict_sentence(verdict));
        return false;
    }
    name = name_check(span_of(manifest->name), lesson->learn->options.domain);
    if (name != NAME_OK) {
        blame(lesson, name_sentence(name));
        return false;
    }
    if (lesson->name[0] && strcmp(lesson->name, manifest->name) != 0) {
        blame(lesson, "it is another name's");
        return false;
    }
    return true;
}

/* What comes from below, or from beside, is for us to bring up: until then it is kept here. */
static bool is_to_confirm(const struct lesson *lesson)
{
    const struct routes *routes = lesson->learn->options.routes;
    mono_t now = clock_mono();
    struct route_place place = routes_place(routes, now);
    unsigned relations = routes_to(routes, now, &lesson->request.server);

    return place.follows && !(relations & ROUTE_FOLLOWED) && !route_confirms(&place, relations);
}

/* Cuts the body into manifests, a job each; those before a wrong one are still taken. */
static void read_manifests(struct lesson *lesson)
{
    struct span rest = {lesson->request.body, lesson->request.body_len}, one;
    size_t most = lesson->name[0] ? 1 : PAGE_MANIFESTS_MAX;
    struct manifest manifest;
    bool unconfirmed = is_to_confirm(lesson);

    lesson->jobs = calloc(most, sizeof(*lesson->jobs));
    MUST(lesson->jobs != NULL);
    while (rest.len > 0) {
        enum message_verdict verdict = manifest_read_next(&rest, &manifest, &one);
        struct store_job *job = &lesson->jobs[lesson->job_count];
        if (!is_right(lesson, verdict, &manifest))
            return;
        if (lesson->job_count == most) {
            blame(lesson, "more came than was asked for");
            return;
        }
        *job = (struct store_job){.kind = STORE_ADOPT,
                                  .text = one,
                                  .unconfirmed = unconfirmed,
                                  .done = adopted,
                                  .owner = lesson};
        lesson->job_count++;
    }
    if (lesson->name[0] && lesson->job_count == 0)
        blame(lesson, "it is empty");
}

/* It could not be had; what it said was not wrong. */
static bool is_only_down(enum peer_fault fault)
{
    return fault == PEER_UNREACHABLE || fault == PEER_REFUSES || fault == PEER_SILENT;
}

static void fetched(struct fetch_request *request)
{
    struct lesson *lesson = request->owner;

    MUST_BE(lesson, LESSON_MAGIC);
    switch (request->result) {
    case FETCH_OK:
        lesson->result = EXCHANGE_DONE;
        read_manifests(lesson);
        break;
    case FETCH_FAULT:
        lesson->fault = request->fault;
        lesson->result = is_only_down(request->fault) ? EXCHANGE_FAILED : EXCHANGE_FAULTY;
        break;
    default:
        lesson->result = EXCHANGE_FAILED;
        break;
    }
    adopt(lesson);
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

void learn_page(struct learn *learn, const struct address *http, uint64_t store_id, uint64_t since)
{
    struct lesson *lesson = lesson_new(learn, http, PAGE_MAX);
    struct text target = TEXT_OVER(lesson->request.target);
    struct store_head own;

    lesson->since = since;
    store_head(learn->options.store, &own);
    text_printf(&target,
                "/.pond/catalogue?store=%016" PRIx64 "&since=%" PRIu64 "&digest=", store_id, since);
    text_hex(&target, own.digest.bytes, sizeof(own.digest.bytes)); /* the same: nothing to send */
    stat_add(STAT_COMPARISONS, 1);
    fetch_submit(learn->options.fetch, &lesson->request);
}
