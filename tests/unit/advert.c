/* SPDX-License-Identifier: ISC */
#include "src/advert.h"

#include <string.h>

#include "tests/unit/ballots.h"
#include "tests/unit/unit.h"

#define FROM "From fbp822 Sun Nov 22 12:00:00 2026\n"
#define DIGEST_TEXT "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define NONCE_TEXT "00112233445566778899aabbccddeeff"
#define SENDER                                                                                     \
    "_size: 0\nformat: 1\ndomain: example.com\nnode: gw1.paris\nboot: 17\ncounter: 4\n"            \
    "tier: paris\naddress: 10.27.4.1\nhttp_port: 65028\n"
#define STAND                                                                                      \
    "base_us: 1000000\nskew: 100\ndemotion: 16\nepoch: 14\nstore: 00000000000000ff\n"              \
    "sequence: 99\ndigest: " DIGEST_TEXT "\nclock: 1795348800123\n"

/* As they go over the wire, and must for ever. */
static const char *const texts[] = {
    [BALLOT_ADVERT] =
        FROM "_type: advert\n" SENDER STAND "leaving: False\nsuccessor: 10.27.4.2\n\n",
    [BALLOT_STANDING] = FROM "_type: standing\n" SENDER STAND
                             "role: backup\nasks: True\nbehind: False\nunconfirmed: 3\n\n",
    [BALLOT_SOLICIT] = FROM "_type: solicit\n" SENDER "nonce: " NONCE_TEXT "\n\n",
};
enum { KINDS = sizeof(texts) / sizeof(*texts) };

static const wall_t noon = {1795348800000};

static enum message_verdict read_text(struct span text, struct ballot *out)
{
    struct advert_head head;
    struct message m;
    enum message_verdict verdict = message_decode(text, &m);

    return verdict == MESSAGE_OK ? advert_read(&m, &head, out) : verdict;
}

static void what_goes_over_the_wire_is_this(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        char memory[MESSAGE_MAX];
        struct text out = TEXT_OVER(memory);
        struct advert_head head;
        struct ballot ballot;
        struct message m;

        assert_int_equal(message_decode(span_of(texts[kind]), &m), MESSAGE_OK);
        assert_int_equal(advert_read(&m, &head, &ballot), MESSAGE_OK);
        assert_int_equal(ballot.kind, kind);
        assert_string_equal(head.domain, "example.com");
        assert_string_equal(ballot.tier, "paris");
        assert_string_equal(ballot.node, "gw1.paris");
        assert_int_equal(ballot.boot, 17);
        assert_int_equal(ballot.counter, 4);
        assert_int_equal(ballot.address.port, 65028);
        assert_false(ballot.has_echo);
        advert_write(&ballot, head.domain, noon, &out);
        assert_string_equal(memory, texts[kind]);
    }
}

static void each_field_comes_from_its_header(void **state)
{
    struct ballot b;

    (void)state;
    assert_int_equal(read_text(span_of(texts[BALLOT_ADVERT]), &b), MESSAGE_OK);
    assert_int_equal(b.pair.base_us, 1000000);
    assert_int_equal(b.pair.skew, 100);
    assert_int_equal(b.demotion, 16);
    assert_int_equal(b.epoch, 14);
    assert_int_equal(b.head.store, 255);
    assert_int_equal(b.head.sequence, 99);
    assert_int_equal(b.head.digest.bytes[31], 8);
    assert_int_equal(b.head.clock.ms, 1795348800123);
    assert_false(b.leaving);
    assert_int_equal(b.successor.ip[15], 2);
    assert_int_equal(read_text(span_of(texts[BALLOT_STANDING]), &b), MESSAGE_OK);
    assert_int_equal(b.role, BALLOT_BACKUP);
    assert_true(b.asks);
    assert_false(b.behind);
    assert_int_equal(b.unconfirmed, 3);
    assert_int_equal(read_text(span_of(texts[BALLOT_SOLICIT]), &b), MESSAGE_OK);
    assert_int_equal(b.nonce.bytes[15], 0xff);
}

static void whatever_is_written_is_read_back(void **state)
{
    enum { ROUNDS = 20000, SEED = 11 };
    struct rng rng = {SEED};
    struct ballot said, heard;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        char memory[MESSAGE_MAX];
        struct text out = TEXT_OVER(memory);

        ballots_roll(&rng, (enum ballot_kind)(i % KINDS), &said);
        advert_write(&said, "example.com", noon, &out);
        assert_false(out.full);
        if (read_text((struct span){out.at, out.len}, &heard) != MESSAGE_OK ||
            !ballots_same(&said, &heard))
            fail_msg("seed %d, ballot %d is not read as it was written:\n%s", SEED, i, memory);
    }
}

