/* SPDX-License-Identifier: ISC */
#include "cache/journal.h"

#include <signal.h>
#include <sys/resource.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

static struct home home;
static struct journal journal;

static int begin(void **state)
{
    (void)state;
    home_make();
    return home_open(home_path, &home) == STORE_OK && journal_open(&home, &journal) == STORE_OK
               ? 0
               : -1;
}

static int end(void **state)
{
    (void)state;
    journal_close(&journal);
    home_close(&home);
    home_remove();
    return 0;
}

static void append(uint64_t number)
{
    struct manifest m = {.name = "example.com/a", .node = "web1", .deleted = true};
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);

    m.version.bits = number;
    manifest_write(&m, &text);
    assert_int_equal(journal_append(&journal, text.at, text.len), STORE_OK);
}

struct seen {
    uint64_t numbers[100];
    size_t count;
    struct journal_place behind[100];
};

static bool see(void *arg, const struct manifest *m, struct span text, struct journal_place behind)
{
    struct seen *seen = arg;

    (void)text;
    seen->numbers[seen->count] = m->version.bits;
    seen->behind[seen->count++] = behind;
    return true;
}

static struct seen seen;
static struct journal_reading read_from(struct journal_place from)
{
    struct journal_reading reading;

    seen = (struct seen){.count = 0};
    assert_int_equal(journal_read(&home, from, 0, see, &seen, &reading), STORE_OK);
    return reading;
}

static const struct journal_place start;

static void what_is_appended_is_read_in_order(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        append(i);
    assert_int_equal(read_from(start).rotten, 0);
    assert_int_equal(seen.count, 5);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(seen.numbers[i], i + 1);
    read_from(seen.behind[2]);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.numbers[0], 4);
}

static void what_is_undone_is_not_there(void **state)
{
    struct journal_place place;

    (void)state;
    append(1);
    place = journal.end;
    append(2);
    journal_undo(&journal, place);
    append(3);
    assert_int_equal(read_from(start).rotten, 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.numbers[1], 3);
    place = journal.end;
    journal_turn(&journal);
    append(4); /* in a new segment */
    journal_undo(&journal, place);
    read_from(start);
    assert_int_equal(seen.count, 2);
}

static void segments_are_of_limited_size(void **state)
{
    size_t len = JOURNAL_SEGMENT_SIZE / 2 + 1000;
    char *filler = calloc(1, len);

    (void)state;
    append(1);
    memset(filler, 'x', len - 1);
    filler[len - 1] = '\n';
    assert_int_equal(journal_append(&journal, filler, len), STORE_OK);
    assert_int_equal(journal_append(&journal, filler, len), STORE_OK);
    append(2);
    assert_int_equal(journal.end.segment, 2);
    assert_int_equal(home_count("manifests"), 2);
    assert_int_equal(read_from(start).rotten, 2); /* the filler, passed over */
    assert_int_equal(seen.count, 2);
    assert_int_equal(journal_forget(&journal, 2), STORE_OK);
    read_from(start);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.numbers[0], 2);
    assert_true(journal.bytes < 2 * len);
    free(filler);
}

static void append_later(void)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);

    message_begin(&text, (wall_t){1795348800000}, "pledge", 0);
    message_add(&text, "name", span_of("example.com/a"));
    message_end(&text, span_of(""));
    manifest_stamp(&text);
    assert_int_equal(journal_append(&journal, text.at, text.len), STORE_OK);
}

static void what_a_later_version_wrote_is_no_rot(void **state)
{
    char path[128];

    (void)state;
    append_later();
    append(1);
    append_later();
    append_later();
    append(2);
    append_later();
    assert_int_equal(read_from(start).rotten, 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.numbers[1], 2);
    snprintf(path, sizeof(path), "%s/manifests/00000001", home_path);
    home_flip(path, 8 * (journal.end.offset - 10)); /* in the last one */
    assert_int_equal(read_from(start).rotten, 1);
}

static void rot_costs_no_more_than_what_it_hit(void **state)
{
    char path[128];
    struct rng rng = {3};

    (void)state;
    for (uint64_t i = 1; i <= 50; i++)
        append(i);
    snprintf(path, sizeof(path), "%s/manifests/00000001", home_path);
    for (int i = 0; i < 200; i++) {
        uint64_t bit = rng_below(&rng, 8 * journal.end.offset);
        home_flip(path, bit);
        read_from(start);
        assert_true(seen.count >= 49);
        home_flip(path, bit);
    }
}

static void a_segment_that_is_gone_is_noticed(void **state)
{
    char path[128];

    (void)state;
    for (uint64_t i = 1; i <= 3; i++) {
        append(i);
        journal_turn(&journal);
    }
    snprintf(path, sizeof(path), "%s/manifests/00000002", home_path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_from(start).rotten, 1);
    assert_int_equal(seen.count, 2);
}

static void appending_goes_on_where_it_is_told_to(void **state)
{
    struct journal_place place;

    (void)state;
    append(1);
    place = journal.end;
    append(2);
    journal_close(&journal);
    assert_int_equal(journal_open(&home, &journal), STORE_OK);
    assert_true(journal_reaches(&journal, place));
    assert_false(journal_reaches(&journal, (struct journal_place){1, 1 << 20}));
    assert_false(journal_reaches(&journal, (struct journal_place){2, 0}));
    assert_int_equal(journal_resume(&journal, place), STORE_OK);
    append(3);
    assert_int_equal(read_from(start).rotten, 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.numbers[1], 3);
    assert_int_equal(journal.end.segment, 1);
}

/* A disk that takes no byte, for a while. */
static void fill_disk(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fail_to_append(void)
{
    fill_disk(0);
    assert_int_not_equal(journal_append(&journal, "From fbp822\n", 12), STORE_OK);
    fill_disk(RLIM_INFINITY);
}

static void what_fails_to_be_appended_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        fail_to_append();
    assert_int_equal(home_count("manifests"), 0);
    append(1);
    for (int i = 0; i < 5; i++)
        fail_to_append();
    assert_int_equal(home_count("manifests"), 1);
    append(2);
    assert_int_equal(home_count("manifests"), 2);
    assert_int_equal(read_from(start).rotten, 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.numbers[1], 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(what_is_appended_is_read_in_order),     CASE(what_is_undone_is_not_there),
        CASE(segments_are_of_limited_size),          CASE(what_a_later_version_wrote_is_no_rot),
        CASE(rot_costs_no_more_than_what_it_hit),    CASE(a_segment_that_is_gone_is_noticed),
        CASE(appending_goes_on_where_it_is_told_to), CASE(what_fails_to_be_appended_leaves_nothing),
    };
    log_set_level(LEVEL_WARN);
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
