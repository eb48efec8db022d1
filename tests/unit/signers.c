/* SPDX-License-Identifier: ISC */
#include "src/signers.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct span keys[] = {{"first key", 9}, {"second key", 10}};

struct bench {
    struct keyring *keyring;
    struct signers *signers;
};

static int set_up(void **state)
{
    static struct bench bench;

    bench.keyring = keyring_new(keys, 2, false);
    bench.signers = signers_new(bench.keyring);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    signers_free(bench->signers);
    keyring_free(bench->keyring);
    return 0;
}

static struct address host(uint32_t n)
{
    struct address a = {.port = (uint16_t)n};

    memset(a.ip + 10, 0xff, 2);
    memcpy(a.ip + 12, &n, sizeof(n));
    return a;
}

/* -1: nothing is known of it. */
static int key_of(struct bench *bench, uint32_t n)
{
    struct address from = host(n);
    size_t key = 77;

    from.port = 1; /* counts for nothing */
    return signers_find(bench->signers, &from, &key) ? (int)key : -1;
}

static void note(struct bench *bench, uint32_t n, bool is_signed, size_t key)
{
    struct address from = host(n);

    signers_note(bench->signers, &from, is_signed, key);
}

static void the_last_key_is_known_from_one_on(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(key_of(bench, 1), -1);
    note(bench, 1, true, 0);
    note(bench, 2, true, 1);
    note(bench, 3, false, 0);
    assert_int_equal(key_of(bench, 1), 1);
    assert_int_equal(key_of(bench, 2), 2);
    assert_int_equal(key_of(bench, 3), 0);
    note(bench, 3, true, 1);
    assert_int_equal(key_of(bench, 3), 2);
}

static void with_other_keys_nothing_is_known_until_heard_again(void **state)
{
    const struct span turned[] = {keys[1], keys[0]};
    struct bench *bench = *state;

    note(bench, 1, true, 0);
    assert_false(keyring_replace(bench->keyring, keys, 2, false));
    assert_int_equal(key_of(bench, 1), 1);
    assert_true(keyring_replace(bench->keyring, turned, 2, false));
    assert_int_equal(key_of(bench, 1), -1);
    note(bench, 1, true, 1);
    assert_int_equal(key_of(bench, 1), 2);
}

static void who_was_unheard_for_longest_makes_room(void **state)
{
    struct bench *bench = *state;

    for (uint32_t n = 0; n < SIGNERS_MAX; n++)
        note(bench, n, true, n % 2);
    note(bench, 0, true, 0);
    note(bench, SIGNERS_MAX, true, 0);
    assert_int_equal(key_of(bench, 0), 1);
    assert_int_equal(key_of(bench, 1), -1);
    assert_int_equal(key_of(bench, 2), 1);
    assert_int_equal(key_of(bench, SIGNERS_MAX), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_last_key_is_known_from_one_on),
        CASE(with_other_keys_nothing_is_known_until_heard_again),
        CASE(who_was_unheard_for_longest_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
