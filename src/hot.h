/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HOT_H
#define POND_SRC_HOT_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/version.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/base/time.h"

/*
 * Answers that are asked for again and again, kept in memory as they go out, so that the next one
 * costs no look into the store, no file and no formatting. Who asks has been let in before, each
 * time anew; what is kept depends on nothing about the asker but the key.
 *
 * Whether an answer still is the right one the owner decides, by the store's edition: see
 * store_edition. It stands while that is as it was; where it is another, the owner looks, and says
 * so by hot_stands, or hot_forget. After `fresh_ns` it is made anew in any case: so a use of
 * content is noted, and its file looked at, no less often than that.
 *
 * An answer is kept when it is asked for the second time within a while, so that who reads all
 * there is does not push out what is asked for again. Any thread.
 */
struct hot_key {
    struct span target; /* what is asked for */
    uint64_t variant;   /* whatever else the answer depends on */
};

struct hot_answer {
    void *response;         /* the owner's; dropped when neither the table nor anybody has it */
    uint64_t len;           /* of the content */
    struct version version; /* what of the store it shows */
    struct digest sha256;
};

struct hot;
struct hot_entry;

struct hot_options {
    size_t most;                  /* bytes of all answers, with those that are only being sent */
    int64_t fresh_ns;             /* for which one is kept */
    void (*drop)(void *response); /* the table may be locked: it calls nothing but hot_gone */
};
struct hot *hot_new(const struct hot_options *options);
void hot_free(struct hot *hot); /* when no entry is held; NULL: nothing */

/* NULL: there is none. Held until hot_leave. */
struct hot_entry *hot_find(struct hot *hot, const struct hot_key *key, mono_t now);
void hot_leave(struct hot_entry *entry);

const struct hot_answer *hot_answer_of(const struct hot_entry *entry);
uint64_t hot_edition(const struct hot_entry *entry); /* for which it is known to stand */
void hot_stands(struct hot_entry *entry, uint64_t edition);
void hot_forget(struct hot *hot, struct hot_entry *entry); /* nobody finds it any more */

/* It is asked for, and there is none: shall one be kept? */
bool hot_is_wanted(struct hot *hot, const struct hot_key *key);

/* Room for an answer that is to be kept; others go for it. False: too much is still being sent. It
 * is given back by hot_gone, when the answer takes no memory any more. */
bool hot_take_room(struct hot *hot, size_t size);
void hot_gone(struct hot *hot, size_t size);

/* In the place of one that was there. `edition`: the store's from before what the answer shows was
 * read. */
void hot_keep(struct hot *hot, const struct hot_key *key, const struct hot_answer *answer,
              uint64_t edition, mono_t now);

size_t hot_size(const struct hot *hot);

#endif
