/* SPDX-License-Identifier: ISC */
/* Two catalogues compared by the digests of ranges of names. */
#include "cache/store.h"

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { NAMES = 300, PARTS_MAX = 64 };

/* Names that LMDB cannot take as they are among them, with a common beginning. */
static const char *name_of(int i)
{
    static char name[NAME_SIZE];

    if (i % 10 == 0)
        snprintf(name, sizeof(name), "example.com/%0800d", i);
    else
        snprintf(name, sizeof(name), "example.com/%03d", i);
    return name;
}

static void adopt(struct store *store, int i, int64_t version)
{
    struct manifest m = home_foreign(name_of(i), (uint64_t)i, 10, version);

    assert_int_equal(home_adopt(store, &m, NULL), STORE_OK);
}

struct ranges {
    char first[PARTS_MAX][NAME_SIZE];
    struct store_range list[PARTS_MAX];
    size_t count;
};

static void note_range(void *arg, const struct store_range *range)
{
    struct ranges *ranges = arg;

    assert_true(ranges->count < PARTS_MAX);
    assert_true(span_copy(range->first, ranges->first[ranges->count], NAME_SIZE));
    ranges->list[ranges->count++] = *range;
}

static struct ranges *cut(struct store *store, const char *from, const char *to, size_t parts)
{
    static struct ranges ranges;

    ranges.count = 0;
    assert_int_equal(
        store_ranges(store, NULL, span_of(from), span_of(to), parts, note_range, &ranges),
        STORE_OK);
    return &ranges;
}

static struct store_range range_of(struct store *store, const char *from, const char *to)
{
    struct ranges *ranges = cut(store, from, to, 1);

    assert_int_equal(ranges->count, 1);
    return ranges->list[0];
}

static uint64_t names_of(struct store *store)
{
    return home_figures(store).objects + home_figures(store).tombstones;
}

static void all_names_together_have_the_digest_of_the_head(void **state)
{
    struct store_head head;
    struct store_range all;

    for (int i = 0; i < NAMES; i++)
        adopt(*state, i, 0);
    home_do(*state, STORE_REMOVE, name_of(7));
    store_head(*state, &head);
    all = range_of(*state, "", "");
    assert_int_equal(all.count, NAMES);
    assert_memory_equal(&all.digest, &head.digest, sizeof(head.digest));
}

static void a_catalogue_without_names_is_one_range(void **state)
{
    struct ranges *ranges = cut(*state, "", "", 16);

    assert_int_equal(ranges->count, 1);
    assert_int_equal(ranges->list[0].count, 0);
    assert_string_equal(ranges->first[0], "");
}

static void ranges_follow_one_another_and_hold_all(void **state)
{
    static struct ranges ranges;
    uint64_t sum = 0;

    for (int i = 0; i < NAMES; i++)
        adopt(*state, i, 0);
    for (size_t parts = 1; parts <= PARTS_MAX; parts *= 4) {
        ranges = *cut(*state, "", "", parts);
        assert_true(ranges.count <= parts && 2 * ranges.count > parts);
        sum = 0;
        for (size_t i = 0; i < ranges.count; i++) {
            const char *to = i + 1 < ranges.count ? ranges.first[i + 1] : "";
            struct store_range again = range_of(*state, ranges.first[i], to);
            assert_int_equal(again.count, ranges.list[i].count);
            assert_memory_equal(&again.digest, &ranges.list[i].digest, sizeof(again.digest));
            assert_true(again.count <= NAMES / parts + 1);
            sum += again.count;
        }
        assert_int_equal(sum, NAMES);
    }
}

/* Adopts what stands in the page; how many were news. */
static size_t take_page(struct store *store, const struct text *page)
{
    struct span rest = {page->at, page->len};
    struct manifest m;
    size_t news = 0;

    while (rest.len) {
        struct store_job job = {.kind = STORE_ADOPT};
        assert_int_equal(manifest_read_next(&rest, &m, &job.text), MESSAGE_OK);
        news += store_do(store, &job) == STORE_OK;
    }
    return news;
}

