/* SPDX-License-Identifier: ISC */
#include "src/base/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

/* What the system's own function writes. */
static void expect_same_text(const struct address *a)
{
    char ours[ADDRESS_TEXT_SIZE], theirs[INET6_ADDRSTRLEN];
    bool v4 = address_is_v4(a);

    memset(ours, 'x', sizeof(ours));
    assert_non_null(
        inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->ip + 12 : a->ip, theirs, sizeof(theirs)));
    assert_string_equal(address_plain_text(a, ours), theirs);
}

static void the_text_of_an_address_is_the_usual_one(void **state)
{
    static const char *const texts[] = {"0.0.0.0",    "255.255.255.255",
                                        "10.0.100.9", "127.0.0.1",
                                        "::",         "::1",
                                        "fd00::1",    "2001:db8::ff",
                                        "fe80::1:0"};
    struct address a;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(address_plain_parse(span_of(texts[i]), &a));
        assert_string_equal(address_plain_text(&a, text), texts[i]);
        expect_same_text(&a);
    }
}

static void every_byte_is_written_right(void **state)
{
    struct rng rng = {4711};
    struct address a;

    (void)state;
    assert_true(address_plain_parse(span_of("10.0.0.1"), &a));
    for (unsigned i = 0; i < 4 * 256; i++) {
        for (size_t at = 12; at < sizeof(a.ip); at++)
            a.ip[at] = (uint8_t)rng_next(&rng);
        a.ip[12 + i / 256] = (uint8_t)i;
        expect_same_text(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_an_address_is_the_usual_one),
        cmocka_unit_test(every_byte_is_written_right),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
