/* SPDX-License-Identifier: ISC */
#include "src/hot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

enum { MOST = 1000 };
#define FRESH_NS MONO_S(10)

static const mono_t now = {MONO_S(100)};
static struct hot *hot;

/* What a response is here: memory that counts until nobody has it. */
struct thing {
    size_t size;
    unsigned number;
    _Atomic unsigned users; /* the table, and who still sends it */
};

static _Atomic unsigned things;

static struct thing *thing_new(size_t size, unsigned number)
{
    struct thing *thing = malloc(sizeof(*thing));

    assert_non_null(thing);
    *thing = (struct thing){size, number, 1};
    atomic_fetch_add(&things, 1);
    return thing;
}

static void thing_leave(void *response)
{
    struct thing *thing = response;

    if (atomic_fetch_sub(&thing->users, 1) > 1)
        return;
    hot_gone(hot, thing->size);
    free(thing);
    atomic_fetch_sub(&things, 1);
}

static int start(void **state)
{
    (void)state;
    hot = hot_new(&(struct hot_options){MOST, FRESH_NS, thing_leave});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    hot_free(hot);
    assert_int_equal(atomic_load(&things), 0);
    return 0;
}

static struct hot_key key(const char *target, uint64_t variant)
{
    return (struct hot_key){span_of(target), variant};
}

static struct thing *keep(const char *target, size_t size, unsigned number, mono_t when)
{
    struct hot_key k = key(target, 0);
    struct hot_answer answer;

    if (!hot_take_room(hot, size))
        return NULL;
    answer = (struct hot_answer){.response = thing_new(size, number), .len = size};
    hot_keep(hot, &k, &answer, 2, when);
    return answer.response;
}

/* The number of what is kept, or -1. */
static int found(const char *target, uint64_t variant, mono_t when)
{
    struct hot_key k = key(target, variant);
    struct hot_entry *entry = hot_find(hot, &k, when);
    int number;

    if (!entry)
        return -1;
    number = (int)((struct thing *)hot_answer_of(entry)->response)->number;
    hot_leave(entry);
    return number;
}

static void what_is_kept_is_found(void **state)
{
    (void)state;
    assert_int_equal(found("/a", 0, now), -1);
    keep("/a", 10, 1, now);
    keep("/b", 10, 2, now);
    assert_int_equal(found("/a", 0, now), 1);
    assert_int_equal(found("/b", 0, now), 2);
    assert_int_equal(found("/a", 1, now), -1);
    assert_int_equal(found("/", 0, now), -1);
    assert_int_equal(hot_size(hot), 20);
}

static void a_new_one_takes_the_place_of_the_old(void **state)
{
    (void)state;
    keep("/a", 10, 1, now);
    keep("/a", 30, 2, now);
    assert_int_equal(found("/a", 0, now), 2);
    assert_int_equal(hot_size(hot), 30);
}

static void it_is_made_anew_after_a_while(void **state)
{
    mono_t end = mono_after(now, FRESH_NS);

    (void)state;
    keep("/a", 10, 1, now);
    assert_int_equal(found("/a", 0, mono_after(end, -1)), 1);
    assert_int_equal(found("/a", 0, end), -1);
    assert_int_equal(hot_size(hot), 0);
}

static void what_was_unused_for_longest_goes(void **state)
{
    (void)state;
    keep("/a", 400, 1, now);
    keep("/b", 400, 2, now);
    assert_int_equal(found("/a", 0, now), 1);
    keep("/c", 400, 3, now);
    assert_int_equal(found("/a", 0, now), 1);
    assert_int_equal(found("/b", 0, now), -1);
    assert_int_equal(found("/c", 0, now), 3);
    assert_false(hot_take_room(hot, MOST + 1));
}

/* It counts for as long as somebody reads it, though nobody finds it any more. */
static void what_is_being_sent_keeps_its_room(void **state)
{
    struct thing *sent;

    (void)state;
    sent = keep("/a", 800, 1, now);
    atomic_fetch_add(&sent->users, 1);
    assert_null(keep("/b", 300, 2, now));
    assert_int_equal(found("/a", 0, now), -1);
    assert_int_equal(hot_size(hot), 800);
    thing_leave(sent);
    assert_int_equal(hot_size(hot), 0);
    assert_non_null(keep("/b", 300, 2, now));
}

