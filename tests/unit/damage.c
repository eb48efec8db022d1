/* SPDX-License-Identifier: ISC */
/* The store when its files were damaged, lost or made old; and its housekeeping. */
#include "cache/store.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "cache/journal.h"
#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { NAMES = 20 };

static const char *name_of(int i)
{
    static char name[64];

    snprintf(name, sizeof(name), "example.com/%02d", i);
    return name;
}

static size_t length_of(int i)
{
    return i % 4 ? 1000 + (size_t)i : 300000 + (size_t)i;
}

/* Twenty names, each in its second version, and a tombstone. */
static void fill(struct store *store)
{
    for (int i = 0; i < NAMES; i++) {
        assert_int_equal(home_put(store, name_of(i), 1000 + (uint64_t)i, 10, NULL), STORE_OK);
        assert_int_equal(home_put(store, name_of(i), (uint64_t)i, length_of(i), NULL), STORE_OK);
    }
    home_put(store, "example.com/gone", 1, 10, NULL);
    home_do(store, STORE_REMOVE, "example.com/gone");
}

static void assert_all_there(struct store *store)
{
    struct store_entry entry;

    for (int i = 0; i < NAMES; i++)
        assert_int_equal(home_compare(store, name_of(i), (uint64_t)i, length_of(i)), 0);
    assert_int_equal(home_find(store, "example.com/gone", &entry), STORE_OK);
    assert_true(entry.manifest.deleted);
    assert_int_equal(home_figures(store).objects, NAMES);
    assert_int_equal(home_figures(store).tombstones, 1);
    assert_int_equal(home_count("content"), NAMES);
    assert_int_equal(home_count("tmp"), 0);
}

static struct store_report verified(struct store *store)
{
    struct store_report report;

    assert_int_equal(store_verify(store, &report, NULL, NULL), STORE_OK);
    return report;
}

/* A shell command on the home folder. */
static void on_home(const char *command)
{
    char line[512];
    int status;

    snprintf(line, sizeof(line), "cd '%s' && %s", home_path, command);
    switch (fork()) {
    case -1:
        fail();
        break;
    case 0:
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    default:
        assert_true(wait(&status) > 0 && status == 0);
    }
}

static void shut(void **state)
{
    store_close(*state);
    *state = NULL;
}

static void open_again(void **state)
{
    *state = home_open_store();
    assert_non_null(*state);
}

/* ---- the catalogue --------------------------------------------------------------------------- */

static void a_catalogue_that_is_gone_is_made_anew(void **state)
{
    struct store_head before, after;

    fill(*state);
    store_head(*state, &before);
    shut(state);
    on_home("rm -r catalogue");
    open_again(state);
    assert_all_there(*state);
    store_head(*state, &after);
    assert_true(digest_same(&before.digest, &after.digest));
    assert_true(before.store_id != after.store_id);
    assert_int_equal(verified(*state).rotten, 0);
}

static void a_catalogue_that_is_no_catalogue_is_made_anew(void **state)
{
    static const char *const damages[] = {
        "truncate -s 20000 catalogue/data.mdb",
        "truncate -s 0 catalogue/data.mdb",
        "printf garbage > catalogue/data.mdb",
        "dd if=/dev/zero of=catalogue/data.mdb bs=4096 count=2 conv=notrunc 2>/dev/null",
        "rm catalogue/data.mdb",
        "mv catalogue catalogue.old",
        "cp -r catalogue catalogue.new",
    };

    fill(*state);
    for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
        shut(state);
        on_home(damages[i]);
        open_again(state);
        assert_all_there(*state);
    }
}

static void an_old_catalogue_catches_up(void **state)
{
    home_put(*state, name_of(3), 77, 10, NULL);
    shut(state);
    on_home("cp -r catalogue old");
    open_again(state);
    fill(*state);
    shut(state);
    on_home("rm -r catalogue && mv old catalogue");
    open_again(state);
    assert_all_there(*state);
    assert_int_equal(verified(*state).rotten, 0);
}

