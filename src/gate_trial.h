/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GATE_TRIAL_H
#define POND_SRC_GATE_TRIAL_H

#include "src/gate.h"

/*
 * A message that somebody asks about: what would the rules say of it? In words,
 *
 *     message=sendme sender=10.27.4.9 namespace=example.com/x port=65028
 *
 * The sender is an address or a node's name, and is taken to sign where there are keys. Without a
 * port it is the one on which such a message comes in to the gate, if it does to this one.
 */
struct gate_trial {
    enum rule_message message;
    uint16_t port; /* 0: none that a rule could name */
    struct address from;
    char node[NODE_SIZE]; /* empty: the sender is an address */
    char name[NAME_SIZE]; /* a whole name, or a tier; empty: none */
    bool is_signed;
    size_t heard_count;
    struct address heard[HEARD_ADDRESSES]; /* of `node` */
};

/* False, and what is wrong with them in `complaint`. */
bool gate_trial_read(struct span words, const struct gate *gate, struct gate_trial *out,
                     struct text *complaint);

/* As it is to be judged; points into the trial. */
struct gate_matter gate_trial_matter(const struct gate_trial *trial);

#endif