static void it_stands_for_an_edition_until_it_is_forgotten(void **state)
{
    struct hot_key k = key("/a", 0);
    struct hot_entry *entry;

    (void)state;
    keep("/a", 10, 1, now);
    entry = hot_find(hot, &k, now);
    assert_non_null(entry);
    assert_int_equal(hot_edition(entry), 2);
    hot_stands(entry, 6);
    assert_int_equal(hot_edition(entry), 6);
    hot_forget(hot, entry);
    hot_forget(hot, entry); /* another thread may have done so already */
    assert_int_equal(found("/a", 0, now), -1);
    assert_int_equal(hot_size(hot), 10);
    assert_int_equal(hot_answer_of(entry)->len, 10);
    hot_leave(entry);
    assert_int_equal(hot_size(hot), 0);
}

/* One that has been forgotten takes no other away with it. */
static void forgetting_the_old_one_leaves_the_new(void **state)
{
    struct hot_key k = key("/a", 0);
    struct hot_entry *old;

    (void)state;
    keep("/a", 10, 1, now);
    old = hot_find(hot, &k, now);
    keep("/a", 10, 2, now);
    hot_forget(hot, old);
    hot_leave(old);
    assert_int_equal(found("/a", 0, now), 2);
}

static void the_second_time_it_is_wanted(void **state)
{
    struct hot_key a = key("/a", 0), other = key("/a", 2);

    (void)state;
    assert_false(hot_is_wanted(hot, &a));
    assert_false(hot_is_wanted(hot, &other));
    assert_true(hot_is_wanted(hot, &a));
    assert_true(hot_is_wanted(hot, &other));
}

/* Who reads everything once makes nothing hot, but for what chance lets fall together. */
static void a_walk_through_all_is_not_kept(void **state)
{
    char target[32];
    unsigned wanted = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(target, sizeof(target), "/n/%u", i);
        wanted += hot_is_wanted(hot, &(struct hot_key){span_of(target), 0});
    }
    assert_in_range(wanted, 0, 10);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, NAMES = 8 };

static void use_one(unsigned name, unsigned number)
{
    static const char *const names[NAMES] = {"/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7"};
    struct hot_key k = key(names[name], 0);
    struct hot_entry *entry = hot_find(hot, &k, now);

    if (!entry) {
        keep(names[name], 300, name, now);
        return;
    }
    /* Of the wrong name it would be another number. */
    if (((struct thing *)hot_answer_of(entry)->response)->number != name)
        abort();
    hot_stands(entry, number);
    if (number % 7 == 0)
        hot_forget(hot, entry);
    hot_leave(entry);
}

static void *use(void *arg)
{
    unsigned begin = *(unsigned *)arg;

    for (unsigned i = 0; i < ROUNDS; i++)
        use_one((begin + i * i) % NAMES, i);
    return NULL;
}

static void many_threads_use_it(void **state)
{
    pthread_t threads[THREADS];
    unsigned begins[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        begins[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, use, &begins[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(hot_size(hot) <= MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_is_found, start, stop),
        cmocka_unit_test_setup_teardown(a_new_one_takes_the_place_of_the_old, start, stop),
        cmocka_unit_test_setup_teardown(it_is_made_anew_after_a_while, start, stop),
        cmocka_unit_test_setup_teardown(what_was_unused_for_longest_goes, start, stop),
        cmocka_unit_test_setup_teardown(what_is_being_sent_keeps_its_room, start, stop),
        cmocka_unit_test_setup_teardown(it_stands_for_an_edition_until_it_is_forgotten, start,
                                        stop),
        cmocka_unit_test_setup_teardown(forgetting_the_old_one_leaves_the_new, start, stop),
        cmocka_unit_test_setup_teardown(the_second_time_it_is_wanted, start, stop),
        cmocka_unit_test_setup_teardown(a_walk_through_all_is_not_kept, start, stop),
        cmocka_unit_test_setup_teardown(many_threads_use_it, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
