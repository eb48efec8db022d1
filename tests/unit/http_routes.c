/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/frames.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * Section 9 over HTTP: a node that is backup or slave of a tier and a flat mesh's neighbour of
 * nobody, asked from addresses of loopback that are candidates, slaves and strangers.
 */
#define HELD "/example.com/held"
#define SLAVE_HOST "127.0.0.77"
#define MASTER_HOST "127.0.0.2"
#define BACKUP_HOST "127.0.0.3"
#define STRANGER_HOST "127.9.9.9"

static struct site site;

static int start_as(enum member_role own)
{
    const struct member tier[] = {
        site_member("127.0.0.1", own, "paris"),
        site_member(MASTER_HOST, MEMBER_CANDIDATE, "paris"),
        site_member(BACKUP_HOST, MEMBER_CANDIDATE, "paris"),
        site_member("127.0.0.0/24", MEMBER_SLAVE, "paris"),
    };

    site_start(&site, &(struct site_options){.members = tier, .member_count = 4});
    site_put(&site, &HELD[1], "pond", 4);
    return 0;
}

static int start_backup(void **state)
{
    (void)state;
    start_as(MEMBER_CANDIDATE);
    site_publish(&site, "paris", BALLOT_BACKUP, MASTER_HOST, MONO_NEVER);
    return 0;
}

static int start_slave(void **state)
{
    (void)state;
    start_as(MEMBER_SLAVE);
    site_publish(&site, "paris", BALLOT_SLAVE, MASTER_HOST, MONO_NEVER);
    return 0;
}

/* In a tier of more candidates than a put can wait for. */
static int start_among_many(enum member_role own)
{
    struct member tier[1 + EXCHANGE_SOURCES_MAX + 2] = {site_member("127.0.0.1", own, "paris")};
    size_t count = 1;
    char host[16];

    for (; count < sizeof(tier) / sizeof(*tier); count++) {
        snprintf(host, sizeof(host), "127.0.0.%zu", count + 1);
        tier[count] = site_member(host, MEMBER_CANDIDATE, "paris");
    }
    site_start(&site, &(struct site_options){.members = tier, .member_count = count});
    return 0;
}

static int start_slave_of_many(void **state)
{
    (void)state;
    return start_among_many(MEMBER_SLAVE);
}

static int start_one_of_many(void **state)
{
    (void)state;
    return start_among_many(MEMBER_CANDIDATE);
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

static void expect_from(const char *host, const char *target, unsigned status, const char *body)
{
    struct answer a;

    ask_from(&site, host, "GET", target, "", &a);
    expect(&a, status, body);
    answer_free(&a);
}

static void candidates_are_served_what_is_held(void **state)
{
    static const char *const hosts[] = {MASTER_HOST, BACKUP_HOST};

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        expect_from(hosts[i], HELD, 200, "pond");
        expect_from(hosts[i], "/.pond/manifest" HELD, 200, NULL);
        expect_from(hosts[i], "/.pond/catalogue", 200, NULL);
        expect_from(hosts[i], "/example.com/unknown", 404, NULL);
    }
    assert_int_equal(site.asked, 0); /* nobody is asked for another's sake */
}

static void a_backup_sends_slaves_to_the_master(void **state)
{
    static const char *const targets[] = {HELD "?version=1.0", ("/.pond/manifest" HELD),
                                          "/.pond/catalogue?since=7", FRAMES_PATH "?of=7"};
    char location[128];
    struct answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        ask_from(&site, SLAVE_HOST, "GET", targets[i], "", &a);
        expect(&a, 307, "this node is not the master of the tier: ask the one in Location\n");
        snprintf(location, sizeof(location), "http://" MASTER_HOST ":65028%s", targets[i]);
        expect_header(&a, "Location", location);
        answer_free(&a);
    }
}

/* What was removed meanwhile would come back with it. */
static void who_was_away_shows_its_catalogue_to_nobody_above(void **state)
{
    static const char *const targets[] = {"/.pond/catalogue", "/.pond/ranges?from=&to=&parts=2"};
    char path[128];
    FILE *file;

    site_stop(&site, 0);
    snprintf(path, sizeof(path), "%.64s/touch", site.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("1 1\n", file) >= 0 && fclose(file) == 0);
    start_backup(state);
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        expect_from(MASTER_HOST, targets[i], 503,
                    "this node was away for longer than removals are known: it takes its master's "
                    "catalogue first\n");
        expect_from("127.0.0.1", targets[i], 200, NULL);
    }
    expect_from(MASTER_HOST, HELD, 200, "pond");
}

