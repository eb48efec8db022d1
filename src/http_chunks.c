/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/http_reply.h"

/*
 * The chunk list of some content, by which its chunks are checked as they come in. Who may have the
 * content fetched gets the list of the flight as soon as that has it: so lists go through all tiers
 * ahead of the content. Where that takes long, another node is told to ask again.
 */
static enum step send_list(struct request *r, struct digest *list, size_t count)
{
    struct reply reply;

    reply_begin(&reply, r, MHD_HTTP_OK);
    return reply_memory(&reply, "application/octet-stream", (char *)list, count * sizeof(*list));
}

static enum step send_stored(struct request *r, const struct digest *sha256)
{
    struct store *store = r->http->options.world.store;
    struct request_sight sight;
    struct manifest manifest;
    struct digest *list = NULL;
    enum store_status status;
    uint32_t count = 0;
    bool newest;

    status = store_find_content(store, request_sight(r, &sight), sha256, &manifest, &newest);
    if (status == STORE_OK)
        status = store_chunk_list(store, &manifest, &list, &count);
    if (status == STORE_NOT_HELD || status == STORE_NOT_FOUND)
        return reply_not_at_hand(r, status);
    if (status != STORE_OK)
        return reply_store(r, status);
    return send_list(r, list, count);
}

/* The store does not have it where there is no room on the disk. */
static enum step send_flown(struct request *r, const struct digest *flown, size_t count)
{
    struct digest *list = malloc(count * sizeof(*list));

    MUST(list != NULL);
    memcpy(list, flown, count * sizeof(*list));
    return send_list(r, list, count);
}

static void leave(void *work)
{
    flights_unwait(work);
    flights_leave(work);
}

static void wake(void *arg)
{
    request_wake(arg);
}

/* Is it known, and not here, and may we fetch it for the asker? What is only kept beside a newest
 * version nobody fetches. */
static bool is_to_be_fetched(struct request *r, const struct digest *sha256,
                             struct manifest *manifest)
{
    struct store *store = r->http->options.world.store;
    struct request_sight sight;
    struct digest *list = NULL;
    enum store_status status;
    uint32_t count;
    bool newest;

    if (!r->may_fetch ||
        store_find_content(store, request_sight(r, &sight), sha256, manifest, &newest) !=
            STORE_OK ||
        !newest)
        return false;
    status = store_chunk_list(store, manifest, &list, &count);
    free(list);
    return status == STORE_NOT_HELD;
}

static enum step await_list(struct request *r, const struct digest *sha256)
{
    const struct digest *list;
    struct manifest manifest;
    ssize_t count = flights_list(r->work, &list);

    if (count > 0)
        return send_flown(r, list, (size_t)count);
    if (count == FLIGHT_FAILED)
        return send_stored(r, sha256);
    if (!request_is_late(r))
        return STEP_WAIT;
    if (!is_to_be_fetched(r, sha256, &manifest)) /* a newer version took its place */
        return send_stored(r, sha256);
    return reply_refuse(r, 503, "the chunk list of this content is still on its way to here");
}

enum step chunks_step(struct request *r)
{
    size_t skip = sizeof(HTTP_CHUNKS) - 1;
    struct manifest manifest;
    struct digest sha256;

    if (!digest_parse((struct span){r->path.at + skip, r->path.len - skip}, &sha256))
        return reply_refuse(r, 400, "a SHA-256 is 64 hexadecimal digits");
    if (!r->work && is_to_be_fetched(r, &sha256, &manifest)) {
        r->work = flights_join(r->http->options.world.flights, &manifest, &r->share, request_via(r),
                               wake, r);
        if (!r->work)
            return reply_refuse(
                r, 503, "this node fetches as much as it can for this host and its tier at a time");
        r->work_end = leave;
        r->fetches = true;
        request_answer_soon(r);
    }
    return r->work ? await_list(r, &sha256) : send_stored(r, &sha256);
}
