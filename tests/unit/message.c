/* SPDX-License-Identifier: ISC */
#include "cache/message.h"

#include <string.h>
#include <time.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

#define FROM "From fbp822 Sun Nov  1 12:00:00 2026"
#define HEAD FROM "\n_type: apple\n_size: 0\n"

static void assert_span(struct span s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.at, expected, s.len);
}

static void the_parts_of_a_message_are_found(void **state)
{
    static const char text[] = FROM " HMAC=00ff\n_type: whohas\n_size: 5\nfile: a/b: c \n"
                                    "newer: 17\n_type_newer: i\nsure: True\n_type_sure: b\n"
                                    "empty:\ntight:x\n\nhe\nlo";
    struct message m;
    struct span value;
    uint64_t n;
    bool flag;

    (void)state;
    assert_int_equal(message_decode(span_of(text), &m), MESSAGE_OK);
    assert_span(m.date, "Sun Nov  1 12:00:00 2026");
    assert_span(m.from_mac, "00ff");
    assert_span(m.type, "whohas");
    assert_span(m.payload, "he\nlo");
    assert_span(m.covered, strchr(text, '\n') + 1);
    assert_true(message_get(&m, "file", &value));
    assert_span(value, "a/b: c "); /* what stands behind is part of it */
    assert_true(message_get(&m, "empty", &value));
    assert_span(value, "");
    assert_true(message_get(&m, "tight", &value));
    assert_span(value, "x");
    assert_int_equal(message_u64(&m, "newer", 17, &n), MESSAGE_OK);
    assert_int_equal(n, 17);
    assert_int_equal(message_flag(&m, "sure", &flag), MESSAGE_OK);
    assert_true(flag);
    assert_false(message_get(&m, "File", &value));
    assert_false(message_get(&m, "fil", &value));
    for (size_t i = 0; i < m.count; i++)
        assert_true(message_may_have(&m, m.headers[i].name));
    assert_false(message_may_have(&m, span_of("")));
    assert_false(message_may_have(&m, span_of("kept")));
}

static void every_malformed_message_gets_its_verdict(void **state)
{
    static const struct {
        const char *text;
        enum message_verdict verdict;
    } rows[] = {
        {HEAD "\n", MESSAGE_OK},
        {"From fbp822\n_type: a\n_size: 0\n\n", MESSAGE_OK},
        {"From fbp822 SUM=ab other=1\n_type: a\n_size: 0\n\n", MESSAGE_OK},
        {"", MESSAGE_NO_FROM},
        {"\n", MESSAGE_NO_FROM},
        {"From fbp822", MESSAGE_NO_FROM},
        {"From fbp8223\n_type: a\n_size: 0\n\n", MESSAGE_NO_FROM},
        {"From nobody x\n_type: a\n_size: 0\n\n", MESSAGE_NO_FROM},
        {"From fbp822 \x01\n_type: a\n_size: 0\n\n", MESSAGE_NO_FROM},
        {"\x16\x03\x01\x02", MESSAGE_NO_FROM},
        {FROM "\n", MESSAGE_TRUNCATED},
        {HEAD, MESSAGE_TRUNCATED},
        {HEAD "a: b", MESSAGE_TRUNCATED},
        {FROM "\n_type: a\n_size: 3\n\nab", MESSAGE_TRUNCATED},
        {HEAD "\nx", MESSAGE_BAD_SIZE},
        {FROM "\n_type: a\n\n", MESSAGE_BAD_SIZE},
        {FROM "\n_type: a\n_size: -1\n\n", MESSAGE_BAD_SIZE},
        {FROM "\n_type: a\n_size: 0x1\n\nx", MESSAGE_BAD_SIZE},
        {FROM "\n_type: a\n_size: 99999999999999999999999\n\nx", MESSAGE_BAD_SIZE},
        {FROM "\n_size: 0\n\n", MESSAGE_NO_TYPE},
        {FROM "\n_type:\n_size: 0\n\n", MESSAGE_NO_TYPE},
        {HEAD "no colon\n\n", MESSAGE_BAD_HEADER},
        {HEAD "nocolon\n\n", MESSAGE_BAD_HEADER},
        {HEAD ": x\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a b: x\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a : x\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a: x\r\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a: x\ty\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a: x\x7f\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a: folded\n b\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a: folded\n\tb\n\n", MESSAGE_BAD_HEADER},
        {HEAD "a: 1\nb: 2\na: 1\n\n", MESSAGE_REPEATED},
        {HEAD "_type: pear\n\n", MESSAGE_REPEATED},
    };
    struct message m;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(message_decode(span_of(rows[i].text), &m), rows[i].verdict);
    assert_int_equal(
        message_decode((struct span){HEAD "a: \0\n\n", sizeof(HEAD "a: \0\n\n") - 1}, &m),
        MESSAGE_BAD_HEADER);
}

