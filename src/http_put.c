/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/http_reply.h"

/* PUT and DELETE: what changes the catalogue. */
enum {
    CHANGE_MAGIC = 0x63686e67,
    CHANGE_MODE = 0644,
    COPIES_S = 60,
    COPIES_MOST_S = 30 * 86400,
    WHY_SIZE = 256
};

/* One change. The request owns it, and the store while the job is under way; the last one frees. */
struct change {
    unsigned magic;
    struct request *request;
    _Atomic unsigned owners;
    _Atomic bool done;
    bool submitted;
    bool makes_room; /* for the draft */
    bool is_new;     /* the name was not there before */
    uint64_t copies; /* that candidates must hold; 0: this host's is enough */
    uint64_t time_s; /* for that */
    bool time_given; /* it counts from the begin of the request then, else from when it is here */
    mono_t begun;
    struct question *question; /* who holds it */
    bool digest_given;
    struct digest digest;      /* what the body should have */
    enum store_status written; /* how the writing of the body went */
    struct draft *draft;
    struct store_job job;
    char skewed[SKEW_SENTENCE_SIZE]; /* why the clock forbids it */
    char why[WHY_SIZE];              /* it has no copies, or not enough */
};

static void let_go(struct change *c)
{
    if (atomic_fetch_sub(&c->owners, 1) > 1)
        return;
    if (c->draft)
        draft_drop(c->draft);
    request_release(c->request);
    c->magic = 0;
    free(c);
}

static void change_end(void *work)
{
    struct change *c = work;

    MUST_BE(c, CHANGE_MAGIC);
    question_end(c->question);
    let_go(c);
}

static struct change *change_new(struct request *r, const char *name)
{
    struct change *c = calloc(1, sizeof(*c));

    MUST(c != NULL);
    c->magic = CHANGE_MAGIC;
    c->request = r;
    request_hold(r);
    atomic_store(&c->owners, 1);
    MUST(span_copy(span_of(name), c->job.manifest.name, sizeof(c->job.manifest.name)));
    r->work = c;
    r->work_end = change_end;
    return c;
}

/* On a thread of the store's. */
static void on_done(struct store_job *job)
{
    struct change *c = job->owner;

    MUST_BE(c, CHANGE_MAGIC);
    atomic_store(&c->done, true);
    request_wake(c->request);
    let_go(c);
}

/* Those who can confirm it; nobody in a flat mesh. */
static struct routes_copies can_confirm(const struct request *r)
{
    return routes_copies(r->http->options.world.routes, clock_mono());
}

static void begin_job(struct request *r, struct change *c, enum store_job_kind kind)
{
    atomic_store(&c->done, false);
    c->job.kind = kind;
    c->job.done = on_done;
    c->job.owner = c;
    atomic_fetch_add(&c->owners, 1);
    store_submit(r->http->options.world.store, &c->job);
}

static enum step submit(struct request *r, struct change *c, enum store_job_kind kind)
{
    c->submitted = true;
    c->job.draft = c->draft;
    c->job.unconfirmed = can_confirm(r).others > 0;
    c->draft = NULL;
    begin_job(r, c, kind);
    return STEP_WAIT;
}

static enum step refuse_condition(struct request *r)
{
    return reply_refuse(r, 412, "the object does not stand as If-Match or If-None-Match wants it");
}

static enum step answer(struct request *r, const struct change *c, unsigned status)
{
    const struct manifest *m = &c->job.manifest;
    char version[VERSION_TEXT_SIZE], hex[DIGEST_HEX_SIZE], memory[256];
    struct text json = TEXT_OVER(memory);
    struct reply reply;

    if (c->job.status == STORE_CHANGED)
        return refuse_condition(r);
    if (c->job.status != STORE_OK)
        return reply_store(r, c->job.status);
    reply_begin(&reply, r, status);
    reply_add(&reply, "Pond-Version", version_text(m->version, version));
    text_printf(&json, "{\"version\": \"%s\"", version);
    if (!m->deleted) {
        reply_addf(&reply, MHD_HTTP_HEADER_ETAG, "\"%s\"", digest_hex(&m->sha256, hex));
        text_printf(&json, ", \"size\": %" PRIu64 ", \"sha256\": \"%s\"", m->size, hex);
    }
    text_puts(&json, "}\n");
    return reply_text(&reply, "application/json", json.at, json.len);
}

/* The whole name, from one who may change it. False: it was answered. */
static bool admit(struct request *r, enum gate_message message, char name[NAME_SIZE])
{
    enum name_verdict verdict = name_from_target(r->path, r->http->domain, name);

    if (verdict == NAME_OK)
        return request_admit(r, message, 0, span_of(name));
    (void)reply_refuse(r, verdict == NAME_OTHER_DOMAIN ? 404 : 400, name_sentence(verdict));
    return false;
}

/* A version made with a clock that is ahead would not be taken by the others; one made with a clock
 * that is behind would lose against what they put before. */
