/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_FAULTY_H
#define POND_TESTS_UNIT_FAULTY_H

#include "tests/unit/failing.h"
#include "tests/unit/home.h"

/*
 * What is done to a store on a disk that fails, or in a process that dies, and what is known of it
 * afterwards.
 */
/* ---- what is done, and what is known of it afterwards ---------------------------------------- */

enum { NAMES = 6 + 20, FIRST_OF_MANY = 6, RIVAL_LEN = 5000 };

/* What a name may have: the seed of its content before and after, 0 for none. */
struct expected {
    char name[64];
    uint64_t before, after;
    size_t before_len, after_len;
    enum store_status status; /* of the change from the one to the other */
    bool landing;             /* all chunks had come */
};

static struct manifest foreign_manifest(void)
{
    return home_foreign("example.com/fetched", 31, 600000, 10);
}

static enum store_status land_foreign(struct store *store, bool *landing)
{
    struct manifest m = foreign_manifest();
    struct store_job job = {.kind = STORE_LAND, .manifest = m};
    char *bytes = home_bytes(31, m.size);
    struct digest list[3];
    enum store_status status = partial_open(store, &m, &job.partial);

    for (uint32_t i = 0; i < 3; i++)
        digest_of(bytes + i * 262144u, chunk_len(i, m.size, m.chunk_size), &list[i]);
    if (status == STORE_OK) {
        status = partial_set_list(job.partial, list, sizeof(list));
        for (uint32_t i = 0; i < 3 && status == STORE_OK; i++)
            status = partial_put(job.partial, i, bytes + i * 262144u,
                                 chunk_len(i, m.size, m.chunk_size));
        *landing = status == STORE_OK && !partial_is_passing(job.partial);
        if (status == STORE_OK)
            status = store_do(store, &job);
        partial_close(job.partial, true);
    }
    free(bytes);
    return status;
}

static void prepare(struct store *store)
{
    struct manifest m = foreign_manifest();

    assert_int_equal(home_put(store, "example.com/removed", 1, 100, NULL), STORE_OK);
    assert_int_equal(home_put(store, "example.com/replaced", 2, 300000, NULL), STORE_OK);
    assert_int_equal(home_adopt(store, &m, NULL), STORE_OK);
    assert_int_equal(home_put(store, "example.com/rivals", 7, RIVAL_LEN, NULL), STORE_OK);
}

static void note_status(struct store_job *job)
{
    *(enum store_status *)job->owner = job->status;
}

/* Many at once, so that they become one group, or a few. */
static void put_many(struct store *store, struct expected e[NAMES])
{
    static struct store_job jobs[NAMES];

    for (int i = FIRST_OF_MANY; i < NAMES; i++) {
        char *bytes = home_bytes(e[i].after, e[i].after_len);
        struct store_job *job = &jobs[i];
        *job = (struct store_job){
            .kind = STORE_PUT, .done = note_status, .owner = &e[i].status, .unconfirmed = true};
        snprintf(job->manifest.name, sizeof(job->manifest.name), "%s", e[i].name);
        if (home_draft(store, bytes, e[i].after_len, &job->draft) != STORE_OK)
            job->draft = NULL;
        free(bytes);
    }
    for (int i = FIRST_OF_MANY; i < NAMES; i++) {
        if (jobs[i].draft)
            store_submit(store, &jobs[i]);
    }
}

/* What would be, were nothing to fail; and nothing is acknowledged yet. */
static void plan(struct expected e[NAMES])
{
    e[0] = (struct expected){"example.com/small", 0, 3, 0, 100, STORE_FAILED};
    e[1] = (struct expected){"example.com/large", 0, 4, 0, 1500000, STORE_FAILED};
    e[2] = (struct expected){"example.com/replaced", 2, 5, 300000, 400000, STORE_FAILED};
    e[3] = (struct expected){"example.com/removed", 1, 0, 100, 0, STORE_FAILED};
    e[4] = (struct expected){"example.com/fetched", 0, 31, 0, 600000, STORE_FAILED};
    e[5] = (struct expected){"example.com/replaced-by-other", 0, 0, 0, 0, STORE_FAILED};
    for (int i = FIRST_OF_MANY; i < NAMES; i++) {
        e[i] = (struct expected){"", 0, 100 + (uint64_t)i, 0, 100, STORE_FAILED};
        snprintf(e[i].name, sizeof(e[i].name), "example.com/many/%d", i);
    }
}

