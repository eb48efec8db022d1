/* SPDX-License-Identifier: ISC */
#include "src/seal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

#define FROM "From fbp822 Sun Nov 22 12:00:00 2026"

static const struct span somekey = {"somekey", 7}, foo = {"foo", 3};

static void assert_mac1(struct span key, const char *bytes, const char *expected)
{
    struct keyring *keyring = keyring_new(&key, 1, false);
    struct seal *seal = seal_new(keyring);
    uint8_t mac[MAC1_LEN], wanted[MAC1_LEN];
    size_t which;

    seal_mac1(seal, span_of(bytes), mac);
    assert_true(span_hex(span_of(expected), wanted, sizeof(wanted)));
    assert_memory_equal(mac, wanted, sizeof(wanted));
    assert_true(seal_check1(seal, span_of(bytes), wanted, &which));
    wanted[19] ^= 1;
    assert_false(seal_check1(seal, span_of(bytes), wanted, &which));
    seal_free(seal);
    keyring_free(keyring);
}

static void isconfs_answers_are_known(void **state)
{
    (void)state;
    assert_mac1(somekey, "_type: apple\n_size: 0\n\n", "5528934b82b37f57600eb8b2fb37cc9d591033a1");
    assert_mac1(foo, "_type: red apple\n_size: 0\n\n", "8ca8301bb1a077358ce8c3e9a601d83a2643f33d");
    assert_mac1(span_of("someauthenticationkey"), "foo",
                "525a59615b881ab282ca60b2ab31e82aec7e31db");
}

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
static void sha256_answers_are_known(void **state)
{
    char long_key[131];
    const struct {
        struct span key;
        struct span pieces[2];
        const char *mac;
    } rows[] = {
        {{"Jefe", 4},
         {{"what do ya want ", 16}, {"for nothing?", 12}},
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{long_key, sizeof(long_key)},
         {{"Test Using Larger Than Block-Size Key - Hash Key First", 54}, {NULL, 0}},
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };

    (void)state;
    memset(long_key, 0xaa, sizeof(long_key));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct keyring *keyring = keyring_new(&rows[i].key, 1, false);
        struct seal *seal = seal_new(keyring);
        uint8_t mac[MAC256_LEN], wanted[MAC256_LEN];
        seal_mac256(seal, rows[i].pieces, 2, mac);
        assert_true(span_hex(span_of(rows[i].mac), wanted, sizeof(wanted)));
        assert_memory_equal(mac, wanted, sizeof(wanted));
        seal_free(seal);
        keyring_free(keyring);
    }
}

/* A finished message, and the same as it is read. */
struct written {
    char memory[1024];
    struct text text;
    struct message read;
};

static void write_message(struct written *w, struct seal *seal, bool isconf, const char *payload)
{
    w->text = TEXT_OVER(w->memory);
    message_begin(&w->text, (wall_t){0}, "whohas", strlen(payload));
    message_add(&w->text, "file", span_of("example.com/a"));
    message_end(&w->text, span_of(payload));
    if (seal)
        seal_message(seal, &w->text, isconf);
    assert_false(w->text.full);
    assert_int_equal(message_decode((struct span){w->memory, w->text.len}, &w->read), MESSAGE_OK);
}

static void a_sealed_message_is_known_by_any_key(void **state)
{
    const struct span old_first[] = {foo, somekey};
    struct keyring *writers = keyring_new(&somekey, 1, false);
    struct keyring *readers = keyring_new(old_first, 2, false);
    struct keyring *others = keyring_new(&foo, 1, false);
    struct seal *writer = seal_new(writers), *reader = seal_new(readers), *other = seal_new(others);
    static const char *const payloads[] = {"", "x", "two\n\nlines\n"};
    struct written w;
    size_t key;

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++) {
        write_message(&w, writer, i & 1, payloads[i]);
        assert_int_equal(seal_check_message(reader, &w.read, false, &key), SEAL_OK);
        assert_int_equal(key, 1);
        assert_int_equal(seal_check_message(other, &w.read, false, &key), SEAL_WRONG);
    }
    write_message(&w, NULL, false, "");
    assert_int_equal(seal_check_message(reader, &w.read, false, &key), SEAL_UNSIGNED);
    seal_free(writer);
    seal_free(reader);
    seal_free(other);
    keyring_free(writers);
    keyring_free(readers);
    keyring_free(others);
}

