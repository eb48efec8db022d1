/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_RULINGS_H
#define POND_SRC_RULINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/time.h"
#include "src/rulebook.h"

/*
 * The rules of the gate that are in force. A reload replaces them at one stroke, while they are
 * looked up by any thread, which waits for nothing but the exchange of a pointer.
 */
struct rulings;

struct rulings *rulings_new(const char *domain); /* none is in force; copies */
void rulings_free(struct rulings *rulings);

/* From now on; NULL: none. Copies. A rule that stands there as it stood keeps its hits. Main
 * thread. */
void rulings_replace(struct rulings *rulings, const struct rules *rules);

/* Rises when they are replaced. */
uint64_t rulings_edition(const struct rulings *rulings);

/* Is any in force? */
bool rulings_any(const struct rulings *rulings);

/* Does one that is name a sender by its node's name? By this one? */
bool rulings_know_nodes(const struct rulings *rulings);
bool rulings_know_node(const struct rulings *rulings, struct span node);

/* What a rule decided. */
struct ruling {
    bool passes;
    unsigned number;
    char description[RULE_DESCRIPTION_MAX + 1];
};

/* Does a rule decide about the message? */
bool rulings_find(const struct rulings *rulings, const struct rule_case *about, struct ruling *out);

/* It did so once more. What a rule decides is a line of the log, and a flood of the same a summary:
 * is this one worth a line now? *missed: how many before it were not. What comes at a steady pace
 * for ever, as ballots and heartbeats do, is given a longer window. */
enum rulings_flood { RULINGS_MESSAGES, RULINGS_BALLOTS, RULINGS_FLOODS };
bool rulings_hit(struct rulings *rulings, mono_t now, const struct ruling *ruling,
                 enum rulings_flood flood, uint64_t *missed);

/* All in force, in their order. */
typedef void rulings_visit(void *arg, const struct rule *rule, uint64_t hits);
void rulings_each(const struct rulings *rulings, rulings_visit *visit, void *arg);

/* Of these, those that match; the last one decides. */
void rulings_matching(const struct rulings *rulings, const struct rule_case *about,
                      rulings_visit *visit, void *arg);

#endif
