/* SPDX-License-Identifier: ISC */
#include "cache/manifest.h"

#include <string.h>
#include <xxhash.h>

#include "cache/chunk.h"
#include "src/base/must.h"

enum { FORMAT = 1, SUM_LEN = 16, MODE_LEN = 4, KNEW_NODE_LEN = 16 };
static const char SUM[] = " SUM=";

int manifest_compare(const struct manifest *a, const struct manifest *b)
{
    if (!version_same(a->version, b->version))
        return version_newer(a->version, b->version) ? 1 : -1;
    return digest_compare(&a->sha256, &b->sha256);
}

bool manifest_is(const struct manifest *m, struct version version, const struct digest *sha256)
{
    return version_same(m->version, version) && digest_same(&m->sha256, sha256);
}

/* As sixteen hexadecimal digits. */
static void add_number(struct text *out, uint64_t number)
{
    unsigned char bytes[8];

    for (int i = 7; i >= 0; i--, number >>= 8)
        bytes[i] = (unsigned char)(number & 0xff);
    text_hex(out, bytes, sizeof(bytes));
}

/* ---- descent --------------------------------------------------------------------------------- */

uint64_t manifest_node(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

/* Where that version was not told yet what it is based on, what it replaces is all that is known.
 */
static const struct manifest_knew *untold(const struct manifest *old, struct manifest_knew *memory)
{
    if (!old->replaces.bits || old->knew->last.bits)
        return old->knew;
    *memory = (struct manifest_knew){0, old->replaces, old->replaces};
    return memory;
}

/* What a version is based on is older than it, so what `old` replaces stands before all else. */
void manifest_replace(struct manifest *next, const struct manifest *old)
{
    struct manifest_knew memory[MANIFEST_KNEW_MAX] = {{0}};
    const struct manifest_knew *before = untold(old, memory);
    struct manifest_knew all[MANIFEST_KNEW_MAX] = {
        {manifest_node(old->node), old->version, old->version}};

    for (size_t i = 0, count = 1; i < MANIFEST_KNEW_MAX && before[i].last.bits; i++) {
        if (before[i].node == all->node)
            all->first = before[i].first;
        else if (count < MANIFEST_KNEW_MAX)
            all[count++] = before[i];
    }
    next->replaces = old->version;
    memcpy(next->knew, all, sizeof(all));
}

struct version manifest_own_last(const struct manifest *next)
{
    uint64_t author = manifest_node(next->node);

    for (size_t i = 0; i < MANIFEST_KNEW_MAX; i++)
        if (next->knew[i].node == author && next->knew[i].last.bits)
            return next->knew[i].last;
    return VERSION_NONE;
}

void manifest_forget_own(struct manifest *next)
{
    uint64_t author = manifest_node(next->node);
    size_t kept = 1;

    if (next->knew->node == author)
        next->knew->first = next->knew->last;
    for (size_t i = 1; i < MANIFEST_KNEW_MAX; i++)
        if (next->knew[i].node != author)
            next->knew[kept++] = next->knew[i];
    memset(next->knew + kept, 0, (MANIFEST_KNEW_MAX - kept) * sizeof(*next->knew));
}

/* No node is known to have written the older one: those that were left out are older than the last
 * that is told. One that replaces something and tells of nobody did not tell yet. */
static enum manifest_descent descent_untold(const struct manifest *newer,
                                            const struct manifest *older)
{
    struct version told_to = newer->knew[MANIFEST_KNEW_MAX - 1].last;

    if (newer->replaces.bits && !newer->knew->last.bits)
        told_to = newer->replaces;
    for (size_t i = 0; i < MANIFEST_KNEW_MAX && newer->knew[i].last.bits; i++)
        if (newer->knew[i].node == 0)
            told_to = newer->knew[i].last;
    if (version_same(older->version, newer->replaces))
        return newer->knew->last.bits ? DESCENT_NO : DESCENT_YES;
    return version_newer(older->version, told_to) ? DESCENT_NO : DESCENT_UNKNOWN;
}

enum manifest_descent manifest_descent(const struct manifest *newer, const struct manifest *older)
{
    uint64_t author = manifest_node(older->node);

    for (size_t i = 0; i < MANIFEST_KNEW_MAX && newer->knew[i].last.bits; i++) {
        const struct manifest_knew *one = &newer->knew[i];
        if (one->node == 0 && version_same(older->version, one->last))
            return DESCENT_YES;
        if (one->node != author || version_newer(one->first, older->version))
            continue;
        return version_newer(older->version, one->last) ? DESCENT_NO : DESCENT_YES;
    }
    return descent_untold(newer, older);
}

bool manifest_conflicts(const struct manifest *newer, const struct manifest *older,
                        bool unconfirmed)
{
    enum manifest_descent descent = manifest_descent(newer, older);

    if (older->deleted || version_is_unverified(older->version) ||
        (!newer->deleted && digest_same(&older->sha256, &newer->sha256)))
        return false;
    return descent == DESCENT_NO || (descent == DESCENT_UNKNOWN && unconfirmed);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Digits to the base 8, four of them: 0644. */
static bool read_mode(struct span value, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '7')
            return false;
        *out = *out << 3 | (uint32_t)(value.at[i] - '0');
    }
    return value.len == MODE_LEN;
}