static void every_byte_that_decides_is_covered(void **state)
{
    struct keyring *keyring = keyring_new(&somekey, 1, false);
    struct seal *seal = seal_new(keyring);
    struct written w;
    size_t key, from_line;
    struct message m;

    (void)state;
    write_message(&w, seal, false, "payload");
    from_line = (size_t)(strchr(w.memory, '\n') - w.memory);
    for (size_t i = from_line + 1; i < w.text.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            w.memory[i] ^= (char)(1 << bit);
            if (message_decode((struct span){w.memory, w.text.len}, &m) == MESSAGE_OK) {
                /* Hexadecimal digits may change their case: that is the same mac. */
                bool same_mac = bit == 5 && strchr("abcdefABCDEF", w.memory[i]) && m.count > 0 &&
                                w.memory + i >= m.headers[m.count - 1].value.at;
                if (seal_check_message(seal, &m, false, &key) == SEAL_OK && !same_mac)
                    fail_msg("byte %zu, bit %d is not covered", i, bit);
            }
            w.memory[i] ^= (char)(1 << bit);
        }
    }
    seal_free(seal);
    keyring_free(keyring);
}

static void the_mac_may_stand_anywhere(void **state)
{
    static const char front[] = FROM "\n", rest[] = "_type: a\n_size: 2\nx: y\n\nhi";
    struct keyring *keyring = keyring_new(&somekey, 1, false);
    struct seal *seal = seal_new(keyring);
    struct span covered = span_of(rest);
    uint8_t mac[MAC256_LEN];
    char memory[512];
    struct message m;
    size_t key;

    (void)state;
    seal_mac256(seal, &covered, 1, mac);
    for (const char *at = rest; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        struct text out = TEXT_OVER(memory);
        text_puts(&out, front);
        text_add(&out, rest, (size_t)(at - rest));
        text_puts(&out, "hmac256: ");
        text_hex(&out, mac, sizeof(mac));
        text_putc(&out, '\n');
        text_puts(&out, at);
        assert_int_equal(message_decode((struct span){memory, out.len}, &m), MESSAGE_OK);
        assert_int_equal(seal_check_message(seal, &m, false, &key), SEAL_OK);
        if (at[0] == '\n')
            break; /* the headers end here */
    }
    seal_free(seal);
    keyring_free(keyring);
}

static void isconfs_mac_counts_only_where_it_may(void **state)
{
    static const char text[] = FROM " HMAC=5528934b82b37f57600eb8b2fb37cc9d591033a1\n"
                                    "_type: apple\n_size: 0\n\n";
    static const char wrong[] = FROM " HMAC=55\n_type: apple\n_size: 0\n\n";
    static const char both[] = FROM " HMAC=00\n_type: apple\n_size: 0\nhmac256: 00\n\n";
    struct keyring *keyring = keyring_new(&somekey, 1, false);
    struct seal *seal = seal_new(keyring);
    struct message m;
    size_t key;

    (void)state;
    assert_int_equal(message_decode(span_of(text), &m), MESSAGE_OK);
    assert_int_equal(seal_check_message(seal, &m, true, &key), SEAL_OK);
    assert_int_equal(seal_check_message(seal, &m, false, &key), SEAL_UNSIGNED);
    assert_int_equal(message_decode(span_of(wrong), &m), MESSAGE_OK);
    assert_int_equal(seal_check_message(seal, &m, true, &key), SEAL_WRONG);
    assert_int_equal(message_decode(span_of(both), &m), MESSAGE_OK);
    assert_int_equal(seal_check_message(seal, &m, true, &key), SEAL_WRONG);
    seal_free(seal);
    keyring_free(keyring);
}

/* What goes out to ISconf hosts is good by both macs, each by its own rule. */
static void both_macs_can_be_written(void **state)
{
    struct keyring *keyring = keyring_new(&somekey, 1, false);
    struct seal *seal = seal_new(keyring);
    uint8_t mac[MAC1_LEN];
    struct written w;
    size_t key;

    (void)state;
    write_message(&w, seal, true, "");
    assert_int_equal(seal_check_message(seal, &w.read, false, &key), SEAL_OK);
    assert_true(span_hex(w.read.from_mac, mac, sizeof(mac)));
    assert_true(seal_check1(seal, w.read.covered, mac, &key));
    seal_free(seal);
    keyring_free(keyring);
}