static bool clock_is_off(struct request *r, struct change *c)
{
    return skew_sentence(r->http->options.world.skew, c->skewed);
}

/* ---- PUT ------------------------------------------------------------------------------------- */

static bool read_octal(struct span text, uint32_t *mode)
{
    uint32_t n = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '7')
            return false;
        n = n << 3 | (uint32_t)(text.at[i] - '0');
    }
    *mode = n;
    return n <= 07777;
}

static bool read_digest(struct request *r, const char *header, struct change *c)
{
    struct span value = request_header(r, header);

    if (!value.at)
        return true;
    c->digest_given = true;
    return challenge_digest_parse(value, &c->digest);
}

/* What is wrong with the headers, or NULL. */
static const char *read_headers(struct request *r, struct change *c)
{
    struct manifest *m = &c->job.manifest;
    struct span mtime = request_header(r, "Pond-Mtime"), mode = request_header(r, "Pond-Mode"),
                copies = request_header(r, "Pond-Copies"), time = request_header(r, "Pond-Timeout");

    m->mtime_ns = clock_wall().ms * 1000000;
    m->mode = CHANGE_MODE;
    if (mtime.at && !span_i64(mtime, &m->mtime_ns))
        return "Pond-Mtime is nanoseconds since 1970";
    if (mode.at && !read_octal(mode, &m->mode))
        return "Pond-Mode is octal permission bits, 0 to 7777";
    if (copies.at && !span_u64(copies, UINT64_MAX, &c->copies))
        return "Pond-Copies is a number of candidates";
    c->time_given = time.at != NULL;
    c->time_s = COPIES_S;
    if (time.at && (!span_u64(time, COPIES_MOST_S, &c->time_s) || c->time_s == 0))
        return "Pond-Timeout is a number of seconds, 30 days at most";
    if (!read_digest(r, "Repr-Digest", c) || !read_digest(r, "Content-Digest", c))
        return "a digest is sha-256=:BASE64: (RFC 9530)";
    if (r->is_signed && !request_header(r, "Content-Digest").at)
        return "a signed PUT says by Content-Digest what its body is";
    return NULL;
}

/* Are there as many? What is wrong, or NULL. */
static const char *check_copies(const struct request *r, struct change *c)
{
    struct routes_copies there = can_confirm(r);
    struct text why = TEXT_OVER(c->why);
    size_t all = there.others + there.own, most = EXCHANGE_SOURCES_MAX + there.own;

    if (there.others + there.own == 0)
        return "copies are confirmed by elected candidates, and this host is in a flat mesh, which "
               "has none: put it without --copies";
    if (all > most) /* so many answers are taken, and our own word */
        all = most;
    if (c->copies <= all)
        return NULL;
    text_printf(&why, "%" PRIu64 " copies are more than can be confirmed: %zu candidate%s can%s",
                c->copies, all, all == 1 ? "" : "s", there.own ? ", this host among them" : "");
    return c->why;
}

/* If-Match and If-None-Match, which have to hold until the change is made; also learns whether the
 * name is new. */
static bool conditions_hold(struct request *r, struct change *c)
{
    struct store_entry entry;
    char etag[DIGEST_HEX_SIZE + 2] = "", hex[DIGEST_HEX_SIZE];
    bool known =
        store_find(r->http->options.world.store, span_of(c->job.manifest.name), &entry) == STORE_OK;

    c->job.conditional = request_header(r, MHD_HTTP_HEADER_IF_MATCH).at ||
                         request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH).at;
    if (known) {
        c->job.expected = entry.manifest.version;
        c->job.expected_sha256 = entry.manifest.sha256;
    }
    c->is_new = !known || entry.manifest.deleted;
    if (!c->is_new)
        snprintf(etag, sizeof(etag), "\"%s\"", digest_hex(&entry.manifest.sha256, hex));
    return request_may_change(&r->head, c->is_new ? NULL : etag);
}

/* Its copies count for nothing any more. */
static enum step refuse_replaced(struct request *r, struct change *c)
{
    struct text why = TEXT_OVER(c->why);

    text_printf(&why,
                "it was safe on this host, but a newer version has replaced it before %" PRIu64
                " copies were confirmed (pond conflicts tells whether that knew of it)",
                c->copies);
    return reply_refuse(r, 504, c->why);
}

/* The object stays, and is announced on: whoever put it may wait, or put it again. */
static enum step refuse_copies(struct request *r, struct change *c, const struct ask *ask)
{
    size_t held = can_confirm(r).own ? 1 : 0;
    struct text why = TEXT_OVER(c->why);

    for (size_t i = 0; i < ask->source_count; i++)
        held += ask->sources[i].held;
    text_printf(&why,
                "it is safe on this host, but only %zu of %" PRIu64 " copies were confirmed in "
                "time: it stays, and goes on to the others as they can be reached",
                held, c->copies);
    return reply_refuse(r, 504, c->why);
}

