/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/http_reply.h"

/*
 * GET and HEAD of an object. What is at hand is served to anyone who was let in; this node's own
 * host, and the members of the tiers that it leads, also get what is not: an unknown name is asked
 * for, missing content is fetched, and the answer streams as the chunks come in. Whatever leaves
 * here was checked.
 */
enum { OBJECT_MAGIC = 0x6f626a65, OBJECT_SMALL = 64 * 1024 };

struct object {
    unsigned magic;
    bool ask_newest; /* before anything else */
    bool asked_name; /* once is enough */
    struct question *question;
    bool version_given;
    struct pick version; /* only this one */
    bool is_older;       /* it is not the newest */
    bool stale;          /* the answer says so */

    bool partial; /* 206 */
    uint64_t from, len;
    struct content *content; /* one of these, while it streams */
    struct flight_reader *flight;

    char name[NAME_SIZE]; /* from here on set when it is known, not before */
    char etag[DIGEST_HEX_SIZE + 2];
    struct store_entry entry;
};

static void object_end(void *work)
{
    struct object *o = work;

    MUST_BE(o, OBJECT_MAGIC);
    question_end(o->question);
    if (o->flight) {
        flights_unwait(o->flight);
        flights_leave(o->flight);
    }
    if (o->content)
        content_close(o->content);
    o->magic = 0;
    free(o);
}

/* ---- the head -------------------------------------------------------------------------------- */

static void add_validators(struct reply *reply, const struct object *o)
{
    const struct manifest *m = &o->entry.manifest;
    char date[HTTP_DATE_SIZE], version[VERSION_TEXT_SIZE];

    reply_add(reply, MHD_HTTP_HEADER_ETAG, o->etag);
    reply_add(reply, MHD_HTTP_HEADER_LAST_MODIFIED,
              http_date_write(m->mtime_ns / 1000000000, date));
    reply_add(reply, "Pond-Version", version_text(m->version, version));
}

bool object_is_stale(const struct http *http)
{
    return routes_place(http->options.world.routes, clock_mono()).headless;
}

/* As RFC 9211 has it: "stored" is what is kept for others. */
static const char *how_it_came(const struct object *o, bool hit)
{
    if (hit)
        return "hit";
    return o->flight && flights_keeps(o->flight) ? "fwd=miss; stored" : "fwd=miss";
}

static void add_cache_status(struct reply *reply, struct object *o, bool hit)
{
    struct http *http = reply->request->http;

    o->stale = object_is_stale(http);
    reply_addf(reply, "Cache-Status", "%s; %s%s", http->cache_name, how_it_came(o, hit),
               o->stale ? "; detail=stale" : "");
    reply_addf(reply, MHD_HTTP_HEADER_VIA, "1.1 %s (carpond)", http->node);
}

/* What no node put in is told apart; and who asks as an ISconf host is shown that we have a key. */
static void add_isconf(struct reply *reply, const struct object *o)
{
    struct request *r = reply->request;
    char memory[2 * MAC1_LEN + 1];
    struct text hex = TEXT_OVER(memory);
    uint8_t mac[MAC1_LEN];

    if (version_is_unverified(o->entry.manifest.version))
        reply_add(reply, "Pond-Unverified", "isconf");
    if (!*r->challenge || !r->http->options.world.keyring)
        return;
    seal_mac1(request_seal(r), span_of(r->challenge), mac);
    text_hex(&hex, mac, sizeof(mac));
    reply_add(reply, "X-HMAC", memory);
}

