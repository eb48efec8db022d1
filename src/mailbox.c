/* SPDX-License-Identifier: ISC */
#include "src/mailbox.h"

#include <ev.h>
#include <pthread.h>
#include <stdlib.h>

#include "src/base/lock.h"
#include "src/base/must.h"

enum { MAILBOX_MAGIC = 0x6d61696c };

struct mailbox {
    unsigned magic;
    struct ev_loop *loop;
    struct ev_async wake;
    pthread_mutex_t lock; /* guards first and last */
    struct letter *first;
    struct letter **last;
};

static struct letter *take_all(struct mailbox *mailbox)
{
    struct letter *first;

    pthread_mutex_lock(&mailbox->lock);
    first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

void mailbox_read(struct mailbox *mailbox)
{
    struct letter *next;

    MUST_BE(mailbox, MAILBOX_MAGIC);
    for (struct letter *letter = take_all(mailbox); letter; letter = next) {
        next = letter->next; /* the letter may be gone once it is read */
        letter->read(letter);
    }
}

static void on_wake(struct ev_loop *loop, struct ev_async *watcher, int events)
{
    struct mailbox *mailbox = watcher->data;

    (void)loop, (void)events;
    MUST_BE(mailbox, MAILBOX_MAGIC);
    mailbox_read(mailbox);
}

struct mailbox *mailbox_new(struct ev_loop *loop)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

    MUST(mailbox != NULL);
    mailbox->magic = MAILBOX_MAGIC;
    mailbox->loop = loop;
    mailbox->last = &mailbox->first;
    lock_init(&mailbox->lock);
    ev_async_init(&mailbox->wake, on_wake);
    mailbox->wake.data = mailbox;
    ev_async_start(loop, &mailbox->wake);
    return mailbox;
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    MUST_BE(mailbox, MAILBOX_MAGIC);
    letter->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->last = letter;
    mailbox->last = &letter->next;
    /* Inside the lock, so that the mailbox is not freed between the two by whom the letter tells
     * that the last one has been posted. */
    ev_async_send(mailbox->loop, &mailbox->wake);
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_free(struct mailbox *mailbox)
{
    MUST_BE(mailbox, MAILBOX_MAGIC);
    while (mailbox->first)
        mailbox_read(mailbox);
    ev_async_stop(mailbox->loop, &mailbox->wake);
    pthread_mutex_destroy(&mailbox->lock);
    mailbox->magic = 0;
    free(mailbox);
}
