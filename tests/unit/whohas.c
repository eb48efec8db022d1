/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/whohas.h"
#include "tests/unit/unit.h"

#define NAME "example.com/tool"

static struct whohas *whohas;
static struct address gw1;

static int set_up(void **state)
{
    (void)state;
    whohas = whohas_new(NAME);
    assert_true(address_parse(span_of("10.27.4.1"), 65028, &gw1));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    whohas_free(whohas);
    return 0;
}

static void expect_json(const char *wanted)
{
    char *json = whohas_json(whohas);

    assert_string_equal(json, wanted);
    free(json);
}

static bool merge(const char *body)
{
    return whohas_merge(whohas, body, strlen(body), &gw1, "paris");
}

static void add(const char *node)
{
    struct whohas_row row = {.http = gw1, .version = {1}, .tier = "core", .held = true};

    assert_true(span_copy(span_of(node), row.node, sizeof(row.node)));
    whohas_add(whohas, &row);
}

/* The far node's own row is where we asked it; what it met is where it met that. */
static void what_another_node_gathered_is_taken_in(void **state)
{
    (void)state;
    assert_true(
        merge("{\"answers\":["
              "{\"node\":\"gw1\",\"version\":\"2.0\",\"size\":7,\"held\":true,\"own\":true},"
              "{\"node\":\"w7\",\"address\":\"10.28.0.7:80\",\"tier\":\"attic\","
              "\"version\":\"1.0\",\"size\":5}],\"missing\":[\"10.28.0.9 is mute\"]}"));
    expect_json(
        "{\"format\":1,\"name\":\"" NAME "\",\"answers\":["
        "{\"node\":\"gw1\",\"address\":\"10.27.4.1:65028\",\"tier\":\"paris\",\"version\":\"2.0\","
        "\"size\":7,\"held\":true,\"deleted\":false,\"own\":false,\"unverified\":false},"
        "{\"node\":\"w7\",\"address\":\"10.28.0.7:80\",\"tier\":\"attic\",\"version\":\"1.0\","
        "\"size\":5,\"held\":false,\"deleted\":false,\"own\":false,\"unverified\":false}],"
        "\"missing\":[\"10.28.0.9 is mute\"]}");
}

static void a_node_has_one_row_the_nearest_one(void **state)
{
    (void)state;
    add("w7");
    assert_true(merge("{\"answers\":[{\"node\":\"w7\",\"address\":\"10.9.9.9:1\",\"tier\":\"x\","
                      "\"version\":\"9.9\",\"size\":5}]}"));
    expect_json("{\"format\":1,\"name\":\"" NAME "\",\"answers\":["
                "{\"node\":\"w7\",\"address\":\"10.27.4.1:65028\",\"tier\":\"core\",\"version\":"
                "\"0.1\",\"size\":0,\"held\":true,\"deleted\":false,\"own\":false,\"unverified\":"
                "false}],\"missing\":[]}");
}

static void what_has_no_shape_is_passed_over(void **state)
{
    static const char *const none[] = {"", "x", "[]", "{}", "{\"answers\":{}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_false(merge(none[i]));
    assert_true(merge("{\"answers\":[1,null,{},{\"node\":\"a b\",\"version\":\"1.0\",\"own\":true},"
                      "{\"node\":\"a\",\"version\":\"x\",\"own\":true},"
                      "{\"node\":\"a\",\"version\":\"1.0\",\"tier\":\"t\"},"
                      "{\"node\":\"a\",\"version\":\"1.0\",\"address\":\"1.2.3.4:5\","
                      "\"tier\":\"\\u001b[1m\"}],\"missing\":[1,\"\\u001b[1m\"]}"));
    expect_json("{\"format\":1,\"name\":\"" NAME "\",\"answers\":[],\"missing\":[]}");
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;

    while ((text = strstr(text, what))) {
        count++;
        text += strlen(what);
    }
    return count;
}

static void all_is_bounded_and_says_so(void **state)
{
    char node[32], *json;

    (void)state;
    for (int i = 0; i < WHOHAS_ROWS_MAX + 5; i++) {
        snprintf(node, sizeof(node), "n%d", i);
        add(node);
        whohas_gap(whohas, "%s is mute", node);
        whohas_gap(whohas, "n0 is mute"); /* is told once */
    }
    json = whohas_json(whohas);
    assert_int_equal(count_of(json, "\"node\":"), WHOHAS_ROWS_MAX);
    assert_int_equal(count_of(json, " is mute"), WHOHAS_GAPS_MAX);
    assert_int_equal(count_of(json, "n0 is mute"), 1);
    assert_non_null(strstr(json, "more than 1000 nodes know the name"));
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_another_node_gathered_is_taken_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_has_one_row_the_nearest_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_no_shape_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_is_bounded_and_says_so, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
