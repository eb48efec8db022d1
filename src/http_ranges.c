/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/http_reply.h"
#include "src/workers.h"

/*
 * The digests of ranges of names, /.pond/ranges: see http_catalogue.c. Each takes a walk over all
 * that lies in the range, a second for a million names; and so does a page of names where most are
 * kept from the asker. So it is done on a thread of its own, one after the other; who asks for what
 * is under way waits with who asked first, and what was made is kept while the catalogue stays as
 * it is. A host has few of them, so that the others' turn comes.
 *
 * No page ends sooner because many names are kept back: where it ended would tell, to who puts
 * names in between, what these are.
 *
 * What was made before a change serves nobody who asks for the digests of a part: they would differ
 * from what he sums up himself. The whole and pages of names serve twice as long as they took, so
 * that who had to be told to ask again finds them: each tells the head before it was begun, and
 * what changed since the oldest of these is asked for in the end.
 */
enum {
    RANGES_MAGIC = 0x726e6773,
    WAITER_MAGIC = 0x77616974,
    RANGES_PARTS_MAX = 256,
    RANGES_LINE = NAME_SIZE + 96,
    RANGES_KEPT_MAX = 64, /* under way, and made */
    RANGES_HOST_MAX = 4,  /* of these, begun for one host, */
    RANGES_HOST_BUSY = 2  /* and of these, not over */
};

struct waiter;

/* One walk and what it brought. Guarded by ranges.lock; the page is the thread's until it is over.
 */
struct walk {
    unsigned magic;
    struct ranges *ranges;
    struct task task;
    struct bounds bounds;
    uint64_t parts;             /* 0: it is for a page of names */
    struct share share;         /* for whom it was begun, */
    struct request_sight sight; /* and what may be seen by these */
    const struct store_sight *seen;
    struct waiter *waiting;
    bool begun;
    bool left; /* by all who waited, before it was begun: nobody joins it any more */
    bool over;
    mono_t asked, ended;
    struct store_head head; /* before it was begun */
    enum store_status status;
    struct text page;
    bool more; /* names that did not fit into it */
    struct walk *next;
};

/* A request that waits for one, or is about to read it. */
struct waiter {
    unsigned magic;
    struct walk *walk;
    struct request *request;
    struct waiter *next, **link;
};

struct ranges {
    struct store *store;
    struct workers *workers;
    pthread_mutex_t lock; /* guards the rest */
    bool stopping;
    size_t count;
    struct walk *first; /* the newest one */
};

struct ranges *ranges_new(struct http *http)
{
    struct ranges *ranges = calloc(1, sizeof(*ranges));

    MUST(ranges != NULL);
    ranges->store = http->options.world.store;
    ranges->workers = workers_new(1);
    MUST(pthread_mutex_init(&ranges->lock, NULL) == 0);
    return ranges;
}

static void drop(struct ranges *ranges, struct walk **place)
{
    struct walk *walk = *place;

    MUST_BE(walk, RANGES_MAGIC);
    MUST(walk->over && !walk->waiting);
    *place = walk->next;
    ranges->count--;
    walk->magic = 0;
    free(walk->page.at);
    free(walk);
}

void ranges_stop(struct ranges *ranges)
{
    pthread_mutex_lock(&ranges->lock);
    ranges->stopping = true;
    pthread_mutex_unlock(&ranges->lock);
}

void ranges_free(struct ranges *ranges)
{
    workers_free(ranges->workers);
    while (ranges->first)
        drop(ranges, &ranges->first);
    pthread_mutex_destroy(&ranges->lock);
    free(ranges);
}

/* ---- on its thread --------------------------------------------------------------------------- */

static void add_range(void *arg, const struct store_range *range)
{
    struct text *page = arg;
    char hex[DIGEST_HEX_SIZE];

    text_printf(page, "%" PRIu64 " %s ", range->count, digest_hex(&range->digest, hex));
    text_add(page, range->first.at, range->first.len);
    text_putc(page, '\n');
}

/* Where somebody waits for it. Once begun it is brought to its end, for whoever asks the same next:
 * one that takes longer than anybody waits would else never be had. */
static bool begin_walk(struct walk *walk)
{
    struct ranges *ranges = walk->ranges;
    bool wanted;

    pthread_mutex_lock(&ranges->lock);
    wanted = walk->waiting && !ranges->stopping;
    if (wanted)
        store_head(ranges->store, &walk->head);
    walk->begun = true;
    walk->left = !wanted;
    pthread_mutex_unlock(&ranges->lock);
    return wanted;
}

