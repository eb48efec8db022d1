/* SPDX-License-Identifier: ISC */
#include "cache/record.h"

#include <string.h>
#include <xxhash.h>

#include "src/base/must.h"

enum { FORMAT = 4, CHECKSUM_SIZE = 8, OWN = 1, DELETED = 2, UNCONFIRMED = 4 };

/* Writing: the place to write to. */
struct pen {
    char *at;
    char *end;
};

static void put(struct pen *pen, const void *bytes, size_t len)
{
    MUST(len <= (size_t)(pen->end - pen->at));
    memcpy(pen->at, bytes, len);
    pen->at += len;
}

static void put_number(struct pen *pen, uint64_t n, size_t len)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(n >> (8 * i));
    put(pen, bytes, len);
}

static void put_string(struct pen *pen, struct span s)
{
    put_number(pen, s.len, 2);
    put(pen, s.at, s.len);
}

/* Reading: takes from the front; once something is missing, `bad` sticks and zeros are given. */
struct eye {
    struct span rest;
    bool bad;
};

static struct span take(struct eye *eye, size_t len)
{
    struct span taken = {eye->rest.at, len};

    if (eye->bad || len > eye->rest.len) {
        eye->bad = true;
        return (struct span){"", 0};
    }
    eye->rest.at += len;
    eye->rest.len -= len;
    return taken;
}

static uint64_t take_number(struct eye *eye, size_t len)
{
    struct span s = take(eye, len);
    uint64_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n |= (uint64_t)(unsigned char)s.at[i] << (8 * i);
    return n;
}

static struct span take_string(struct eye *eye)
{
    return take(eye, take_number(eye, 2));
}

static void take_digest(struct eye *eye, struct digest *out)
{
    struct span s = take(eye, sizeof(out->bytes));

    memset(out->bytes, 0, sizeof(out->bytes));
    memcpy(out->bytes, s.at, s.len);
}

static uint64_t checksum(struct span key, const char *body, size_t len)
{
    return XXH3_64bits_withSeed(body, len, XXH3_64bits(key.at, key.len));
}

static struct pen begin(char out[RECORD_MAX])
{
    struct pen pen = {out + CHECKSUM_SIZE, out + RECORD_MAX};

    put_number(&pen, FORMAT, 1);
    return pen;
}

static struct span end(const struct pen *pen, struct span key, char *out)
{
    struct pen head = {out, out + CHECKSUM_SIZE};

    put_number(&head, checksum(key, head.end, (size_t)(pen->at - head.end)), CHECKSUM_SIZE);
    return (struct span){out, (size_t)(pen->at - out)};
}

static struct eye look_at_sum(struct span bytes, struct span key)
{
    struct eye eye = {bytes, false};
    uint64_t sum = take_number(&eye, CHECKSUM_SIZE);

    eye.bad = eye.bad || sum != checksum(key, eye.rest.at, eye.rest.len);
    return eye;
}

static struct eye look(struct span bytes, struct span key)
{
    struct eye eye = look_at_sum(bytes, key);

    eye.bad = take_number(&eye, 1) != FORMAT || eye.bad;
    return eye;
}

bool record_is_foreign(struct span bytes, struct span key)
{
    struct eye eye = look_at_sum(bytes, key);
    uint64_t format = take_number(&eye, 1);

    return !eye.bad && format != FORMAT;
}

static bool all_read(const struct eye *eye)
{
    return !eye->bad && eye->rest.len == 0;
}

/* Few nodes write one name: no more than there are. */
static void put_knew(struct pen *pen, const struct manifest *m)
{
    unsigned count = 0;

    while (count < MANIFEST_KNEW_MAX && m->knew[count].last.bits)
        count++;
    put_number(pen, count, 1);
    for (unsigned i = 0; i < count; i++) {
        put_number(pen, m->knew[i].node, 8);
        put_number(pen, m->knew[i].first.bits, 8);
        put_number(pen, m->knew[i].last.bits, 8);
    }
}

static void take_knew(struct eye *eye, struct manifest *m)
{
    uint64_t count = take_number(eye, 1);

    memset(m->knew, 0, sizeof(m->knew));
    eye->bad = eye->bad || count > MANIFEST_KNEW_MAX;
    for (size_t i = 0; i < count && !eye->bad; i++) {
        m->knew[i].node = take_number(eye, 8);
        m->knew[i].first.bits = take_number(eye, 8);
        m->knew[i].last.bits = take_number(eye, 8);
    }
}

struct span record_encode(const struct record *record, struct span key, char out[RECORD_MAX])
{
    const struct manifest *m = &record->manifest;
    struct pen pen = begin(out);

