/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
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
    static const char *const files[] = {"main.cf", "rules", "other.cf", "keys",
                                        "any",     "mesh",  "paris"};

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

/* Loads main.cf with this text; NULL where it has errors. */
static struct conf *load(const char *text, const char *name)
{
    struct report *report = report_new();
    struct conf *conf;

    put("main.cf", text);
    conf = conf_load("main.cf", name, report);
    if (!!conf == (report_errors(report) != 0))
        report_print(report, stderr);
    assert_true(!!conf == (report_errors(report) == 0));
    report_free(report);
    return conf;
}

static struct conf *load_good(const char *text, const char *name)
{
    struct conf *conf = load(text, name);

    assert_non_null(conf);
    return conf;
}

static void assert_host(const struct address *address, const char *text)
{
    char host[ADDRESS_TEXT_SIZE];

    assert_string_equal(address_host_text(address, host), text);
}

static void defaults_are_those_of_the_table(void **state)
{
    struct conf *conf = load_good("", "web1");

    (void)state;
    assert_string_equal(conf->domain, "local");
    assert_int_equal(conf->port, 65027);
    assert_int_equal(conf->http_port, 65028);
    assert_int_equal(conf->advert_port, 65029);
    assert_int_equal(conf->nets.count, 0);
    assert_false(conf->nobroadcast);
    assert_int_equal(conf->auth, CONF_AUTH_ENFORCE);
    assert_int_equal(conf->log_level, LEVEL_INFO);
    assert_string_equal(conf->home, CONF_DEFAULT_HOME);
    assert_int_equal(conf->cache_size, 0);
    assert_int_equal(conf->max_connections, 10000);
    assert_true(conf->base == 1.0);
    assert_true(conf->preempt_delay < 0);
    assert_int_equal(conf->gossip.port, 45892);
    assert_null(conf->from[CONF_NODE_port].file);
    conf_free(conf);
}

static void without_keys_it_is_on_loopback(void **state)
{
    struct conf *conf = load_good("", "web1");

    (void)state;
    assert_int_equal(conf->address.count, 2);
    assert_host(&conf->address.list[0], "127.0.0.1");
    assert_host(&conf->address.list[1], "::1");
    assert_true(conf_on_loopback_alone(conf));
    assert_host(&conf->broadcast_addr, "127.255.255.255");
    assert_true(conf->plain_get);
    assert_true(conf->own_known);
    assert_int_equal(conf->own.count, 2);
    conf_free(conf);
    assert_null(load("defaults = { address = \"192.0.2.1\"; };", "web1"));
    assert_null(load("defaults = { address = \"0.0.0.0\"; };", "web1"));
}

static void with_keys_it_is_everywhere(void **state)
{
    struct conf *conf;

    (void)state;
    put("keys", "0123456789abcdef-1\n0123456789abcdef-2\n");
    conf = load_good("defaults = { hmac_keys = \"keys\"; };", "web1");
    assert_host(&conf->address.list[0], "0.0.0.0");
    assert_host(&conf->address.list[1], "::");
    assert_false(conf_on_loopback_alone(conf));
    assert_host(&conf->broadcast_addr, "255.255.255.255");
    assert_false(conf->plain_get);
    assert_int_equal(conf->keys.count, 2);
    assert_true(span_is(conf->keys.list[0], "0123456789abcdef-1"));
    conf_free(conf);
}

static void any_alone_is_no_keys(void **state)
{
    struct conf *conf;

    (void)state;
    put("any", "+ANY+\n");
    conf = load_good("defaults = { hmac_keys = \"any\"; };", "web1");
    assert_true(conf_on_loopback_alone(conf));
    assert_true(conf->keys.any);
    conf_free(conf);
    assert_null(load("defaults = { hmac_keys = \"any\"; address = \"192.0.2.1\"; };", "web1"));
    conf = load_good("defaults = { hmac_keys = \"any\"; address = \"192.0.2.1\"; open = true; };",
                     "web1");
    assert_host(&conf->own.list[0], "192.0.2.1");
    conf_free(conf);
}

static void keys_that_cannot_be_read_are_an_error(void **state)
{
    (void)state;
    assert_null(load("defaults = { hmac_keys = \"keys\"; };", "web1"));
    put("keys", "0123456789abcdef\n");
    assert_int_equal(chmod("keys", 0644), 0);
    assert_null(load("defaults = { hmac_keys = \"keys\"; };", "web1"));
}

