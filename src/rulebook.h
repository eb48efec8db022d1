/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_RULEBOOK_H
#define POND_SRC_RULEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/rules.h"
#include "src/base/address.h"
#include "src/base/text.h"

/*
 * The rules of the gate, made ready for looking up: which of them decides about a message takes a
 * few look-ups and one pass over a bit a rule, however many rules there are and however they
 * overlap. Never changed once it is in use, but for the hits; any thread.
 */
struct rulebook;

/* Copies what it needs. `domain`: a namespace may be written with or without it. */
struct rulebook *rulebook_new(const struct rules *rules, const char *domain);
void rulebook_free(struct rulebook *book);

/* What is known of a message. */
enum { RULE_NODES_MAX = 5 };
struct rule_case {
    uint16_t port;                     /* ours, on which it came in */
    enum rule_message message;         /* RULE_ANY_MESSAGE: none of them; rules for any judge it */
    struct span name;                  /* a whole name; of a ballot the tier; empty: it has none */
    struct address from;               /* the port does not count */
    const char *nodes[RULE_NODES_MAX]; /* what its sender is called; none: that is not known */
    size_t node_count;
    bool carries; /* it asks for others too: only rules that name its sender judge it */
};

/* The number of the deciding rule among `rulebook_count` ones; false where no rule matches. */
bool rulebook_find(const struct rulebook *book, const struct rule_case *about, size_t *out);

/* Does rule i match it? */
bool rulebook_fits(const struct rulebook *book, const struct rule_case *about, size_t i);

/* Does any rule name a sender by its node's name? Else nobody needs to know what it is. And by this
 * one? */
bool rulebook_knows_nodes(const struct rulebook *book);
bool rulebook_knows_node(const struct rulebook *book, struct span node);

size_t rulebook_count(const struct rulebook *book);
const struct rule *rulebook_rule(const struct rulebook *book, size_t i);

/* How often it decided, and that it did once more. */
uint64_t rulebook_hits(const struct rulebook *book, size_t i);
void rulebook_hit(const struct rulebook *book, size_t i);

/* Rules that stand in the older book just so, under the same number, go on from its hits, and from
 * those that are still counted there; before this book is looked up in. */
void rulebook_keep_hits(struct rulebook *book, const struct rulebook *old);

#endif