/* What a host's interface is called means nothing to another one. */
static void a_zone_stays_at_home(void **state)
{
    char memory[MESSAGE_MAX];
    struct text out = TEXT_OVER(memory);
    struct rng rng = {1};
    struct ballot said, heard;

    (void)state;
    ballots_roll(&rng, BALLOT_ADVERT, &said);
    assert_true(address_parse(span_of("fe80::1"), 1, &said.address));
    said.address.scope = 1;
    advert_write(&said, "example.com", noon, &out);
    assert_null(strchr(memory, '%'));
    assert_int_equal(read_text((struct span){out.at, out.len}, &heard), MESSAGE_OK);
    assert_int_equal(heard.address.scope, 0);
}

/* Copies `text` with the header `name` given that value, or left out (NULL). */
static void with(const char *text, const char *name, const char *value, char out[MESSAGE_MAX])
{
    struct text copy = text_over(out, MESSAGE_MAX);
    struct span rest = span_of(text);
    size_t len = strlen(name);

    while (rest.len) {
        struct span line = span_take(&rest, '\n');
        bool found = span_begins(line, name) && line.len > len && line.at[len] == ':';
        if (found && !value)
            continue;
        if (found)
            text_printf(&copy, "%s: %s\n", name, value);
        else
            text_printf(&copy, "%.*s\n", (int)line.len, line.at);
    }
    assert_false(copy.full);
}

static void all_but_the_optional_must_be_there(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct span rest = span_of(texts[kind]);
        struct ballot b;

        span_take(&rest, '\n');
        for (struct span line = span_take(&rest, '\n'); line.len; line = span_take(&rest, '\n')) {
            char name[64], cut[MESSAGE_MAX];
            enum message_verdict want = MESSAGE_MISSING;

            assert_true(span_copy(span_take(&line, ':'), name, sizeof(name)));
            if (strcmp(name, "_type") == 0)
                want = MESSAGE_NO_TYPE;
            if (strcmp(name, "_size") == 0)
                want = MESSAGE_BAD_SIZE;
            if (strcmp(name, "successor") == 0 || strcmp(name, "clock") == 0)
                want = MESSAGE_OK;
            with(texts[kind], name, NULL, cut);
            assert_int_equal(read_text(span_of(cut), &b), want);
        }
    }
}

#define ZEROS16 "0000000000000000"
#define BYTES64 ZEROS16 ZEROS16 ZEROS16 ZEROS16

static void what_is_out_of_bounds_is_refused(void **state)
{
    static const struct {
        const char *name;
        const char *good[4];
        const char *bad[10];
    } rows[] = {
        {"_type", {NULL}, {"adverts", "Advert", "whohas", "solicitation"}},
        {"format", {"1", "01"}, {"0", "2", "-1", "", "1 ", "x", "18446744073709551616"}},
        {"domain", {"local", BYTES64}, {"", BYTES64 BYTES64 BYTES64 BYTES64}},
        {"node", {"a", "A-b_c.9"}, {"", "a b", "a/b", "\xc3\xa9", "a%", "a\"b"}},
        {"boot", {"1", "18446744073709551615"}, {"0", "-1", "", "0x1", "18446744073709551616"}},
        {"counter", {"0", "18446744073709551615"}, {"-1", "", "+1", "18446744073709551616"}},
        {"tier", {"x", BYTES64}, {"", BYTES64 "0"}},
        {"address",
         {"10.0.0.1", "fd00::1", "127.0.0.1", "::1"},
         {"", "10.0.0", "10.0.0.1:80", "host", "0.0.0.0", "::", "224.0.0.18", "ff02::12",
          "fe80::1%lo"}},
        {"http_port", {"1", "65535"}, {"0", "65536", "-1", "", "http"}},
        {"base_us",
         {"10000", "3600000000"},
         {"0", "9999", "3600000001", "4294967296", "-1", "1.0", ""}},
        {"skew", {"0", "255"}, {"256", "-1", ""}},
        {"demotion", {"0", "1023"}, {"1024", "-1", ""}},
        {"epoch", {"1", "4611686018427387904"}, {"4611686018427387905", "-1", "", "1e3"}},
        {"store",
         {"ffffffffffffffff", "FFFFFFFFFFFFFFFF"},
         {"", "0", ZEROS16 "0", "000000000000000", "000000000000000g"}},
        {"sequence", {"0", "18446744073709551615"}, {"-1", "", "18446744073709551616"}},
        {"digest", {BYTES64}, {"", ZEROS16, BYTES64 "00", "x" ZEROS16}},
        {"clock", {"1", "281474976710655"}, {"0", "281474976710656", "-1", ""}},
        {"leaving", {"True", "False"}, {"", "true", "1", "yes"}},
        {"successor", {"10.0.0.1"}, {"", "0.0.0.0", "ff02::12", "fe80::1%lo", "-"}},
        {"role", {"backup", "slave"}, {"", "master", "Backup", "peer"}},
        {"asks", {"True", "False"}, {"", "0"}},
        {"behind", {"True", "False"}, {"", "0"}},
        {"unconfirmed", {"0", "4294967295"}, {"4294967296", "-1", ""}},
        {"nonce", {NONCE_TEXT}, {"", ZEROS16, NONCE_TEXT "00", "zz" ZEROS16}},
    };

    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
            char changed[MESSAGE_MAX], line[64];
            struct ballot b;
            struct text name = TEXT_OVER(line);

            text_printf(&name, "\n%s: ", rows[r].name);
            if (!strstr(texts[kind], line))
                continue;
            for (size_t i = 0; i < 4 && rows[r].good[i]; i++) {
                with(texts[kind], rows[r].name, rows[r].good[i], changed);
                assert_int_equal(read_text(span_of(changed), &b), MESSAGE_OK);
            }
            for (size_t i = 0; i < 10 && rows[r].bad[i]; i++) {
                with(texts[kind], rows[r].name, rows[r].bad[i], changed);
                if (read_text(span_of(changed), &b) == MESSAGE_OK)
                    fail_msg("taken as %s: '%s'", rows[r].name, rows[r].bad[i]);
            }
        }
    }
}