static void lengths_and_numbers_of_headers_are_bounded(void **state)
{
    char memory[2 * MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct message m;

    (void)state;
    text_puts(&text, HEAD);
    for (int i = 2; i < MESSAGE_HEADERS_MAX; i++)
        text_printf(&text, "h%d: x\n", i);
    text_puts(&text, "\n");
    assert_int_equal(message_decode((struct span){memory, text.len}, &m), MESSAGE_OK);
    assert_int_equal(m.count, MESSAGE_HEADERS_MAX);
    memcpy(memory + text.len - 1, "z: x\n\n", 7);
    assert_int_equal(message_decode(span_of(memory), &m), MESSAGE_TOO_MANY);

    text = TEXT_OVER(memory);
    text_puts(&text, HEAD "a: ");
    memset(memory + text.len, 'x', MESSAGE_MAX - text.len);
    memcpy(memory + MESSAGE_MAX - 2, "\n\n\n", 4);
    assert_int_equal(message_decode((struct span){memory, MESSAGE_MAX}, &m), MESSAGE_OK);
    assert_int_equal(message_decode((struct span){memory, MESSAGE_MAX + 1}, &m), MESSAGE_TOO_LONG);

    memset(memory, 'x', sizeof(memory));
    memcpy(memory, FROM, sizeof(FROM) - 1);
    memory[MESSAGE_FROM_MAX] = '\n';
    memcpy(memory + MESSAGE_FROM_MAX + 1, "_type: a\n_size: 0\n\n", 20);
    assert_int_equal(message_decode(span_of(memory), &m), MESSAGE_OK);
    memory[MESSAGE_FROM_MAX] = 'x';
    memcpy(memory + MESSAGE_FROM_MAX + 1, "\n_type: a\n_size: 0\n\n", 21);
    assert_int_equal(message_decode(span_of(memory), &m), MESSAGE_NO_FROM);
}

static void messages_may_follow_one_another(void **state)
{
    static const char text[] = FROM "\n_type: one\n_size: 3\n\nabc" HEAD "\n" HEAD "\nrest";
    struct span rest = span_of(text);
    struct message m;

    (void)state;
    assert_int_equal(message_decode_next(&rest, &m), MESSAGE_OK);
    assert_span(m.type, "one");
    assert_span(m.payload, "abc");
    assert_span(m.covered, "_type: one\n_size: 3\n\nabc");
    assert_int_equal(message_decode_next(&rest, &m), MESSAGE_OK);
    assert_int_equal(message_decode_next(&rest, &m), MESSAGE_OK);
    assert_span(rest, "rest");
    assert_int_equal(message_decode_next(&rest, &m), MESSAGE_NO_FROM);
    assert_span(rest, "rest");
}

/* Among several, one is no longer than one alone may be, however much follows. */
static void one_of_several_is_no_longer_than_one_alone(void **state)
{
    static char memory[4 * MESSAGE_MAX];
    struct span rest = {memory, sizeof(memory)};
    struct message m;

    (void)state;
    memset(memory, 'x', sizeof(memory));
    memcpy(memory, HEAD "a: ", sizeof(HEAD "a: ") - 1);
    memcpy(memory + MESSAGE_MAX, "\n\n", 2);
    assert_int_equal(message_decode_next(&rest, &m), MESSAGE_TOO_LONG);
    assert_ptr_equal(rest.at, memory);
}

static void typed_values_are_strict(void **state)
{
    static const char text[] =
        HEAD "n: 12\n_type_n: b\nword: twelve\nminus: -5\nyes: yes\nt: True\n_type_t: i\n"
             "zero: 0\n_type_zero: i\nbig: 9223372036854775808\nodd: 1\n_type_odd: ii\n\n";
    struct message m;
    uint64_t n = 99;
    int64_t i;
    bool flag;

    (void)state;
    assert_int_equal(message_decode(span_of(text), &m), MESSAGE_OK);
    assert_int_equal(message_u64(&m, "n", UINT64_MAX, &n), MESSAGE_BAD_VALUE);
    assert_int_equal(message_u64(&m, "word", UINT64_MAX, &n), MESSAGE_BAD_VALUE);
    assert_int_equal(message_u64(&m, "minus", UINT64_MAX, &n), MESSAGE_BAD_VALUE);
    assert_int_equal(message_u64(&m, "odd", UINT64_MAX, &n), MESSAGE_BAD_VALUE);
    assert_int_equal(message_u64(&m, "none", UINT64_MAX, &n), MESSAGE_MISSING);
    assert_int_equal(message_u64(&m, "big", INT64_MAX, &n), MESSAGE_BAD_VALUE);
    assert_int_equal(message_i64(&m, "big", &i), MESSAGE_BAD_VALUE);
    assert_int_equal(message_i64(&m, "minus", &i), MESSAGE_OK);
    assert_int_equal(i, -5);
    assert_int_equal(message_flag(&m, "yes", &flag), MESSAGE_BAD_VALUE);
    assert_int_equal(message_flag(&m, "t", &flag), MESSAGE_BAD_VALUE);
    assert_int_equal(message_flag(&m, "none", &flag), MESSAGE_MISSING);
    assert_int_equal(message_u64(&m, "zero", 0, &n), MESSAGE_OK);
    assert_int_equal(n, 0);
}

static void what_is_written_is_read_back(void **state)
{
    char memory[1024];
    struct text out = TEXT_OVER(memory);
    struct message m;

    (void)state;
    message_begin(&out, (wall_t){1793534400000}, "hello", 4);
    message_add(&out, "file", span_of("example.com/a b "));
    message_add_u64(&out, "size", UINT64_MAX);
    message_add_i64(&out, "mtime", -1);
    message_add_flag(&out, "held", false);
    message_end(&out, span_of("a\nb\n"));
    message_stamp(&out, "HMAC=12");
    assert_false(out.full);
    assert_string_equal(memory, FROM " HMAC=12\n_type: hello\n_size: 4\nfile: example.com/a b \n"
                                     "size: 18446744073709551615\n_type_size: i\n"
                                     "mtime: -1\n_type_mtime: i\nheld: False\n_type_held: b\n\n"
                                     "a\nb\n");
    assert_int_equal(message_decode((struct span){memory, out.len}, &m), MESSAGE_OK);
    assert_span(m.from_mac, "12");
    assert_true(span_same(m.covered, message_covered(&out)));
}

static void the_date_is_that_of_ctime(void **state)
{
    static const int64_t seconds[] = {0, 1, 951782400, 1795348800, 4102444799};
    char memory[256], expected[64];

    (void)state;
    for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
        struct text out = TEXT_OVER(memory);
        time_t t = (time_t)seconds[i];
        struct tm tm;
        message_begin(&out, (wall_t){seconds[i] * 1000}, "a", 0);
        strftime(expected, sizeof(expected), "From fbp822 %a %b %e %H:%M:%S %Y\n",
                 gmtime_r(&t, &tm));
        assert_memory_equal(memory, expected, strlen(expected));
    }
}

