/* SPDX-License-Identifier: ISC */
#include "src/told.h"

#include "tests/unit/unit.h"

static struct told told;

static int set_up(void **state)
{
    (void)state;
    told = (struct told){0};
    return 0;
}

static struct address host(unsigned i)
{
    struct address address;

    assert_true(address_parse(span_of("10.0.0.1"), (uint16_t)(i + 1), &address));
    return address;
}

static mono_t at(int64_t seconds)
{
    return (mono_t){MONO_S(seconds)};
}

static void a_fault_that_lasts_is_told_once_an_hour(void **state)
{
    struct address server = host(0), other = host(1);

    (void)state;
    assert_true(told_fault(&told, &server, PEER_UNREACHABLE, at(1)));
    assert_false(told_fault(&told, &server, PEER_UNREACHABLE, at(31)));
    assert_true(told_fault(&told, &other, PEER_UNREACHABLE, at(31)));
    assert_false(told_fault(&told, &server, PEER_UNREACHABLE, at(3600)));
    assert_true(told_fault(&told, &server, PEER_UNREACHABLE, at(3601)));
    assert_false(told_fault(&told, &server, PEER_UNREACHABLE, at(3602)));
}

static void another_fault_is_news(void **state)
{
    struct address server = host(0);

    (void)state;
    assert_true(told_fault(&told, &server, PEER_UNREACHABLE, at(1)));
    assert_true(told_fault(&told, &server, PEER_REFUSES, at(2)));
    assert_false(told_fault(&told, &server, PEER_REFUSES, at(3)));
}

static void its_end_is_told_once_and_what_comes_then_is_news(void **state)
{
    struct address server = host(0);

    (void)state;
    assert_false(told_end(&told, &server));
    assert_true(told_fault(&told, &server, PEER_SILENT, at(1)));
    assert_true(told_end(&told, &server));
    assert_false(told_end(&told, &server));
    assert_true(told_fault(&told, &server, PEER_SILENT, at(2)));
}

static void beyond_its_room_the_oldest_is_told_again(void **state)
{
    struct address first = host(0), last = host(TOLD_MAX);

    (void)state;
    for (unsigned i = 0; i <= TOLD_MAX; i++) {
        struct address server = host(i);
        assert_true(told_fault(&told, &server, PEER_UNREACHABLE, at(1)));
    }
    assert_false(told_fault(&told, &last, PEER_UNREACHABLE, at(2)));
    assert_true(told_fault(&told, &first, PEER_UNREACHABLE, at(2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_fault_that_lasts_is_told_once_an_hour, set_up),
        cmocka_unit_test_setup(another_fault_is_news, set_up),
        cmocka_unit_test_setup(its_end_is_told_once_and_what_comes_then_is_news, set_up),
        cmocka_unit_test_setup(beyond_its_room_the_oldest_is_told_again, set_up),
    };
    return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