/* Only a mastership has an epoch; who knows of none says 0. */
static void an_epoch_of_nothing_is_no_masters(void **state)
{
    char changed[MESSAGE_MAX];
    struct ballot b;

    (void)state;
    with(texts[BALLOT_ADVERT], "epoch", "0", changed);
    assert_int_equal(read_text(span_of(changed), &b), MESSAGE_BAD_VALUE);
    with(texts[BALLOT_STANDING], "epoch", "0", changed);
    assert_int_equal(read_text(span_of(changed), &b), MESSAGE_OK);
}

static void unknown_headers_are_passed_over(void **state)
{
    char changed[MESSAGE_MAX];
    struct ballot b;

    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        with(texts[kind], "boot", "17\nmood: fine\n_type_mood: i\n_type_boot: i", changed);
        assert_int_equal(read_text(span_of(changed), &b), MESSAGE_OK);
        assert_int_equal(b.boot, 17);
        assert_int_equal(b.counter, 4);
    }
}

static void headers_may_stand_in_any_order(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct span lines[MESSAGE_HEADERS_MAX], rest = span_of(texts[kind]);
        struct span from = span_take(&rest, '\n');
        struct ballot b, turned_b;
        char turned[MESSAGE_MAX];
        struct text out = TEXT_OVER(turned);
        size_t count = 0;

        for (struct span line = span_take(&rest, '\n'); line.len; line = span_take(&rest, '\n'))
            lines[count++] = line;
        text_printf(&out, "%.*s\n", (int)from.len, from.at);
        while (count-- > 0)
            text_printf(&out, "%.*s\n", (int)lines[count].len, lines[count].at);
        text_putc(&out, '\n');
        assert_int_equal(read_text(span_of(texts[kind]), &b), MESSAGE_OK);
        assert_int_equal(read_text(span_of(turned), &turned_b), MESSAGE_OK);
        assert_true(ballots_same(&b, &turned_b));
    }
}

static void a_part_of_one_is_none(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct span text = span_of(texts[kind]);
        struct ballot b;

        while (text.len-- > 0)
            assert_int_not_equal(read_text(text, &b), MESSAGE_OK);
    }
}

static void a_payload_is_refused(void **state)
{
    char changed[MESSAGE_MAX] = "";
    struct ballot b;

    (void)state;
    with(texts[BALLOT_SOLICIT], "_size", "1", changed);
    changed[strlen(changed)] = 'x'; /* there are zeros behind it */
    assert_int_equal(read_text(span_of(changed), &b), MESSAGE_BAD_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_over_the_wire_is_this),
        cmocka_unit_test(each_field_comes_from_its_header),
        cmocka_unit_test(whatever_is_written_is_read_back),
        cmocka_unit_test(a_zone_stays_at_home),
        cmocka_unit_test(all_but_the_optional_must_be_there),
        cmocka_unit_test(what_is_out_of_bounds_is_refused),
        cmocka_unit_test(an_epoch_of_nothing_is_no_masters),
        cmocka_unit_test(unknown_headers_are_passed_over),
        cmocka_unit_test(headers_may_stand_in_any_order),
        cmocka_unit_test(a_part_of_one_is_none),
        cmocka_unit_test(a_payload_is_refused),
    };

    return cmocka_run_group_tests_name("advert", tests, NULL, NULL);
}