/* Flips a bit behind each place where the bytes stand in the catalogue's file. */
static void flip_records(const char *bytes, size_t behind)
{
    char path[256];
    char *memory, *at;
    struct stat st;
    FILE *file;

    snprintf(path, sizeof(path), "%s/catalogue/data.mdb", home_path);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    memory = malloc((size_t)st.st_size);
    assert_int_equal(fread(memory, 1, (size_t)st.st_size, file), st.st_size);
    fclose(file);
    for (at = memory; (at = memmem(at, (size_t)(memory + st.st_size - at), bytes, strlen(bytes)));
         at++)
        home_flip(path, 8 * ((uint64_t)(at - memory) + behind));
    free(memory);
}

static void rotten_records_are_never_given_out_and_mended(void **state)
{
    static const char *const places[] = {"name: example.com/07", "\nversion: ", "sha256: "};
    struct store_entry entry;

    fill(*state);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        shut(state);
        flip_records(places[i], strlen(places[i]) + 3);
        open_again(state);
        if (home_find(*state, name_of(7), &entry) == STORE_OK)
            assert_int_equal(home_compare(*state, name_of(7), 7, length_of(7)), 0);
        assert_true(verified(*state).rotten > 0);
        assert_all_there(*state);
        assert_int_equal(verified(*state).rotten, 0);
    }
}

static void rebuilding_keeps_what_was_wanted(void **state)
{
    struct manifest m = home_foreign("example.com/07", 5, 700000, 1000);
    struct store_report report;

    fill(*state);
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_OK);
    assert_int_equal(home_figures(*state).wanted, 1);
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(report.recovered, NAMES + 1);
    assert_int_equal(home_figures(*state).wanted, 1);
    assert_int_equal(home_compare(*state, name_of(8), 8, length_of(8)), 0);
    assert_int_equal(home_put(*state, "example.com/gone", 3, 10, NULL), STORE_OK);
}

/* ---- the journal ----------------------------------------------------------------------------- */

static void a_torn_tail_is_cut_off(void **state)
{
    static const char *const tails[] = {"F", "From fbp822 Sun Nov", "\nFrom fbp822\nname: x\n",
                                        "\\0\\0\\0\\0\\0"};
    char command[128];

    fill(*state);
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        shut(state);
        snprintf(command, sizeof(command), "printf '%s' >> manifests/00000001", tails[i]);
        on_home(command);
        open_again(state);
        assert_int_equal(home_put(*state, name_of(0), 0, length_of(0), NULL), STORE_OK);
        assert_all_there(*state);
    }
    assert_int_equal(verified(*state).rotten, 0);
    shut(state);
    on_home("rm -r catalogue");
    open_again(state);
    assert_all_there(*state);
}

static void a_rotten_journal_is_written_anew(void **state)
{
    char path[256];
    struct stat st;
    struct rng rng = {7};

    fill(*state);
    snprintf(path, sizeof(path), "%s/manifests/00000001", home_path);
    assert_int_equal(stat(path, &st), 0);
    for (int i = 0; i < 10; i++)
        home_flip(path, rng_below(&rng, 8 * (uint64_t)st.st_size));
    assert_true(verified(*state).rotten > 0);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(verified(*state).rotten, 0);
    shut(state);
    on_home("rm -r catalogue");
    open_again(state);
    assert_all_there(*state);
}

/* Who stops a node does not wait for its catalogue to be made anew: it stays as it was. */
static void a_rebuild_ends_where_the_node_stops(void **state)
{
    struct store_report report;
    struct store_head before, after;

    fill(*state);
    store_head(*state, &before);
    store_leave_off(*state);
    assert_int_equal(store_rebuild(*state, &report), STORE_STOPPED);
    store_head(*state, &after);
    assert_int_equal(before.store_id, after.store_id);
    assert_all_there(*state);
    shut(state);
    assert_int_not_equal(home_count("catalogue"), 0);
    open_again(state);
    store_head(*state, &after);
    assert_int_equal(before.store_id, after.store_id);
    assert_all_there(*state);
}

