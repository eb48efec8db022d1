/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_MAILBOX_H
#define POND_SRC_MAILBOX_H

#include <stddef.h>

struct ev_loop;

/*
 * How other threads speak to a loop: a letter is posted from any thread and read on the loop's, in
 * the order of posting. Posting never blocks for longer than a list operation, allocates nothing,
 * and wakes the loop once for many letters (ev_async_send, the one call of libev that other threads
 * may make).
 */
struct letter {
    void (*read)(struct letter *letter); /* on the loop's thread; the letter is the reader's then */
    struct letter *next;                 /* the mailbox's */
};

struct mailbox;
struct mailbox *mailbox_new(struct ev_loop *loop); /* on the loop's thread */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

/* Reads what has come so far, without waiting for the loop's turn. On the loop's thread. */
void mailbox_read(struct mailbox *mailbox);

/* Reads what is left, then frees; nobody may post any more. On the loop's thread. */
void mailbox_free(struct mailbox *mailbox);

/* The struct that a member stands in. */
#define LETTER_OWNER(letter, type, member) ((type *)((char *)(letter)-offsetof(type, member)))

#endif
