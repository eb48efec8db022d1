/* SPDX-License-Identifier: ISC */
#include "src/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define INSIDE "_type: gossip\nnode: web7.paris.example.com\n"

static const struct span ours = {"our secret of the tests", 23},
                         old = {"an older secret of them", 23},
                         theirs = {"a secret of another lot", 23};
static const mono_t now = {MONO_S(50)};

static size_t close_one(struct envelope *envelope, char out[512])
{
    struct text text = text_over(out, 512);

    envelope_close(envelope, span_of(INSIDE), &text);
    assert_false(text.full);
    assert_int_equal(text.len, sizeof(INSIDE) - 1 + ENVELOPE_MORE);
    return text.len;
}

static enum envelope_verdict open_at(struct envelope *envelope, mono_t when, const char *bytes,
                                     size_t len)
{
    char memory[512];
    struct text text = TEXT_OVER(memory);
    enum envelope_verdict verdict = envelope_open(envelope, when, (struct span){bytes, len}, &text);

    if (verdict == ENVELOPE_OPENED)
        assert_string_equal(memory, INSIDE);
    else
        assert_int_equal(text.len, 0);
    return verdict;
}

static void what_is_closed_is_opened_with_the_same_secret(void **state)
{
    struct envelope *one = envelope_new(&ours, 1), *other = envelope_new(&ours, 1),
                    *stranger = envelope_new(&theirs, 1);
    char bytes[512];

    (void)state;
    for (int i = 0; i < 3; i++) { /* the key is remembered after the first */
        size_t len = close_one(one, bytes);
        assert_true(envelope_is((struct span){bytes, len}));
        assert_int_equal(open_at(other, now, bytes, len), ENVELOPE_OPENED);
        assert_int_equal(open_at(one, now, bytes, len), ENVELOPE_OPENED);
        assert_int_equal(open_at(stranger, now, bytes, len), ENVELOPE_OTHER);
    }
    envelope_free(one);
    envelope_free(other);
    envelope_free(stranger);
}

static void nothing_in_it_can_be_read_or_changed(void **state)
{
    struct envelope *one = envelope_new(&ours, 1), *other = envelope_new(&ours, 1);
    char bytes[512];
    size_t len = close_one(one, bytes);

    (void)state;
    for (size_t i = 0; i + 6 <= len; i++)
        assert_memory_not_equal(bytes + i, "gossip", 6);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 1;
        assert_int_equal(open_at(other, now, bytes, len), ENVELOPE_OTHER);
        bytes[i] ^= 1;
    }
    for (size_t i = 0; i < len; i++)
        assert_int_equal(open_at(other, now, bytes, i), ENVELOPE_OTHER);
    assert_int_equal(open_at(other, now, bytes, len), ENVELOPE_OPENED);
    envelope_free(one);
    envelope_free(other);
}

/* Under one key the counters differ; each start has a salt, and so a key, of its own. */
static void no_nonce_is_used_twice_under_one_key(void **state)
{
    enum { HEAD = ENVELOPE_MARK + ENVELOPE_SALT + ENVELOPE_COUNTER };
    struct envelope *one = envelope_new(&ours, 1), *after_restart = envelope_new(&ours, 1);
    char first[512], second[512], third[512];

    (void)state;
    close_one(one, first);
    close_one(one, second);
    close_one(after_restart, third);
    assert_memory_equal(first, second, ENVELOPE_MARK + ENVELOPE_SALT);
    assert_memory_not_equal(first + HEAD - ENVELOPE_COUNTER, second + HEAD - ENVELOPE_COUNTER,
                            ENVELOPE_COUNTER);
    assert_memory_not_equal(first + ENVELOPE_MARK, third + ENVELOPE_MARK, ENVELOPE_SALT);
    assert_memory_not_equal(first + HEAD, second + HEAD, sizeof(INSIDE) - 1);
    assert_memory_not_equal(first + HEAD, third + HEAD, sizeof(INSIDE) - 1);
    envelope_free(one);
    envelope_free(after_restart);
}

static void secrets_are_rotated_without_a_gap(void **state)
{
    const struct span both[] = {ours, old}, turned[] = {old, ours};
    struct envelope *before = envelope_new(&old, 1), *between = envelope_new(both, 2),
                    *after = envelope_new(&ours, 1);
    char bytes[512];

    (void)state;
    assert_int_equal(open_at(between, now, bytes, close_one(before, bytes)), ENVELOPE_OPENED);
    assert_int_equal(open_at(after, now, bytes, close_one(between, bytes)), ENVELOPE_OPENED);
    assert_int_equal(open_at(before, now, bytes, close_one(between, bytes)), ENVELOPE_OTHER);
    assert_int_equal(open_at(between, now, bytes, close_one(after, bytes)), ENVELOPE_OPENED);
    assert_true(envelope_has(between, both, 2));
    assert_false(envelope_has(between, turned, 2));
    assert_false(envelope_has(between, both, 1));
    envelope_free(before);
    envelope_free(between);
    envelope_free(after);
}

static void a_flood_of_strangers_costs_no_more_than_so_many_tries(void **state)
{
    struct envelope *one = envelope_new(&ours, 1), *known = envelope_new(&ours, 1),
                    *late = envelope_new(&ours, 1);
    char good[512], forged[512], unknown[512];
    size_t len = close_one(known, good);

    (void)state;
    assert_int_equal(open_at(one, now, good, len), ENVELOPE_OPENED);
    memcpy(forged, good, sizeof(forged));
    for (unsigned i = 1; i < ENVELOPE_STRANGERS; i++) {
        memcpy(forged + ENVELOPE_MARK, &i, sizeof(i));
        assert_int_equal(open_at(one, now, forged, len), ENVELOPE_OTHER);
    }
    assert_int_equal(open_at(one, now, forged, len), ENVELOPE_UNTRIED);
    len = close_one(known, good);
    assert_int_equal(open_at(one, now, good, len), ENVELOPE_OPENED); /* who is known still is */
    len = close_one(late, unknown);
    assert_int_equal(open_at(one, now, unknown, len), ENVELOPE_UNTRIED);
    assert_int_equal(open_at(one, (mono_t){MONO_S(51)}, unknown, len), ENVELOPE_OPENED);
    envelope_free(one);
    envelope_free(known);
    envelope_free(late);
}

static void no_room_is_no_envelope(void **state)
{
    struct envelope *one = envelope_new(&ours, 1);
    char memory[sizeof(INSIDE) + ENVELOPE_MORE - 1];
    struct text text = TEXT_OVER(memory);

    (void)state;
    envelope_close(one, span_of(INSIDE), &text);
    assert_true(text.full);
    assert_int_equal(text.len, 0);
    envelope_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_closed_is_opened_with_the_same_secret),
        cmocka_unit_test(nothing_in_it_can_be_read_or_changed),
        cmocka_unit_test(no_nonce_is_used_twice_under_one_key),
        cmocka_unit_test(secrets_are_rotated_without_a_gap),
        cmocka_unit_test(a_flood_of_strangers_costs_no_more_than_so_many_tries),
        cmocka_unit_test(no_room_is_no_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