    put_number(&pen,
               (record->own ? OWN : 0) | (m->deleted ? DELETED : 0) |
                   (record->unconfirmed ? UNCONFIRMED : 0),
               1);
    put_number(&pen, record->sequence, 8);
    put_number(&pen, record->since, 8);
    put_number(&pen, m->version.bits, 8);
    put_number(&pen, m->replaces.bits, 8);
    put_knew(&pen, m);
    put_number(&pen, m->size, 8);
    put_number(&pen, (uint64_t)m->mtime_ns, 8);
    put_number(&pen, m->mode, 4);
    put_number(&pen, m->chunk_size, 8);
    put(&pen, m->sha256.bytes, sizeof(m->sha256.bytes));
    put(&pen, m->chunks.bytes, sizeof(m->chunks.bytes));
    put_string(&pen, span_of(m->name));
    put_string(&pen, span_of(m->node));
    put_string(&pen, record->text);
    return end(&pen, key, out);
}

bool record_decode(struct span bytes, struct span key, struct record *out)
{
    struct eye eye = look(bytes, key);
    struct manifest *m = &out->manifest;
    uint64_t flags = take_number(&eye, 1);
    bool fits;

    out->own = flags & OWN;
    m->deleted = flags & DELETED;
    out->unconfirmed = flags & UNCONFIRMED;
    out->sequence = take_number(&eye, 8);
    out->since = take_number(&eye, 8);
    m->version.bits = take_number(&eye, 8);
    m->replaces.bits = take_number(&eye, 8);
    take_knew(&eye, m);
    m->size = take_number(&eye, 8);
    m->mtime_ns = (int64_t)take_number(&eye, 8);
    m->mode = (uint32_t)take_number(&eye, 4);
    m->chunk_size = take_number(&eye, 8);
    take_digest(&eye, &m->sha256);
    take_digest(&eye, &m->chunks);
    fits = span_copy(take_string(&eye), m->name, sizeof(m->name));
    fits = span_copy(take_string(&eye), m->node, sizeof(m->node)) && fits;
    out->text = take_string(&eye);
    return fits && all_read(&eye);
}

struct span holding_encode(const struct holding *holding, struct span key, char out[RECORD_MAX])
{
    struct pen pen = begin(out);

    put_number(&pen, holding->held, 1);
    put_number(&pen, holding->size, 8);
    put_number(&pen, holding->used, 8);
    put_number(&pen, holding->wanted, 8);
    put_number(&pen, holding->refs, 4);
    put_number(&pen, holding->owns, 4);
    put_number(&pen, holding->unconfirmed, 4);
    put_number(&pen, holding->kept, 4);
    return end(&pen, key, out);
}

bool holding_decode(struct span bytes, struct span key, struct holding *out)
{
    struct eye eye = look(bytes, key);

    out->held = take_number(&eye, 1) != 0;
    out->size = take_number(&eye, 8);
    out->used = take_number(&eye, 8);
    out->wanted = take_number(&eye, 8);
    out->refs = (uint32_t)take_number(&eye, 4);
    out->owns = (uint32_t)take_number(&eye, 4);
    out->unconfirmed = (uint32_t)take_number(&eye, 4);
    out->kept = (uint32_t)take_number(&eye, 4);
    return all_read(&eye);
}

struct span meta_encode(const struct meta *meta, struct span key, char out[RECORD_MAX])
{
    struct pen pen = begin(out);

    put_number(&pen, meta->store_id, 8);
    put_number(&pen, meta->sequence, 8);
    for (size_t i = 0; i < 4; i++)
        put_number(&pen, meta->digest[i], 8);
    put_number(&pen, meta->clock.bits, 8);
    put_number(&pen, meta->segment, 4);
    put_number(&pen, meta->offset, 8);
    put_number(&pen, meta->objects, 8);
    put_number(&pen, meta->tombstones, 8);
    put_number(&pen, meta->held, 8);
    put_number(&pen, meta->held_bytes, 8);
    put_number(&pen, meta->wanted, 8);
    for (size_t i = 0; i < 2; i++)
        put_number(&pen, meta->loose[i], 8);
    put_number(&pen, meta->unconfirmed, 8);
    put_number(&pen, meta->conflicts, 8);
    put_number(&pen, meta->conflict_last, 8);
    put_number(&pen, meta->live_bytes, 8);
    return end(&pen, key, out);
}

bool meta_decode(struct span bytes, struct span key, struct meta *out)
{
    struct eye eye = look(bytes, key);

    out->store_id = take_number(&eye, 8);
    out->sequence = take_number(&eye, 8);
    for (size_t i = 0; i < 4; i++)
        out->digest[i] = take_number(&eye, 8);
    out->clock.bits = take_number(&eye, 8);
    out->segment = (uint32_t)take_number(&eye, 4);
    out->offset = take_number(&eye, 8);
    out->objects = take_number(&eye, 8);
    out->tombstones = take_number(&eye, 8);
    out->held = take_number(&eye, 8);
    out->held_bytes = take_number(&eye, 8);
    out->wanted = take_number(&eye, 8);
    for (size_t i = 0; i < 2; i++)
        out->loose[i] = take_number(&eye, 8);
    out->unconfirmed = take_number(&eye, 8);
    out->conflicts = take_number(&eye, 8);
    out->conflict_last = take_number(&eye, 8);
    out->live_bytes = take_number(&eye, 8);
    return all_read(&eye);
}
