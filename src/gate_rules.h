/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GATE_RULES_H
#define POND_SRC_GATE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/address.h"
#include "src/base/text.h"
#include "src/heard.h"
#include "src/members.h"
#include "src/rulings.h"

/*
 * How the gates ask the rules, last of all checks (design section 4).
 *
 * Its sender is called by the name that it signed with, and by those of the nodes that were heard
 * lately at its address and that rules name. What a candidate of one of our tiers asks, or one of a
 * tier that hangs below ours, it asks for others too, who were judged where they asked: so long as
 * it is signed, rules that name no sender do not judge it. Any thread.
 */
struct gate_rules {
    struct rulings *rulings; /* NULL: no rules are ever in force */
    const struct members *members;
    struct heard *heard;
};

/* What is to be judged. */
struct gate_matter {
    struct address from;
    const char *node; /* who sent it, as far as the auth mode has that shown; else NULL or empty */
    bool is_signed;
    const struct address *also; /* where its signer was heard; may be NULL */
    size_t also_count;
    uint16_t port; /* ours, on which it came in */
    enum rule_message message;
    struct span name; /* a whole name; of a ballot the tier; empty: none */
};

/* Does a rule decide? Nothing is counted: that is rulings_hit's. */
bool gate_rules_find(const struct gate_rules *rules, const struct gate_matter *matter,
                     struct ruling *out);

/* The message as the rules see it. What it points to must outlast it, `names` too. */
struct gate_rules_names {
    char list[HEARD_NAMES][NODE_SIZE];
};
void gate_rules_case(const struct gate_rules *rules, const struct gate_matter *matter,
                     struct gate_rules_names *names, struct rule_case *out);

/* Does what it asks carry for others? */
bool gate_rules_carries(const struct gate_rules *rules, const struct gate_matter *matter);

#endif
