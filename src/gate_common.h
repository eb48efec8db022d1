/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GATE_COMMON_H
#define POND_SRC_GATE_COMMON_H

#include "src/gate.h"

/*
 * What the gates share, those of the cache (src/gate.h) and of the election (src/advert_gate.h):
 * counts, signatures, the line in the log.
 */
void gate_count_one(enum gate_verdict verdict);

/* May what is not signed pass? keyring: NULL where there are no keys. */
bool gate_unsigned_passes(const struct keyring *keyring, enum auth_mode auth);

/* What the auth mode says of a message. seal: NULL where there are no keys. *is_signed: whether the
 * signature was found good, *key: with which of our keys. */
enum gate_verdict gate_check_signature(struct seal *seal, const struct keyring *keyring,
                                       enum auth_mode auth, const struct message *m, bool isconf,
                                       bool *is_signed, size_t *key);

/* Who we are, and who says that it spoke. */
struct gate_identity {
    const char *domain;
    const char *node;
    uint64_t boot;
};

/* Is it of this cluster, and not of this very node? */
enum gate_verdict gate_check_identity(const struct gate_identity *ours,
                                      const struct members *members,
                                      const struct gate_identity *theirs,
                                      const struct address *from);

/* One line of section 4's form: of a refusal, or of a pass that a rule decided. */
struct gate_line {
    enum gate_verdict verdict;
    unsigned port;
    const char *message; /* whohas, advert, ... */
    struct span name;    /* the namespace; quoted */
    const struct address *from;
    const char *node;     /* the sender's name, if it was shown to be true; empty or NULL: no */
    const char *receiver; /* our name */
    const char *reason;   /* more closely why, or NULL */
    const struct ruling *ruling;   /* GATE_PASS and GATE_RULE: what the rule says; else NULL */
    uint64_t missed;               /* how many of the kind were held back */
    const struct members *members; /* by which our own address towards the sender is found */
};
void gate_log_line(const struct gate_line *line);

/* Was the sender's name shown to be true, as far as the auth mode wants it? */
bool gate_name_is_known(enum gate_verdict verdict);

#endif
