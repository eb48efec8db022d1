/* SPDX-License-Identifier: ISC */
#include "src/role_news.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct role_change change_of(const char *tier, enum roles_queue queue)
{
    struct role_change change = {
        .queue = queue, .epoch = 14, .reason = REASON_SILENCE, .wall = {1700000000123}};

    assert_true(span_copy(span_of(tier), change.tier, sizeof(change.tier)));
    return change;
}

static void an_event_is_one_line_of_json(void **state)
{
    struct role_change change = change_of("paris", ROLES_MASTER);
    char *line;

    (void)state;
    assert_true(span_copy(span_of("gw1.paris"), change.master, sizeof(change.master)));
    assert_true(address_parse(span_of("10.27.4.1"), 65028, &change.master_address));
    assert_true(address_parse(span_of("10.27.4.1"), 65028, &change.address));
    line = role_news_json(&change);
    assert_string_equal(line, "{\"event\":\"role\",\"time_ms\":1700000000123,\"tier\":\"paris\","
                              "\"role\":\"master\",\"again\":false,\"ended\":false,"
                              "\"master\":\"gw1.paris\",\"address\":\"10.27.4.1\","
                              "\"own_address\":\"10.27.4.1\",\"epoch\":14,"
                              "\"reason\":\"silence\"}");
    free(line);
}

static void what_is_not_known_is_null(void **state)
{
    struct role_change change = change_of("paris", ROLES_SLAVE);
    char *line;

    (void)state;
    change.ended = true;
    line = role_news_json(&change);
    assert_non_null(strstr(line, "\"ended\":true,\"master\":null,\"address\":null,"
                                 "\"own_address\":null,"));
    free(line);
}

static void expect_sentence(const struct role_change *change, const char *expected)
{
    char memory[256];
    struct text text = TEXT_OVER(memory);

    role_news_sentence(change, &text);
    assert_string_equal(memory, expected);
}

static void people_are_told_in_a_sentence(void **state)
{
    struct role_change change = change_of("paris", ROLES_BACKUP);

    (void)state;
    expect_sentence(&change, "paris: this node is backup now (epoch 14): no master was heard for "
                             "the dead time");
    change.again = true;
    change.reason = REASON_HEARD_MASTER;
    assert_true(span_copy(span_of("gw1.paris"), change.master, sizeof(change.master)));
    expect_sentence(&change, "paris: this node follows gw1.paris (epoch 14): it heard "
                             "the master");
    change.queue = ROLES_MASTER;
    change.reason = REASON_CONFLICT;
    expect_sentence(&change, "paris: this node is still master (epoch 14): it stays, the better of "
                             "two masters");
    change.ended = true;
    change.reason = REASON_STOPPING;
    expect_sentence(&change, "paris: this node has left the election: it stops, or is no longer in "
                             "the tier");
}

static void expect_summary(const struct role_news *news, const char *expected)
{
    char memory[256];
    struct text text = TEXT_OVER(memory);

    role_news_summary(news, &text);
    assert_string_equal(memory, expected);
}

static void take(struct role_news *news, const char *tier, enum roles_queue queue, bool ended)
{
    struct role_change change = change_of(tier, queue);

    change.ended = ended;
    role_news_take(news, &change);
}

static void the_summary_names_each_tier_once(void **state)
{
    struct role_news news = {0};

    (void)state;
    expect_summary(&news, "");
    take(&news, "core", ROLES_SLAVE, false);
    take(&news, "paris", ROLES_BACKUP, false);
    take(&news, "paris", ROLES_MASTER, false);
    expect_summary(&news, "slave in core, master of paris");
    take(&news, "core", ROLES_SLAVE, true);
    expect_summary(&news, "master of paris");
    take(&news, "core", ROLES_SLAVE, true); /* twice, or of one that never began */
    take(&news, "paris", ROLES_BACKUP, true);
    expect_summary(&news, "");
}

static void more_tiers_than_there_is_room_for_are_not_named(void **state)
{
    struct role_news news = {0};

    (void)state;
    for (int i = 0; i < VIEW_TIERS_MAX + 3; i++) {
        char tier[16];
        snprintf(tier, sizeof(tier), "t%d", i);
        take(&news, tier, ROLES_SLAVE, false);
    }
    assert_int_equal(news.count, VIEW_TIERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_line_of_json),
        cmocka_unit_test(what_is_not_known_is_null),
        cmocka_unit_test(people_are_told_in_a_sentence),
        cmocka_unit_test(the_summary_names_each_tier_once),
        cmocka_unit_test(more_tiers_than_there_is_room_for_are_not_named),
    };

    return cmocka_run_group_tests_name("role_news", tests, NULL, NULL);
}