static bool is_stopping(struct ranges *ranges)
{
    bool stopping;

    pthread_mutex_lock(&ranges->lock);
    stopping = ranges->stopping;
    pthread_mutex_unlock(&ranges->lock);
    return stopping;
}

static void end(struct walk *walk, enum store_status status)
{
    struct ranges *ranges = walk->ranges;

    pthread_mutex_lock(&ranges->lock);
    walk->status = status;
    walk->ended = clock_mono();
    walk->over = true;
    for (struct waiter *waiter = walk->waiting; waiter; waiter = waiter->next)
        request_wake(waiter->request);
    pthread_mutex_unlock(&ranges->lock);
}

static enum store_status sum_ranges(struct walk *walk)
{
    size_t size = walk->parts * RANGES_LINE;

    walk->page = catalogue_page(size);
    return store_ranges(walk->ranges->store, walk->seen, span_of(walk->bounds.from),
                        span_of(walk->bounds.to), walk->parts, add_range, &walk->page);
}

static enum store_status list_names(struct walk *walk)
{
    char at[NAME_SIZE], next[NAME_SIZE];
    enum store_status status;

    walk->page = catalogue_page(CATALOGUE_PAGE);
    memcpy(next, walk->bounds.from, sizeof(next));
    do {
        memcpy(at, next, sizeof(at));
        status = store_range_page(walk->ranges->store, walk->seen, span_of(at),
                                  span_of(walk->bounds.to), &walk->page, next, &walk->more);
    } while (status == STORE_OK && *next && !walk->more && !is_stopping(walk->ranges));
    return status == STORE_OK && *next && !walk->more ? STORE_STOPPED : status;
}

static void work(struct task *task)
{
    struct walk *walk = TASK_OWNER(task, struct walk, task);
    enum store_status status = STORE_STOPPED;

    MUST_BE(walk, RANGES_MAGIC);
    if (begin_walk(walk)) {
        status = walk->parts ? sum_ranges(walk) : list_names(walk);
        walk->page.at = realloc(walk->page.at, walk->page.len + 1); /* it may be kept for long */
        MUST(walk->page.at != NULL);
    }
    end(walk, status);
}

/* ---- which one: with the lock held ----------------------------------------------------------- */

static bool is_for_same_host(const struct share *a, const struct share *b)
{
    const struct address *one = share_host(a), *other = share_host(b);

    return one && other ? address_same_host(one, other) : one == other;
}

static bool is_of(const struct walk *walk, const struct bounds *bounds, uint64_t parts,
                  const struct request_sight *sight)
{
    return walk->parts == parts && gate_sight_same(&walk->sight.gate, &sight->gate) &&
           strcmp(walk->bounds.from, bounds->from) == 0 && strcmp(walk->bounds.to, bounds->to) == 0;
}

/* Is it, or will it be, new enough? */
static bool is_new(const struct walk *walk, const struct store_head *now)
{
    bool lasts = !walk->parts || (!*walk->bounds.from && !*walk->bounds.to);

    if (!walk->begun)
        return true;
    if (walk->left || walk->head.store_id != now->store_id ||
        (walk->over && walk->status != STORE_OK))
        return false;
    return digest_same(&walk->head.digest, &now->digest) ||
           (lasts && (!walk->over || mono_between(walk->ended, clock_mono()) <
                                         2 * mono_between(walk->asked, walk->ended)));
}

/* Drops the oldest one that nobody needs: of the host, or of all (NULL). */
static bool make_room(struct ranges *ranges, const struct share *share)
{
    struct walk **found = NULL;

    for (struct walk **place = &ranges->first; *place; place = &(*place)->next) {
        if ((*place)->over && !(*place)->waiting &&
            (!share || is_for_same_host(&(*place)->share, share)))
            found = place;
    }
    if (found)
        drop(ranges, found);
    return found != NULL;
}

static bool has_room(struct ranges *ranges, const struct share *share)
{
    size_t of_host = 0, busy = 0;

    for (const struct walk *walk = ranges->first; walk; walk = walk->next) {
        if (is_for_same_host(&walk->share, share)) {
            of_host++;
            busy += !walk->over;
        }
    }
    if (busy >= RANGES_HOST_BUSY)
        return false;
    if (of_host >= RANGES_HOST_MAX)
        return make_room(ranges, share);
    return ranges->count < RANGES_KEPT_MAX || make_room(ranges, NULL);
}

