/* SPDX-License-Identifier: ISC */
#include "src/heard.h"

#include <stdio.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_heard_last_comes_first_and_each_once),
        cmocka_unit_test(of_a_node_the_address_unheard_for_longest_makes_room),
        cmocka_unit_test(the_node_unheard_for_longest_makes_room),
    };
    return cmocka_run_group_tests_name("heard", tests, NULL, NULL);
}