/* Takes what the source has between the two names and this store has not. */
static size_t take_range(struct store *source, struct store *store, const char *from,
                         const char *to)
{
    static char memory[40000];
    char at[NAME_SIZE], next[NAME_SIZE];
    size_t news = 0;
    bool full;

    snprintf(at, sizeof(at), "%s", from);
    do {
        struct text page = TEXT_OVER(memory);
        assert_int_equal(
            store_range_page(source, NULL, span_of(at), span_of(to), &page, next, &full), STORE_OK);
        assert_int_equal(full, next[0] != '\0');
        news += take_page(store, &page);
        memcpy(at, next, sizeof(at));
    } while (next[0]);
    return news;
}

/* ---- for whom not all is to be seen -----------------------------------------------------------
 */

static char last_digit_of(struct span name)
{
    return name.at[name.len - 1];
}

/* Names that end in this digit are kept back. */
static bool shows_others(void *arg, struct span name)
{
    return last_digit_of(name) != *(const char *)arg;
}

static void sum_ranges(void *arg, const struct store_range *range)
{
    *(uint64_t *)arg += range->count;
}

/* It has each name that is to be seen, and no other. */
static void assert_page(const char *page, const struct store_sight *sight)
{
    for (int i = 0; i < NAMES; i++) {
        char line[NAME_SIZE + 16];
        snprintf(line, sizeof(line), "name: %s\n", name_of(i));
        assert_int_equal(strstr(page, line) != NULL, sight->shows(sight->arg, span_of(name_of(i))));
    }
}

static void what_is_not_shown_is_as_if_it_were_not_there(void **state)
{
    static char memory[1 << 20];
    char digit = '3', next[NAME_SIZE];
    const struct store_sight sight = {shows_others, &digit};
    struct text page = TEXT_OVER(memory);
    uint64_t all = 0, shown = 0, kept = 0, last;
    bool more, full;

    for (int i = 0; i < NAMES; i++) {
        adopt(*state, i, 0);
        kept += last_digit_of(span_of(name_of(i))) == digit;
    }
    assert_true(kept > 0);
    assert_int_equal(store_ranges(*state, NULL, span_of(""), span_of(""), 7, sum_ranges, &all),
                     STORE_OK);
    assert_int_equal(store_ranges(*state, &sight, span_of(""), span_of(""), 7, sum_ranges, &shown),
                     STORE_OK);
    assert_int_equal(all, NAMES);
    assert_int_equal(shown, NAMES - kept);
    assert_int_equal(store_range_page(*state, &sight, span_of(""), span_of(""), &page, next, &full),
                     STORE_OK);
    assert_string_equal(next, "");
    assert_page(memory, &sight);
    page = TEXT_OVER(memory);
    memset(memory, 0, sizeof(memory));
    assert_int_equal(store_changes(*state, &sight, 0, &page, &last, &more), STORE_OK);
    assert_false(more);
    assert_page(memory, &sight);
}

struct counted {
    uint64_t looks;
    const char *shown;
};

static bool shows_one(void *arg, struct span name)
{
    struct counted *counted = arg;

    counted->looks++;
    return span_is(name, counted->shown);
}

/* However many are left out, no call looks at more than its share. */
static void a_page_is_filled_by_as_many_calls_as_it_takes(void **state)
{
    enum { MANY = 2 * STORE_RANGE_LOOKS + 1 };
    static char memory[1 << 20];
    struct counted counted = {.shown = "example.com/z"};
    const struct store_sight sight = {shows_one, &counted};
    struct manifest last = home_foreign(counted.shown, 1, 10, 0);
    struct text page = TEXT_OVER(memory);
    char at[NAME_SIZE], next[NAME_SIZE] = "";
    size_t calls = 0;
    bool full;

    for (int i = 1; i < MANY; i++)
        adopt(*state, i, 0);
    assert_int_equal(home_adopt(*state, &last, NULL), STORE_OK);
    do {
        memcpy(at, next, sizeof(at));
        counted.looks = 0;
        assert_int_equal(
            store_range_page(*state, &sight, span_of(at), span_of(""), &page, next, &full),
            STORE_OK);
        assert_true(counted.looks <= STORE_RANGE_LOOKS);
        assert_false(full);
        calls++;
    } while (next[0]);
    assert_int_equal(calls, 3);
    assert_non_null(strstr(memory, "name: example.com/z\n"));
    assert_null(strstr(memory, "name: example.com/0"));
}

