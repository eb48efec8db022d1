/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_RELOAD_H
#define POND_SRC_RELOAD_H

#include "conf/conf.h"
#include "src/mailbox.h"

/*
 * Reading main.cf, nets files and keys again while the daemon runs. They are read, checked and
 * compared on a thread of its own, for ten thousand lines take a while; then everything is applied
 * on the main thread, or, where anything is wrong, nothing. One at a time: who asks while one is
 * under way gets the next one, which all who came meanwhile share.
 */
struct reload;

struct reload_options {
    struct mailbox *mailbox; /* the main loop's */
    struct conf *conf;       /* in force at the start; must outlive the reload */

    /* Puts `fresh` in force: as apply_conf() (src/apply.h). Main thread. */
    bool (*apply)(void *arg, struct conf *old, struct conf *fresh, bool *keys,
                  struct text *complaint);
    /* It begins; it is over. For the service manager. Main thread; may be NULL. */
    void (*tell)(void *arg, bool begins);
    void *arg;
};
struct reload *reload_new(const struct reload_options *options);

/* Ends what is under way; nothing is applied any more, and who waits is answered. Main thread. */
void reload_stop(struct reload *reload);

/* Once nobody asks any more. Frees the configuration that it put in force. */
void reload_free(struct reload *reload); /* NULL: nothing */

/*
 * Who waits for the outcome; the caller's memory, until `done`. The outcome is JSON:
 *
 *   format    1
 *   result    "applied", "unchanged" (what was read is what is in force), "faulty" (nothing has
 *             changed)
 *   settings  those that changed: name, tier (null: the node's), was, is (as in main.cf)
 *   tiers     those that were joined or left: tier, change
 *   members   of tiers that stay: added, removed, changed (how many), list (of RELOAD_LISTED_MAX
 *             at most: tier, member, was, is: the role; null: none)
 *   keys      true where the keys are others
 *   rules     true where the rules of the gate are others
 *   restart   the settings that wait for the next start
 *   errors, warnings   lines that begin with file:line
 *   read_ms, applied_ms   how long it took, on the other thread and on the main one
 */
enum { RELOAD_LISTED_MAX = 100 };

struct reload_ask {
    void (*done)(struct reload_ask *ask); /* on the main thread */
    char *json;                           /* free() it; NULL: the daemon is stopping */
    void *owner;

    struct reload *reload; /* the reload's, with what follows */
    struct reload_ask *next;
    struct letter letter;
};
void reload_ask(struct reload *reload, struct reload_ask *ask); /* any thread */

/* For nobody who waits: the outcome is in the log, as it always is. Main thread. */
void reload_want(struct reload *reload);

#endif