static void the_first_section_that_fits_is_laid_over(void **state)
{
    static const char text[] = "defaults = { port = 1000; http_port = 1001; };\n"
                               "hosts = (\n"
                               "  { match = \"web1\"; port = 2000; },\n"
                               "  { match = \"^web\"; port = 3000; http_port = 3001; } );\n";
    struct conf *conf = load_good(text, "web1.example.com");

    (void)state;
    assert_int_equal(conf->port, 2000);
    assert_int_equal(conf->http_port, 1001);
    assert_string_equal(conf->match, "web1");
    assert_int_equal(conf->match_line, 3);
    assert_int_equal(conf->from[CONF_NODE_port].line, 3);
    conf_free(conf);
    conf = load_good(text, "web2");
    assert_int_equal(conf->port, 3000);
    assert_int_equal(conf->http_port, 3001);
    conf_free(conf);
    conf = load_good(text, "db");
    assert_int_equal(conf->port, 1000);
    assert_null(conf->match);
    conf_free(conf);
}

static void a_fault_in_anothers_section_is_a_fault(void **state)
{
    (void)state;
    assert_null(
        load("hosts = ( { match = \"web1\"; }, { match = \"web2\"; prot = 1; } );", "web1"));
}

static void the_name_is_told_or_of_the_environment_or_the_kernels(void **state)
{
    struct utsname kernel;
    struct conf *conf;

    (void)state;
    setenv("IS_NAME", "from-environment", 1);
    conf = load_good("", "told");
    assert_string_equal(conf->node, "told");
    conf_free(conf);
    conf = load_good("", NULL);
    assert_string_equal(conf->node, "from-environment");
    conf_free(conf);
    setenv("IS_NAME", "a name", 1);
    assert_null(load("", NULL));
    unsetenv("IS_NAME");
    assert_int_equal(uname(&kernel), 0);
    conf = load_good("", NULL);
    assert_string_equal(conf->node, kernel.nodename);
    conf_free(conf);
}

static void the_environment_wins(void **state)
{
    struct conf *conf;

    (void)state;
    put("mesh", "udp 127.0.0.0/8\n");
    setenv("IS_PORT", "7001", 1);
    setenv("IS_NETS", "mesh", 1);
    setenv("IS_NOBROADCAST", "yes", 1);
    setenv("IS_ADDRESS", "127.0.0.2, ::1", 1);
    setenv("IS_TIERS", "mesh = { skew = 9; }", 1);
    conf = load_good("defaults = { port = 1; nobroadcast = false; base = 2.0; };", "web1");
    assert_int_equal(conf->port, 7001);
    assert_string_equal(conf->from[CONF_NODE_port].file, "IS_PORT");
    assert_true(conf->nobroadcast);
    assert_int_equal(conf->nets.count, 1);
    assert_string_equal(conf->nets_files[0]->tier, "mesh");
    assert_host(&conf->address.list[0], "127.0.0.2");
    assert_int_equal(conf_tier_find(conf, "mesh")->skew, 9);
    assert_true(conf_tier_find(conf, "mesh")->base == 2.0);
    assert_null(conf_tier_find(conf, "paris"));
    conf_free(conf);
    setenv("IS_PORT", "70000", 1);
    assert_null(load("", "web1"));
    unsetenv("IS_PORT");
    unsetenv("IS_NETS");
    unsetenv("IS_NOBROADCAST");
    unsetenv("IS_ADDRESS");
    unsetenv("IS_TIERS");
}

static void paths_are_relative_to_its_folder(void **state)
{
    struct report *report = report_new();
    char path[96];
    struct conf *conf;

    (void)state;
    put("mesh", "udp 127.0.0.1\n");
    put("main.cf", "defaults = { nets = \"mesh\"; home = \"/srv/pond\"; };");
    snprintf(path, sizeof(path), "%s/main.cf", folder);
    assert_int_equal(chdir("/"), 0);
    conf = conf_load(path, "web1", report);
    assert_int_equal(chdir(folder), 0);
    assert_non_null(conf);
    snprintf(path, sizeof(path), "%s/mesh", folder);
    assert_string_equal(conf->nets.list[0], path);
    assert_string_equal(conf->home, "/srv/pond");
    conf_free(conf);
    report_free(report);
}

