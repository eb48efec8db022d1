/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/frames.h"
#include "src/http_reply.h"

/*
 * Several small contents in one answer: src/frames.h. As for one object, what is at hand is served
 * to anyone who was let in, and what is not is fetched for those whom we fetch for; each frame goes
 * out as soon as its content is there. What takes longer than another node waits is answered 503,
 * and asked for alone.
 */
enum { CONTENTS_MAGIC = 0x68637473, AT_ONCE_MAX = 128 * 1024 /* bytes that are read in advance */ };

/* One of them. It is fetched while `flight`, is there once `status`, and is nobody's once sent. */
struct one {
    struct digest sha256;
    struct flight_reader *flight;
    unsigned status; /* 0: not known yet */
    bool sent;
    size_t size;
    char *bytes; /* with status 200; NULL: at hand, to be read when its turn comes */
};

struct contents {
    unsigned magic;
    struct request *request;
    size_t count, unsent;
    size_t in_memory; /* bytes, for which room was taken */
    struct one *now;  /* whose bytes go out */
    size_t at;        /* of them, its line included */
    size_t line_len;
    char line[FRAME_LINE_MAX + 1];
    struct one list[FRAMES_MAX];
};

static void leave(struct one *one)
{
    if (!one->flight)
        return;
    flights_unwait(one->flight);
    flights_leave(one->flight);
    one->flight = NULL;
}

static void contents_end(void *work)
{
    struct contents *c = work;

    MUST_BE(c, CONTENTS_MAGIC);
    for (size_t i = 0; i < c->count; i++) {
        leave(&c->list[i]);
        free(c->list[i].bytes);
    }
    reply_give_room(c->request, c->in_memory);
    c->magic = 0;
    free(c);
}

/* ---- one content ----------------------------------------------------------------------------- */

static void settle(struct one *one, unsigned status, char *bytes)
{
    leave(one);
    one->status = status;
    one->bytes = bytes;
}

/* Takes room for its bytes. Where there is none, it waits for what of the same answer goes out
 * before it, or is asked for again. */
static bool take_room(struct contents *c, struct one *one)
{
    bool taken = reply_take_room(c->request, one->size);

    if (taken)
        c->in_memory += one->size;
    else if (c->in_memory == 0)
        settle(one, 503, NULL);
    return taken;
}

static void give_room(struct contents *c, const struct one *one)
{
    reply_give_room(c->request, one->size);
    c->in_memory -= one->size;
}

static void wake(void *arg)
{
    request_wake(arg);
}

/* What is only kept beside a newest version nobody fetches. */
static void fetch_it(struct contents *c, struct one *one, const struct manifest *manifest,
                     bool newest)
{
    struct request *r = c->request;

    stat_add(STAT_MISSES, 1);
    if (!r->may_fetch || !newest) {
        settle(one, reply_not_at_hand_status(r), NULL);
        return;
    }
    one->flight =
        flights_join(r->http->options.world.flights, manifest, &r->share, request_via(r), wake, r);
    if (!one->flight) {
        settle(one, 503, NULL);
        return;
    }
    r->fetches = true;
    request_answer_soon(r);
}

/* What is larger, or empty, is asked for alone. */
static bool fits(const struct manifest *manifest)
{
    return manifest->size > 0 && manifest->size <= FRAME_CONTENT_MAX &&
           manifest->size <= manifest->chunk_size;
}

/* False: it cannot be read. */
static bool read_held(struct contents *c, struct one *one, struct content *content)
{
    char *bytes;

    if (!take_room(c, one))
        return true;
    bytes = object_read(content, 0, one->size);
    if (!bytes) {
        give_room(c, one);
        return false;
    }
    stat_add(STAT_HITS, 1);
    settle(one, 200, bytes);
    return true;
}

/* By any of its names that the asker may have. */
static bool find_manifest(struct request *r, const struct digest *sha256, struct manifest *out,
                          bool *newest)
{
    struct store *store = r->http->options.world.store;
    struct request_sight sight;
    const struct store_sight *shown = request_sight(r, &sight);

    if (store_find_content(store, shown, sha256, out, newest) == STORE_OK)
        return request_may_have(r, span_of(out->name));
    if (shown && store_find_content(store, NULL, sha256, out, newest) == STORE_OK)
        (void)request_may_have(r, span_of(out->name)); /* for the log */
    return false;
}

static void look_up(struct contents *c, struct one *one)
{
    struct manifest manifest;
    struct content *content;
    bool newest, held;

    if (!find_manifest(c->request, &one->sha256, &manifest, &newest) || !fits(&manifest)) {
        settle(one, 404, NULL);
        return;
    }
    one->size = (size_t)manifest.size;
    held = content_open(c->request->http->options.world.store, &manifest, &content) == STORE_OK;
    if (held) {
        held = read_held(c, one, content);
        content_close(content);
    }
    if (!held)
        fetch_it(c, one, &manifest, newest);
}

static char *copied(const char *bytes, size_t len)
{
    char *copy = malloc(len);

    MUST(copy != NULL);
    memcpy(copy, bytes, len);
    return copy;
}

