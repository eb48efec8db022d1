/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_HOME_H
#define POND_TESTS_UNIT_HOME_H

#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/store.h"
#include "src/base/must.h"
#include "src/base/rng.h"
#include "tests/unit/unit.h"

/* A store in a folder of its own, whose wall clock the test moves. */
static char home_path[64];
static _Atomic int64_t home_wall_ms;

static inline wall_t home_wall(void)
{
    return (wall_t){home_wall_ms};
}

static inline mono_t home_mono(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (mono_t){now.tv_sec * INT64_C(1000000000) + now.tv_nsec};
}

static inline int home_remove_one(const char *path, const struct stat *st, int kind,
                                  struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void home_remove(void)
{
    nftw(home_path, home_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A folder in it, as if it had been lost; the store is closed. */
static inline void home_remove_below(const char *folder)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%.40s", home_path, folder);
    MUST(nftw(path, home_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* In memory where that is to be had: what these tests are about is not the disk. TMPDIR says
 * otherwise. */
static inline void home_make(void)
{
    const char *folder = getenv("TMPDIR");

    if (!folder)
        folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".";
    snprintf(home_path, sizeof(home_path), "%.40s/pond-test-XXXXXX", folder);
    MUST(mkdtemp(home_path) != NULL);
    home_wall_ms = INT64_C(1795348800000);
}

/* What a peer of a flat mesh keeps. */
static const struct store_policy home_policy = {.pin_own = true};

/* Without a policy. */
static inline struct store *home_open_unset(uint64_t cache_size)
{
    struct store_options options = {.home = home_path,
                                    .node = "web1",
                                    .cache_size = cache_size,
                                    .wall = home_wall,
                                    .mono = home_mono};
    struct store *store = NULL;
    enum store_status status = store_open(&options, &store);

    if (status != STORE_OK)
        fprintf(stderr, "%s: %s\n", home_path, store_sentence(status));
    return status == STORE_OK ? store : NULL;
}

static inline struct store *home_open_limited(uint64_t cache_size)
{
    struct store *store = home_open_unset(cache_size);

    if (store)
        store_set_policy(store, &home_policy);
    return store;
}

static inline struct store *home_open_store(void)
{
    return home_open_limited(0);
}

static inline int home_set_up(void **state)
{
    home_make();
    *state = home_open_store();
    return *state ? 0 : -1;
}

static inline int home_tear_down(void **state)
{
    if (*state)
        store_close(*state);
    home_remove();
    return 0;
}

/* As if the daemon were started again. */
static inline void home_reopen(void **state)
{
    store_close(*state);
    *state = home_open_store();
    MUST(*state != NULL);
}

static inline struct store_figures home_figures(struct store *store)
{
    struct store_figures figures;

    store_figures(store, &figures);
    return figures;
}

#define HOME_CASE(name) cmocka_unit_test_setup_teardown(name, home_set_up, home_tear_down)

/* The same bytes for the same seed. */
static inline char *home_bytes(uint64_t seed, size_t len)
{
    struct rng rng = {seed};
    char *bytes = malloc(len + 8);

    MUST(bytes != NULL);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t n = rng_next(&rng);
        memcpy(bytes + i, &n, 8);
    }
    return bytes;
}

/* Has room made as long as that helps. */
static inline enum store_status home_write(struct store *store, struct draft *draft,
                                           const void *bytes, size_t len)
{
    enum store_status status = STORE_OK;

    do {
        struct store_job room = {.kind = STORE_ROOM, .draft = draft};
        if (draft_lacks(draft))
            status = store_do(store, &room);
        if (status == STORE_OK)
            status = draft_write(draft, bytes, len);
    } while (status == STORE_FULL && draft_lacks(draft));
    return status;
}

static inline enum store_status home_draft(struct store *store, const void *bytes, size_t len,
                                           struct draft **out)
{
    enum store_status status = draft_begin(store, len, out);

    if (status != STORE_OK)
        return status;
    status = home_write(store, *out, bytes, len);
    if (status == STORE_OK)
        status = draft_finish(*out);
    if (status != STORE_OK)
        draft_drop(*out);
    return status;
}

static inline enum store_status home_put(struct store *store, const char *name, uint64_t seed,
                                         size_t len, struct manifest *out)
{
    struct store_job job = {.kind = STORE_PUT, .manifest = {.mode = 0644, .mtime_ns = 1}};
    char *bytes = home_bytes(seed, len);
    enum store_status status = home_draft(store, bytes, len, &job.draft);

    free(bytes);
    if (out)
        *out = (struct manifest){0};
    if (status != STORE_OK)
        return status;
    snprintf(job.manifest.name, sizeof(job.manifest.name), "%.1024s", name);
    status = store_do(store, &job);
    if (out)
        *out = job.manifest;
    return status;
}

static inline enum store_status home_do(struct store *store, enum store_job_kind kind,
                                        const char *name)
{
    struct store_job job = {.kind = kind};

    snprintf(job.manifest.name, sizeof(job.manifest.name), "%.1024s", name);
    return store_do(store, &job);
}

static inline enum store_status home_adopt(struct store *store, const struct manifest *m,
                                           bool *wanted)
{
    struct store_job job = {.kind = STORE_ADOPT};
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    enum store_status status;

    manifest_write(m, &text);
    job.text = (struct span){text.at, text.len};
    status = store_do(store, &job);
    if (wanted)
        *wanted = job.wanted;
    return status;
}

static inline enum store_status home_find(struct store *store, const char *name,
                                          struct store_entry *out)
{
    return store_find(store, span_of(name), out);
}

/* A version that web2 made, of content home_bytes(seed, len). */
static inline struct manifest home_foreign(const char *name, uint64_t seed, size_t len,
                                           int64_t after_ms)
{
    struct manifest m = {.node = "web2",
                         .version = {(uint64_t)(home_wall_ms + after_ms) << 16},
                         .size = len,
                         .mode = 0600,
                         .chunk_size = chunk_size_for(len)};
    char *bytes = home_bytes(seed, len);
    uint32_t count = chunk_count(len, m.chunk_size);
    struct digest *list = malloc(count * sizeof(*list));

    snprintf(m.name, sizeof(m.name), "%s", name);
    digest_of(bytes, len, &m.sha256);
    for (uint32_t i = 0; i < count; i++)
        digest_of(bytes + chunk_at(i, m.chunk_size), chunk_len(i, len, m.chunk_size), &list[i]);
    digest_of(list, count * sizeof(*list), &m.chunks);
    free(list);
    free(bytes);
    return m;
}

/* Its content, home_bytes(seed, its size), is here. */
static inline void home_land(struct store *store, const struct manifest *m, uint64_t seed)
{
    struct store_job job = {.kind = STORE_LAND, .manifest = *m};
    char *bytes = home_bytes(seed, m->size);

    home_wall_ms += 1000;
    assert_int_equal(partial_open(store, m, &job.partial), STORE_OK);
    assert_int_equal(partial_put(job.partial, 0, bytes, m->size), STORE_OK);
    assert_int_equal(store_do(store, &job), STORE_OK);
    partial_close(job.partial, true);
    free(bytes);
}

/* Does what the store gives out for the name equal home_bytes(seed, len)? 0, or the status. */
static inline int home_compare(struct store *store, const char *name, uint64_t seed, size_t len)
{
    struct store_entry entry;
    struct content *content;
    char *want = home_bytes(seed, len), *got = malloc(len + 1);
    enum store_status status = home_find(store, name, &entry);
    ssize_t n = 0;

    MUST(got != NULL);
    if (status == STORE_OK)
        status = content_open(store, &entry.manifest, &content);
    if (status == STORE_OK) {
        n = content_read(content, 0, got, len + 1);
        content_close(content);
        status = n < 0 ? (enum store_status)n : STORE_OK;
    }
    if (status == STORE_OK && ((size_t)n != len || memcmp(want, got, len) != 0))
        status = STORE_WRONG;
    free(want);
    free(got);
    return status;
}

/* How many files there are in a folder below home, subfolders included. */
static inline int home_count(const char *folder)
{
    char path[512];
    struct dirent *entry;
    int count = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/%s", home_path, folder);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        char below[300];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof(below), "%.30s/%.255s", folder, entry->d_name);
        count += entry->d_type == DT_DIR ? home_count(below) : 1;
    }
    if (dir)
        closedir(dir);
    return count;
}

/* The content's file. */
static inline const char *home_content(const struct digest *sha256)
{
    static char path[256];
    char hex[DIGEST_HEX_SIZE];

    digest_hex(sha256, hex);
    snprintf(path, sizeof(path), "%s/content/%.2s/%s", home_path, hex, hex);
    return path;
}

/* Flips one bit of a file. */
static inline void home_flip(const char *path, uint64_t bit)
{
    FILE *file = fopen(path, "r+b");
    int c;

    MUST(file && fseek(file, (long)(bit / 8), SEEK_SET) == 0);
    c = fgetc(file);
    MUST(c != EOF && fseek(file, (long)(bit / 8), SEEK_SET) == 0);
    fputc(c ^ (1 << bit % 8), file);
    MUST(fclose(file) == 0);
}

#endif