/* Such a request is not worth an answer of its own length, and must not fell the node. */
static void a_target_beyond_all_names_is_not_repeated(void **state)
{
    char target[8192] = HELD "?";
    struct answer a;

    (void)state;
    memset(target + strlen(target), 'x', sizeof(target) - 1 - strlen(target));
    ask_from(&site, SLAVE_HOST, "GET", target, "", &a);
    expect(&a, 414, NULL);
    answer_free(&a);
}

/* Each that is shorter goes into the answer. */
static void targets_of_any_length_are_answered(void **state)
{
    char target[6600] = HELD "?";
    struct answer a;

    (void)state;
    memset(target + strlen(target), 'x', sizeof(target) - strlen(target));
    for (size_t len = 5000; len < sizeof(target); len += 37) {
        target[len] = '\0';
        ask_from(&site, SLAVE_HOST, "GET", target, "", &a);
        if (a.status != 414) {
            expect(&a, 307, NULL);
            assert_string_equal(answer_header(&a, "Location") + strlen("http://127.0.0.2:65028"),
                                target);
        }
        answer_free(&a);
        target[len] = 'x';
    }
    expect_from(MASTER_HOST, HELD, 200, "pond");
}

static void without_a_master_slaves_are_told_to_come_again(void **state)
{
    struct answer a;

    (void)state;
    site_publish(&site, "paris", BALLOT_BACKUP, NULL, MONO_NEVER);
    ask_from(&site, SLAVE_HOST, "GET", HELD, "", &a);
    expect(&a, 503, "the tier has no master at the moment: ask again in a second\n");
    expect_header(&a, "Retry-After", "1");
    answer_free(&a);
    site_publish(&site, "paris", BALLOT_BACKUP, MASTER_HOST, (mono_t){0}); /* it stands still */
    expect_from(SLAVE_HOST, HELD, 503, NULL);
}

static void without_a_master_what_is_at_hand_is_stale(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", BACKUP_HOST};
    struct answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        site_publish(&site, "paris", BALLOT_BACKUP, MASTER_HOST, MONO_NEVER);
        ask_from(&site, hosts[i], "GET", HELD, "", &a);
        expect(&a, 200, "pond");
        expect_header(&a, "Cache-Status", SITE_NODE "; hit");
        answer_free(&a);
        site_publish(&site, "paris", BALLOT_BACKUP, NULL, MONO_NEVER);
        ask_from(&site, hosts[i], "GET", HELD, "", &a);
        expect(&a, 200, "pond");
        expect_header(&a, "Cache-Status", SITE_NODE "; hit; detail=stale");
        answer_free(&a);
    }
}

/* Those who could tell are not asked. */
static void without_a_master_nobody_says_that_there_is_none(void **state)
{
    struct answer a;

    (void)state;
    expect_from("127.0.0.1", "/example.com/unknown", 404, NULL);
    site_publish(&site, "paris", BALLOT_SLAVE, NULL, MONO_NEVER);
    ask_from(&site, "127.0.0.1", "GET", "/example.com/unknown", "", &a);
    expect(&a, 503,
           "a tier of this node has no master at the moment: whether the object exists cannot be "
           "told\n");
    expect_header(&a, "Retry-After", "1");
    answer_free(&a);
    expect_from(BACKUP_HOST, "/example.com/unknown", 404, NULL); /* it asks for what is here */
}

static void the_epoch_of_the_tier_is_told(void **state)
{
    struct answer a;

    (void)state;
    ask_from(&site, BACKUP_HOST, "GET", HELD, "", &a);
    expect(&a, 200, "pond");
    expect_header(&a, "Pond-Epoch", "14");
    answer_free(&a);
    ask_from(&site, "127.0.0.1", "GET", HELD, "", &a);
    assert_null(answer_header(&a, "Pond-Epoch"));
    answer_free(&a);
}

static void strangers_are_refused_and_closed(void **state)
{
    static const char *const targets[] = {HELD, "/.pond/catalogue", FRAMES_PATH "?of=7",
                                          "/.pond/status"};
    struct answer a;
    int fd;

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        char text[256];
        fd = site_connect_from(&site, STRANGER_HOST);
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", targets[i]);
        send_text(fd, text);
        read_answer(fd, false, &a);
        expect(&a, 403, "not a member\n");
        assert_true(is_closed(fd));
        answer_free(&a);
        close(fd);
    }
}