static void a_host_is_in_the_tiers_that_it_names(void **state)
{
    (void)state;
    put("mesh", "udp 192.0.2.1\n");
    assert_null(load("defaults = { nets = \"mesh\"; };", "web1"));
    assert_null(load("defaults = { nets = [ \"mesh\", \"mesh\" ]; };", "web1"));
    assert_null(load("defaults = { nets = \"missing\"; };", "web1"));
}

static void a_missing_file_is_an_error(void **state)
{
    struct report *report = report_new();

    (void)state;
    assert_null(conf_load("main.cf", "web1", report));
    assert_int_equal(report_errors(report), 1);
    report_free(report);
}

static void a_reload_tells_what_waits_for_the_next_start(void **state)
{
    struct conf *old = load_good("defaults = { port = 1; log_level = \"info\"; };", "web1");
    struct conf *new = load_good(
        "defaults = { port = 2; log_level = \"debug\"; home = \"/x\"; cache_size = 1; };", "web1");
    char memory[64];
    struct text text = TEXT_OVER(memory);

    (void)state;
    conf_restart_wanted(old, old, &text);
    assert_string_equal(memory, "");
    conf_restart_wanted(old, new, &text);
    assert_string_equal(memory, "port, home");
    conf_free(old);
    conf_free(new);
}

static void find_home(const char *file, const char *home)
{
    char memory[256];
    struct text text = TEXT_OVER(memory);

    conf_find_home(file, &text);
    assert_string_equal(memory, home);
}

static void home_is_found_whatever_else_is_wrong(void **state)
{
    (void)state;
    find_home("main.cf", CONF_DEFAULT_HOME);
    put("main.cf", "defaults = { home = \"/srv/pond\"; hmac_keys = \"nowhere\"; };");
    find_home("main.cf", "/srv/pond");
    setenv("IS_HOME", "/elsewhere", 1);
    find_home("main.cf", "/elsewhere");
    unsetenv("IS_HOME");
    put("main.cf", "defaults = { home = ");
    find_home("main.cf", CONF_DEFAULT_HOME);
}

static bool is_said(const struct report *report, const char *line)
{
    bool warning;

    for (size_t i = 0; i < report_count(report); i++)
        if (strstr(report_line(report, i, &warning), line))
            return true;
    return false;
}

/* pond reload says the same as pond check; what belongs to other hosts' tiers is no mistake. */
static void what_is_sound_and_hardly_meant_is_warned_of(void **state)
{
    struct report *report = report_new();
    struct conf *conf;

    (void)state;
    put("mesh", "udp 127.0.0.1\n");
    put("main.cf", "defaults = { advert_if = \"nosuch0\";\n"
                   "tiers = { pariss = { skew = 3; };\n paris = { skew = 4; }; }; };\n"
                   "hosts = ( { match = \"a\"; nets = \"mesh\"; },\n"
                   " { match = \"b\"; nets = \"paris\"; } );\n");
    conf = conf_load("main.cf", "a", report);
    assert_non_null(conf);
    assert_true(is_said(report, "main.cf:1: warning: advert_if: this host has no interface"));
    assert_true(is_said(report, "main.cf:2: warning: no host is in a tier pariss:"));
    assert_false(is_said(report, "tier paris:"));
    conf_free(conf);
    report_free(report);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, take_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_table),
        TEST(without_keys_it_is_on_loopback),
        TEST(with_keys_it_is_everywhere),
        TEST(any_alone_is_no_keys),
        TEST(keys_that_cannot_be_read_are_an_error),
        TEST(the_first_section_that_fits_is_laid_over),
        TEST(a_fault_in_anothers_section_is_a_fault),
        TEST(the_name_is_told_or_of_the_environment_or_the_kernels),
        TEST(the_environment_wins),
        TEST(paths_are_relative_to_its_folder),
        TEST(a_host_is_in_the_tiers_that_it_names),
        TEST(a_missing_file_is_an_error),
        TEST(a_reload_tells_what_waits_for_the_next_start),
        TEST(home_is_found_whatever_else_is_wrong),
        TEST(what_is_sound_and_hardly_meant_is_warned_of),
    };
    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
