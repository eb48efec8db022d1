/* SPDX-License-Identifier: ISC */
#include "src/heard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/node.h"
#include "tests/unit/unit.h"

static struct address host(unsigned n)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 65027};

    a.ip[15] = (uint8_t)n;
    return a;
}

static void note(struct heard *heard, const char *node, unsigned from)
{
    struct address a = host(from);

    heard_note(heard, span_of(node), &a);
}

static void expect(struct heard *heard, const char *node, size_t count, const unsigned *hosts)
{
    struct address found[HEARD_ADDRESSES];

    assert_int_equal(heard_find(heard, span_of(node), found), count);
    for (size_t i = 0; i < count; i++) {
        struct address wanted = host(hosts[i]);
        assert_true(address_same_host(&found[i], &wanted));
        assert_int_equal(found[i].port, 0);
    }
}

static void the_address_heard_last_comes_first_and_each_once(void **state)
{
    struct heard *heard = heard_new();

    (void)state;
    expect(heard, "web1", 0, NULL);
    note(heard, "web1", 1);
    note(heard, "web1", 2);
    note(heard, "web1", 1);
    note(heard, "web2", 2);
    expect(heard, "web1", 2, (const unsigned[]){1, 2});
    expect(heard, "web2", 1, (const unsigned[]){2});
    expect(heard, "web", 0, NULL);
    heard_free(heard);
}

static void of_a_node_the_address_unheard_for_longest_makes_room(void **state)
{
    struct heard *heard = heard_new();

    (void)state;
    for (unsigned n = 1; n <= HEARD_ADDRESSES; n++)
        note(heard, "web1", n);
    note(heard, "web1", 1);
    note(heard, "web1", 9);
    expect(heard, "web1", HEARD_ADDRESSES, (const unsigned[]){9, 1, 4, 3});
    heard_free(heard);
}

static void the_node_unheard_for_longest_makes_room(void **state)
{
    struct heard *heard = heard_new();
    char name[NODE_SIZE];

    (void)state;
    for (unsigned n = 0; n < HEARD_NODES; n++) {
        snprintf(name, sizeof(name), "web%u", n);
        note(heard, name, n & 0xff);
    }
    note(heard, "web0", 7);
    note(heard, "fresh", 8);
    expect(heard, "web0", 2, (const unsigned[]){7, 0});
    expect(heard, "web1", 0, NULL);
    expect(heard, "web2", 1, (const unsigned[]){2});
    expect(heard, "fresh", 1, (const unsigned[]){8});
    heard_free(heard);
}

static bool is_wanted(void *arg, const char *node)
{
    return strncmp(node, arg, strlen(arg)) == 0;
}

/* The nodes that are known at the host, in the order of their names. */
static void expect_at(struct heard *heard, unsigned from, const char *want)
{
    char names[HEARD_NAMES][NODE_SIZE], memory[HEARD_NAMES * NODE_SIZE] = "", wanted[] = "web";
    struct text text = TEXT_OVER(memory);
    struct address a = host(from);
    size_t count = heard_at(heard, &a, is_wanted, wanted, names);

    qsort(names, count, sizeof(names[0]), (int (*)(const void *, const void *))strcmp);
    for (size_t i = 0; i < count; i++)
        text_printf(&text, "%s%s", i ? " " : "", names[i]);
    assert_string_equal(memory, want);
}

static void the_nodes_at_an_address_are_found(void **state)
{
    struct heard *heard = heard_new();

    (void)state;
    expect_at(heard, 1, "");
    note(heard, "web1", 1);
    note(heard, "web2", 1);
    note(heard, "web1", 2);
    note(heard, "web1", 1);
    expect_at(heard, 1, "web1 web2");
    expect_at(heard, 2, "web1");
    for (unsigned n = 3; n <= 2 + HEARD_ADDRESSES; n++) /* 1 and 2 make room */
        note(heard, "web1", n);
    expect_at(heard, 1, "web2");
    expect_at(heard, 2, "");
    expect_at(heard, 3, "web1");
    heard_free(heard);
}

static void those_that_are_wanted_are_found_behind_many_others(void **state)
{
    struct heard *heard = heard_new();
    char name[NODE_SIZE];

    (void)state;
    note(heard, "web1", 1);
    note(heard, "web2", 1);
    for (unsigned n = 3; n <= HEARD_NAMES_LOOKED_AT; n++) {
        snprintf(name, sizeof(name), "other%u", n);
        note(heard, name, 1);
    }
    expect_at(heard, 1, "web1 web2");
    note(heard, "other", 1);
    expect_at(heard, 1, "web2");
    for (unsigned n = 1; n <= HEARD_NAMES + 2; n++) {
        snprintf(name, sizeof(name), "web%u", n);
        note(heard, name, 2);
    }
    expect_at(heard, 2, "web3 web4 web5 web6"); /* those that came there last */
    heard_free(heard);
}

static void who_made_room_is_at_no_address(void **state)
{
    struct heard *heard = heard_new();
    char name[NODE_SIZE];

    (void)state;
    note(heard, "first", 1);
    note(heard, "first", 2);
    heard_tell_below(heard, span_of("first"), true);
    for (unsigned n = 0; n < HEARD_NODES; n++) {
        snprintf(name, sizeof(name), "web%u", n);
        note(heard, name, 3 + n % 200);
    }
    expect_at(heard, 1, "");
    expect_at(heard, 2, "");
    note(heard, "first", 4);
    assert_false(heard_is_below(heard, span_of("first")));
    heard_free(heard);
}

static void who_is_below_says_so_itself(void **state)
{
    struct heard *heard = heard_new();

    (void)state;
    heard_tell_below(heard, span_of("gw1"), true);
    assert_false(heard_is_below(heard, span_of("gw1")));
    note(heard, "gw1", 1);
    assert_false(heard_is_below(heard, span_of("gw1")));
    heard_tell_below(heard, span_of("gw1"), true);
    assert_true(heard_is_below(heard, span_of("gw1")));
    note(heard, "gw1", 2);
    assert_true(heard_is_below(heard, span_of("gw1")));
    heard_tell_below(heard, span_of("gw1"), false);
    assert_false(heard_is_below(heard, span_of("gw1")));
    heard_free(heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_heard_last_comes_first_and_each_once),
        cmocka_unit_test(of_a_node_the_address_unheard_for_longest_makes_room),
        cmocka_unit_test(the_node_unheard_for_longest_makes_room),
        cmocka_unit_test(the_nodes_at_an_address_are_found),
        cmocka_unit_test(those_that_are_wanted_are_found_behind_many_others),
        cmocka_unit_test(who_made_room_is_at_no_address),
        cmocka_unit_test(who_is_below_says_so_itself),
    };
    return cmocka_run_group_tests_name("heard", tests, NULL, NULL);
}