static bool always(void)
{
    return true;
}

static void a_start_that_makes_it_anew_ends_where_the_node_stops(void **state)
{
    struct store_options options = {.home = home_path,
                                    .node = "web1",
                                    .wall = home_wall,
                                    .mono = home_mono,
                                    .is_stopping = always};
    struct store *store;

    fill(*state);
    shut(state);
    on_home("rm -r catalogue");
    assert_int_equal(store_open(&options, &store), STORE_STOPPED);
    open_again(state);
    assert_all_there(*state);
}

/* The porter writes the journal anew, soon. */
static bool is_mended(struct store *store)
{
    struct timespec pause = {.tv_nsec = 2000000};

    for (int i = 0; i < 10000 && verified(store).rotten > 0; i++)
        nanosleep(&pause, NULL);
    return verified(store).rotten == 0;
}

static void a_journal_that_is_gone_is_written_anew(void **state)
{
    fill(*state);
    shut(state);
    on_home("rm manifests/*");
    open_again(state);
    assert_all_there(*state);
    assert_true(is_mended(*state));
    assert_int_equal(home_put(*state, name_of(0), 0, length_of(0), NULL), STORE_OK);
    shut(state);
    on_home("rm -r catalogue");
    open_again(state);
    assert_all_there(*state);
}

/* ---- content --------------------------------------------------------------------------------- */

static void bring_back(struct store *store, const char *name, uint64_t seed, uint32_t lacking)
{
    struct store_job job = {.kind = STORE_LAND};
    struct store_entry entry;
    char *bytes;

    assert_int_equal(home_find(store, name, &entry), STORE_OK);
    assert_true(entry.wanted && !entry.held);
    bytes = home_bytes(seed, entry.manifest.size);
    assert_int_equal(partial_open(store, &entry.manifest, &job.partial), STORE_OK);
    assert_int_equal(partial_had(job.partial), partial_count(job.partial) - 1);
    assert_false(partial_has(job.partial, lacking));
    assert_int_equal(partial_put(job.partial, lacking, bytes + lacking * 262144u,
                                 entry.manifest.size - lacking * 262144u),
                     STORE_OK);
    job.manifest = entry.manifest;
    assert_int_equal(store_do(store, &job), STORE_OK);
    partial_close(job.partial, true);
    free(bytes);
}

static void only_the_rotten_chunk_is_fetched_again(void **state)
{
    struct manifest m;

    home_put(*state, name_of(0), 9, 300000, &m);
    home_flip(home_content(&m.sha256), 8 * 262144);
    assert_int_equal(home_compare(*state, name_of(0), 9, 300000), STORE_ROTTEN);
    verified(*state); /* waits for the writer */
    assert_int_equal(home_compare(*state, name_of(0), 9, 300000), STORE_NOT_HELD);
    bring_back(*state, name_of(0), 9, 1);
    assert_int_equal(home_compare(*state, name_of(0), 9, 300000), 0);
}

static void rot_behind_an_open_file_is_seen(void **state)
{
    struct store_entry entry;
    struct content *content;
    char got[100];

    home_put(*state, name_of(0), 9, 300000, NULL);
    home_find(*state, name_of(0), &entry);
    assert_int_equal(content_open(*state, &entry.manifest, &content), STORE_OK);
    assert_false(content_is_checked(content, 0, 300000));
    assert_int_equal(content_read(content, 0, got, sizeof(got)), sizeof(got));
    assert_true(content_is_checked(content, 5, 100));
    assert_false(content_is_checked(content, 5, 299000));
    assert_int_equal(content_check(content, 0, 300000), STORE_OK);
    assert_true(content_is_checked(content, 0, 300000));
    home_flip(home_content(&entry.manifest.sha256), 8000);
    assert_false(content_is_checked(content, 0, 100));
    assert_int_equal(content_read(content, 0, got, sizeof(got)), STORE_ROTTEN);
    assert_int_equal(content_read(content, 262144, got, sizeof(got)), STORE_ROTTEN);
    content_close(content);
}