static void content_is_found_by_a_name_that_is_shown(void **state)
{
    struct manifest shown = home_foreign("example.com/4", 6, 100, 0), hidden = shown;
    char digit = '3';
    const struct store_sight sight = {shows_others, &digit};
    struct manifest found;
    bool newest;

    assert_true(span_copy(span_of("example.com/3"), hidden.name, sizeof(hidden.name)));
    assert_int_equal(home_adopt(*state, &hidden, NULL), STORE_OK);
    assert_int_equal(store_find_content(*state, NULL, &shown.sha256, &found, &newest), STORE_OK);
    assert_int_equal(store_find_content(*state, &sight, &shown.sha256, &found, &newest),
                     STORE_NOT_FOUND);
    assert_int_equal(home_adopt(*state, &shown, NULL), STORE_OK);
    assert_int_equal(store_find_content(*state, &sight, &shown.sha256, &found, &newest), STORE_OK);
    assert_string_equal(found.name, shown.name);
}

/* A second store beside the one of the test. */
static struct store *other_open(char home[64])
{
    struct store_options options = {.node = "web3", .wall = home_wall, .mono = home_mono};
    struct store *other;

    memcpy(home, home_path, 64);
    home_make();
    options.home = home_path;
    assert_int_equal(store_open(&options, &other), STORE_OK);
    return other;
}

static void other_close(struct store *other, const char home[64])
{
    store_close(other);
    home_remove();
    memcpy(home_path, home, 64);
}

/* Sixteen ranges, three names: only the ranges with the three are read. */
static void what_differs_is_found_by_ranges(void **state)
{
    static struct ranges ranges;
    char home[64];
    struct store *other;
    struct store_head head, theirs;
    size_t differ = 0, news = 0;

    for (int i = 0; i < NAMES; i++)
        adopt(*state, i, 0);
    other = other_open(home);
    take_range(*state, other, "", "");
    assert_int_equal(names_of(other), NAMES);
    adopt(*state, 0, 1000);
    adopt(*state, 150, 1000);
    adopt(*state, 151, 1000);
    ranges = *cut(*state, "", "", 16);
    for (size_t i = 0; i < ranges.count; i++) {
        const char *to = i + 1 < ranges.count ? ranges.first[i + 1] : "";
        struct store_range mine = range_of(other, ranges.first[i], to);
        if (memcmp(&mine.digest, &ranges.list[i].digest, sizeof(mine.digest)) == 0)
            continue;
        differ++;
        news += take_range(*state, other, ranges.first[i], to);
    }
    assert_int_equal(news, 3);
    assert_true(differ <= 3);
    store_head(*state, &head);
    store_head(other, &theirs);
    assert_memory_equal(&head.digest, &theirs.digest, sizeof(head.digest));
    other_close(other, home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(all_names_together_have_the_digest_of_the_head),
        HOME_CASE(a_catalogue_without_names_is_one_range),
        HOME_CASE(ranges_follow_one_another_and_hold_all),
        HOME_CASE(what_differs_is_found_by_ranges),
        HOME_CASE(what_is_not_shown_is_as_if_it_were_not_there),
        HOME_CASE(a_page_is_filled_by_as_many_calls_as_it_takes),
        HOME_CASE(content_is_found_by_a_name_that_is_shown),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
