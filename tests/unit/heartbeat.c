/* SPDX-License-Identifier: ISC */
#include "cache/heartbeat.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* As it goes over the wire, and must for ever. */
#define TEXT                                                                                       \
    "From fbp822 Sun Nov 22 12:00:00 2026\n_type: gossip\n_size: 0\nformat: 1\n"                   \
    "domain: example.com\nnode: web7.paris\nboot: 17\ncounter: 4\nclock: 1795348800000\n"          \
    "interval_ms: 5000\nport: 65027\nhttp_port: 65028\nadvert_port: 65029\n"                       \
    "addresses: 10.27.4.9 fd00::9\ntiers: slave paris/candidate my core\n\n"

static const wall_t noon = {1795348800000};

static enum message_verdict read_text(struct span text, struct heartbeat *out)
{
    struct message m;
    enum message_verdict verdict = message_decode(text, &m);

    return verdict == MESSAGE_OK ? heartbeat_read(&m, out) : verdict;
}

static void what_goes_over_the_wire_is_this(void **state)
{
    char memory[MESSAGE_MAX];
    struct text out = TEXT_OVER(memory);
    struct heartbeat beat;

    (void)state;
    assert_int_equal(read_text(span_of(TEXT), &beat), MESSAGE_OK);
    assert_string_equal(beat.domain, "example.com");
    assert_string_equal(beat.node, "web7.paris");
    assert_int_equal(beat.boot, 17);
    assert_int_equal(beat.counter, 4);
    assert_int_equal(beat.clock.ms, noon.ms);
    assert_int_equal(beat.interval_ms, 5000);
    assert_int_equal(beat.port, 65027);
    assert_int_equal(beat.http_port, 65028);
    assert_int_equal(beat.advert_port, 65029);
    assert_int_equal(beat.address_count, 2);
    assert_true(address_is_v4(&beat.addresses[0]) && !address_is_v4(&beat.addresses[1]));
    heartbeat_write(&beat, noon, &out);
    assert_string_equal(out.at, TEXT);
}

static void tiers_are_told_with_what_it_is_there(void **state)
{
    struct heartbeat beat = {.tiers = ""};
    struct heartbeat_tier tier;
    struct span rest;

    (void)state;
    heartbeat_add_tier(&beat, "slave", "paris");
    heartbeat_add_tier(&beat, "candidate", "my core");
    rest = span_of(beat.tiers);
    assert_true(heartbeat_next_tier(&rest, &tier));
    assert_true(span_is(tier.role, "slave") && span_is(tier.tier, "paris"));
    assert_true(heartbeat_next_tier(&rest, &tier));
    assert_true(span_is(tier.role, "candidate") && span_is(tier.tier, "my core"));
    assert_false(heartbeat_next_tier(&rest, &tier));
}

static void tiers_that_do_not_fit_are_left_out_as_a_whole(void **state)
{
    char name[TIER_SIZE];
    struct heartbeat beat = {.tiers = ""};
    size_t used = 0;

    (void)state;
    memset(name, 'x', TIER_NAME_MAX);
    name[TIER_NAME_MAX] = '\0';
    for (int i = 0; i < 32; i++) {
        heartbeat_add_tier(&beat, "peer", name);
        assert_true(strlen(beat.tiers) == used || strlen(beat.tiers) == used + (used != 0) + 69);
        used = strlen(beat.tiers);
    }
    assert_true(used > HEARTBEAT_TIERS_SIZE - 72 && used < HEARTBEAT_TIERS_SIZE);
}

/* The text with one piece of it replaced. */
static enum message_verdict read_changed(const char *was, const char *is)
{
    char memory[2 * MESSAGE_MAX];
    const char *at = strstr(TEXT, was);
    struct heartbeat beat;

    assert_non_null(at);
    snprintf(memory, sizeof(memory), "%.*s%s%s", (int)(at - TEXT), TEXT, is, at + strlen(was));
    return read_text(span_of(memory), &beat);
}

static void what_is_missing_or_wrong_is_told(void **state)
{
    static const char *const lines[] = {"format: 1\n",
                                        "domain: example.com\n",
                                        "node: web7.paris\n",
                                        "boot: 17\n",
                                        "counter: 4\n",
                                        "clock: 1795348800000\n",
                                        "interval_ms: 5000\n",
                                        "port: 65027\n",
                                        "http_port: 65028\n",
                                        "advert_port: 65029\n",
                                        "addresses: 10.27.4.9 fd00::9\n"};
    static const char *const wrong[][2] = {
        {"format: 1", "format: 2"},
        {"domain: example.com", "domain: a/b"},
        {"node: web7.paris", "node: web 7"},
        {"boot: 17", "boot: 0"},
        {"interval_ms: 5000", "interval_ms: 99"},
        {"interval_ms: 5000", "interval_ms: 3600001"},
        {"\nport: 65027", "\nport: 0"},
        {"http_port: 65028", "http_port: 65536"},
        {"10.27.4.9 fd00::9", "10.27.4.9  fd00::9"},
        {"10.27.4.9 fd00::9", "0.0.0.0"},
        {"10.27.4.9 fd00::9", "224.0.0.1"},
        {"10.27.4.9 fd00::9", "fe80::1%lo"},
        {"10.27.4.9 fd00::9", "::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9"},
        {"slave paris", "slave"},
        {"slave paris", "/slave paris"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_int_equal(read_changed(lines[i], ""), MESSAGE_MISSING);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        enum message_verdict verdict = read_changed(wrong[i][0], wrong[i][1]);
        if (verdict != MESSAGE_BAD_VALUE)
            fail_msg("%s: %s", wrong[i][1], message_verdict_name(verdict));
    }
    assert_int_equal(read_changed("_type: gossip", "_type: gossips"), MESSAGE_NO_TYPE);
    assert_int_equal(read_changed("tiers: slave paris/candidate my core\n", ""), MESSAGE_OK);
    assert_int_equal(read_changed("format: 1\n", "format: 1\nfuture: yes\n"), MESSAGE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_over_the_wire_is_this),
        cmocka_unit_test(tiers_are_told_with_what_it_is_there),
        cmocka_unit_test(tiers_that_do_not_fit_are_left_out_as_a_whole),
        cmocka_unit_test(what_is_missing_or_wrong_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
