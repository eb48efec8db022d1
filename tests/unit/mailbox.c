/* SPDX-License-Identifier: ISC */
#include "src/mailbox.h"

#include <ev.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

enum { POSTERS = 4, LETTERS = 20000 };

struct numbered {
    struct letter letter;
    struct reading *reading;
    int poster;
    int number;
};

struct reading {
    struct ev_loop *loop;
    struct mailbox *mailbox;
    int last[POSTERS];
    int count;
    int out_of_order;
};

struct poster {
    pthread_t thread;
    struct reading *reading;
    int index;
};

static void read_numbered(struct letter *letter)
{
    struct numbered *n = LETTER_OWNER(letter, struct numbered, letter);
    struct reading *reading = n->reading;

    reading->out_of_order += n->number != reading->last[n->poster] + 1;
    reading->last[n->poster] = n->number;
    if (++reading->count == POSTERS * LETTERS)
        ev_break(reading->loop, EVBREAK_ALL);
    free(n);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;

    for (int i = 1; i <= LETTERS; i++) {
        struct numbered *n = calloc(1, sizeof(*n));
        n->letter.read = read_numbered;
        n->reading = poster->reading;
        n->poster = poster->index;
        n->number = i;
        mailbox_post(poster->reading->mailbox, &n->letter);
    }
    return NULL;
}

/* Many threads post at once: every letter is read, once, in its poster's order. */
static void letters_of_many_threads_arrive_in_order(void **state)
{
    struct reading reading = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct poster posters[POSTERS];

    (void)state;
    reading.mailbox = mailbox_new(reading.loop);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].reading = &reading;
        posters[i].index = i;
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    ev_run(reading.loop, 0);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(reading.count, POSTERS * LETTERS);
    assert_int_equal(reading.out_of_order, 0);
    mailbox_free(reading.mailbox);
    ev_loop_destroy(reading.loop);
}

/* What was posted before the end is read at the end, also what is posted while reading. */
static void read_and_post_again(struct letter *letter)
{
    struct numbered *n = LETTER_OWNER(letter, struct numbered, letter);

    n->reading->count++;
    if (n->reading->count < 3)
        mailbox_post(n->reading->mailbox, letter);
}

static void nothing_is_lost_at_the_end(void **state)
{
    struct reading reading = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct numbered n = {.letter = {.read = read_and_post_again}, .reading = &reading};

    (void)state;
    reading.mailbox = mailbox_new(reading.loop);
    mailbox_post(reading.mailbox, &n.letter);
    mailbox_free(reading.mailbox);
    assert_int_equal(reading.count, 3);
    ev_loop_destroy(reading.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_many_threads_arrive_in_order),
        cmocka_unit_test(nothing_is_lost_at_the_end),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
