/* SPDX-License-Identifier: ISC */
#include "src/remember.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "src/base/log.h"
#include "src/clock.h"
#include "src/remember_inner.h"
#include "tests/unit/failing.h"

/* ---- a home, and what is told of it ---------------------------------------------------------- */

static char home[64];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LEVEL_ERROR);
    snprintf(home, sizeof(home), "/tmp/pond-remember-XXXXXX");
    assert_non_null(mkdtemp(home));
    return 0;
}

static const char *path_in(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", home, name);
    return path;
}

static int tear_down(void **state)
{
    (void)state;
    atomic_store(&armed, false);
    unlink(path_in("election"));
    unlink(path_in("election.new"));
    assert_int_equal(rmdir(home), 0);
    return 0;
}

static struct remember *open_home(void)
{
    struct remember *r = remember_open(home);

    assert_non_null(r);
    return r;
}

/* What was kept, as the callback told it. */
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t kept_more = PTHREAD_COND_INITIALIZER;
static uint64_t kept_reserved;
static int kept_count;

static void note_kept(void *arg, const char *tier, uint64_t reserved)
{
    struct remembered *last = arg;

    pthread_mutex_lock(&kept_lock);
    if (last)
        assert_string_equal(tier, last->tier);
    kept_reserved = reserved;
    kept_count++;
    pthread_cond_broadcast(&kept_more);
    pthread_mutex_unlock(&kept_lock);
}

static void wait_for_kept(uint64_t reserved)
{
    pthread_mutex_lock(&kept_lock);
    while (kept_reserved != reserved)
        pthread_cond_wait(&kept_more, &kept_lock);
    pthread_mutex_unlock(&kept_lock);
}

static uint64_t reserved_so_far(void)
{
    uint64_t reserved;

    pthread_mutex_lock(&kept_lock);
    reserved = kept_reserved;
    pthread_mutex_unlock(&kept_lock);
    return reserved;
}

static void post(struct remember *r, const char *tier, uint64_t epoch, uint64_t reserved)
{
    struct remember_post p = {.memory = {.epoch = epoch, .reserved = reserved, .count = 2},
                              .kept = note_kept};

    snprintf(p.tier, sizeof(p.tier), "%s", tier);
    for (size_t i = 0; i < p.memory.count; i++) {
        struct elect_known *known = &p.memory.known[i];
        assert_true(address_parse(span_of(i ? "fd00::2" : "10.27.4.1"), 65028, &known->address));
        snprintf(known->node, sizeof(known->node), "gw%zu.paris.example.com", i + 1);
        known->boot = 1795000000000 + i;
        known->counter = UINT64_MAX - i;
    }
    remember_post(r, &p);
}

static void post_and_wait(struct remember *r, const char *tier, uint64_t epoch, uint64_t reserved)
{
    kept_reserved = 0;
    post(r, tier, epoch, reserved);
    wait_for_kept(reserved);
}

static uint64_t epoch_of(struct remember *r, const char *tier)
{
    struct elect_memory memory;

    remember_memory(r, tier, &memory);
    return memory.epoch;
}

static uint64_t reserved_of(struct remember *r, const char *tier)
{
    struct elect_memory memory;

    remember_memory(r, tier, &memory);
    return memory.reserved;
}

static bool is_demoted(struct remember *r, const char *tier)
{
    struct remember_hand hand;

    remember_hand(r, tier, &hand);
    return hand.demoted;
}

static size_t read_whole(char out[REMEMBERED_MAX])
{
    FILE *file = fopen(path_in("election"), "r");
    size_t len;

    assert_non_null(file);
    len = fread(out, 1, REMEMBERED_MAX, file);
    fclose(file);
    return len;
}

