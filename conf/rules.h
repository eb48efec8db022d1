/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_RULES_H
#define POND_CONF_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/report.h"
#include "src/base/address.h"
#include "src/base/text.h"

/*
 * The rules file of the gate: which messages from outside are let in. Six columns with commas
 * between them,
 *
 *     ruleNNN = sign, local port, message, namespace, sender, description
 *
 * of which sign and description must be there; an empty one says "any". Of the rules that match a
 * message the one with the highest number decides. Never changed once it is read.
 */
enum {
    RULES_FILE_MAX = 4 * 1024 * 1024,
    RULES_MAX = 4096,
    RULES_NUMBER_MAX = 999999999,
    RULE_SPACE_MAX = 1024,
    RULE_DESCRIPTION_MAX = 200
};

/* What a rule can speak of. */
#define RULE_MESSAGES(ROW)                                                                         \
    ROW(RULE_WHOHAS, "whohas")                                                                     \
    ROW(RULE_IHAVE, "ihave")                                                                       \
    ROW(RULE_SENDME, "sendme")                                                                     \
    ROW(RULE_HEREIS, "hereis")                                                                     \
    ROW(RULE_ADVERT, "advert")                                                                     \
    ROW(RULE_STANDING, "standing")                                                                 \
    ROW(RULE_SOLICIT, "solicit")                                                                   \
    ROW(RULE_GOSSIP, "gossip")                                                                     \
    ROW(RULE_PUT, "put")                                                                           \
    ROW(RULE_RM, "rm")

enum rule_message {
#define RULE_ENUM(id, name) id,
    RULE_MESSAGES(RULE_ENUM)
#undef RULE_ENUM
        RULE_MESSAGE_COUNT,
    RULE_ANY_MESSAGE = RULE_MESSAGE_COUNT
};
const char *rule_message_name(enum rule_message message); /* "any" for RULE_ANY_MESSAGE */
bool rule_message_parse(struct span word, enum rule_message *out);

enum rule_sender { RULE_ANYONE, RULE_NODE, RULE_NETWORK };

struct rule {
    unsigned number;
    unsigned line;
    bool passes;   /* + */
    uint16_t port; /* of ours, on which it came in; 0: any */
    enum rule_message message;
    const char *space; /* a prefix of names, cut at a slash, or a tier; without a slash at its end;
                          NULL: any */
    enum rule_sender sender;
    const char *node;       /* RULE_NODE */
    struct network network; /* RULE_NETWORK: of one address too */
    const char *description;
};

struct rules {
    char *file;        /* as it was opened */
    struct rule *list; /* in the order of their numbers */
    size_t count;
    struct conf_arena *arena; /* owns the texts */
};

/* All errors of the file go to the report; NULL then. A file without any rule is good. */
struct rules *rules_read(const char *file, struct report *report);
struct rules *rules_parse(struct span text, const char *file, struct report *report);
void rules_free(struct rules *rules);

/* The rule in normal form, as it could stand in a file. */
enum { RULE_TEXT_SIZE = RULE_SPACE_MAX + RULE_DESCRIPTION_MAX + 512 };
void rule_print(const struct rule *rule, struct text *out);

#endif