static enum message_verdict read_version(const struct message *m, const char *name,
                                         struct version *out)
{
    struct span value;

    if (!message_get(m, name, &value))
        return MESSAGE_MISSING;
    return version_parse(value, out) ? MESSAGE_OK : MESSAGE_BAD_VALUE;
}

static enum message_verdict read_digest(const struct message *m, const char *name,
                                        struct digest *out)
{
    struct span value;

    if (!message_get(m, name, &value))
        return MESSAGE_MISSING;
    return digest_parse(value, out) ? MESSAGE_OK : MESSAGE_BAD_VALUE;
}

/* The first part of a name is its domain: whose, is the gate's to judge. */
static enum message_verdict read_name(const struct message *m, char out[NAME_SIZE])
{
    struct span value, rest;
    char domain[NODE_SIZE];

    if (!message_get(m, "name", &value))
        return MESSAGE_MISSING;
    rest = value;
    if (!span_copy(span_take(&rest, '/'), domain, sizeof(domain)))
        return MESSAGE_BAD_VALUE;
    if (name_check(value, domain) != NAME_OK || !span_copy(value, out, NAME_SIZE))
        return MESSAGE_BAD_VALUE;
    return MESSAGE_OK;
}

static enum message_verdict read_node(const struct message *m, char out[NODE_SIZE])
{
    struct span value;

    if (!message_get(m, "node", &value))
        return MESSAGE_MISSING;
    return node_name_ok(value) && span_copy(value, out, NODE_SIZE) ? MESSAGE_OK : MESSAGE_BAD_VALUE;
}

static enum message_verdict read_format(const struct message *m)
{
    uint64_t format = 0;
    enum message_verdict verdict = message_u64(m, "format", UINT64_MAX, &format);

    return verdict == MESSAGE_OK && format < FORMAT ? MESSAGE_BAD_VALUE : verdict;
}

/* NODE@LAST or NODE@FIRST-LAST, the node as sixteen hexadecimal digits. */
static bool read_known(struct span one, struct manifest_knew *out)
{
    unsigned char node[KNEW_NODE_LEN / 2];
    struct span first;

    if (!span_hex(span_take(&one, '@'), node, sizeof(node)))
        return false;
    first = span_take(&one, '-');
    if (!version_parse(first, &out->first) || !version_parse(one.len ? one : first, &out->last))
        return false;
    out->node = 0;
    for (size_t i = 0; i < sizeof(node); i++)
        out->node = out->node << 8 | node[i];
    return out->first.bits != 0 && !version_newer(out->first, out->last);
}

/* From the newest on, which is what it replaces; more than there is room for is left out. */
static enum message_verdict read_knew(const struct message *m, struct manifest *out)
{
    struct span rest;

