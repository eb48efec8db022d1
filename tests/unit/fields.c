/* SPDX-License-Identifier: ISC */
#include "cache/fields.h"

#include "tests/unit/unit.h"

static const char TEXT[] = "From fbp822 Sun Nov 22 12:00:00 2026\n"
                           "_type: t\n_size: 0\n"
                           "a: one\n"
                           "b: 2\n_type_b: i\n"
                           "c: True\n_type_c: b\n"
                           "d: -4\n"
                           "e: False\n"
                           "f: 6\n_type_f: b\n"
                           "\n";

static void decode(struct message *m)
{
    assert_int_equal(message_decode(span_of(TEXT), m), MESSAGE_OK);
}

static void headers_are_found_in_any_order(void **state)
{
    struct message m;
    struct fields fields;

    (void)state;
    decode(&m);
    fields = fields_of(&m);
    assert_int_equal(fields_i64(&fields, "d"), -4);
    assert_true(span_is(fields_text(&fields, "a"), "one"));
    assert_false(fields_flag(&fields, "e"));
    assert_true(fields_flag(&fields, "c"));
    assert_int_equal(fields_u64(&fields, "b", 2, 2), 2);
    assert_true(fields_has(&fields, "a") && fields_has(&fields, "f"));
    assert_false(fields_has(&fields, "g") || fields_has(&fields, ""));
    assert_true(span_is(fields_text(&fields, "a"), "one"));
    assert_int_equal(fields.verdict, MESSAGE_OK);
}

/* What is wrong in one way each, and with which verdict. */
static void read_missing(struct fields *fields)
{
    assert_int_equal(fields_text(fields, "g").len, 0);
}

static void read_too_small(struct fields *fields)
{
    assert_int_equal(fields_u64(fields, "b", 3, 4), 0);
}

static void read_too_great(struct fields *fields)
{
    assert_int_equal(fields_u64(fields, "b", 0, 1), 0);
}

static void read_no_number(struct fields *fields)
{
    assert_int_equal(fields_u64(fields, "a", 0, UINT64_MAX), 0);
}

static void read_no_flag(struct fields *fields)
{
    assert_false(fields_flag(fields, "b"));
}

static void read_other_mark(struct fields *fields)
{
    assert_int_equal(fields_u64(fields, "f", 0, UINT64_MAX), 0);
}

static void read_no_integer(struct fields *fields)
{
    assert_int_equal(fields_i64(fields, "c"), 0);
}

static void the_first_fault_stays(void **state)
{
    static const struct {
        void (*read)(struct fields *fields);
        enum message_verdict verdict;
    } cases[] = {
        {read_missing, MESSAGE_MISSING},      {read_too_small, MESSAGE_BAD_VALUE},
        {read_too_great, MESSAGE_BAD_VALUE},  {read_no_number, MESSAGE_BAD_VALUE},
        {read_no_flag, MESSAGE_BAD_VALUE},    {read_other_mark, MESSAGE_BAD_VALUE},
        {read_no_integer, MESSAGE_BAD_VALUE},
    };
    enum { CASES = sizeof(cases) / sizeof(*cases) };

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct message m;
        struct fields fields;
        decode(&m);
        fields = fields_of(&m);
        cases[i].read(&fields);
        assert_int_equal(fields.verdict, cases[i].verdict);
        /* What is there, and right, is no longer given out, and changes nothing. */
        assert_int_equal(fields_text(&fields, "a").len, 0);
        assert_int_equal(fields_u64(&fields, "b", 0, 9), 0);
        assert_int_equal(fields_i64(&fields, "d"), 0);
        assert_false(fields_flag(&fields, "c") || fields_has(&fields, "a"));
        cases[(i + 1) % CASES].read(&fields);
        fields_demand(&fields, false);
        assert_int_equal(fields.verdict, cases[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_in_any_order),
        cmocka_unit_test(the_first_fault_stays),
    };

    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