/* Making room takes as long as the disk takes: nobody else of this worker is to wait for it. */
static bool has_room(struct request *r, struct change *c)
{
    if (!c->makes_room) {
        c->makes_room = true;
        c->job.draft = c->draft;
        begin_job(r, c, STORE_ROOM);
    }
    if (!atomic_load(&c->done))
        return false;
    c->makes_room = false;
    c->written = c->job.status;
    return true;
}

/* A failure is told when the rest of the body, which is thrown away, is over. */
static bool put_take(struct request *r, const char *bytes, size_t len)
{
    struct change *c = r->work;

    MUST_BE(c, CHANGE_MAGIC);
    do {
        if ((c->makes_room || draft_lacks(c->draft)) && !has_room(r, c))
            return false;
        if (c->written == STORE_OK)
            c->written = draft_write(c->draft, bytes, len);
    } while (c->written == STORE_FULL && draft_lacks(c->draft));
    if (c->written != STORE_OK)
        r->take = NULL;
    return true;
}

/* It is safe here. The first time asks the candidates, the next ones look for their answers. */
static enum step copies_step(struct request *r, struct change *c)
{
    mono_t until = mono_after(c->time_given ? c->begun : clock_mono(), MONO_S(c->time_s));
    const struct ask *ask;

    if (!c->question)
        c->question = question_ask_copies(r, &c->job.manifest, (size_t)c->copies, until);
    if (c->question && !question_answered(c->question))
        return STEP_WAIT;
    ask = c->question ? question_ask_of(c->question) : NULL;
    if (!ask || ask->busy)
        return reply_refuse(r, 503,
                            "it is safe on this host; who else holds it cannot be asked now, since "
                            "too many questions wait for an answer");
    if (ask->replaced)
        return refuse_replaced(r, c);
    return ask->found ? answer(r, c, c->is_new ? 201 : 200) : refuse_copies(r, c, ask);
}

static enum step put_step(struct request *r)
{
    struct change *c = r->work;

    MUST_BE(c, CHANGE_MAGIC);
    if (c->submitted) {
        if (!atomic_load(&c->done))
            return STEP_WAIT;
        if (c->job.status == STORE_OK && !c->question)
            stat_add(STAT_PUTS, 1);
        if (c->job.status == STORE_OK && c->copies)
            return copies_step(r, c);
        return answer(r, c, c->is_new ? 201 : 200);
    }
    if (c->written == STORE_OK)
        c->written = draft_finish(c->draft);
    if (c->written != STORE_OK)
        return reply_store(r, c->written);
    if (c->digest_given && !digest_same(&c->digest, draft_digest(c->draft)))
        return reply_refuse(r, 400, "the body does not match the digest that was sent with it");
    if (clock_is_off(r, c)) /* both may have changed while the body came */
        return reply_refuse(r, 503, c->skewed);
    if (!conditions_hold(r, c))
        return refuse_condition(r);
    return submit(r, c, STORE_PUT);
}

enum step put_begin(struct request *r)
{
    char name[NAME_SIZE];
    uint64_t size = 0;
    struct change *c;
    const char *wrong;
    enum store_status status;

    if (!admit(r, GATE_PUT, name))
        return STEP_DONE;
    c = change_new(r, name);
    c->begun = clock_mono();
    wrong = read_headers(r, c);
    if (!wrong && c->copies)
        wrong = check_copies(r, c);
    if (wrong)
        return reply_refuse(r, 400, wrong);
    if (clock_is_off(r, c))
        return reply_refuse(r, 503, c->skewed);
    if (!conditions_hold(r, c))
        return refuse_condition(r);
    (void)span_u64(request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH), UINT64_MAX, &size);
    status = draft_begin(r->http->options.world.store, size, &c->draft);
    if (status != STORE_OK)
        return reply_store(r, status);
    r->take = put_take;
    r->step = put_step;
    return STEP_WAIT;
}

/* ---- DELETE ---------------------------------------------------------------------------------- */

static enum step remove_step(struct request *r)
{
    struct change *c = r->work;

    MUST_BE(c, CHANGE_MAGIC);
    if (!c->submitted) {
        if (clock_is_off(r, c))
            return reply_refuse(r, 503, c->skewed);
        if (!conditions_hold(r, c))
            return refuse_condition(r);
        return submit(r, c, STORE_REMOVE);
    }
    if (!atomic_load(&c->done))
        return STEP_WAIT;
    if (c->job.status == STORE_OK)
        stat_add(STAT_REMOVALS, 1);
    return answer(r, c, 200);
}

enum step remove_begin(struct request *r)
{
    char name[NAME_SIZE];

    if (!admit(r, GATE_RM, name))
        return STEP_DONE;
    (void)change_new(r, name);
    r->step = remove_step;
    return STEP_WAIT;
}