static void begin_reply(struct reply *reply, struct request *r, struct object *o, bool hit)
{
    const struct manifest *m = &o->entry.manifest;
    char memory[80];
    struct text digest = TEXT_OVER(memory);

    reply_begin(reply, r, o->partial ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK);
    reply->vouched = true;
    add_validators(reply, o);
    challenge_digest_value(&m->sha256, &digest);
    reply_add(reply, "Repr-Digest", digest.at);
    reply_addf(reply, "Pond-Mtime", "%lld", (long long)m->mtime_ns);
    reply_addf(reply, "Pond-Mode", "%o", (unsigned)m->mode);
    reply_add(reply, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    reply_add(reply, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    if (o->partial)
        reply_addf(reply, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes %llu-%llu/%llu",
                   (unsigned long long)o->from, (unsigned long long)(o->from + o->len - 1),
                   (unsigned long long)m->size);
    add_cache_status(reply, o, hit);
    add_isconf(reply, o);
}

static void count(const struct object *o, bool hit)
{
    stat_add(hit ? STAT_HITS : STAT_MISSES, 1);
    stat_add(STAT_SERVED_BYTES, o->len);
}

/* ---- content at hand ------------------------------------------------------------------------- */

/* Rot that shows in the middle can only be told by breaking off: nothing wrong is sent, and the
 * length and the digest in the head say that something is missing. */
static ssize_t read_content(void *cls, uint64_t at, char *bytes, size_t most)
{
    struct request *r = cls;
    struct object *o = r->work;
    size_t len = o->len - at < most ? (size_t)(o->len - at) : most;
    ssize_t n;

    MUST_BE(o, OBJECT_MAGIC);
    n = content_read(o->content, o->from + at, bytes, len);
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

char *object_read(struct content *content, uint64_t from, size_t len)
{
    char *bytes = malloc(len);
    size_t had = 0;

    MUST(bytes != NULL);
    while (had < len) {
        ssize_t n = content_read(content, from + had, bytes + had, len - had);
        if (n <= 0) {
            free(bytes);
            return NULL;
        }
        had += (size_t)n;
    }
    return bytes;
}

/* Ready to be sent from its first byte on? Where not, it is as if it were not at hand: the store
 * has set it aside. */
static bool open_content(struct request *r, struct object *o)
{
    uint64_t first = o->len < REPLY_BLOCK ? o->len : REPLY_BLOCK;

    if (content_open(r->http->options.world.store, &o->entry.manifest, &o->content) != STORE_OK)
        return false;
    if (content_check(o->content, o->from, first) == STORE_OK)
        return true;
    content_close(o->content);
    o->content = NULL;
    return false;
}

/* Small content goes out with the head in one write. */
static enum step send_small(struct request *r, struct object *o)
{
    char *bytes = object_read(o->content, o->from, o->len);
    struct reply reply;

    if (!bytes)
        return reply_store(r, STORE_FAILED);
    count(o, true);
    begin_reply(&reply, r, o, true);
    if (r->hot_wanted)
        return reply_hot(&reply, &o->entry.manifest, o->stale, bytes);
    return reply_memory(&reply, NULL, bytes, o->len);
}

static enum step send_content(struct request *r, struct object *o)
{
    struct reply reply;
    int fd;

    if (o->len <= OBJECT_SMALL)
        return send_small(r, o);
    count(o, true);
    begin_reply(&reply, r, o, true);
    if (!content_is_checked(o->content, o->from, o->len))
        return reply_stream(&reply, o->len, read_content);
    fd = fcntl(content_fd(o->content), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return reply_stream(&reply, o->len, read_content);
    return reply_file(&reply, fd, o->from, o->len);
}

/* ---- content that is fetched ----------------------------------------------------------------- */

static void wake(void *arg)
{
    request_wake(arg);
}

static ssize_t read_flight(void *cls, uint64_t at, char *bytes, size_t most)
{
    struct request *r = cls;
    struct object *o = r->work;
    size_t len = o->len - at < most ? (size_t)(o->len - at) : most;
    ssize_t n;

    MUST_BE(o, OBJECT_MAGIC);
    while ((n = flights_read(o->flight, o->from + at, bytes, len)) == FLIGHT_WAIT) {
        enum wait wait = request_wait(r);
        if (wait == WAIT_SUSPENDED)
            return 0;
        if (wait == WAIT_END)
            break;
    }
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum step find(struct request *r, struct object *o);

/* What stands under the name by now: false, nothing. */
static bool find_now(struct request *r, const struct object *o, struct store_entry *now)
{
    return store_find(r->http->options.world.store, span_of(o->name), now) == STORE_OK;
}

/* Has a newer version taken its place since it was looked up? */
static bool is_replaced_by(const struct object *o, const struct store_entry *now)
{
    return !o->version_given && manifest_compare(&now->manifest, &o->entry.manifest) > 0;
}

/* Is it worth another look? It may be replaced, so that nobody has it any more; or it is here by
 * now, from a host that serves no chunks. */
static bool has_changed(const struct object *o, const struct store_entry *now)
{
    return is_replaced_by(o, now) ||
           (now->held && manifest_compare(&now->manifest, &o->entry.manifest) == 0);
}

static enum step without_content(struct request *r, struct object *o, const char *sentence)
{
    struct store_entry now;

    if (find_now(r, o, &now) && has_changed(o, &now)) {
        flights_leave(o->flight);
        o->flight = NULL;
        return find(r, o);
    }
    return reply_refuse(r, 503, sentence);
}

/* What has come: small content, where it is all of it, goes out with the head in one write. */
static enum step send_what_came(struct request *r, struct object *o, char *bytes, size_t had)
{
    struct reply reply;

    r->answer_by = MONO_NEVER;
    count(o, false);
    begin_reply(&reply, r, o, false);
    if (had < o->len) {
        free(bytes);
        return reply_stream(&reply, o->len, read_flight);
    }
    flights_leave(o->flight); /* its memory need not wait for a slow client */
    o->flight = NULL;
    return reply_memory(&reply, NULL, bytes, had);
}

/* The head is sent when the first byte has come: until then a failure can still be told. */
static enum step send_flight(struct request *r, struct object *o)
{
    size_t most = o->len <= OBJECT_SMALL ? (size_t)o->len : 1;
    char *bytes = malloc(most);
    ssize_t n;

    MUST(bytes != NULL);
    n = flights_read(o->flight, o->from, bytes, most);
    if (n > 0)
        return send_what_came(r, o, bytes, (size_t)n);
    free(bytes);
    if (n == FLIGHT_FAILED)
        return without_content(r, o, "nobody who can be reached has the content of this object");
    if (!request_is_late(r))
        return STEP_WAIT;
    return without_content(r, o, "the content of this object is still on its way to here");
}

static enum step join_flight(struct request *r, struct object *o)
{
    o->flight = flights_join(r->http->options.world.flights, &o->entry.manifest, &r->share,
                             request_via(r), wake, r);
    if (!o->flight)
        return reply_refuse(
            r, 503, "this node fetches as much as it can for this host and its tier at a time");
    r->fetches = true;
    request_answer_soon(r);
    return send_flight(r, o);
}

/* ---- which content, and whether any ---------------------------------------------------------- */

static enum step not_at_hand(struct request *r)
{
    stat_add(STAT_MISSES, 1);
    return reply_not_at_hand(r, STORE_NOT_HELD);
}

/* It was held when it was looked up, and is not here. */
static bool was_replaced(struct request *r, const struct object *o)
{
    struct store_entry now;

    return o->entry.held && find_now(r, o, &now) && is_replaced_by(o, &now);
}

static enum step serve(struct request *r, struct object *o)
{
    struct reply reply;

    if (r->is_head || o->len == 0) {
        if (!r->may_fetch && !o->entry.held)
            return not_at_hand(r);
        if (o->len == 0 && !o->entry.held && !r->is_head) /* to be at hand for others from now on */
            (void)flights_start(r->http->options.world.flights, &o->entry.manifest, &r->share);
        begin_reply(&reply, r, o, o->entry.held);
        return reply_empty(&reply, o->len);
    }
    if (o->entry.held && open_content(r, o))
        return send_content(r, o);
    if (was_replaced(r, o))
        return find(r, o);
    return r->may_fetch && !o->is_older ? join_flight(r, o) : not_at_hand(r);
}

static enum step not_modified(struct request *r, struct object *o)
{
    struct reply reply;

    reply_begin(&reply, r, MHD_HTTP_NOT_MODIFIED);
    reply.vouched = true;
    add_validators(&reply, o);
    add_cache_status(&reply, o, true);
    return reply_empty(&reply, o->entry.manifest.size); /* as of a 200: RFC 9110, 8.6 */
}

static enum step unsatisfiable(struct request *r, const struct object *o)
{
    static const char sentence[] = "the range lies behind the end of the object\n";
    struct reply reply;

    reply_begin(&reply, r, MHD_HTTP_RANGE_NOT_SATISFIABLE);
    reply_addf(&reply, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes */%llu",
               (unsigned long long)o->entry.manifest.size);
    return reply_text(&reply, "text/plain; charset=utf-8", sentence, sizeof(sentence) - 1);
}

/* The conditions of RFC 9110, 13.2.2, then the range, which only GET knows (14.2). */
static enum step choose(struct request *r, struct object *o)
{
    const struct manifest *m = &o->entry.manifest;
    int64_t mtime = m->mtime_ns / 1000000000;
    char hex[DIGEST_HEX_SIZE];

    snprintf(o->etag, sizeof(o->etag), "\"%s\"", digest_hex(&m->sha256, hex));
    switch (request_conditions(&r->head, o->etag, mtime)) {
    case REQUEST_NOT_MODIFIED:
        return not_modified(r, o);
    case REQUEST_PRECONDITION_FAILED:
        return reply_refuse(r, 412, "the object does not stand as the request's conditions want");
    case REQUEST_GO_ON:
        break;
    }
    o->from = 0;
    o->partial = false; /* an older version may have been, before one came that is new */
    o->len = m->size;
    if (r->is_head)
        return serve(r, o);
    switch (request_range(&r->head, o->etag, m->size, &o->from, &o->len)) {
    case RANGE_NONE:
        break;
    case RANGE_ONE:
        o->partial = true;
        break;
    case RANGE_UNSATISFIABLE:
        return unsatisfiable(r, o);
    }
    return serve(r, o);
}

static enum step ask(struct request *r, struct object *o, enum exchange_ask kind)
{
    request_answer_soon(r);
    o->question = question_ask(r, kind, span_of(o->name));
    return o->question ? STEP_WAIT : reply_refuse(r, 503, "too many questions wait for an answer");
}

/* One that is not the newest is served where it is kept as a conflict; nobody fetches it. */
static enum step older(struct request *r, struct object *o)
{
    if (store_find_version(r->http->options.world.store, span_of(o->name), &o->version,
                           &o->entry) != STORE_OK)
        return reply_refuse(r, 404, "that version is not here, only another one");
    if (o->entry.manifest.deleted)
        return reply_refuse(r, 404, "that version is the removal of the object");
    if (!o->entry.held)
        return reply_refuse(r, 404, "that version is known here, its content is not");
    o->is_older = true;
    return choose(r, o);
}

/* Not here, and nobody above says more. Where nobody could be asked there, nobody knows. */
static enum step not_found(struct request *r)
{
    stat_add(STAT_MISSES, 1);
    if (r->may_fetch && object_is_stale(r->http))
        return reply_refuse(r, 503,
                            "a tier of this node has no master at the moment: whether the object "
                            "exists cannot be told");
    return reply_not_at_hand(r, STORE_NOT_FOUND);
}

static enum step find(struct request *r, struct object *o)
{
    enum store_status status =
        store_find(r->http->options.world.store, span_of(o->name), &o->entry);

    if (status == STORE_NOT_FOUND && r->may_fetch && !o->asked_name) {
        o->asked_name = true;
        return ask(r, o, EXCHANGE_ASK_NAME);
    }
    if (status == STORE_NOT_FOUND)
        return not_found(r);
    if (status != STORE_OK)
        return reply_store(r, status);
    o->is_older = false;
    if (o->version_given &&
        !pick_fits(&o->version, o->entry.manifest.version, &o->entry.manifest.sha256))
        return older(r, o);
    if (o->entry.manifest.deleted)
        return reply_refuse(r, 404, "the object was removed");
    return choose(r, o);
}

/* Another node is told in time to ask again: it would take us for silent. */
static enum step await_answer(struct request *r, struct object *o)
{
    bool busy;

    if (!question_answered(o->question)) {
        if (!request_is_late(r))
            return STEP_WAIT;
        return reply_refuse(r, 503, "those who are asked for the object have not answered yet");
    }
    busy = question_ask_of(o->question)->busy;
    question_end(o->question);
    o->question = NULL;
    return busy ? reply_refuse(r, 503, "too many questions wait for an answer") : find(r, o);
}

static enum step object_step(struct request *r)
{
    struct object *o = r->work;

    MUST_BE(o, OBJECT_MAGIC);
    if (o->flight)
        return send_flight(r, o);
    if (o->question)
        return await_answer(r, o);
    if (o->ask_newest) {
        o->ask_newest = false;
        return ask(r, o, EXCHANGE_ASK_NEWEST);
    }
    return find(r, o);
}

/* "?newest=1", or what a browser sends for a reload. */
static bool wants_newest(const struct request *r)
{
    char text[8] = "";

    return (request_arg(r, "newest", text, sizeof(text)) && strcmp(text, "1") == 0) ||
           request_has_directive(&r->head, "no-cache");
}

/* ISconf's datagrams carry the same HMAC as the answer to a challenge, so nothing is answered that
 * could be one: no blank, colon or end of line. False: it is not of that form. */
static bool read_challenge(struct request *r)
{
    static const char chars[] = "0123456789.-_"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool good;

    if (!gate_takes_isconf(r->http->options.world.gate) || !request_has_arg(r, "challenge"))
        return true;
    good = request_arg(r, "challenge", r->challenge, sizeof(r->challenge)) && *r->challenge &&
           strspn(r->challenge, chars) == strlen(r->challenge);
    if (!good)
        *r->challenge = '\0';
    return good;
}

static struct object *object_new(struct request *r, const char *name)
{
    struct object *o = malloc(sizeof(*o));

    MUST(o != NULL);
    memset(o, 0, offsetof(struct object, name));
    o->magic = OBJECT_MAGIC;
    MUST(span_copy(span_of(name), o->name, sizeof(o->name)));
    r->work = o;
    r->work_end = object_end;
    return o;
}

enum step object_begin(struct request *r)
{
    char name[NAME_SIZE], text[PICK_SIZE];
    enum name_verdict verdict = name_from_target(r->path, r->http->domain, name);
    struct object *o;

    if (verdict != NAME_OK)
        return reply_refuse(r, verdict == NAME_OTHER_DOMAIN ? 404 : 400, name_sentence(verdict));
    if (!read_challenge(r))
        return reply_refuse(r, 400,
                            "challenge= is of up to 64 letters, digits, points, hyphens and "
                            "underscores");
    if (!request_admit(r, GATE_SENDME, ADMIT_ROUTED, span_of(name)))
        return STEP_DONE;
    if (hot_answer(r, span_of(name)) == STEP_DONE)
        return STEP_DONE;
    o = object_new(r, name);
    o->version_given = request_has_arg(r, "version");
    if (o->version_given &&
        !(request_arg(r, "version", text, sizeof(text)) && pick_parse(span_of(text), &o->version)))
        return reply_refuse(r, 400,
                            "version= is of the form MILLISECONDS.COUNTER, or behind that a slash "
                            "and the first digits of the content's SHA-256");
    o->ask_newest = r->own_host && wants_newest(r);
    r->step = object_step;
    return STEP_WAIT;
}