static void what_does_not_fit_is_told(void **state)
{
    char memory[80];
    struct text out = TEXT_OVER(memory);

    (void)state;
    message_begin(&out, (wall_t){0}, "a", 0);
    message_end(&out, (struct span){"", 0});
    assert_false(out.full);
    message_stamp(&out, "HMAC=0123456789012345678901234567890123456789");
    assert_true(out.full);
}

/* Decoding takes anything: bytes of a good message, changed, cut and doubled at random. */
static void anything_gets_a_verdict(void **state)
{
    static const char good[] = HEAD "file: x/y\nn: 5\n_type_n: i\n\npayload";
    struct rng rng = {.state = 11};
    char bytes[256];
    struct message m;

    (void)state;
    for (int round = 0; round < 300000; round++) {
        size_t len = rng_below(&rng, sizeof(good));
        memcpy(bytes, good, len);
        for (size_t changes = rng_below(&rng, 4); changes > 0 && len; changes--)
            bytes[rng_below(&rng, len)] = (char)rng_below(&rng, 256);
        if (message_decode((struct span){bytes, len}, &m) == MESSAGE_OK)
            assert_ptr_equal(m.covered.at + m.covered.len, bytes + len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_message_are_found),
        cmocka_unit_test(every_malformed_message_gets_its_verdict),
        cmocka_unit_test(lengths_and_numbers_of_headers_are_bounded),
        cmocka_unit_test(messages_may_follow_one_another),
        cmocka_unit_test(one_of_several_is_no_longer_than_one_alone),
        cmocka_unit_test(typed_values_are_strict),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_date_is_that_of_ctime),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(anything_gets_a_verdict),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