static void what_is_dropped_is_read_on(void **state)
{
    struct store_entry entry;
    struct content *content;
    char got[100], *bytes = home_bytes(9, 300000);

    home_put(*state, name_of(0), 9, 300000, NULL);
    home_find(*state, name_of(0), &entry);
    assert_int_equal(content_open(*state, &entry.manifest, &content), STORE_OK);
    assert_int_equal(home_do(*state, STORE_REMOVE, name_of(0)), STORE_OK);
    assert_int_equal(home_count("content"), 0);
    assert_int_equal(content_read(content, 299900, got, sizeof(got)), sizeof(got));
    assert_memory_equal(got, bytes + 299900, 100);
    assert_int_equal(home_count("chunks"), 0);
    content_close(content);
    free(bytes);
}

static void verify_finds_every_flipped_bit(void **state)
{
    struct rng rng = {11};
    struct store_report report;
    struct manifest m;

    fill(*state);
    for (int i = 0; i < NAMES; i++) {
        home_put(*state, name_of(i), (uint64_t)i, length_of(i), &m);
        home_flip(home_content(&m.sha256), rng_below(&rng, 8 * length_of(i)));
    }
    report = verified(*state);
    assert_int_equal(report.rotten, NAMES);
    assert_int_equal(home_figures(*state).held, 0);
    assert_int_equal(home_figures(*state).wanted, NAMES);
    fill(*state);
    assert_all_there(*state);
}

static void content_cut_short_or_gone_is_wanted_again(void **state)
{
    struct manifest m;

    home_put(*state, name_of(0), 9, 300000, &m);
    assert_int_equal(truncate(home_content(&m.sha256), 1000), 0);
    assert_int_equal(home_compare(*state, name_of(0), 9, 300000), STORE_ROTTEN);
    home_put(*state, name_of(1), 8, 1000, &m);
    assert_int_equal(unlink(home_content(&m.sha256)), 0);
    assert_int_equal(home_compare(*state, name_of(1), 8, 1000), STORE_NOT_HELD);
    assert_int_equal(verified(*state).rotten, 0);
    assert_int_equal(home_figures(*state).wanted, 2);
    assert_int_equal(home_figures(*state).held_bytes, 0);
}

static void lists_are_made_good_from_the_content(void **state)
{
    struct store_report report;

    home_put(*state, name_of(0), 9, 300000, NULL);
    on_home("rm chunks/*/*");
    assert_int_equal(home_compare(*state, name_of(0), 9, 300000), 0);
    assert_int_equal(home_count("chunks"), 1);
    on_home("for f in chunks/*/*; do printf x >> $f; done");
    report = verified(*state);
    assert_int_equal(report.rotten, 1);
    assert_int_equal(report.mended, 1);
    assert_int_equal(verified(*state).rotten, 0);
}

static void strays_go(void **state)
{
    fill(*state);
    on_home("a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; echo > content/aa/$a$a; echo > chunks/aa/$a$a; "
            "echo > partial/$a$a");
    verified(*state);
    assert_all_there(*state);
    shut(state);
    on_home("echo > tmp/draft-7");
    open_again(state);
    assert_int_equal(home_count("tmp"), 0);
}

/* ---- housekeeping ---------------------------------------------------------------------------- */

static bool sweeps_until(struct store *store, bool (*done)(struct store *store))
{
    for (int i = 0; i < 10000 && !done(store); i++) {
        store_sweep(store);
        usleep(5000);
    }
    return done(store);
}

static bool no_tombstones(struct store *store)
{
    return home_figures(store).tombstones == 0;
}

