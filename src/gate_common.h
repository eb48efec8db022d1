/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GATE_COMMON_H
#define POND_SRC_GATE_COMMON_H

#include "src/base/log.h"
#include "src/gate.h"

/*
 * What the gates share, those of the cache (src/gate.h), of the election (src/advert_gate.h) and of
 * the discovery (src/gossip_gate.h): counts, signatures, the rules, the line in the log.
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

/* The rules, the last of all checks. *ruled: one decided, *ruling. */
enum gate_verdict gate_check_rules(const struct gate_rules *rules, const struct gate_matter *matter,
                                   bool *ruled, struct ruling *ruling);

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

/* The same for a datagram, with line->node as it says itself (which is told where the verdict says
 * that it was looked at), and line->ruling where a rule was asked and decided: where it was
 * refused, or a rule let it in, which counts as a hit; our own echoes are not worth a line, and a
 * flood is a summary, of a rule by `kind`, else of the verdict. */
void gate_log_datagrams(struct gate_line *line, mono_t now, struct rulings *rulings,
                        enum rulings_flood kind, struct log_flood floods[GATE_VERDICT_COUNT]);

#endif