    if (!message_get(m, "knew", &rest))
        return MESSAGE_OK;
    for (size_t i = 0; i < MANIFEST_KNEW_MAX && rest.len; i++) {
        struct manifest_knew *one = &out->knew[i];
        if (!read_known(span_take(&rest, ' '), one))
            return MESSAGE_BAD_VALUE;
        if (i == 0 ? !version_same(one->last, out->replaces)
                   : !version_newer(one[-1].last, one->last))
            return MESSAGE_BAD_VALUE;
    }
    return MESSAGE_OK;
}

/* What a version of either kind has. */
static enum message_verdict read_head(const struct message *m, struct manifest *out)
{
    enum message_verdict verdict = read_format(m);

    if (verdict == MESSAGE_OK)
        verdict = read_name(m, out->name);
    if (verdict == MESSAGE_OK)
        verdict = read_node(m, out->node);
    if (verdict == MESSAGE_OK)
        verdict = read_version(m, "version", &out->version);
    if (verdict == MESSAGE_OK) {
        verdict = read_version(m, "replaces", &out->replaces);
        verdict = verdict == MESSAGE_MISSING ? MESSAGE_OK : verdict;
    }
    if (verdict == MESSAGE_OK)
        verdict = read_knew(m, out);
    if (verdict == MESSAGE_OK) {
        verdict = message_flag(m, "deleted", &out->deleted);
        verdict = verdict == MESSAGE_MISSING ? MESSAGE_OK : verdict;
    }
    if (verdict == MESSAGE_OK && !version_newer(out->version, out->replaces))
        verdict = MESSAGE_BAD_VALUE;
    return verdict;
}

/* Content of one chunk has a list of one digest, its own. */
static bool chunks_fit(const struct manifest *m)
{
    struct digest list;

    if (!chunk_size_fits(m->size, m->chunk_size))
        return false;
    if (chunk_count(m->size, m->chunk_size) > 1)
        return true;
    digest_of(m->sha256.bytes, sizeof(m->sha256.bytes), &list);
    return digest_same(&list, &m->chunks);
}

static enum message_verdict read_content(const struct message *m, struct manifest *out)
{
    struct span mode;
    enum message_verdict verdict = message_u64(m, "size", INT64_MAX, &out->size);

    if (verdict == MESSAGE_OK)
        verdict = message_i64(m, "mtime_ns", &out->mtime_ns);
    if (verdict == MESSAGE_OK)
        verdict = message_u64(m, "chunk_size", INT64_MAX, &out->chunk_size);
    if (verdict == MESSAGE_OK)
        verdict = read_digest(m, "sha256", &out->sha256);
    if (verdict == MESSAGE_OK)
        verdict = read_digest(m, "chunks", &out->chunks);
    if (verdict != MESSAGE_OK)
        return verdict;
    if (!message_get(m, "mode", &mode))
        return MESSAGE_MISSING;
    return read_mode(mode, &out->mode) && chunks_fit(out) ? MESSAGE_OK : MESSAGE_BAD_VALUE;
}

static void write_sum(struct span covered, char out[SUM_LEN + 1])
{
    struct text text = text_over(out, SUM_LEN + 1);

    add_number(&text, XXH3_64bits(covered.at, covered.len));
}

/* The sum on the From line, where there is one. */
static bool find_sum(struct span from, struct span *sum)
{
    const char *at = memmem(from.at, from.len, SUM, sizeof(SUM) - 1);

    if (!at)
        return false;
    at += sizeof(SUM) - 1;
    *sum = (struct span){at, (size_t)(from.at + from.len - at)};
    *sum = span_take(sum, ' ');
    return true;
}

bool manifest_has_sum(struct span text)
{
    struct span sum;

    return find_sum(span_take(&text, '\n'), &sum);
}

static enum message_verdict check_sum(struct span text, struct span covered)
{
    struct span sum;
    char right[SUM_LEN + 1];

    if (!find_sum(span_take(&text, '\n'), &sum))
        return MESSAGE_OK;
    write_sum(covered, right);
    return span_is(sum, right) ? MESSAGE_OK : MESSAGE_BAD_VALUE;
}

enum message_verdict manifest_read_next(struct span *rest, struct manifest *out, struct span *one)
{
    struct message m;
    struct span after = *rest;
    enum message_verdict verdict = message_decode_next(&after, &m);