/* NULL: there is no room for one more. */
static struct walk *walk_new(struct ranges *ranges, struct request *r, const struct bounds *bounds,
                             uint64_t parts)
{
    struct walk *walk;

    if (ranges->stopping || !has_room(ranges, &r->share))
        return NULL;
    walk = calloc(1, sizeof(*walk));
    MUST(walk != NULL);
    walk->magic = RANGES_MAGIC;
    walk->ranges = ranges;
    walk->task.work = work;
    walk->bounds = *bounds;
    walk->parts = parts;
    walk->share = r->share;
    walk->seen = request_sight(r, &walk->sight);
    walk->asked = clock_mono();
    walk->next = ranges->first;
    ranges->first = walk;
    ranges->count++;
    workers_post(ranges->workers, &walk->task);
    return walk;
}

static struct waiter *wait_for(struct walk *walk, struct request *r)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    MUST(waiter != NULL);
    *waiter = (struct waiter){WAITER_MAGIC, walk, r, walk->waiting, &walk->waiting};
    if (waiter->next)
        waiter->next->link = &waiter->next;
    walk->waiting = waiter;
    return waiter;
}

/* ---- the request: on its worker -------------------------------------------------------------- */

static void leave(void *work)
{
    struct waiter *waiter = work;
    struct ranges *ranges = waiter->walk->ranges;

    MUST_BE(waiter, WAITER_MAGIC);
    pthread_mutex_lock(&ranges->lock);
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    pthread_mutex_unlock(&ranges->lock);
    waiter->magic = 0;
    free(waiter);
}

static struct waiter *enter(struct request *r, const struct bounds *bounds, uint64_t parts,
                            const struct store_head *now)
{
    struct ranges *ranges = r->http->ranges;
    struct waiter *waiter = NULL;
    struct request_sight sight;
    struct walk *walk;

    (void)request_sight(r, &sight);
    pthread_mutex_lock(&ranges->lock);
    walk = ranges->first;
    while (walk && !(is_of(walk, bounds, parts, &sight) && is_new(walk, now)))
        walk = walk->next;
    if (!walk)
        walk = walk_new(ranges, r, bounds, parts);
    if (walk)
        waiter = wait_for(walk, r);
    pthread_mutex_unlock(&ranges->lock);
    return waiter;
}

/* What is over does not change any more. */
static enum step send_walk(struct request *r, const struct walk *walk)
{
    struct text page = catalogue_page(walk->page.len + 1);

    if (walk->status == STORE_OK)
        text_add(&page, walk->page.at, walk->page.len);
    return catalogue_send(r, &walk->head, walk->status, &page, walk->head.sequence, walk->more);
}

enum step ranges_await(struct request *r)
{
    const struct waiter *waiter = r->work;
    bool over;

    MUST_BE(waiter, WAITER_MAGIC);
    pthread_mutex_lock(&r->http->ranges->lock);
    over = waiter->walk->over;
    pthread_mutex_unlock(&r->http->ranges->lock);
    if (over)
        return send_walk(r, waiter->walk);
    if (!request_is_late(r))
        return STEP_WAIT;
    return reply_refuse(r, 503, "this node's catalogue is still being looked through");
}

static enum step begin_wait(struct request *r, const struct bounds *bounds, uint64_t parts,
                            const struct store_head *now)
{
    r->work = enter(r, bounds, parts, now);
    if (!r->work)
        return reply_refuse(
            r, 503, "this node looks through its catalogue for as many as it can at a time");
    r->work_end = leave;
    request_answer_soon(r);
    return ranges_await(r);
}

enum step ranges_names(struct request *r, const struct bounds *bounds, const struct store_head *now)
{
    return begin_wait(r, bounds, 0, now);
}

enum step ranges_step(struct request *r)
{
    struct bounds bounds;
    struct store_head head;
    uint64_t parts;
    enum step step;

    if (r->work)
        return ranges_await(r);
    if (!catalogue_may_show(r, &step) || !catalogue_bounds(r, &bounds, &step))
        return step;
    if (!request_arg_u64(r, "parts", &parts) || parts == 0 || parts > RANGES_PARTS_MAX)
        return reply_refuse(r, 400, "parts= is a number from 1 to 256");
    store_head(r->http->options.world.store, &head);
    if (catalogue_is_same(r, &head)) {
        struct text page = catalogue_page(1);
        return catalogue_send(r, &head, STORE_OK, &page, head.sequence, false);
    }
    return begin_wait(r, &bounds, parts, &head);
}