static void a_message_without_room_is_told(void **state)
{
    struct keyring *keyring = keyring_new(&somekey, 1, false);
    struct seal *seal = seal_new(keyring);
    char memory[160];

    (void)state;
    for (size_t cap = 64; cap <= sizeof(memory); cap++) {
        struct text out = text_over(memory, cap);
        struct message m;
        size_t key;
        message_begin(&out, (wall_t){0}, "a", 0);
        message_end(&out, span_of(""));
        seal_message(seal, &out, false);
        if (out.full)
            continue;
        assert_int_equal(message_decode((struct span){memory, out.len}, &m), MESSAGE_OK);
        assert_int_equal(seal_check_message(seal, &m, false, &key), SEAL_OK);
    }
    seal_free(seal);
    keyring_free(keyring);
}

static void keys_are_replaced_under_a_seal(void **state)
{
    const struct span both[] = {foo, somekey};
    struct keyring *keyring = keyring_new(&somekey, 1, false);
    struct seal *seal = seal_new(keyring);
    struct written before, after;
    size_t key;

    (void)state;
    write_message(&before, seal, false, "");
    assert_false(keyring_replace(keyring, &somekey, 1, false)); /* it has that */
    assert_true(keyring_replace(keyring, both, 2, true));
    assert_false(keyring_replace(keyring, both, 2, true));
    assert_int_equal(keyring_count(keyring), 2);
    assert_true(keyring_any(keyring));
    write_message(&after, seal, false, "");
    assert_int_equal(seal_check_message(seal, &before.read, false, &key), SEAL_OK);
    assert_int_equal(key, 1);
    assert_int_equal(seal_check_message(seal, &after.read, false, &key), SEAL_OK);
    assert_int_equal(key, 0);
    assert_true(keyring_replace(keyring, &foo, 1, false));
    assert_false(keyring_any(keyring));
    assert_int_equal(seal_check_message(seal, &before.read, false, &key), SEAL_WRONG);
    seal_free(seal);
    keyring_free(keyring);
}

struct worker {
    struct keyring *keyring;
    _Atomic bool *stop;
    bool refused;
};

/* Whatever keys are replaced meanwhile, one key stays: what it signed must always be good. */
static void *check_without_end(void *arg)
{
    struct worker *worker = arg;
    struct seal *seal = seal_new(worker->keyring);
    struct span text = span_of("text");
    uint8_t mac[MAC256_LEN];
    size_t key;

    while (!atomic_load(worker->stop)) {
        seal_mac256(seal, &text, 1, mac);
        worker->refused |= !seal_check256(seal, &text, 1, mac, &key);
    }
    seal_free(seal);
    return NULL;
}

static void keys_are_replaced_while_others_work(void **state)
{
    const struct span sets[2][2] = {{foo, somekey}, {somekey, foo}};
    struct keyring *keyring = keyring_new(sets[0], 2, false);
    _Atomic bool stop = false;
    struct worker workers[2] = {{keyring, &stop, false}, {keyring, &stop, false}};
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_without_end, &workers[i]), 0);
    for (int i = 0; i < 2000; i++)
        keyring_replace(keyring, sets[i & 1], 2, false);
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_false(workers[0].refused || workers[1].refused);
    keyring_free(keyring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isconfs_answers_are_known),
        cmocka_unit_test(sha256_answers_are_known),
        cmocka_unit_test(a_sealed_message_is_known_by_any_key),
        cmocka_unit_test(every_byte_that_decides_is_covered),
        cmocka_unit_test(the_mac_may_stand_anywhere),
        cmocka_unit_test(isconfs_mac_counts_only_where_it_may),
        cmocka_unit_test(both_macs_can_be_written),
        cmocka_unit_test(a_message_without_room_is_told),
        cmocka_unit_test(keys_are_replaced_under_a_seal),
        cmocka_unit_test(keys_are_replaced_while_others_work),
    };
    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