static void tombstones_last_90_days(void **state)
{
    struct manifest m = {.name = "example.com/gone", .node = "web2", .deleted = true};
    const int64_t day = 24 * 3600 * INT64_C(1000);

    fill(*state);
    home_wall_ms += 89 * day;
    store_sweep(*state);
    verified(*state);
    assert_int_equal(home_figures(*state).tombstones, 1);
    home_wall_ms += 2 * day;
    assert_true(sweeps_until(*state, no_tombstones));
    assert_int_equal(home_find(*state, m.name, &(struct store_entry){0}), STORE_NOT_FOUND);
    m.version.bits = (uint64_t)(home_wall_ms - 91 * day) << 16;
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_NOT_NEWER);
    assert_int_equal(verified(*state).rotten, 0);
}

static bool within_limit(struct store *store)
{
    return home_figures(store).may_go <= home_figures(store).limit;
}

/* Fetches what web2 made under this name. */
static void fetch(struct store *store, const char *name, uint64_t seed)
{
    struct manifest m = home_foreign(name, seed, 1000, 0);
    struct store_job job = {.kind = STORE_LAND, .manifest = m};
    char *bytes = home_bytes(seed, 1000);

    home_wall_ms += 1000;
    assert_int_equal(home_adopt(store, &m, NULL), STORE_OK);
    assert_int_equal(partial_open(store, &m, &job.partial), STORE_OK);
    assert_int_equal(partial_put(job.partial, 0, bytes, 1000), STORE_OK);
    assert_int_equal(store_do(store, &job), STORE_OK);
    partial_close(job.partial, true);
    free(bytes);
}

static void the_least_recently_used_goes_first_and_own_content_never(void **state)
{
    shut(state);
    *state = home_open_limited(2500);
    home_put(*state, "example.com/own", 50, 1000, NULL);
    fetch(*state, name_of(1), 1);
    fetch(*state, name_of(2), 2);
    fetch(*state, name_of(3), 3);
    home_wall_ms += 100000;
    assert_int_equal(home_compare(*state, name_of(1), 1, 1000), 0); /* a use */
    assert_true(sweeps_until(*state, within_limit));
    assert_int_equal(home_compare(*state, name_of(2), 2, 1000), STORE_NOT_HELD);
    assert_int_equal(home_compare(*state, name_of(1), 1, 1000), 0);
    assert_int_equal(home_compare(*state, name_of(3), 3, 1000), 0);
    assert_int_equal(home_compare(*state, "example.com/own", 50, 1000), 0);
    assert_int_equal(home_count("content"), 3);
    assert_int_equal(home_figures(*state).wanted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(a_catalogue_that_is_gone_is_made_anew),
        HOME_CASE(a_catalogue_that_is_no_catalogue_is_made_anew),
        HOME_CASE(an_old_catalogue_catches_up),
        HOME_CASE(rotten_records_are_never_given_out_and_mended),
        HOME_CASE(rebuilding_keeps_what_was_wanted),
        HOME_CASE(a_torn_tail_is_cut_off),
        HOME_CASE(a_rotten_journal_is_written_anew),
        HOME_CASE(a_rebuild_ends_where_the_node_stops),
        HOME_CASE(a_start_that_makes_it_anew_ends_where_the_node_stops),
        HOME_CASE(a_journal_that_is_gone_is_written_anew),
        HOME_CASE(only_the_rotten_chunk_is_fetched_again),
        HOME_CASE(rot_behind_an_open_file_is_seen),
        HOME_CASE(what_is_dropped_is_read_on),
        HOME_CASE(verify_finds_every_flipped_bit),
        HOME_CASE(content_cut_short_or_gone_is_wanted_again),
        HOME_CASE(lists_are_made_good_from_the_content),
        HOME_CASE(strays_go),
        HOME_CASE(tombstones_last_90_days),
        HOME_CASE(the_least_recently_used_goes_first_and_own_content_never),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
