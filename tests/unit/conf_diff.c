/* SPDX-License-Identifier: ISC */
#include "conf/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* A folder of its own for each test, which is the working folder too. */
static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/pond-conf-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int take_down(void **state)
{
    static const char *const files[] = {"main.cf", "keys", "other", "mesh", "paris"};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        unlink(files[i]);
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    assert_int_equal(chmod(name, 0600), 0);
}

static struct conf *load(const char *text)
{
    struct report *report = report_new();
    struct conf *conf;

    put("main.cf", text);
    conf = conf_load("main.cf", "web1", report);
    report_print(report, stderr);
    assert_non_null(conf);
    report_free(report);
    return conf;
}

/* What a reload makes of this main.cf; NULL, with the errors in `complaint`. */
static struct conf *reload(const struct conf *in_force, const char *text, char restart[128],
                           char complaint[512])
{
    struct report *report = report_new();
    struct text wanted = text_over(restart, 128);
    struct text said = text_over(complaint, 512);
    bool warning;
    struct conf *conf;

    put("main.cf", text);
    conf = conf_reload(in_force, &wanted, report);
    for (size_t i = 0; i < report_count(report); i++) {
        const char *line = report_line(report, i, &warning);
        if (!warning)
            text_printf(&said, "%s\n", line);
    }
    assert_true(!!conf == (report_errors(report) == 0));
    report_free(report);
    return conf;
}

/* ---- what changes ---------------------------------------------------------------------------- */

struct seen {
    char memory[1024];
    struct text text;
};

static void on_setting(void *arg, const char *name, const char *tier, const char *was,
                       const char *is)
{
    struct seen *seen = arg;

    text_printf(&seen->text, "%s%s%s: %s -> %s\n", tier ? tier : "", tier ? "/" : "", name, was,
                is);
}

static void on_tier(void *arg, const char *tier, bool joined)
{
    struct seen *seen = arg;

    text_printf(&seen->text, "%s %s\n", tier, joined ? "joined" : "left");
}

static void on_member(void *arg, const char *tier, const struct nets_member *was,
                      const struct nets_member *is)
{
    struct seen *seen = arg;
    char text[ADDRESS_TEXT_SIZE];

    text_printf(&seen->text, "%s %s: %s -> %s\n", tier,
                network_text(&(is ? is : was)->network, text), was ? nets_role_name(was->role) : "",
                is ? nets_role_name(is->role) : "");
}

static void on_rules(void *arg)
{
    struct seen *seen = arg;

    text_puts(&seen->text, "rules\n");
}

static const char *diff(const struct conf *old, const struct conf *new, struct seen *seen)
{
    const struct conf_differ differ = {on_setting, on_tier, on_member, on_rules, seen};

    seen->text = TEXT_OVER(seen->memory);
    seen->memory[0] = '\0';
    conf_diff(old, new, &differ);
    return seen->memory;
}

static void settings_differ_by_what_is_in_force(void **state)
{
    struct conf *old =
        load("defaults = { port = 1; cache_size = \"1K\"; monitors = \"10.0.0.1\"; };");
    struct conf *new = load("defaults = { port = 2; cache_size = 1024; skew = 5; auth = "
                            "\"permissive\"; };");
    struct seen seen;

    (void)state;
    assert_string_equal(diff(old, old, &seen), "");
    assert_string_equal(diff(old, new, &seen), "auth: \"enforce\" -> \"permissive\"\n"
                                               "monitors: [ \"10.0.0.1\" ] -> \n"
                                               "skew: 0 -> 5\n");
    conf_free(old);
    conf_free(new);
}

static void tiers_differ_where_they_have_their_own(void **state)
{
    struct conf *old = load("defaults = { base = 2.0; tiers = { a = { skew = 7; }; b = { base = "
                            "2.0; }; }; };");
    struct conf *new = load("defaults = { base = 3.0; tiers = { c = { preempt = false; }; a = { "
                            "base = 3.0; skew = 7; }; }; };");
    struct seen seen;

    (void)state;
    assert_string_equal(diff(old, new, &seen), "base: 2.0 -> 3.0\n"
                                               "c/preempt: true -> false\n"
                                               "a/base: 2.0 -> 3.0\n"
                                               "b/base: 2.0 -> 3.0\n");
    conf_free(old);
    conf_free(new);
}

static void heartbeats_differ_setting_by_setting(void **state)
{
    struct seen seen;
    struct conf *off = load("defaults = { };"),
                *on = load("defaults = { gossip = { port = 7; }; };"),
                *other = load("defaults = { gossip = { port = 7; interval = 1.5; }; };");

    (void)state;
    assert_string_equal(diff(on, on, &seen), "");
    assert_string_equal(diff(on, other, &seen), "gossip.interval: 5.0 -> 1.5\n");
    assert_non_null(strstr(diff(off, on, &seen), "gossip.port:  -> 7\n"));
    assert_non_null(strstr(diff(on, off, &seen), "gossip.port: 7 -> \n"));
    conf_free(off);
    conf_free(on);
    conf_free(other);
}

