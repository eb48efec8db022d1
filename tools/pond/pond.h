/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_POND_H
#define POND_TOOLS_POND_POND_H

#include <limits.h>
#include <stdbool.h>

#include "cache/name.h"
#include "tools/pond/args.h"
#include "tools/pond/client.h"
#include "tools/pond/say.h"

/*
 * What every command works with: the command line and the daemon that it means. All functions that
 * return a status other than POND_DONE have said why.
 */
struct pond {
    const struct args *args;
    char socket_path[PATH_MAX];
    struct client *client;
    char domain[NODE_SIZE]; /* empty until it was asked for */
};

void pond_begin(struct pond *pond, const struct args *args);
void pond_end(struct pond *pond);

/* Asks the daemon, which is found at the first question: by --home, else IS_HOME, else main.cf's
 * home, else the default. POND_DONE: the answer's status is 2xx, and its body went to the sink,
 * whole. `what` stands in front of messages, as in "get example.com/a". */
enum pond_exit pond_do(struct pond *pond, const char *what, const struct call *call,
                       struct answer *answer);

/* What a person typed as a whole name, by the daemon's domain. */
enum pond_exit pond_name(struct pond *pond, const char *typed, char out[NAME_SIZE]);
enum pond_exit pond_domain(struct pond *pond); /* fills pond->domain */

/* Adds "KEY=VALUE" of a query, the value percent-encoded but for what RFC 3986 lets stand. */
void pond_query(struct text *target, const char *key, const char *value);

/* The commands. */
int cmd_status(struct pond *pond);
int cmd_peers(struct pond *pond);
int cmd_gate(struct pond *pond);
int cmd_put(struct pond *pond);
int cmd_get(struct pond *pond);
int cmd_ls(struct pond *pond);
int cmd_rm(struct pond *pond);
int cmd_conflicts(struct pond *pond);
int cmd_whohas(struct pond *pond);
int cmd_verify(struct pond *pond);
int cmd_rebuild(struct pond *pond);
int cmd_check(struct pond *pond);
int cmd_events(struct pond *pond);
int cmd_reload(struct pond *pond);
int cmd_log_level(struct pond *pond);
int cmd_key(struct pond *pond);
int cmd_demote(struct pond *pond);
int cmd_restore(struct pond *pond);

#endif
