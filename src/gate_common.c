/* SPDX-License-Identifier: ISC */
#include "src/gate_common.h"

#include <stdatomic.h>
#include <string.h>

#include "src/base/log.h"

enum { LOG_NAME_MAX = 256 };

static const struct {
    const char *name;
    const char *sentence;
    unsigned http;
} verdicts[] = {
#define GATE_ROW(id, name, sentence, http) {name, sentence, http},
    GATE_VERDICTS(GATE_ROW)
#undef GATE_ROW
};

static _Atomic uint64_t counts[GATE_VERDICT_COUNT];

const char *gate_name(enum gate_verdict verdict)
{
    return verdicts[verdict].name;
}

const char *gate_sentence(enum gate_verdict verdict)
{
    return verdicts[verdict].sentence;
}

unsigned gate_http_status(enum gate_verdict verdict)
{
    return verdicts[verdict].http;
}

uint64_t gate_count(enum gate_verdict verdict)
{
    return atomic_load_explicit(&counts[verdict], memory_order_relaxed);
}

void gate_ruling_sentence(const struct ruling *ruling, char out[GATE_RULING_SIZE])
{
    struct text text = text_over(out, GATE_RULING_SIZE);

    text_printf(&text, "rule %03u of this node's gate keeps it out: %s", ruling->number,
                ruling->description);
}

void gate_count_one(enum gate_verdict verdict)
{
    atomic_fetch_add_explicit(&counts[verdict], 1, memory_order_relaxed);
}

bool gate_unsigned_passes(const struct keyring *keyring, enum auth_mode auth)
{
    return !keyring || keyring_any(keyring) || auth != AUTH_ENFORCE;
}

enum gate_verdict gate_check_signature(struct seal *seal, const struct keyring *keyring,
                                       enum auth_mode auth, const struct message *m, bool isconf,
                                       bool *is_signed, size_t *key)
{
    enum seal_verdict verdict;

    if (!seal)
        return GATE_PASS;
    verdict = seal_check_message(seal, m, isconf, key);
    *is_signed = verdict == SEAL_OK;
    if (verdict == SEAL_OK || keyring_any(keyring))
        return GATE_PASS;
    if (verdict == SEAL_WRONG)
        return GATE_WRONG_KEY;
    return gate_unsigned_passes(keyring, auth) ? GATE_PASS : GATE_UNSIGNED;
}

enum gate_verdict gate_check_identity(const struct gate_identity *ours,
                                      const struct members *members,
                                      const struct gate_identity *theirs,
                                      const struct address *from)
{
    if (strcmp(theirs->domain, ours->domain) != 0)
        return GATE_OTHER_DOMAIN;
    if (strcmp(theirs->node, ours->node) != 0)
        return GATE_PASS;
    if (theirs->boot == ours->boot || members_is_own(members, from))
        return GATE_OWN_ECHO;
    return GATE_OWN_NAME;
}

enum gate_verdict gate_check_rules(const struct gate_rules *rules, const struct gate_matter *matter,
                                   bool *ruled, struct ruling *ruling)
{
    *ruled = gate_rules_find(rules, matter, ruling);
    return *ruled && !ruling->passes ? GATE_RULE : GATE_PASS;
}

/* Was the sender's name shown to be true, as far as the auth mode wants it? */
static bool name_is_known(enum gate_verdict verdict)
{
    switch (verdict) { /* those that are given once the signature was looked at */
    case GATE_PASS:
    case GATE_NAME:
    case GATE_OTHER_DOMAIN:
    case GATE_REPLAYED:
    case GATE_OWN_ECHO:
    case GATE_OWN_NAME:
    case GATE_RULE:
        return true;
    default:
        return false;
    }
}

/* Whoever reads it has to know where the two are, and what to do. */
static void add_own_address(struct text *out, const struct gate_line *line)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address own;

    if (members_own_for(line->members, line->from, &own))
        text_printf(out, ", which is at %s", address_host_text(&own, text));
    text_puts(out, ": give one of them another (carpond -n NAME)");
}

static void add_why(struct text *out, const struct gate_line *line)
{
    if (line->ruling) {
        text_printf(out, "rule=%03u ", line->ruling->number);
        log_quote(out, span_of(line->ruling->description), RULE_DESCRIPTION_MAX);
        return;
    }
    text_puts(out, gate_sentence(line->verdict));
    if (line->reason)
        text_printf(out, ": %s", line->reason);
    if (line->verdict == GATE_OWN_NAME)
        add_own_address(out, line);
}

void gate_log_line(const struct gate_line *line)
{
    char memory[2 * ADDRESS_TEXT_SIZE + 4 * (LOG_NAME_MAX + RULE_DESCRIPTION_MAX) + 2 * NODE_SIZE +
                512];
    struct text out = TEXT_OVER(memory);
    char host[ADDRESS_TEXT_SIZE];

    text_printf(&out, "%c gate=%u message=%s namespace=", line->verdict == GATE_PASS ? '+' : '-',
                line->port, line->message);
    log_quote(&out, line->name, LOG_NAME_MAX);
    text_printf(&out, " sender=%s", address_host_text(line->from, host));
    if (line->node && *line->node)
        text_printf(&out, " (%s)", line->node);
    text_printf(&out, " receiver=%s ", line->receiver);
    add_why(&out, line);
    if (line->missed)
        text_printf(&out, " (and %llu more of the kind)", (unsigned long long)line->missed);
    log_at(line->verdict == GATE_OWN_NAME ? LEVEL_WARN : LEVEL_INFO, "%s", memory);
}

void gate_log_datagrams(struct gate_line *line, mono_t now, struct rulings *rulings,
                        enum rulings_flood kind, struct log_flood floods[GATE_VERDICT_COUNT])
{
    enum gate_verdict verdict = line->verdict;
    bool pass;

    if (verdict != GATE_PASS && verdict != GATE_RULE)
        line->ruling = NULL;
    if ((verdict == GATE_PASS && !line->ruling) || verdict == GATE_OWN_ECHO)
        return;
    pass = line->ruling ? rulings_hit(rulings, now, line->ruling, kind, &line->missed)
                        : log_flood_pass(&floods[verdict], now, &line->missed);
    if (!name_is_known(verdict))
        line->node = NULL;
    if (pass)
        gate_log_line(line);
}