static void write_whole(const char *bytes, size_t len)
{
    FILE *file = fopen(path_in("election"), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

/* ---- what is remembered ---------------------------------------------------------------------- */

static void nothing_is_known_at_first(void **state)
{
    struct remember *r = open_home();

    (void)state;
    assert_int_equal(epoch_of(r, "paris"), 0);
    assert_false(is_demoted(r, "paris"));
    assert_true(remember_is_sound(r));
    remember_close(r);
    assert_int_equal(access(path_in("election"), F_OK), -1);
}

static void what_was_posted_is_there_after_a_restart(void **state)
{
    struct elect_memory memory;
    struct remember *r = open_home();

    (void)state;
    post(r, "paris", 14, 18);
    post(r, "a tier: with \xc3\xa9", 3, 7);
    remember_close(r); /* writes what was posted */
    r = open_home();
    remember_memory(r, "paris", &memory);
    assert_int_equal(memory.epoch, 14);
    assert_int_equal(memory.reserved, 18);
    assert_int_equal(memory.count, 2);
    assert_string_equal(memory.known[1].node, "gw2.paris.example.com");
    assert_int_equal(memory.known[1].boot, 1795000000001);
    assert_int_equal(memory.known[1].counter, UINT64_MAX - 1);
    assert_int_equal(memory.known[1].address.port, 65028);
    assert_int_equal(epoch_of(r, "a tier: with \xc3\xa9"), 3);
    assert_int_equal(epoch_of(r, "london"), 0);
    remember_close(r);
}

static void it_is_kept_once_it_is_on_the_disk(void **state)
{
    struct remember *r = open_home(), *other;

    (void)state;
    for (uint64_t reserved = 4; reserved < 40; reserved += 4) {
        post_and_wait(r, "paris", reserved - 4, reserved);
        other = open_home();
        assert_int_equal(reserved_of(other, "paris"), reserved);
        remember_close(other);
    }
    remember_close(r);
}

static void an_epoch_does_not_go_back(void **state)
{
    struct remember *r = open_home();

    (void)state;
    post_and_wait(r, "paris", 20, 24);
    post_and_wait(r, "paris", 19, 20);
    assert_int_equal(epoch_of(r, "paris"), 20);
    assert_int_equal(reserved_of(r, "paris"), 20); /* what was not used is given back */
    remember_close(r);
}

static void many_posts_are_few_writes(void **state)
{
    struct remember *r = open_home();

    (void)state;
    kept_count = 0;
    for (uint64_t i = 1; i <= 10000; i++)
        post(r, "paris", i, i + 4);
    wait_for_kept(10004);
    assert_true(kept_count < 10000);
    remember_close(r);
    r = open_home();
    assert_int_equal(epoch_of(r, "paris"), 10000);
    remember_close(r);
}

static void who_is_hushed_is_not_called(void **state)
{
    struct remember *r = open_home();
    struct remember_post p = {.tier = "paris", .memory.epoch = 5, .kept = note_kept, .arg = &p};

    (void)state;
    fault_errno = EIO;
    fault_stays = true;
    atomic_store(&until_fault, 0);
    atomic_store(&armed, true);
    kept_count = 0;
    remember_post(r, &p);
    remember_hush(r, &p);
    atomic_store(&armed, false);
    remember_close(r);
    assert_int_equal(kept_count, 0);
    r = open_home();
    assert_int_equal(epoch_of(r, "paris"), 5);
    remember_close(r);
}

static void a_tier_that_was_left_makes_room_in_the_end(void **state)
{
    struct remember *r = open_home();
    char tier[TIER_SIZE];

    (void)state;
    for (uint64_t i = 0; i < REMEMBERED_TIERS_MAX; i++) {
        snprintf(tier, sizeof(tier), "t%d", (int)i);
        post(r, tier, i + 1, i + 1);
    }
    assert_int_equal(epoch_of(r, "t0"), 1); /* which is a use of it */
    post(r, "new", 99, 99);
    remember_close(r);
    r = open_home();
    assert_int_equal(epoch_of(r, "t0"), 1);
    assert_int_equal(epoch_of(r, "t1"), 0);
    assert_int_equal(epoch_of(r, "t2"), 3);
    assert_int_equal(epoch_of(r, "new"), 99);
    remember_close(r);
}

/* ---- by hand --------------------------------------------------------------------------------- */

static void a_demotion_lasts_over_restarts(void **state)
{
    struct remember_hand hand = {true, {1795349700000}, {1795348800000}}, none = {0}, read;
    struct remember *r = open_home();

    (void)state;
    assert_true(remember_set_hand(r, "paris", &hand));
    post_and_wait(r, "paris", 1, 5);
    remember_close(r);
    r = open_home();
    remember_hand(r, "paris", &read);
    assert_true(read.demoted);
    assert_int_equal(read.until.ms, 1795349700000);
    assert_int_equal(read.since.ms, 1795348800000);
    assert_int_equal(epoch_of(r, "paris"), 1);
    assert_true(remember_set_hand(r, "paris", &none));
    remember_close(r);
    r = open_home();
    assert_false(is_demoted(r, "paris"));
    remember_close(r);
}

static void a_demotion_that_is_over_is_forgotten(void **state)
{
    struct remember_hand hand = {true, {2000}, {1000}}, other = {true, {2000}, {1500}};
    struct remember *r = open_home();

    (void)state;
    assert_true(remember_set_hand(r, "paris", &other));
    remember_hand_over(r, "paris", &hand); /* not this one */
    assert_true(is_demoted(r, "paris"));
    remember_hand_over(r, "paris", &other);
    assert_false(is_demoted(r, "paris"));
    remember_close(r);
    r = open_home();
    assert_false(is_demoted(r, "paris"));
    remember_close(r);
}

static void what_the_disk_refused_did_not_happen(void **state)
{
    struct remember_hand hand = {true, {0}, {1795348800000}};
    struct remember *r = open_home();

    (void)state;
    post_and_wait(r, "paris", 1, 5);
    fault_errno = ENOSPC;
    fault_stays = false;
    for (int call = 0; call < 4; call++) { /* write, sync, rename, sync of the folder */
        atomic_store(&until_fault, call);
        atomic_store(&armed, true);
        assert_false(remember_set_hand(r, "paris", &hand));
        assert_false(is_demoted(r, "paris"));
    }
    remember_close(r);
    r = open_home();
    assert_false(is_demoted(r, "paris"));
    assert_int_equal(epoch_of(r, "paris"), 1);
    remember_close(r);
}

/* ---- the disk fails -------------------------------------------------------------------------- */

/* Nothing is kept while it fails, all of it once it works again. */
static void check_failing_disk(int error, int first_call)
{
    struct remember *r = open_home(), *other;

    post_and_wait(r, "paris", 10, 14);
    fault_errno = error;
    fault_stays = true;
    atomic_store(&faults, 0);
    atomic_store(&until_fault, first_call);
    atomic_store(&armed, true);
    post(r, "paris", 15, 19);
    while (remember_is_sound(r))
        usleep(1000);
    assert_int_equal(reserved_so_far(), 14);
    assert_true(atomic_load(&faults) > 0);
    atomic_store(&armed, false);
    other = open_home();
    assert_true(reserved_of(other, "paris") == 14 || first_call == 3);
    remember_close(other);
    wait_for_kept(19); /* tried again by itself */
    assert_true(remember_is_sound(r));
    remember_close(r);
    r = open_home();
    assert_int_equal(reserved_of(r, "paris"), 19);
    remember_close(r);
    assert_int_equal(access(path_in("election.new"), F_OK), -1);
}

static void a_disk_that_fails_is_tried_again(void **state)
{
    (void)state;
    for (int call = 0; call < 4; call++)
        check_failing_disk(call % 2 ? EIO : ENOSPC, call);
}

/* A process that is killed at any call: what was kept is there, and the file is sound. */
static void a_crash_takes_nothing_back(void **state)
{
    struct remember *r;
    int status;

    (void)state;
    for (int call = 0; call < 16; call++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            fault_errno = 0;
            r = remember_open(home);
            post_and_wait(r, "paris", 100 + 10 * (uint64_t)call, 104 + 10 * (uint64_t)call);
            atomic_store(&until_fault, call);
            atomic_store(&armed, true);
            for (uint64_t i = 1; i <= 5; i++)
                post_and_wait(r, "paris", 100 + 10 * (uint64_t)call + i,
                              104 + 10 * (uint64_t)call + i);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        r = open_home();
        /* Four calls a write; what comes after the rename may be there already. */
        assert_true(reserved_of(r, "paris") >= 104 + 10 * (uint64_t)call + (uint64_t)call / 4);
        assert_true(reserved_of(r, "paris") <= 105 + 10 * (uint64_t)call + (uint64_t)call / 4);
        remember_close(r);
    }
}

/* ---- files that are not sound ---------------------------------------------------------------- */

static void expect_lost(const char *bytes, size_t len)
{
    struct remember *r;

    write_whole(bytes, len);
    r = open_home();
    assert_int_equal(epoch_of(r, "paris"), 0);
    assert_int_equal(epoch_of(r, "berlin"), 0);
    assert_false(is_demoted(r, "paris"));
    remember_close(r);
}

static size_t make_sound(char out[REMEMBERED_MAX])
{
    struct remember_hand hand = {true, {0}, {1795348800000}};
    struct remember *r = open_home();

    post(r, "berlin", 77, 78);
    post(r, "paris", 14, 18);
    assert_true(remember_set_hand(r, "paris", &hand));
    remember_close(r);
    return read_whole(out);
}

static void each_flipped_bit_is_noticed(void **state)
{
    static char bytes[REMEMBERED_MAX];
    size_t len = make_sound(bytes);

    (void)state;
    log_set_level(LEVEL_ERROR);
    for (size_t i = 0; i < 8 * len; i++) {
        bytes[i / 8] ^= (char)(1 << i % 8);
        expect_lost(bytes, len);
        bytes[i / 8] ^= (char)(1 << i % 8);
    }
}

static void each_truncation_is_noticed(void **state)
{
    static char bytes[REMEMBERED_MAX];
    size_t len = make_sound(bytes);

    (void)state;
    for (size_t i = 0; i < len; i++)
        expect_lost(bytes, i);
}

/* With a sum that fits. */
static void expect_malformed(const char *body)
{
    static char memory[REMEMBERED_MAX];
    struct text text = TEXT_OVER(memory);

    text_puts(&text, body);
    remembered_end(&text);
    expect_lost(text.at, text.len);
}

#define HEAD "carpond election 1\n"
#define PARIS "tier: paris\nepoch: 1\nreserved: 2\n"

static void a_malformed_file_counts_as_lost(void **state)
{
    (void)state;
    expect_malformed("");
    expect_malformed("carpond election 2\n" PARIS);
    expect_malformed(HEAD "\n" PARIS);
    expect_malformed(HEAD PARIS "\n");
    expect_malformed(HEAD PARIS PARIS); /* twice */
    expect_malformed(HEAD "tier: \nepoch: 1\nreserved: 2\n" PARIS);
    expect_malformed(HEAD "tier: pa\tris\nepoch: 1\nreserved: 2\n" PARIS);
    expect_malformed(HEAD "tier: paris\nepoch: -1\nreserved: 2\n");
    expect_malformed(HEAD "tier: paris\nepoch: 18446744073709551616\nreserved: 2\n");
    expect_malformed(HEAD "tier: paris\nepoch: 1\n");
    expect_malformed(HEAD "tier: paris\nreserved: 1\nepoch: 1\n");
    expect_malformed(HEAD PARIS "hand: 1\n");
    expect_malformed(HEAD PARIS "hand: 1 2 3\n");
    expect_malformed(HEAD PARIS "hand: 1 2\nhand: 1 2\n");
    expect_malformed(HEAD PARIS "known: 10.0.0.1 65028 1 2\n");
    expect_malformed(HEAD PARIS "known: 10.0.0.1 65028 1 2 \n");
    expect_malformed(HEAD PARIS "known: 10.0.0 65028 1 2 gw1\n");
    expect_malformed(HEAD PARIS "known: 10.0.0.1 65536 1 2 gw1\n");
    expect_malformed(HEAD PARIS "known: 10.0.0.1 65028 1 2 gw1"); /* no end of the line */
    expect_malformed(HEAD PARIS "known: 10.0.0.1 65028 1 2 gw1\nhand: 1 2\n");
}

static void more_candidates_than_there_can_be_are_malformed(void **state)
{
    static char memory[REMEMBERED_MAX];
    struct text text = TEXT_OVER(memory);

    (void)state;
    text_puts(&text, HEAD PARIS);
    for (int i = 0; i <= ELECT_CANDIDATES_MAX; i++)
        text_printf(&text, "known: 10.0.0.%d 65028 1 2 gw%d\n", i, i);
    expect_malformed(text.at);
}

static void a_candidate_behind_an_interface_that_is_gone_is_passed_over(void **state)
{
    static char memory[REMEMBERED_MAX];
    struct text text = TEXT_OVER(memory);
    struct elect_memory known;
    struct remember *r;

    (void)state;
    text_puts(&text, HEAD PARIS "known: fe80::1%gone0 65028 1 2 gw1\n"
                                "known: 10.0.0.2 65028 1 2 gw2\n");
    remembered_end(&text);
    write_whole(text.at, text.len);
    r = open_home();
    remember_memory(r, "paris", &known);
    assert_int_equal(known.epoch, 1);
    assert_int_equal(known.count, 1);
    assert_string_equal(known.known[0].node, "gw2");
    remember_close(r);
}

static void lines_of_a_later_version_are_passed_over(void **state)
{
    static char memory[REMEMBERED_MAX];
    struct text text = TEXT_OVER(memory);
    struct remember *r;

    (void)state;
    text_puts(&text, HEAD PARIS "hand: 1 2\nmood: fine\nknown: 10.0.0.2 65028 1 2 gw2\n"
                                "later: 1 2 3\nmood: bad\n"
                                "tier: berlin\nepoch: 7\nreserved: 8\nlater: 4\n");
    remembered_end(&text);
    write_whole(text.at, text.len);
    r = open_home();
    assert_int_equal(epoch_of(r, "paris"), 1);
    assert_int_equal(epoch_of(r, "berlin"), 7);
    assert_true(is_demoted(r, "paris"));
    remember_close(r);
}

static void a_file_that_is_no_file_is_replaced(void **state)
{
    struct remember *r;

    (void)state;
    assert_int_equal(symlink("/etc/passwd", path_in("election")), 0);
    r = open_home();
    post_and_wait(r, "paris", 1, 5);
    remember_close(r);
    r = open_home();
    assert_int_equal(epoch_of(r, "paris"), 1);
    remember_close(r);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    assert_null(remember_open(path_in("missing")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_known_at_first),
        TEST(what_was_posted_is_there_after_a_restart),
        TEST(it_is_kept_once_it_is_on_the_disk),
        TEST(an_epoch_does_not_go_back),
        TEST(many_posts_are_few_writes),
        TEST(who_is_hushed_is_not_called),
        TEST(a_tier_that_was_left_makes_room_in_the_end),
        TEST(a_demotion_lasts_over_restarts),
        TEST(a_demotion_that_is_over_is_forgotten),
        TEST(what_the_disk_refused_did_not_happen),
        TEST(a_disk_that_fails_is_tried_again),
        TEST(a_crash_takes_nothing_back),
        TEST(each_flipped_bit_is_noticed),
        TEST(each_truncation_is_noticed),
        TEST(a_malformed_file_counts_as_lost),
        TEST(more_candidates_than_there_can_be_are_malformed),
        TEST(a_candidate_behind_an_interface_that_is_gone_is_passed_over),
        TEST(lines_of_a_later_version_are_passed_over),
        TEST(a_file_that_is_no_file_is_replaced),
        TEST(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests_name("remember", tests, NULL, NULL);
}