/* Has it come, or will it not? */
static void look_again(struct contents *c, struct one *one)
{
    char bytes[FRAME_CONTENT_MAX];
    size_t had = 0;
    ssize_t n = 1;

    while (had < one->size && n > 0) {
        n = flights_read(one->flight, had, bytes + had, one->size - had);
        had += n > 0 ? (size_t)n : 0;
    }
    if (had < one->size && (n == FLIGHT_FAILED || request_is_late(c->request)))
        settle(one, 503, NULL);
    else if (had == one->size && take_room(c, one))
        settle(one, 200, copied(bytes, had));
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* The next that can go out; NULL: all that are left are still on their way. Where one waits for
 * room, there is another that can. */
static struct one *find_ready(struct contents *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct one *one = &c->list[i];
        if (one->sent)
            continue;
        if (!one->status && !one->flight)
            look_up(c, one);
        if (!one->status && one->flight)
            look_again(c, one);
        if (one->status)
            return one;
    }
    return NULL;
}

static void begin_frame(struct contents *c, struct one *one)
{
    struct text line = TEXT_OVER(c->line);
    struct frame frame = {
        .sha256 = one->sha256, .status = one->status, .len = one->bytes ? one->size : 0};

    frame_write(&frame, &line);
    MUST(!line.full);
    c->line_len = line.len;
    c->now = one;
    c->at = 0;
    stat_add(STAT_SERVED_BYTES, frame.len);
}

static void end_frame(struct contents *c)
{
    struct one *one = c->now;

    if (one->bytes)
        give_room(c, one);
    free(one->bytes);
    one->bytes = NULL;
    one->sent = true;
    c->unsent--;
    c->now = NULL;
}

/* As much of the frame as there is room for. */
static size_t copy_frame(struct contents *c, char *out, size_t most)
{
    struct one *one = c->now;
    size_t body = one->bytes ? one->size : 0, whole = c->line_len + body, n = 0;

    if (c->at < c->line_len) {
        n = c->line_len - c->at < most ? c->line_len - c->at : most;
        memcpy(out, c->line + c->at, n);
        c->at += n;
    }
    if (c->at >= c->line_len && n < most && body > 0) {
        size_t left = whole - c->at, more = left < most - n ? left : most - n;
        memcpy(out + n, one->bytes + (c->at - c->line_len), more);
        c->at += more;
        n += more;
    }
    if (c->at == whole)
        end_frame(c);
    return n;
}

/* Fills with what is there. */
static size_t fill(struct contents *c, char *bytes, size_t most)
{
    size_t used = 0;

    while (used < most && c->unsent > 0) {
        struct one *ready = c->now ? c->now : find_ready(c);
        if (!ready)
            break;
        if (!c->now)
            begin_frame(c, ready);
        used += copy_frame(c, bytes + used, most - used);
    }
    return used;
}

static ssize_t read_frames(void *cls, uint64_t at, char *bytes, size_t most)
{
    struct request *r = cls;
    struct contents *c = r->work;
    size_t n;

    (void)at;
    MUST_BE(c, CONTENTS_MAGIC);
    if (c->unsent == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    while ((n = fill(c, bytes, most)) == 0) {
        switch (request_wait(r)) {
        case WAIT_SUSPENDED:
            return 0;
        case WAIT_END:
            return MHD_CONTENT_READER_END_WITH_ERROR;
        case WAIT_OVER:
            break;
        }
    }
    return (ssize_t)n;
}

/* All of it is there: it goes out with the head in one write. */
static enum step send_at_once(struct reply *reply, struct contents *c)
{
    size_t cap = c->in_memory + c->count * FRAME_LINE_MAX, len;
    char *bytes = malloc(cap);

    MUST(bytes != NULL);
    len = fill(c, bytes, cap);
    MUST(c->unsent == 0);
    return reply_memory(reply, NULL, bytes, len);
}

/* What is at hand is read now, as far as that is little; what is to be fetched is begun now. */
static bool look_up_all(struct contents *c)
{
    bool all = true;

    for (size_t i = 0; i < c->count; i++) {
        struct one *one = &c->list[i];
        if (c->in_memory < AT_ONCE_MAX)
            look_up(c, one);
        all = all && one->status;
    }
    return all;
}

static bool is_there(const struct contents *c, const struct digest *sha256)
{
    size_t i = 0;

    while (i < c->count && !digest_same(&c->list[i].sha256, sha256))
        i++;
    return i < c->count;
}

static bool read_list(struct contents *c, struct span list)
{
    bool wrong = false, twice = false;

    while (c->count < FRAMES_MAX && frames_next(&list, &c->list[c->count].sha256, &wrong)) {
        twice = twice || is_there(c, &c->list[c->count].sha256);
        c->count++;
    }
    c->unsent = c->count;
    return c->count > 0 && list.len == 0 && !wrong && !twice;
}

enum step contents_step(struct request *r)
{
    struct span list = r->query;
    struct contents *c = calloc(1, sizeof(*c));
    struct reply reply;
    bool all;

    MUST(c != NULL);
    c->magic = CONTENTS_MAGIC;
    c->request = r;
    r->work = c;
    r->work_end = contents_end;
    if (!span_is(span_take(&list, '='), "of") || !read_list(c, list))
        return reply_refuse(r, 400,
                            "of= is a list of SHA-256 sums, each once, with commas between them");
    all = look_up_all(c);
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply.vouched = true;
    reply_add(&reply, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    reply_add(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    reply_addf(&reply, MHD_HTTP_HEADER_VIA, "1.1 %s (carpond)", r->http->node);
    return all ? send_at_once(&reply, c) : reply_pieces(&reply, read_frames);
}
