/* SPDX-License-Identifier: ISC */
#include "src/remember_inner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "src/base/must.h"

static const char head[] = "carpond election 1\n";
static const char sum_line[] = "sum: ";

enum { SUM_DIGITS = 16, SUM_LINE_LEN = sizeof(sum_line) - 1 + SUM_DIGITS + 1 };

/* ---- writing --------------------------------------------------------------------------------- */

void remembered_begin(struct text *out)
{
    text_puts(out, head);
}

static void add_known(struct text *out, const struct elect_known *known)
{
    char address[ADDRESS_TEXT_SIZE];

    text_printf(out, "known: %s %u %" PRIu64 " %" PRIu64 " %s\n",
                address_host_text(&known->address, address), known->address.port, known->boot,
                known->counter, known->node);
}

void remembered_add(struct text *out, const struct remembered *one)
{
    const struct elect_memory *memory = &one->memory;

    MUST(memory->count <= ELECT_CANDIDATES_MAX);
    text_printf(out, "tier: %s\nepoch: %" PRIu64 "\nreserved: %" PRIu64 "\n", one->tier,
                memory->epoch, memory->reserved);
    if (one->hand.demoted)
        text_printf(out, "hand: %" PRId64 " %" PRId64 "\n", one->hand.since.ms, one->hand.until.ms);
    for (size_t i = 0; i < memory->count; i++)
        add_known(out, &memory->known[i]);
}

static void add_sum(struct text *out, struct span covered)
{
    text_printf(out, "%s%0*" PRIx64 "\n", sum_line, SUM_DIGITS,
                (uint64_t)XXH3_64bits(covered.at, covered.len));
}

void remembered_end(struct text *out)
{
    if (!out->full)
        add_sum(out, (struct span){out->at, out->len});
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The sum is the last line, and right? *body gets what stands above it. */
static bool check_sum(struct span text, struct span *body)
{
    char memory[SUM_LINE_LEN + 1];
    struct text right = TEXT_OVER(memory);

    if (text.len < SUM_LINE_LEN)
        return false;
    *body = (struct span){text.at, text.len - SUM_LINE_LEN};
    add_sum(&right, *body);
    return span_is((struct span){text.at + body->len, SUM_LINE_LEN}, memory);
}

/* Takes the line that comes next if it is of this kind: what follows the colon and the blank. */
static bool take_line(struct span *rest, const char *kind, struct span *value)
{
    if (!span_begins(*rest, kind))
        return false;
    *value = span_take(rest, '\n');
    value->at += strlen(kind);
    value->len -= strlen(kind);
    return true;
}

static bool take_number(struct span *rest, const char *kind, uint64_t *out)
{
    struct span value;

    return take_line(rest, kind, &value) && span_u64(value, UINT64_MAX, out);
}

static bool read_name(struct span name, char *out, size_t cap)
{
    return name.len > 0 && span_is_plain_utf8(name) && span_copy(name, out, cap);
}

static bool read_hand(struct span value, struct remember_hand *out)
{
    struct span since = span_take(&value, ' ');

    out->demoted = true;
    return span_i64(since, &out->since.ms) && span_i64(value, &out->until.ms);
}

/* An address that cannot be read any more is that of an interface which is gone ("fe80::1%eth1"):
 * passed over, with *readable false. */
static bool read_known(struct span value, struct elect_known *out, bool *readable)
{
    struct span address = span_take(&value, ' '), port = span_take(&value, ' ');
    struct span boot = span_take(&value, ' '), counter = span_take(&value, ' ');
    uint64_t number;

    if (!span_u64(port, UINT16_MAX, &number) || !span_u64(boot, UINT64_MAX, &out->boot) ||
        !span_u64(counter, UINT64_MAX, &out->counter) ||
        !read_name(value, out->node, sizeof(out->node)))
        return false;
    *readable = address_parse(address, (uint16_t)number, &out->address);
    return *readable || memchr(address.at, '%', address.len);
}

static bool is_ours(struct span rest)
{
    static const char *const kinds[] = {"tier: ", "epoch: ", "reserved: ", "hand: ", "known: "};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (span_begins(rest, kinds[i]))
            return true;
    }
    return false;
}

/* Lines of kinds that a later version writes, behind all those that each tier has. */
static void pass_over_others(struct span *rest)
{
    const char *colon;

    while (rest->len && !is_ours(*rest)) {
        struct span after = *rest, line = span_take(&after, '\n');
        colon = line.len ? memchr(line.at, ':', line.len) : NULL;
        if (!colon || colon == line.at)
            return;
        *rest = after;
    }
}

static bool read_all_known(struct span *rest, struct elect_memory *memory)
{
    struct span value;
    bool readable;

    for (pass_over_others(rest); take_line(rest, "known: ", &value); pass_over_others(rest)) {
        if (memory->count == ELECT_CANDIDATES_MAX ||
            !read_known(value, &memory->known[memory->count], &readable))
            return false;
        memory->count += readable;
    }
    return true;
}

static bool read_tier(struct span *rest, struct remembered *out)
{
    struct span value;

    memset(out, 0, sizeof(*out));
    if (!take_line(rest, "tier: ", &value) || !read_name(value, out->tier, sizeof(out->tier)) ||
        !take_number(rest, "epoch: ", &out->memory.epoch) ||
        !take_number(rest, "reserved: ", &out->memory.reserved))
        return false;
    if (take_line(rest, "hand: ", &value) && !read_hand(value, &out->hand))
        return false;
    return read_all_known(rest, &out->memory);
}

bool remembered_read(struct span text, remembered_take *take, void *arg)
{
    struct remembered *one;
    struct span rest;
    bool good;

    if (!check_sum(text, &rest) || !span_begins(rest, head) || rest.at[rest.len - 1] != '\n')
        return false;
    span_take(&rest, '\n');
    one = malloc(sizeof(*one));
    MUST(one != NULL);
    for (good = true; good && rest.len;)
        good = read_tier(&rest, one) && take(arg, one);
    free(one);
    return good;
}
