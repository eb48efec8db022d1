/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/fetch_inner.h"
#include "src/frames.h"

/*
 * Small contents that wait for the same server go together in one request (src/frames.h). Nobody
 * waits for company: while nothing is under way to a server, what is asked for in one turn of the
 * loop goes at its end; what comes meanwhile goes when that is over, or after BATCH_PATIENCE_NS at
 * the latest, however slow it is. So the more there is to do, the less each costs.
 *
 * What a batch does not bring is asked for alone, and gets its own, signed answer: what the server
 * lacks, where it sends us, what it fetches for too long. A server that does not know batches is
 * asked for single contents for a while.
 */
#define BATCH_PATIENCE_NS MONO_MS(2)
#define BATCH_PLAIN_NS MONO_S(300)

struct batch {
    unsigned magic;
    struct fetch *fetch;
    struct batch *next;    /* in fetch->batches */
    struct ev_timer timer; /* while it waits */
    bool under_way;
    bool framed;        /* by `request`; else its one member is asked for alone */
    size_t count, left; /* of members that were, and that are */
    struct transfer *members[FRAMES_MAX];
    struct digest sums[FRAMES_MAX]; /* theirs, also of who is not here any more */
    bool awaited[FRAMES_MAX];       /* asked for, and its frame has not come */
    struct transfer *now;           /* whose bytes come in; NULL: nobody's who is still here */
    struct frames frames;
    struct fetch_request request;
};

/* ---- which there are ------------------------------------------------------------------------ */

/* What goes together comes through the same nodes: Via tells of circles. */
static bool is_like(const struct batch *batch, const struct fetch_request *request)
{
    return address_same(&batch->request.server, &request->server) &&
           strcmp(batch->request.via, request->via) == 0;
}

/* The one that waits, and whether others are under way. */
static struct batch *find(struct fetch *fetch, const struct fetch_request *request, bool *under_way)
{
    struct batch *waiting = NULL;

    *under_way = false;
    for (struct batch *batch = fetch->batches; batch; batch = batch->next) {
        if (!is_like(batch, request))
            continue;
        if (batch->under_way)
            *under_way = true;
        else
            waiting = batch;
    }
    return waiting;
}

static struct fetch_plain *find_plain(struct fetch *fetch, const struct address *server)
{
    for (size_t i = 0; i < FETCH_PLAIN_MAX; i++) {
        if (address_same(&fetch->plain[i].server, server))
            return &fetch->plain[i];
    }
    return NULL;
}

static bool is_plain(struct fetch *fetch, const struct address *server)
{
    const struct fetch_plain *plain = find_plain(fetch, server);

    return plain && !mono_reached(clock_mono(), plain->until);
}

/* In the place of the longest known, where there is none. */
static void note_plain(struct fetch *fetch, const struct address *server)
{
    struct fetch_plain *plain = find_plain(fetch, server);

    if (!plain)
        plain = &fetch->plain[fetch->plain_next++ % FETCH_PLAIN_MAX];
    plain->server = *server;
    plain->until = mono_after(clock_mono(), BATCH_PLAIN_NS);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events);

static struct batch *batch_new(struct fetch *fetch, const struct fetch_request *like)
{
    struct batch *batch = malloc(sizeof(*batch));

    MUST(batch != NULL);
    memset(batch, 0, sizeof(*batch));
    batch->magic = BATCH_MAGIC;
    batch->fetch = fetch;
    batch->request.server = like->server;
    memcpy(batch->request.via, like->via, sizeof(like->via));
    ev_init(&batch->timer, on_timer);
    batch->timer.data = batch;
    batch->next = fetch->batches;
    fetch->batches = batch;
    return batch;
}

/* In `after_ns`; 0: when this turn of the loop is over. */
static void go_later(struct batch *batch, int64_t after_ns)
{
    struct ev_loop *loop = batch->fetch->loop;

    ev_timer_stop(loop, &batch->timer);
    ev_now_update(loop);
    ev_timer_set(&batch->timer, (double)after_ns / 1e9, 0.);
    ev_timer_start(loop, &batch->timer);
}

