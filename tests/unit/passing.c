/* SPDX-License-Identifier: ISC */
/* Content that is passed on while the disk is full. */
#include "cache/store.h"

#include "cache/chunk.h"
#include "src/base/log.h"
#include "tests/unit/failing.h"
#include "tests/unit/home.h"

static const char NAME[] = "example.com/a";
enum { CHUNK = 256 * 1024, COUNT = 60, SIZE = COUNT * CHUNK, WINDOW = PARTIAL_PASSED_MAX / CHUNK };

struct bringing {
    struct manifest manifest;
    char *bytes;
    struct digest list[COUNT];
    struct partial *partial;
};

static void disk_is_full(bool full)
{
    fault_errno = ENOSPC;
    fault_stays = true;
    atomic_store(&until_fault, 0);
    atomic_store(&armed, full);
}

static struct bringing *begin(struct store *store)
{
    struct bringing *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->manifest = home_foreign(NAME, 7, SIZE, 0);
    b->bytes = home_bytes(7, SIZE);
    for (uint32_t i = 0; i < COUNT; i++)
        digest_of(b->bytes + (size_t)i * CHUNK, CHUNK, &b->list[i]);
    assert_int_equal(home_adopt(store, &b->manifest, NULL), STORE_OK);
    return b;
}

static void open_it(struct store *store, struct bringing *b)
{
    assert_int_equal(partial_open(store, &b->manifest, &b->partial), STORE_OK);
    assert_int_equal(partial_set_list(b->partial, b->list, sizeof(b->list)), STORE_OK);
}

static enum store_status put(struct bringing *b, uint32_t chunk)
{
    return partial_put(b->partial, chunk, b->bytes + (size_t)chunk * CHUNK, CHUNK);
}

static void assert_reads(struct bringing *b, uint32_t chunk)
{
    static char got[CHUNK];

    assert_true(partial_has(b->partial, chunk));
    assert_int_equal(partial_read(b->partial, (uint64_t)chunk * CHUNK, got, CHUNK), CHUNK);
    assert_memory_equal(got, b->bytes + (size_t)chunk * CHUNK, CHUNK);
}

static void end(struct store *store, struct bringing *b)
{
    partial_close(b->partial, true);
    free(b->bytes);
    free(b);
    home_do(store, STORE_REMOVE, "example.com/none"); /* is done behind what that has queued */
    assert_int_equal(home_count("partial"), 0);
    assert_int_equal(home_count("chunks"), home_figures(store).held);
}

/* Chunk by chunk, by a reader that lies behind by less than the memory. */
static void assert_passes_on(struct bringing *b, uint32_t from)
{
    for (uint32_t next = from, read = from; read < COUNT; read++) {
        while (next < COUNT && put(b, next) == STORE_OK)
            next++;
        assert_true(next - read <= WINDOW);
        assert_true(next == COUNT || next - read == WINDOW);
        assert_reads(b, read);
        partial_release(b->partial, read);
        assert_false(partial_has(b->partial, read));
    }
}

static void content_is_passed_on_where_there_is_no_room_from_the_begin(void **state)
{
    struct bringing *b = begin(*state);
    struct store_job job = {.kind = STORE_LAND, .manifest = b->manifest};

    disk_is_full(true);
    open_it(*state, b);
    assert_true(partial_is_passing(b->partial));
    assert_passes_on(b, 0);
    disk_is_full(false);
    job.partial = b->partial;
    assert_int_equal(store_do(*state, &job), STORE_FULL);
    end(*state, b);
}

static void content_is_passed_on_where_the_disk_fills_up_meanwhile(void **state)
{
    struct bringing *b = begin(*state);
    char got[100];

    open_it(*state, b);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(put(b, i), STORE_OK);
    assert_false(partial_is_passing(b->partial));
    disk_is_full(true);
    assert_int_equal(put(b, 10), STORE_OK);
    assert_true(partial_is_passing(b->partial));
    assert_int_equal(put(b, 12), STORE_OK);
    for (uint32_t i = 0; i <= 10; i++)
        assert_reads(b, i);
    assert_int_equal(partial_read(b->partial, 10 * CHUNK - 50, got, 100), 50);
    assert_int_equal(partial_read(b->partial, 11 * CHUNK, got, 100), 0);
    partial_release(b->partial, 3); /* from the file */
    assert_false(partial_has(b->partial, 3));
    assert_int_equal(partial_read(b->partial, 3 * CHUNK, got, 100), 0);
    assert_int_equal(put(b, 3), STORE_OK);
    assert_reads(b, 3);
    partial_release(b->partial, 3);
    partial_release(b->partial, 10);
    partial_release(b->partial, 12);
    assert_passes_on(b, 13);
    disk_is_full(false);
    end(*state, b);
}

static void what_does_not_fit_is_still_refused(void **state)
{
    struct bringing *b = begin(*state);

    disk_is_full(true);
    open_it(*state, b);
    assert_int_equal(partial_put(b->partial, 1, b->bytes, CHUNK), STORE_WRONG);
    assert_int_equal(partial_had(b->partial), 0);
    disk_is_full(false);
    end(*state, b);
}

static void the_next_one_is_kept_again(void **state)
{
    struct bringing *b = begin(*state);
    struct store_job job = {.kind = STORE_LAND, .manifest = b->manifest};

    disk_is_full(true);
    open_it(*state, b);
    disk_is_full(false);
    partial_close(b->partial, true);
    open_it(*state, b);
    assert_false(partial_is_passing(b->partial));
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(put(b, i), STORE_OK);
    job.partial = b->partial;
    assert_int_equal(store_do(*state, &job), STORE_OK);
    assert_int_equal(home_compare(*state, NAME, 7, SIZE), 0);
    end(*state, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(content_is_passed_on_where_there_is_no_room_from_the_begin),
        HOME_CASE(content_is_passed_on_where_the_disk_fills_up_meanwhile),
        HOME_CASE(what_does_not_fit_is_still_refused),
        HOME_CASE(the_next_one_is_kept_again),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("passing", tests, NULL, NULL);
}