static void a_slave_serves_candidates_but_no_slave(void **state)
{
    (void)state;
    expect_from(MASTER_HOST, HELD, 200, "pond");
    expect_from(BACKUP_HOST, HELD, 200, "pond");
    expect_from(SLAVE_HOST, HELD, 403,
                "a slave serves no other slave: ask the master of the tier\n");
    expect_from(SLAVE_HOST, "/.pond/catalogue", 403, NULL);
    expect_from(SLAVE_HOST, FRAMES_PATH "?of=7", 403, NULL);
    expect_from(SLAVE_HOST, "/.pond/status", 200, NULL); /* that is no content */
    expect_from(STRANGER_HOST, HELD, 403, "not a member\n");
    assert_int_equal(gate_count(GATE_SIBLING), 3);
}

static void of_what_is_not_held_the_cached_is_told_at_once(void **state)
{
    struct answer a;

    (void)state;
    ask_from(&site, MASTER_HOST, "GET", HELD, "Cache-Control: only-if-cached\r\n", &a);
    expect(&a, 200, "pond");
    answer_free(&a);
    ask_from(&site, MASTER_HOST, "GET", "/example.com/unknown", "Cache-Control: only-if-cached\r\n",
             &a);
    expect(&a, 404, NULL);
    answer_free(&a);
}

/* And what is at hand is given all the same. */
static void a_circle_is_told(void **state)
{
    static const char via[] =
        "Via: 1.1 gw1 (carpond), 1.1 " SITE_NODE " (carpond), 1.1 gw2 (carpond)\r\n";
    struct answer a;

    (void)state;
    ask_from(&site, MASTER_HOST, "GET", HELD, via, &a);
    expect(&a, 200, "pond");
    answer_free(&a);
    ask_from(&site, MASTER_HOST, "GET", "/example.com/unknown", via, &a);
    expect(&a, 508, NULL);
    answer_free(&a);
}

static void expect_put(const char *headers, unsigned status, const char *body)
{
    struct answer a;

    ask_control(&site, "PUT", "/example.com/copied", headers, "pond", &a);
    expect(&a, status, body);
    answer_free(&a);
}

static bool finds_all(struct site *s, struct ask *ask)
{
    (void)s;
    ask->found = true;
    return true;
}

/* More could never be told, and would be waited for in vain. */
static void nobody_waits_for_more_copies_than_are_counted(void **state)
{
    (void)state;
    site.answer = finds_all;
    expect_put("Pond-Copies: 9\r\n", 400,
               "9 copies are more than can be confirmed: 8 candidates can\n");
    expect_put("Pond-Copies: 8\r\n", 201, NULL);
}

static void our_own_copy_counts_beside_those_of_others(void **state)
{
    (void)state;
    site.answer = finds_all;
    expect_put("Pond-Copies: 10\r\n", 400,
               "10 copies are more than can be confirmed: 9 candidates can, this host among "
               "them\n");
    expect_put("Pond-Copies: 9\r\n", 201, NULL);
}

int main(void)
{
#define BACKUP(test) cmocka_unit_test_setup_teardown(test, start_backup, stop)
#define SLAVE(test) cmocka_unit_test_setup_teardown(test, start_slave, stop)
    const struct CMUnitTest tests[] = {
        BACKUP(candidates_are_served_what_is_held),
        BACKUP(who_was_away_shows_its_catalogue_to_nobody_above),
        BACKUP(a_backup_sends_slaves_to_the_master),
        BACKUP(a_target_beyond_all_names_is_not_repeated),
        BACKUP(targets_of_any_length_are_answered),
        BACKUP(without_a_master_slaves_are_told_to_come_again),
        BACKUP(without_a_master_what_is_at_hand_is_stale),
        SLAVE(without_a_master_nobody_says_that_there_is_none),
        BACKUP(the_epoch_of_the_tier_is_told),
        BACKUP(strangers_are_refused_and_closed),
        SLAVE(a_slave_serves_candidates_but_no_slave),
        SLAVE(of_what_is_not_held_the_cached_is_told_at_once),
        BACKUP(a_circle_is_told),
        cmocka_unit_test_setup_teardown(nobody_waits_for_more_copies_than_are_counted,
                                        start_slave_of_many, stop),
        cmocka_unit_test_setup_teardown(our_own_copy_counts_beside_those_of_others,
                                        start_one_of_many, stop),
    };
    return cmocka_run_group_tests_name("http_routes", tests, NULL, NULL);
}