static void members_differ_by_tier(void **state)
{
    struct conf *old, *new;
    struct seen seen;

    (void)state;
    put("mesh", "udp 127.0.0.1\nudp 127.0.0.2\nudp 127.0.0.3\nudp 10.0.0.0/8\n");
    put("paris", "udp 127.0.0.0/8 slave\n");
    old = load("defaults = { nets = [ \"mesh\" ]; };");
    put("mesh", "udp 10.0.0.0/9\nudp 127.0.0.4\nudp 127.0.0.2\nudp 127.0.0.1\n");
    new = load("defaults = { nets = [ \"mesh\", \"paris\" ]; };");
    assert_string_equal(diff(old, new, &seen), "nets: [ \"mesh\" ] -> [ \"mesh\", \"paris\" ]\n"
                                               "mesh 10.0.0.0/8: peer -> \n"
                                               "mesh 10.0.0.0/9:  -> peer\n"
                                               "mesh 127.0.0.3: peer -> \n"
                                               "mesh 127.0.0.4:  -> peer\n"
                                               "paris joined\n");
    conf_free(new);
    put("mesh", "udp 127.0.0.1 master\nudp 127.0.0.2 slave\nudp 127.0.0.3 slave\n"
                "udp 10.0.0.0/8 slave\n");
    new = load("defaults = { nets = \"mesh\"; };");
    assert_string_equal(diff(old, new, &seen), "mesh 10.0.0.0/8: peer -> slave\n"
                                               "mesh 127.0.0.1: peer -> candidate\n"
                                               "mesh 127.0.0.2: peer -> slave\n"
                                               "mesh 127.0.0.3: peer -> slave\n");
    conf_free(new);
    new = load("");
    assert_string_equal(diff(old, new, &seen), "nets: [ \"mesh\" ] -> \nmesh left\n");
    conf_free(old);
    conf_free(new);
}

/* ---- what a reload takes --------------------------------------------------------------------- */

static void what_waits_for_the_next_start_stays(void **state)
{
    struct conf *first = load("defaults = { port = 1; home = \"a\"; domain = \"x\"; };");
    struct conf *again;
    char restart[128], complaint[512];

    (void)state;
    again = reload(first, "defaults = { port = 2; home = \"b\"; domain = \"x\"; skew = 9; };",
                   restart, complaint);
    assert_non_null(again);
    assert_string_equal(restart, "port, home");
    assert_int_equal(again->port, 1);
    assert_string_equal(again->home, "a");
    assert_int_equal(again->skew, 9);
    conf_free(first); /* nothing points into it */
    first = reload(again, "defaults = { port = 1; home = \"a\"; domain = \"x\"; };", restart,
                   complaint);
    assert_non_null(first);
    assert_string_equal(restart, "");
    assert_string_equal(first->home, "a");
    conf_free(first);
    conf_free(again);
}

static void what_is_live_must_go_with_what_stays(void **state)
{
    struct conf *first, *again;
    char restart[128], complaint[512];

    (void)state;
    put("mesh", "udp 127.0.0.1\n");
    first = load("defaults = { address = \"127.0.0.1\"; nets = \"mesh\"; };");
    again = reload(first, "defaults = { address = \"127.0.0.2\"; nets = \"mesh\"; };", restart,
                   complaint);
    assert_null(again); /* as it would be at a start, too */
    assert_non_null(strstr(complaint, "mesh"));
    put("mesh", "udp 127.0.0.2\n");
    again = reload(first, "defaults = { address = \"127.0.0.2\"; nets = \"mesh\"; };", restart,
                   complaint);
    assert_null(again);
    assert_string_equal(restart, "address");
    assert_non_null(strstr(complaint, "restart carpond"));
    put("mesh", "udp 127.0.0.0/8\n");
    again = reload(first, "defaults = { address = \"127.0.0.2\"; nets = \"mesh\"; };", restart,
                   complaint);
    assert_non_null(again);
    assert_string_equal(restart, "address");
    conf_free(again);
    conf_free(first);
}

static void keys_that_come_or_go_wait(void **state)
{
    struct conf *without, *with, *again;
    char restart[128], complaint[512];

    (void)state;
    put("keys", "one\n");
    put("other", "two\n");
    without = load("");
    with = load("defaults = { hmac_keys = \"keys\"; };");
    again = reload(without, "defaults = { hmac_keys = \"keys\"; };", restart, complaint);
    assert_non_null(again);
    assert_string_equal(restart, "address, hmac_keys");
    assert_false(conf_keys_come_or_go(without, again));
    assert_true(again->plain_get);
    conf_free(again);
    again = reload(with, "", restart, complaint);
    assert_non_null(again);
    assert_string_equal(restart, "address, hmac_keys");
    assert_int_equal(again->keys.count, 1);
    assert_false(again->plain_get);
    conf_free(again);
    again = reload(with, "defaults = { hmac_keys = \"other\"; };", restart, complaint);
    assert_non_null(again);
    assert_string_equal(restart, "");
    assert_memory_equal(again->keys.list[0].at, "two", 3);
    conf_free(again);
    put("keys", "+ANY+\n");
    again = reload(with, "defaults = { hmac_keys = \"keys\"; };", restart, complaint);
    assert_non_null(again);
    assert_string_equal(restart, "address, hmac_keys");
    assert_true(conf_keys_come_or_go(with, again));
    assert_false(again->plain_get); /* by the keys in force */
    conf_free(again);
    conf_free(with);
    conf_free(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_differ_by_what_is_in_force, set_up, take_down),
        cmocka_unit_test_setup_teardown(tiers_differ_where_they_have_their_own, set_up, take_down),
        cmocka_unit_test_setup_teardown(heartbeats_differ_setting_by_setting, set_up, take_down),
        cmocka_unit_test_setup_teardown(members_differ_by_tier, set_up, take_down),
        cmocka_unit_test_setup_teardown(what_waits_for_the_next_start_stays, set_up, take_down),
        cmocka_unit_test_setup_teardown(what_is_live_must_go_with_what_stays, set_up, take_down),
        cmocka_unit_test_setup_teardown(keys_that_come_or_go_wait, set_up, take_down),
    };
    return cmocka_run_group_tests_name("conf_diff", tests, NULL, NULL);
}