/* It is over: who waits goes on. */
static void batch_free(struct batch *batch)
{
    struct fetch *fetch = batch->fetch;
    struct batch **at = &fetch->batches, *waiting;
    bool under_way;

    ev_timer_stop(fetch->loop, &batch->timer);
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    waiting = find(fetch, &batch->request, &under_way);
    if (waiting && !under_way)
        go_later(waiting, 0);
    batch->magic = 0;
    free(batch);
}

/* ---- the members ---------------------------------------------------------------------------- */

static void let_go(struct batch *batch, struct transfer *member)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->members[i] == member)
            batch->members[i] = NULL;
    }
    if (batch->now == member)
        batch->now = NULL;
    member->batch = NULL;
    batch->left--;
}

void batch_leave(struct transfer *member)
{
    struct batch *batch = member->batch;

    MUST_BE(batch, BATCH_MAGIC);
    let_go(batch, member);
    if (batch->left == 0 && !batch->framed) /* else its own request is yet to end */
        batch_free(batch);
}

/* By a letter: it may be called where curl must not be. */
static void ask_alone(struct batch *batch, struct transfer *member)
{
    let_go(batch, member);
    transfer_unlink(member);
    member->alone = true;
    mailbox_post(batch->fetch->mailbox, &member->letter);
}

/* Its place; `count`: it never was among them. */
static size_t find_place(const struct batch *batch, const struct digest *sha256)
{
    size_t i = 0;

    while (i < batch->count && !digest_same(&batch->sums[i], sha256))
        i++;
    return i;
}

/* ---- what comes back ------------------------------------------------------------------------ */

/* False: nobody asked for it, or it has come already. One of another length than it should have is
 * as good as none: its manifest may be what is wrong. */
static bool take_frame(struct batch *batch)
{
    const struct frame *frame = &batch->frames.frame;
    size_t place = find_place(batch, &frame->sha256);
    struct transfer *member;

    batch->now = NULL;
    if (place == batch->count || !batch->awaited[place])
        return false;
    batch->awaited[place] = false;
    member = batch->members[place];
    if (!member)
        return true; /* nobody waits for it any more */
    if (frame->status != 200 || frame->len != member->request->total) {
        ask_alone(batch, member);
        return true;
    }
    member->request->answered = batch->request.answered;
    batch->now = member;
    return true;
}

static void take_part(struct batch *batch, struct span part)
{
    struct transfer *member = batch->now;
    struct fetch_request *request;
    bool good;

    if (!member || member->cancelled)
        return;
    request = member->request;
    good = request->take(request, part.at, part.len);
    if (member->cancelled)
        return; /* by what it took: the reaper ends it */
    if (!good)
        transfer_finish(member, (struct fetch_verdict){FETCH_FAULT, request->fault,
                                                       "its body is not what it should be"});
    else if (batch->frames.left == 0)
        transfer_finish(member, (struct fetch_verdict){FETCH_OK, PEER_FINE, ""});
}

static bool take_bytes(struct fetch_request *request, const void *bytes, size_t len)
{
    struct batch *batch = request->owner;
    struct span rest = {bytes, len}, part;

    MUST_BE(batch, BATCH_MAGIC);
    request->fault = PEER_WRONG_ANSWER;
    for (;;) {
        switch (frames_read(&batch->frames, &rest, &part)) {
        case FRAMES_MORE:
            return true;
        case FRAMES_FRAME:
            if (!take_frame(batch))
                return false;
            break;
        case FRAMES_BYTES:
            take_part(batch, part);
            break;
        case FRAMES_WRONG:
            return false;
        }
    }
}

/* It has not heard of batches, or has other ideas of them. */
static bool is_not_understood(const struct fetch_request *request)
{
    switch (request->status) {
    case 400:
    case 404:
    case 405:
        return true;
    case 200:
        return request->result == FETCH_FAULT &&
               (request->fault == PEER_WRONG_ANSWER || request->fault == PEER_ENDLESS_BODY);
    default:
        return false;
    }
}

