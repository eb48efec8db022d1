/* SPDX-License-Identifier: ISC */
#include "src/isconf_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include "src/base/must.h"
#include "src/clock.h"

enum { ISCONF_FILE_MAGIC = 0x69736366 };

/* From the request to the report. */
struct getting {
    unsigned magic;
    struct isconf_file_options options;
    struct fetch_request request;
    char name[NAME_SIZE];
    struct draft *draft; /* NULL: none yet, or the store has it */
    struct store_job job;
    enum exchange_result result;
    enum peer_fault fault;
    struct letter letter;
};

/* ---- the end: main thread ------------------------------------------------------------------- */

static void report(struct letter *letter)
{
    struct getting *getting = LETTER_OWNER(letter, struct getting, letter);

    MUST_BE(getting, ISCONF_FILE_MAGIC);
    getting->options.done(getting->options.arg, getting->result, getting->fault);
    getting->magic = 0;
    free(getting);
}

static void finish(struct getting *getting, enum exchange_result result, enum peer_fault fault)
{
    if (getting->draft)
        draft_drop(getting->draft);
    getting->result = result;
    getting->fault = fault;
    getting->letter.read = report;
    mailbox_post(getting->options.mailbox, &getting->letter);
}

/* ---- into the store: the fetch thread; then a thread of the store's -------------------------- */

static void entered(struct store_job *job)
{
    struct getting *getting = job->owner;
    bool good = job->status == STORE_OK || job->status == STORE_NOT_NEWER;

    MUST_BE(getting, ISCONF_FILE_MAGIC);
    finish(getting, good ? EXCHANGE_DONE : EXCHANGE_FAILED, PEER_FINE);
}

static void enter(struct getting *getting)
{
    getting->job.kind = STORE_TAKE;
    getting->job.manifest.mtime_ns = getting->request.modified * MONO_S(1);
    MUST(span_copy(span_of(getting->name), getting->job.manifest.name,
                   sizeof(getting->job.manifest.name)));
    getting->job.draft = getting->draft;
    getting->job.done = entered;
    getting->job.owner = getting;
    getting->draft = NULL;
    store_submit(getting->options.store, &getting->job);
}

/* What it announces is not waited for in vain. */
static bool is_too_large(const struct getting *getting)
{
    uint64_t length = getting->request.length, room = store_room(getting->options.store);
    char server[ADDRESS_TEXT_SIZE];
    uint64_t missed;

    if (length <= room)
        return false;
    if (log_flood_pass(getting->options.refused, clock_mono(), &missed))
        log_warn("%s: /%s is not fetched: of its %" PRIu64 " bytes at most %" PRIu64
                 " find room here; see cache_size, and what is free on the disk (%" PRIu64
                 " more were not logged)",
                 address_text(&getting->options.server, server), getting->name, length, room,
                 missed);
    return true;
}

static bool has_draft(struct getting *getting)
{
    if (!getting->draft && is_too_large(getting))
        return false;
    return getting->draft || draft_begin(getting->options.store, 0, &getting->draft) == STORE_OK;
}

static bool take(struct fetch_request *request, const void *bytes, size_t len)
{
    struct getting *getting = request->owner;

    MUST_BE(getting, ISCONF_FILE_MAGIC);
    request->fault = PEER_FINE; /* it is ours, if there is one */
    if (!has_draft(getting))
        return false;
    if (len > request->length - draft_size(getting->draft)) { /* it comes in chunks of HTTP's */
        request->fault = PEER_ENDLESS_BODY;
        return false;
    }
    return draft_write(getting->draft, bytes, len) == STORE_OK;
}

static void fetched(struct fetch_request *request)
{
    struct getting *getting = request->owner;
    bool wrong = request->result == FETCH_FAULT && request->fault != PEER_FINE &&
                 !peer_fault_is_absence(request->fault);

    MUST_BE(getting, ISCONF_FILE_MAGIC);
    if (request->result == FETCH_OK && has_draft(getting) &&
        draft_finish(getting->draft) == STORE_OK)
        enter(getting);
    else
        finish(getting, wrong ? EXCHANGE_FAULTY : EXCHANGE_FAILED,
               request->result == FETCH_FAULT ? request->fault : PEER_FINE);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void write_challenge(struct fetch_request *request)
{
    uint8_t random[(FETCH_CHALLENGE_SIZE - 1) / 2];
    struct text challenge = TEXT_OVER(request->challenge);

    MUST(getrandom(random, sizeof(random), 0) == sizeof(random));
    text_hex(&challenge, random, sizeof(random));
    MUST(!challenge.full);
}

void isconf_file_get(const struct isconf_file_options *options)
{
    struct getting *getting = calloc(1, sizeof(*getting));
    struct fetch_request *request;
    struct text target;

    MUST(getting != NULL);
    getting->magic = ISCONF_FILE_MAGIC;
    getting->options = *options;
    MUST(span_copy(options->name, getting->name, sizeof(getting->name)));
    request = &getting->request;
    target = TEXT_OVER(request->target);
    write_challenge(request);
    name_to_target(options->name, &target);
    text_printf(&target, "?challenge=%s", request->challenge);
    MUST(!target.full);
    request->server = options->server;
    request->stay = true;
    request->content = true;
    request->of = getting->name;
    request->most = INT64_MAX;
    request->take = take;
    request->done = fetched;
    request->owner = getting;
    fetch_submit(options->fetch, request);
}
