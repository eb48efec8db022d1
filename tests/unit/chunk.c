/* SPDX-License-Identifier: ISC */
#include "cache/chunk.h"

#include "tests/unit/unit.h"

static const uint64_t KIB = 1024;

static void size_doubles_where_too_many_would_be_needed(void **state)
{
    const uint64_t full = CHUNK_SIZE_MIN * (uint64_t)CHUNK_COUNT_MAX;

    (void)state;
    assert_int_equal(chunk_size_for(0), 256 * KIB);
    assert_int_equal(chunk_size_for(full), 256 * KIB);
    assert_int_equal(chunk_size_for(full + 1), 512 * KIB);
    assert_int_equal(chunk_size_for(2 * full), 512 * KIB);
    assert_int_equal(chunk_size_for(2 * full + 1), 1024 * KIB);
    assert_int_equal(chunk_count(full, 256 * KIB), CHUNK_COUNT_MAX);
}

static void no_size_needs_more_than_the_most(void **state)
{
    (void)state;
    for (int bits = 0; bits < 64; bits++) {
        uint64_t size = UINT64_MAX >> bits;
        assert_true(chunk_count(size, chunk_size_for(size)) <= CHUNK_COUNT_MAX);
        assert_true(chunk_size_fits(size, chunk_size_for(size)));
        assert_false(chunk_size_fits(size, 2 * chunk_size_for(size)));
        assert_false(chunk_size_fits(size, 0));
    }
}

static void chunks_cover_the_content_without_a_gap(void **state)
{
    static const uint64_t sizes[] = {0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 10000000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint64_t sum = 0, size = chunk_size_for(sizes[i]);
        for (uint32_t c = 0; c < chunk_count(sizes[i], size); c++) {
            assert_int_equal(chunk_at(c, size), sum);
            sum += chunk_len(c, sizes[i], size);
        }
        assert_int_equal(sum, sizes[i]);
    }
    assert_int_equal(chunk_count(0, CHUNK_SIZE_MIN), 1);
    assert_int_equal(chunk_count(CHUNK_SIZE_MIN, CHUNK_SIZE_MIN), 1);
    assert_int_equal(chunk_count(CHUNK_SIZE_MIN + 1, CHUNK_SIZE_MIN), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_doubles_where_too_many_would_be_needed),
        cmocka_unit_test(no_size_needs_more_than_the_most),
        cmocka_unit_test(chunks_cover_the_content_without_a_gap),
    };
    return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