    *out = (struct manifest){0};
    if (verdict != MESSAGE_OK)
        return verdict;
    if (!span_is(m.type, "manifest"))
        return MESSAGE_NO_TYPE;
    *one = (struct span){rest->at, rest->len - after.len};
    verdict = check_sum(*one, m.covered);
    if (verdict == MESSAGE_OK)
        verdict = read_head(&m, out);
    if (verdict == MESSAGE_OK && !out->deleted)
        verdict = read_content(&m, out);
    if (verdict == MESSAGE_OK)
        *rest = after;
    return verdict;
}

bool manifest_pass_over(struct span *rest)
{
    struct message m;
    struct span after = *rest, one;

    if (message_decode_next(&after, &m) != MESSAGE_OK || span_is(m.type, "manifest"))
        return false;
    one = (struct span){rest->at, rest->len - after.len};
    if (!manifest_has_sum(one) || check_sum(one, m.covered) != MESSAGE_OK)
        return false;
    *rest = after;
    return true;
}

enum message_verdict manifest_read(struct span text, struct manifest *out)
{
    struct span one;
    enum message_verdict verdict;

    if (text.len > MESSAGE_MAX)
        return MESSAGE_TOO_LONG;
    verdict = manifest_read_next(&text, out, &one);
    return verdict == MESSAGE_OK && text.len ? MESSAGE_BAD_SIZE : verdict;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void add_version(struct text *out, const char *name, struct version version)
{
    char text[VERSION_TEXT_SIZE];

    message_add(out, name, span_of(version_text(version, text)));
}

static void add_known(struct text *out, const struct manifest_knew *one)
{
    char version[VERSION_TEXT_SIZE];

    add_number(out, one->node);
    text_putc(out, '@');
    if (!version_same(one->first, one->last))
        text_printf(out, "%s-", version_text(one->first, version));
    text_puts(out, version_text(one->last, version));
}

static void add_knew(struct text *out, const struct manifest *m)
{
    char memory[MANIFEST_KNEW_MAX * (KNEW_NODE_LEN + 2 + 2 * VERSION_TEXT_SIZE)];
    struct text all = TEXT_OVER(memory);

    for (size_t i = 0; i < MANIFEST_KNEW_MAX && m->knew[i].last.bits; i++) {
        text_puts(&all, i ? " " : "");
        add_known(&all, &m->knew[i]);
    }
    if (all.len)
        message_add(out, "knew", (struct span){all.at, all.len});
}

static void add_digest(struct text *out, const char *name, const struct digest *digest)
{
    char hex[DIGEST_HEX_SIZE];

    message_add(out, name, span_of(digest_hex(digest, hex)));
}

static void add_mode(struct text *out, uint32_t mode)
{
    char digits[MODE_LEN];

    for (int i = MODE_LEN - 1; i >= 0; i--, mode >>= 3)
        digits[i] = (char)('0' + (mode & 7));
    message_add(out, "mode", (struct span){digits, sizeof(digits)});
}

void manifest_write(const struct manifest *m, struct text *out)
{
    message_begin(out, (wall_t){version_ms(m->version)}, "manifest", 0);
    message_add_u64(out, "format", FORMAT);
    message_add(out, "name", span_of(m->name));
    message_add(out, "node", span_of(m->node));
    add_version(out, "version", m->version);
    if (m->replaces.bits)
        add_version(out, "replaces", m->replaces);
    add_knew(out, m);
    if (m->deleted) {
        message_add_flag(out, "deleted", true);
    } else {
        message_add_u64(out, "size", m->size);
        message_add_i64(out, "mtime_ns", m->mtime_ns);
        add_mode(out, m->mode);
        message_add_u64(out, "chunk_size", m->chunk_size);
        add_digest(out, "sha256", &m->sha256);
        add_digest(out, "chunks", &m->chunks);
    }
    message_end(out, span_of(""));
    manifest_stamp(out);
}

void manifest_stamp(struct text *out)
{
    char token[sizeof(SUM) + SUM_LEN] = "SUM=";

    if (out->full)
        return;
    write_sum(message_covered(out), token + strlen(token));
    message_stamp(out, token);
}
