/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/http_reply.h"

/*
 * GETs of small objects that are asked for again and again, answered from memory. A request gets
 * here once the gate has let it in, and goes on to http_object.c where it wants anything but the
 * whole of the newest version, or where nothing is kept that is surely still right.
 *
 * What is kept shows a version that was the newest of its name, and held, at some edition of the
 * store. As long as that edition lasts nothing can have changed. After it the catalogue is asked:
 * once for each edition, or each time while one is being made.
 */

enum { HOT_HEAD_SIZE = 2048 /* what an answer takes beside its content, at most */ };

/* A request that another answer might be due to than to one without these. */
static bool has_conditions(const struct request *r)
{
    static const char *const headers[] = {
        MHD_HTTP_HEADER_RANGE,
        MHD_HTTP_HEADER_IF_MATCH,
        MHD_HTTP_HEADER_IF_NONE_MATCH,
        MHD_HTTP_HEADER_IF_MODIFIED_SINCE,
        MHD_HTTP_HEADER_IF_UNMODIFIED_SINCE,
        MHD_HTTP_HEADER_CACHE_CONTROL,
    };

    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
        if (request_header(r, headers[i]).at)
            return true;
    return false;
}

static bool may_be_hot(const struct request *r)
{
    return !r->is_head && !r->is_signed && !r->closes && r->head.target.len == r->path.len &&
           !atomic_load(&r->http->draining) && !has_conditions(r);
}

/* What of an answer depends on who asks: the epoch, and on when: whether there is a master. */
static struct hot_key key_of(const struct request *r, bool stale)
{
    return (struct hot_key){r->path, r->epoch << 1 | stale};
}

/* The catalogue has changed since: has what is kept? */
static bool still_stands(struct request *r, const struct hot_answer *answer, struct span name)
{
    struct store_entry now;

    return store_find(r->http->options.world.store, name, &now) == STORE_OK && now.held &&
           !now.manifest.deleted && version_same(now.manifest.version, answer->version) &&
           digest_same(&now.manifest.sha256, &answer->sha256);
}

static bool is_right(struct request *r, struct hot_entry *entry, struct span name)
{
    bool changes = r->edition & 1;

    if (!changes && hot_edition(entry) == r->edition)
        return true;
    if (!still_stands(r, hot_answer_of(entry), name)) {
        hot_forget(r->http->hot, entry);
        return false;
    }
    if (!changes)
        hot_stands(entry, r->edition);
    return true;
}

enum step hot_answer(struct request *r, struct span name)
{
    struct http *http = r->http;
    struct hot_key key;
    struct hot_entry *entry;
    enum step step = STEP_WAIT;

    if (!may_be_hot(r))
        return STEP_WAIT;
    r->edition = store_edition(http->options.world.store);
    key = key_of(r, object_is_stale(http));
    entry = hot_find(http->hot, &key, clock_mono());
    if (!entry) {
        r->hot_wanted = hot_is_wanted(http->hot, &key);
        return STEP_WAIT;
    }
    if (is_right(r, entry, name)) {
        stat_add(STAT_HITS, 1);
        stat_add(STAT_SERVED_BYTES, hot_answer_of(entry)->len);
        step = reply_again(r, MHD_HTTP_OK, hot_answer_of(entry)->response);
    }
    r->hot_wanted = step == STEP_WAIT;
    hot_leave(entry);
    return step;
}

/* ---- what is kept ---------------------------------------------------------------------------- */

struct bytes {
    struct hot *hot;
    char *at;
    size_t size; /* as the table counts it */
};

/* By libmicrohttpd, when the table has dropped the response, and nobody gets it any more. */
static void free_bytes(void *arg)
{
    struct bytes *bytes = arg;

    hot_gone(bytes->hot, bytes->size);
    free(bytes->at);
    free(bytes);
}

static void drop(void *response)
{
    MHD_destroy_response(response);
}

struct hot *hot_begin(int64_t fresh_ns)
{
    return hot_new(
        &(struct hot_options){.most = HTTP_HOT_MEMORY, .fresh_ns = fresh_ns, .drop = drop});
}

static struct MHD_Response *response_of(struct hot *hot, char *at, size_t len)
{
    struct bytes *bytes = malloc(sizeof(*bytes));
    struct MHD_Response *response;

    MUST(bytes != NULL);
    *bytes = (struct bytes){hot, at, len + HOT_HEAD_SIZE};
    response = MHD_create_response_from_buffer_with_free_callback_cls(len, at, free_bytes, bytes);
    if (!response)
        free_bytes(bytes);
    return response;
}

enum step reply_hot(struct reply *reply, const struct manifest *m, bool stale, char *bytes)
{
    struct request *r = reply->request;
    struct hot *hot = r->http->hot;
    const struct hot_key key = key_of(r, stale);
    struct hot_answer answer = {.len = m->size, .version = m->version, .sha256 = m->sha256};

    if (!hot_take_room(hot, m->size + HOT_HEAD_SIZE))
        return reply_memory(reply, NULL, bytes, m->size);
    answer.response = response_of(hot, bytes, m->size);
    if (!answer.response)
        return STEP_BREAK;
    if (!reply_hand_over(reply, answer.response)) {
        MHD_destroy_response(answer.response);
        return STEP_BREAK;
    }
    hot_keep(hot, &key, &answer, r->edition, clock_mono());
    return STEP_DONE;
}