/* Does it say something of each, and not of the batch or the server? */
static bool is_to_be_asked_alone(const struct fetch_request *request)
{
    return request->result == FETCH_OK || request->result == FETCH_NOT_FOUND ||
           (request->result == FETCH_FAULT &&
            (request->fault == PEER_WRONG_ANSWER || request->fault == PEER_ENDLESS_BODY));
}

/* What befell the batch befell what it has not brought. */
static void finish_with_batch(struct batch *batch, struct transfer *member)
{
    const struct fetch_request *request = &batch->request;

    member->told = true;
    member->request->answered = request->answered;
    member->request->retry_after_s = request->retry_after_s;
    transfer_finish(member, (struct fetch_verdict){request->result, request->fault, ""});
}

static void batch_done(struct fetch_request *request)
{
    struct batch *batch = request->owner;
    bool alone = is_to_be_asked_alone(request);

    MUST_BE(batch, BATCH_MAGIC);
    if (is_not_understood(request))
        note_plain(batch->fetch, &request->server);
    for (size_t i = 0; i < batch->count; i++) {
        struct transfer *member = batch->members[i];
        if (!member)
            continue;
        if (!alone)
            finish_with_batch(batch, member);
        else if (batch->now == member)
            transfer_finish(member, (struct fetch_verdict){FETCH_FAULT, PEER_SHORT_BODY,
                                                           "its frame breaks off"});
        else
            ask_alone(batch, member);
    }
    MUST(batch->left == 0);
    batch_free(batch);
}

/* ---- the way there -------------------------------------------------------------------------- */

static void write_target(struct batch *batch)
{
    struct text target = TEXT_OVER(batch->request.target);
    bool first = true;

    text_puts(&target, FRAMES_PATH "?" FRAMES_ARG);
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->members[i])
            continue;
        if (!first)
            text_putc(&target, ',');
        text_hex(&target, batch->sums[i].bytes, sizeof(struct digest));
        batch->awaited[i] = true;
        first = false;
    }
    MUST(!target.full);
}

/* Things may have changed since it was submitted. */
static void begin(struct transfer *transfer)
{
    if (transfer_admit(transfer))
        transfer_begin(transfer);
    else
        transfer_finish(transfer, (struct fetch_verdict){FETCH_BARRED, PEER_REFUSES, ""});
}

static void go_framed(struct batch *batch)
{
    struct fetch_request *request = &batch->request;

    write_target(batch);
    frames_begin(&batch->frames);
    request->content = request->framed = true;
    request->most = (FRAME_LINE_MAX + FRAME_CONTENT_MAX) * batch->left;
    request->take = take_bytes;
    request->done = batch_done;
    request->owner = batch;
    batch->framed = true;
    begin(fetch_transfer(batch->fetch, request));
}

static void go_alone(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->members[i]) {
            begin(batch->members[i]); /* and batch with it may be gone after this */
            return;
        }
    }
}

/* It may be over, and gone, after this. */
static void go(struct batch *batch)
{
    MUST(batch->left > 0 && !batch->under_way);
    ev_timer_stop(batch->fetch->loop, &batch->timer);
    batch->under_way = true;
    if (batch->left > 1)
        go_framed(batch);
    else
        go_alone(batch);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct batch *batch = timer->data;

    (void)loop, (void)events;
    MUST_BE(batch, BATCH_MAGIC);
    go(batch);
}

bool batch_take(struct transfer *transfer)
{
    struct fetch *fetch = transfer->fetch;
    const struct fetch_request *request = transfer->request;
    struct batch *batch;
    bool under_way;

    if (!request->whole || transfer->alone || is_plain(fetch, &request->server))
        return false;
    MUST(request->take && request->total > 0 && request->total <= FRAME_CONTENT_MAX);
    batch = find(fetch, request, &under_way);
    if (batch && find_place(batch, request->whole) < batch->count)
        return false; /* a list has each sum once */
    if (!batch) {
        batch = batch_new(fetch, request);
        go_later(batch, under_way ? BATCH_PATIENCE_NS : 0);
    }
    batch->sums[batch->count] = *request->whole;
    batch->members[batch->count++] = transfer;
    batch->left++;
    transfer->batch = batch;
    transfer_link(transfer);
    if (batch->count == FRAMES_MAX)
        go(batch);
    return true;
}
