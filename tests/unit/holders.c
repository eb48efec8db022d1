/* SPDX-License-Identifier: ISC */
#include "src/holders.h"

#include "tests/unit/unit.h"

static struct address host(unsigned n)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 65028};

    a.ip[14] = (uint8_t)(n >> 8);
    a.ip[15] = (uint8_t)n;
    return a;
}

static struct digest content(unsigned n)
{
    return (struct digest){.bytes = {(uint8_t)n, (uint8_t)(n >> 8), 7}};
}

static size_t find(struct holders *holders, unsigned n, struct address out[8])
{
    struct digest sha256 = content(n);

    return holders_find(holders, &sha256, out, 8);
}

static void note(struct holders *holders, unsigned n, unsigned by)
{
    struct digest sha256 = content(n);
    struct address http = host(by);

    holders_note(holders, &sha256, &http);
}

static void who_spoke_last_comes_first_and_each_once(void **state)
{
    struct holders *holders = holders_new();
    struct address found[8], first = host(1), second = host(2);

    (void)state;
    assert_int_equal(find(holders, 1, found), 0);
    note(holders, 1, 1);
    note(holders, 1, 2);
    note(holders, 1, 1);
    note(holders, 2, 3);
    assert_int_equal(find(holders, 1, found), 2);
    assert_true(address_same(&found[0], &second));
    assert_true(address_same(&found[1], &first));
    holders_free(holders);
}

static void the_oldest_word_makes_room(void **state)
{
    struct holders *holders = holders_new();
    struct address found[8];

    (void)state;
    for (unsigned n = 0; n <= HOLDERS_MAX; n++)
        note(holders, n, 1);
    assert_int_equal(find(holders, 0, found), 0);
    for (unsigned n = 1; n <= HOLDERS_MAX; n++)
        assert_int_equal(find(holders, n, found), 1);
    holders_free(holders);
}

static void no_more_than_asked_for_are_found(void **state)
{
    struct holders *holders = holders_new();
    struct address found[8];

    (void)state;
    for (unsigned by = 0; by < 20; by++)
        note(holders, 1, by);
    assert_int_equal(find(holders, 1, found), 8);
    holders_free(holders);
}

static void who_let_us_down_is_forgotten(void **state)
{
    struct holders *holders = holders_new();
    struct address found[8], liar = host(1), true_one = host(2);

    (void)state;
    for (unsigned n = 0; n < HOLDERS_MAX; n++)
        note(holders, n / 2, 1 + n % 2);
    holders_forget(holders, &liar);
    for (unsigned n = 0; n < HOLDERS_MAX / 2; n++) {
        assert_int_equal(find(holders, n, found), 1);
        assert_true(address_same(&found[0], &true_one));
    }
    note(holders, 7, 1); /* in the place of a word that is forgotten; and of one that is not: */
    note(holders, 8, 1);
    assert_int_equal(find(holders, 7, found), 2);
    assert_int_equal(find(holders, 8, found), 2);
    assert_int_equal(find(holders, 0, found), 0);
    holders_free(holders);
}

static void who_has_it_no_longer_may_have_other_things(void **state)
{
    struct holders *holders = holders_new();
    struct digest one = content(1), unknown = content(3);
    struct address found[8], first = host(1), second = host(2);

    (void)state;
    note(holders, 1, 1);
    note(holders, 1, 2);
    note(holders, 2, 1);
    holders_gone(holders, &one, &first);
    holders_gone(holders, &one, &first);
    holders_gone(holders, &unknown, &first);
    assert_int_equal(find(holders, 1, found), 1);
    assert_true(address_same(&found[0], &second));
    assert_int_equal(find(holders, 2, found), 1);
    note(holders, 1, 1); /* it has it again */
    assert_int_equal(find(holders, 1, found), 2);
    holders_free(holders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_spoke_last_comes_first_and_each_once),
        cmocka_unit_test(the_oldest_word_makes_room),
        cmocka_unit_test(no_more_than_asked_for_are_found),
        cmocka_unit_test(who_let_us_down_is_forgotten),
        cmocka_unit_test(who_has_it_no_longer_may_have_other_things),
    };
    return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