/* Returns how many more than the expected were refused. */
static int change_all(struct store *store, struct expected e[NAMES])
{
    struct manifest m = home_foreign(e[5].name, 41, 10, 10);
    struct manifest rival = home_foreign("example.com/rivals", 42, 10, 1000);
    enum store_status status;

    for (int i = 0; i < 3; i++)
        e[i].status = home_put(store, e[i].name, e[i].after, e[i].after_len, NULL);
    e[3].status = home_do(store, STORE_REMOVE, e[3].name);
    e[4].status = land_foreign(store, &e[4].landing);
    put_many(store, e);
    status = home_adopt(store, &rival, NULL);
    e[5].status = home_adopt(store, &m, NULL); /* and so the many are done, too */
    return status != STORE_OK;
}

/* 0, or how the store has the name: with content home_bytes(seed), or without (seed 0). */
static bool has(struct store *store, const char *name, uint64_t seed, size_t len)
{
    struct store_entry entry;
    enum store_status status = home_find(store, name, &entry);

    if (seed)
        return status == STORE_OK && home_compare(store, name, seed, len) == 0;
    return status == STORE_NOT_FOUND || (status == STORE_OK && !entry.held);
}

/* What prepare() put is there, and nothing was done to it. */
static void check_prepared(struct store *store)
{
    assert_true(has(store, "example.com/removed", 1, 100));
    assert_true(has(store, "example.com/replaced", 2, 300000));
    assert_true(has(store, "example.com/fetched", 0, 0));
    assert_true(has(store, "example.com/rivals", 7, RIVAL_LEN));
}

/* Chunks that had come need not be fetched again; but where not even a file can be put back to
 * where it came from, they may. */
static void check_landing(struct store *store, const struct expected *e)
{
    struct manifest m = foreign_manifest();
    struct partial *partial;

    if (!e->landing || e->status == STORE_OK || fault_stays ||
        has(store, e->name, e->after, e->after_len))
        return;
    assert_int_equal(partial_open(store, &m, &partial), STORE_OK);
    assert_int_equal(partial_had(partial), 3);
    partial_close(partial, true);
}

static void note_conflict(void *arg, const struct store_conflict *conflict)
{
    *(struct store_entry *)arg = conflict->entry;
}

/* What was replaced by one who did not know of it is there, if only beside that. */
static void check_rivals(struct store *store)
{
    struct store_entry older = {.held = false};

    if (has(store, "example.com/rivals", 7, RIVAL_LEN))
        return;
    assert_int_equal(store_conflicts(store, 0, 2, note_conflict, &older), 1);
    assert_string_equal(older.manifest.name, "example.com/rivals");
    assert_true(older.held);
}

/* Nobody has confirmed what was acknowledged, and that is not forgotten. */
static void check_marks(struct store *store, const struct expected e[NAMES])
{
    struct store_entry entry;

    for (int i = FIRST_OF_MANY; i < NAMES; i++) {
        if (e[i].status != STORE_OK)
            continue;
        assert_int_equal(home_find(store, e[i].name, &entry), STORE_OK);
        assert_true(entry.unconfirmed);
    }
}

static void check(struct store *store, const struct expected e[NAMES], const char *when)
{
    for (int i = 0; i < NAMES; i++) {
        bool after = has(store, e[i].name, e[i].after, e[i].after_len);
        bool before = has(store, e[i].name, e[i].before, e[i].before_len);
        bool may_go = e[i].landing && fault_errno == ENOSPC; /* fetched: it may have made room */
        if (after || (before && (e[i].status != STORE_OK || may_go)))
            continue;
        fail_msg("%s, %s: the change was %s", when, e[i].name, store_sentence(e[i].status));
    }
    check_landing(store, &e[4]);
    check_rivals(store);
    check_marks(store, e);
}

static bool is_tidy(struct store *store)
{
    struct store_figures figures = home_figures(store);

    return (uint64_t)home_count("content") == figures.held + figures.conflicts;
}

/* No file is left that no name refers to, before anybody looked for such. Who makes room may be at
 * it: what has gone from the catalogue goes from the disk then. */
static void check_litter(struct store *store)
{
    for (int i = 0; i < 1000 && !is_tidy(store); i++)
        usleep(2000);
    assert_true(is_tidy(store));
    assert_int_equal(home_count("tmp"), 0);
}

/* All that is on the disk has its place, and fits. */
static void check_whole(struct store *store)
{
    struct store_report report;

    assert_int_equal(store_verify(store, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
    assert_int_equal(home_count("tmp"), 0);
}

#endif
