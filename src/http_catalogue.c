/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/http_reply.h"

/*
 * The catalogue, for other nodes. Who knows a position in it asks for what changed since:
 * /.pond/catalogue?store=ID&since=SEQUENCE. Who does not compares by digests of ranges of names,
 * /.pond/ranges?from=NAME&to=NAME&parts=N, a line of count, digest and first name each, and asks
 * for what is in those that differ: /.pond/catalogue?from=NAME&to=NAME. An empty `from` or `to` is
 * the beginning or the end of all (http_ranges.c). With digest=, its own head's, nothing is sent to
 * who knows all.
 *
 * What the rules of the gate keep from the asker is left out of all of these, as if it were not
 * there; the head is that of all. A page for which too many of those are to be passed over is made
 * as ranges are (http_ranges.c), and not on the worker.
 *
 * Each answer begins where the head stood before it was made, and tells that as Pond-Last: what
 * changes meanwhile has a sequence behind it, and is asked for next time. Pond-Touch is
 * the two times of store_touch, in milliseconds since 1970: whoever was away forgets what is not in
 * this catalogue. It shows its own to nobody but those who follow it before: what was removed would
 * come back.
 */
static const char text_body[] = "text/plain; charset=utf-8";

/* Store ids are written as 16 hexadecimal digits. */
static bool store_arg(const struct request *r, uint64_t *out)
{
    char text[32] = "";
    uint8_t bytes[sizeof(*out)];

    *out = 0;
    if (!request_arg(r, "store", text, sizeof(text)))
        return true;
    if (!span_hex(span_of(text), bytes, sizeof(bytes)))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *out = *out << 8 | bytes[i];
    return true;
}

static void add_position(struct reply *reply, const struct store_head *head, uint64_t last,
                         bool more)
{
    char hex[DIGEST_HEX_SIZE], id[20], times[48];
    struct store_touch touch;

    store_touch(reply->request->http->options.world.store, &touch);

    snprintf(id, sizeof(id), "%016" PRIx64, head->store_id);
    reply_add(reply, "Pond-Store", id);
    reply_add_u64(reply, "Pond-Sequence", head->sequence);
    reply_add(reply, "Pond-Head", digest_hex(&head->digest, hex));
    reply_add_u64(reply, "Pond-Last", last);
    reply_add(reply, "Pond-More", more ? "1" : "0");
    snprintf(times, sizeof(times), "%" PRId64 " %" PRId64, touch.whole.ms, touch.last.ms);
    reply_add(reply, "Pond-Touch", times);
}

bool catalogue_is_same(const struct request *r, const struct store_head *head)
{
    char hex[DIGEST_HEX_SIZE];
    struct digest digest;

    return request_arg(r, "digest", hex, sizeof(hex)) && digest_parse(span_of(hex), &digest) &&
           digest_same(&digest, &head->digest);
}

enum step catalogue_send(struct request *r, const struct store_head *head, enum store_status status,
                         struct text *page, uint64_t last, bool more)
{
    struct reply reply;

    if (status != STORE_OK) {
        free(page->at);
        return reply_store(r, status);
    }
    reply_begin(&reply, r, MHD_HTTP_OK);
    add_position(&reply, head, last, more);
    return reply_memory(&reply, text_body, page->at, page->len);
}

bool catalogue_may_show(struct request *r, enum step *step)
{
    struct store_touch touch;

    store_touch(r->http->options.world.store, &touch);
    if (!touch.away || r->own_host || r->relations & ROUTE_LED)
        return true;
    *step = reply_refuse(r, 503,
                         "this node was away for longer than removals are known: it takes its "
                         "master's catalogue first");
    return false;
}

struct text catalogue_page(size_t size)
{
    char *memory = malloc(size);

    MUST(memory != NULL);
    return text_over(memory, size);
}

static enum step send_changes(struct request *r, const struct store_head *head)
{
    struct store *store = r->http->options.world.store;
    struct request_sight sight;
    uint64_t store_id, since, last = head->sequence;
    enum store_status status = STORE_OK;
    bool more = false;
    struct text page;

    if (!store_arg(r, &store_id) || !request_arg_u64(r, "since", &since))
        return reply_refuse(r, 400, "store= is 16 hexadecimal digits, and since= is a number");
    page = catalogue_page(CATALOGUE_PAGE);
    if (!catalogue_is_same(r, head))
        status = store_changes(store, request_sight(r, &sight),
                               store_id == head->store_id ? since : 0, &page, &last, &more);
    return catalogue_send(r, head, status, &page, last, more);
}

/* ---- by names -------------------------------------------------------------------------------- */

bool catalogue_bounds(struct request *r, struct bounds *bounds, enum step *step)
{
    if (request_arg(r, "from", bounds->from, sizeof(bounds->from)) &&
        request_arg(r, "to", bounds->to, sizeof(bounds->to)))
        return true;
    *step = reply_refuse(r, 400, "from= and to= are whole names, or empty");
    return false;
}

static enum step send_names(struct request *r, const struct store_head *head)
{
    struct request_sight sight;
    struct text page;
    struct bounds bounds;
    char next[NAME_SIZE];
    enum store_status status;
    enum step step;
    bool full;

    if (!catalogue_bounds(r, &bounds, &step))
        return step;
    page = catalogue_page(CATALOGUE_PAGE);
    status = store_range_page(r->http->options.world.store, request_sight(r, &sight),
                              span_of(bounds.from), span_of(bounds.to), &page, next, &full);
    if (status == STORE_OK && *next && !full) {
        free(page.at);
        return ranges_names(r, &bounds, head);
    }
    return catalogue_send(r, head, status, &page, head->sequence, full);
}

enum step catalogue_step(struct request *r)
{
    struct store_head head;
    enum step step;

    if (r->work)
        return ranges_await(r);
    if (!catalogue_may_show(r, &step))
        return step;
    store_head(r->http->options.world.store, &head);
    return request_has_arg(r, "from") ? send_names(r, &head) : send_changes(r, &head);
}
