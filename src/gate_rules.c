/* SPDX-License-Identifier: ISC */
#include "src/gate_rules.h"

#include <string.h>

#include "src/base/must.h"

/* ---- whose it is ----------------------------------------------------------------------------- */

static void add_node(struct rule_case *out, const char *node)
{
    for (size_t i = 0; i < out->node_count; i++)
        if (strcmp(out->nodes[i], node) == 0)
            return;
    MUST(out->node_count < RULE_NODES_MAX);
    out->nodes[out->node_count++] = node;
}

_Static_assert(RULE_NODES_MAX >= HEARD_NAMES + 1, "the signer and those that were heard there");

static bool is_named(void *rulings, const char *node)
{
    return rulings_know_node(rulings, span_of(node));
}

static void add_nodes(const struct gate_rules *rules, const struct gate_matter *matter,
                      struct gate_rules_names *names, struct rule_case *out)
{
    size_t count;

    if (matter->node && *matter->node)
        add_node(out, matter->node);
    if (!rulings_know_nodes(rules->rulings))
        return;
    count = heard_at(rules->heard, &matter->from, is_named, rules->rulings, names->list);
    for (size_t i = 0; i < count; i++)
        add_node(out, names->list[i]);
}

/* ---- for whom it is -------------------------------------------------------------------------- */

static bool is_candidate(const struct members *members, const struct address *host)
{
    struct members_pair shared[MEMBERS_TIERS_MAX];
    size_t count = members_shared(members, host, shared);

    for (size_t i = 0; i < count; i++)
        if (shared[i].its == MEMBER_CANDIDATE)
            return true;
    return false;
}

/* What they announce, put, remove or elect is theirs. */
static bool may_carry(enum rule_message message)
{
    return message == RULE_WHOHAS || message == RULE_SENDME || message == RULE_ANY_MESSAGE;
}

bool gate_rules_carries(const struct gate_rules *rules, const struct gate_matter *matter)
{
    if (!matter->is_signed || !may_carry(matter->message))
        return false;
    if (is_candidate(rules->members, &matter->from))
        return true;
    for (size_t i = 0; i < matter->also_count; i++)
        if (is_candidate(rules->members, &matter->also[i]))
            return true;
    return matter->node && heard_is_below(rules->heard, span_of(matter->node));
}

/* ---- what they say --------------------------------------------------------------------------- */

static void make_case(const struct gate_rules *rules, const struct gate_matter *matter,
                      struct gate_rules_names *names, struct rule_case *out)
{
    *out = (struct rule_case){.port = matter->port,
                              .message = matter->message,
                              .name = matter->name,
                              .from = matter->from};
    add_nodes(rules, matter, names, out);
}

void gate_rules_case(const struct gate_rules *rules, const struct gate_matter *matter,
                     struct gate_rules_names *names, struct rule_case *out)
{
    make_case(rules, matter, names, out);
    out->carries = gate_rules_carries(rules, matter);
}

/* Most messages match no rule: only of those that do it is asked for whom they are. */
bool gate_rules_find(const struct gate_rules *rules, const struct gate_matter *matter,
                     struct ruling *out)
{
    struct gate_rules_names names;
    struct rule_case about;

    if (!rules->rulings || !rulings_any(rules->rulings))
        return false;
    make_case(rules, matter, &names, &about);
    if (!rulings_find(rules->rulings, &about, out))
        return false;
    about.carries = gate_rules_carries(rules, matter);
    return !about.carries || rulings_find(rules->rulings, &about, out);
}
