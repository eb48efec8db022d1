/* SPDX-License-Identifier: ISC */
#include "src/advert_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/advert.h"
#include "src/base/log.h"
#include "tests/unit/ballots.h"
#include "tests/unit/unit.h"

#define DOMAIN "example.com"
#define CANDIDATE "10.27.4.1"
#define SLAVE "10.27.4.77"

static const struct span our_key = {"our key", 7}, old_key = {"old key", 7},
                         their_key = {"their key", 9};
static const wall_t noon = {1795348800000};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 65029, &a));
    return a;
}

static void add_member(struct member *member, const char *tier, const char *network,
                       enum member_role role)
{
    bool differs;

    assert_true(network_parse(span_of(network), &member->network, &differs));
    assert_true(span_copy(span_of(tier), member->tier, sizeof(member->tier)));
    member->role = role;
}

/* The gate of gw2 (10.27.4.2), candidate of paris and slave of core, peer in mesh. */
struct place {
    struct members *members;
    struct keyring *keyring;
    struct advert_gate *gate;
};

struct place_options {
    bool no_keys, any;
    enum auth_mode auth;
};

static void place_begin(struct place *p, const struct place_options *o)
{
    const struct span keys[] = {our_key, old_key};
    const struct address own[] = {address("10.27.4.2"), address("10.1.0.2")};
    struct member list[7];

    memset(list, 0, sizeof(list));
    add_member(&list[0], "paris", CANDIDATE, MEMBER_CANDIDATE);
    add_member(&list[1], "paris", "10.27.4.2", MEMBER_CANDIDATE);
    add_member(&list[2], "paris", "10.27.4.0/24", MEMBER_SLAVE);
    add_member(&list[3], "core", "10.1.0.1", MEMBER_CANDIDATE);
    add_member(&list[4], "core", "10.1.0.0/24", MEMBER_SLAVE);
    add_member(&list[5], "mesh", "10.9.0.0/16", MEMBER_PEER);
    add_member(&list[6], "paris", "fe80::/10", MEMBER_CANDIDATE);
    list[0].own = own[0];
    list[0].has_own = true;
    p->members = members_new(&(struct members_options){.list = list,
                                                       .count = 7,
                                                       .own = own,
                                                       .own_count = 2,
                                                       .nets_given = true,
                                                       .nobroadcast = true});
    p->keyring = o->no_keys ? NULL : keyring_new(keys, 2, o->any);
    p->gate = advert_gate_new(&(struct advert_gate_options){.members = p->members,
                                                            .keyring = p->keyring,
                                                            .domain = DOMAIN,
                                                            .node = "gw2",
                                                            .boot = 50,
                                                            .port = 65029,
                                                            .auth = o->auth});
}

static void place_end(struct place *p)
{
    advert_gate_free(p->gate);
    keyring_free(p->keyring);
    members_free(p->members);
}

static void ballot_of(enum ballot_kind kind, const char *tier, struct ballot *out)
{
    struct rng rng = {5};

    ballots_roll(&rng, kind, out);
    snprintf(out->tier, sizeof(out->tier), "%s", tier);
    snprintf(out->node, sizeof(out->node), "gw1");
    out->boot = 7;
    out->address = address(CANDIDATE);
}

static void write_signed(const struct ballot *ballot, const char *domain, const struct span *key,
                         struct text *out)
{
    advert_write(ballot, domain, noon, out);
    if (key) {
        struct keyring *keyring = keyring_new(key, 1, false);
        struct seal *seal = seal_new(keyring);
        seal_message(seal, out, false);
        seal_free(seal);
        keyring_free(keyring);
    }
    assert_false(out->full);
}

static enum gate_verdict say_in(struct place *p, const struct ballot *ballot, const char *domain,
                                const struct span *key, struct advert_datagram *datagram)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct ballot heard;
    enum gate_verdict verdict;

    write_signed(ballot, domain, key, &text);
    verdict = advert_gate_judge(p->gate, (struct span){text.at, text.len}, datagram, &heard);
    if (verdict == GATE_PASS)
        assert_true(ballots_same(ballot, &heard));
    return verdict;
}

static const struct {
    const char *tier, *from;
    const struct span *key;
    enum gate_verdict advert, other; /* of an advert; of a standing or a solicit */
    struct place_options place;
} rows[] = {
    {"paris", CANDIDATE, &our_key, GATE_PASS, GATE_PASS, {0}},
    {"paris", CANDIDATE, &old_key, GATE_PASS, GATE_PASS, {0}},
    {"paris", CANDIDATE, &their_key, GATE_WRONG_KEY, GATE_WRONG_KEY, {0}},
    {"paris", CANDIDATE, NULL, GATE_UNSIGNED, GATE_UNSIGNED, {0}},
    {"paris", SLAVE, &our_key, GATE_NOT_CANDIDATE, GATE_PASS, {0}},
    {"paris", SLAVE, NULL, GATE_NOT_CANDIDATE, GATE_UNSIGNED, {0}},
    {"paris", "10.27.5.1", &our_key, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {0}},
    {"paris", "fd00::1", &our_key, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {0}},
    /* Of another tier, of one that is not ours, of one that elects nobody. */
    {"paris", "10.1.0.1", &our_key, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {0}},
    {"core", CANDIDATE, &our_key, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {0}},
    {"core", "10.1.0.1", &our_key, GATE_PASS, GATE_PASS, {0}},
    {"tokyo", CANDIDATE, &our_key, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {0}},
    {"mesh", "10.9.0.1", &our_key, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {0}},
    /* While keys are rolled out: what is signed must be signed rightly. */
    {"paris", CANDIDATE, NULL, GATE_PASS, GATE_PASS, {.auth = AUTH_PERMISSIVE}},
    {"paris", CANDIDATE, &our_key, GATE_PASS, GATE_PASS, {.auth = AUTH_PERMISSIVE}},
    {"paris", CANDIDATE, &their_key, GATE_WRONG_KEY, GATE_WRONG_KEY, {.auth = AUTH_PERMISSIVE}},
    {"paris", CANDIDATE, NULL, GATE_PASS, GATE_PASS, {.auth = AUTH_RECEIVE_ONLY}},
    {"paris", CANDIDATE, &their_key, GATE_WRONG_KEY, GATE_WRONG_KEY, {.auth = AUTH_RECEIVE_ONLY}},
    {"paris", SLAVE, NULL, GATE_NOT_CANDIDATE, GATE_PASS, {.auth = AUTH_PERMISSIVE}},
    /* +ANY+, and no keys at all. */
    {"paris", CANDIDATE, &their_key, GATE_PASS, GATE_PASS, {.any = true}},
    {"paris", CANDIDATE, NULL, GATE_PASS, GATE_PASS, {.any = true}},
    {"paris", CANDIDATE, NULL, GATE_PASS, GATE_PASS, {.no_keys = true}},
    {"paris", CANDIDATE, &their_key, GATE_PASS, GATE_PASS, {.no_keys = true}},
    {"paris", "10.27.5.1", NULL, GATE_NOT_MEMBER, GATE_NOT_MEMBER, {.no_keys = true}},
};

static void judge_row(size_t row, enum ballot_kind kind)
{
    enum gate_verdict want = kind == BALLOT_ADVERT ? rows[row].advert : rows[row].other, verdict;
    struct advert_datagram datagram = {.from = address(rows[row].from)};
    uint64_t before = gate_count(want);
    struct ballot ballot;
    struct place p;

    place_begin(&p, &rows[row].place);
    ballot_of(kind, rows[row].tier, &ballot);
    verdict = say_in(&p, &ballot, DOMAIN, rows[row].key, &datagram);
    if (verdict != want)
        fail_msg("row %zu, %s: %s instead of %s", row, advert_name(kind), gate_name(verdict),
                 gate_name(want));
    assert_int_equal(gate_count(want), before + 1);
    if (verdict == GATE_PASS) {
        assert_int_equal(datagram.candidate, strcmp(rows[row].from, SLAVE) != 0);
        assert_int_equal(datagram.is_signed,
                         !rows[row].place.no_keys && rows[row].key && rows[row].key != &their_key);
        assert_int_equal(datagram.key, rows[row].key == &old_key);
    }
    place_end(&p);
}

static void ballots_are_judged_by_membership_and_signature(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
        judge_row(row, BALLOT_ADVERT);
        judge_row(row, BALLOT_STANDING);
        judge_row(row, BALLOT_SOLICIT);
    }
}

static void another_cluster_may_have_the_same_key(void **state)
{
    struct advert_datagram datagram = {.from = address(CANDIDATE)};
    struct ballot ballot;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    assert_int_equal(say_in(&p, &ballot, "example.org", &our_key, &datagram), GATE_OTHER_DOMAIN);
    assert_int_equal(say_in(&p, &ballot, DOMAIN ".", &our_key, &datagram), GATE_OTHER_DOMAIN);
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_PASS);
    place_end(&p);
}

static void ones_own_voice_and_name_are_known(void **state)
{
    struct advert_datagram datagram = {.from = address("10.27.4.2")};
    struct ballot ballot;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    snprintf(ballot.node, sizeof(ballot.node), "gw2");
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_OWN_ECHO);
    ballot.boot = 50;
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_OWN_ECHO);
    datagram.from = address(CANDIDATE);
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_OWN_ECHO);
    ballot.boot = 51;
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_OWN_NAME);
    place_end(&p);
}

/* RFC 5082: who is beyond a router cannot say anything to a group. */
static void a_group_hears_its_own_link_alone(void **state)
{
    struct ballot ballot;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    for (int hops = -1; hops <= 256; hops++) {
        struct advert_datagram datagram = {
            .from = address(CANDIDATE), .to_group = true, .hops = hops};
        assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram),
                         hops == 255 ? GATE_PASS : GATE_OFF_LINK);
        datagram.to_group = false;
        assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_PASS);
    }
    place_end(&p);
}

static void a_link_local_address_is_one_of_the_senders_link(void **state)
{
    struct advert_datagram datagram = {.from = address("fe80::1")};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct ballot ballot, heard;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    datagram.from.scope = 3;
    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    ballot.address = address("fe80::1");
    ballot.successor = address("fd00::2");
    write_signed(&ballot, DOMAIN, &our_key, &text);
    assert_int_equal(advert_gate_judge(p.gate, (struct span){text.at, text.len}, &datagram, &heard),
                     GATE_PASS);
    assert_true(address_same_host(&heard.address, &datagram.from));
    assert_int_equal(heard.successor.scope, 0);
    place_end(&p);
}

/* All that decides is covered: only of the From line, which decides nothing, bits may be other. */
static void no_flipped_bit_passes(void **state)
{
    (void)state;
    for (int kind = BALLOT_ADVERT; kind <= BALLOT_SOLICIT; kind++) {
        struct advert_datagram datagram = {.from = address(CANDIDATE)};
        char memory[MESSAGE_MAX + 1];
        struct text text = TEXT_OVER(memory);
        struct ballot ballot, heard;
        size_t from_len;
        struct place p;

        place_begin(&p, &(struct place_options){0});
        ballot_of((enum ballot_kind)kind, "paris", &ballot);
        write_signed(&ballot, DOMAIN, &our_key, &text);
        from_len = (size_t)(strchr(memory, '\n') - memory);
        for (size_t bit = 0; bit < 8 * text.len; bit++) {
            enum gate_verdict verdict;
            memory[bit / 8] ^= (char)(1 << bit % 8);
            verdict =
                advert_gate_judge(p.gate, (struct span){text.at, text.len}, &datagram, &heard);
            if (verdict == GATE_PASS && bit / 8 > from_len)
                fail_msg("a %s passes with bit %zu flipped", advert_name(ballot.kind), bit);
            if (verdict == GATE_PASS)
                assert_true(ballots_same(&ballot, &heard));
            memory[bit / 8] ^= (char)(1 << bit % 8);
        }
        assert_int_equal(
            advert_gate_judge(p.gate, (struct span){text.at, text.len}, &datagram, &heard),
            GATE_PASS);
        place_end(&p);
    }
}

static void no_part_passes(void **state)
{
    struct advert_datagram datagram = {.from = address(CANDIDATE)};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct ballot ballot, heard;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    write_signed(&ballot, DOMAIN, &our_key, &text);
    for (size_t len = 0; len < text.len; len++) {
        assert_int_equal(advert_gate_judge(p.gate, (struct span){text.at, len}, &datagram, &heard),
                         GATE_FORM);
        assert_non_null(datagram.reason);
    }
    place_end(&p);
}

static void a_reload_is_followed(void **state)
{
    struct advert_datagram datagram = {.from = address(CANDIDATE)};
    struct member member = {.role = MEMBER_SLAVE};
    struct ballot ballot;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    assert_int_equal(say_in(&p, &ballot, DOMAIN, NULL, &datagram), GATE_UNSIGNED);
    advert_gate_set_auth(p.gate, AUTH_PERMISSIVE);
    assert_int_equal(say_in(&p, &ballot, DOMAIN, NULL, &datagram), GATE_PASS);
    keyring_replace(p.keyring, &their_key, 1, false);
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &our_key, &datagram), GATE_WRONG_KEY);
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &their_key, &datagram), GATE_PASS);
    add_member(&member, "paris", CANDIDATE, MEMBER_SLAVE);
    members_replace(p.members,
                    &(struct members_options){.list = &member, .count = 1, .nets_given = true});
    assert_int_equal(say_in(&p, &ballot, DOMAIN, &their_key, &datagram), GATE_NOT_CANDIDATE);
    place_end(&p);
}

/* ---- the log -----------------------------------------------------------------------------------
 */

/* What `log` writes to standard error. */
static void capture(struct place *p, void (*log)(struct place *p), char *out, size_t size)
{
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    size_t len;

    assert_non_null(file);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    log(p);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(file);
    len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    fclose(file);
}

static void log_slaves_advert(struct place *p)
{
    struct advert_datagram datagram = {.from = address(SLAVE)};
    struct ballot ballot;

    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    for (int i = 0; i < 1000; i++)
        advert_gate_log(p->gate, (mono_t){MONO_S(5)}, GATE_NOT_CANDIDATE, &datagram, &ballot);
    advert_gate_log(p->gate, (mono_t){MONO_S(65)}, GATE_NOT_CANDIDATE, &datagram, &ballot);
}

static void log_passed(struct place *p)
{
    struct advert_datagram datagram = {.from = address(CANDIDATE)};
    struct ballot ballot;

    ballot_of(BALLOT_ADVERT, "paris", &ballot);
    advert_gate_log(p->gate, (mono_t){MONO_S(5)}, GATE_PASS, &datagram, &ballot);
    advert_gate_log(p->gate, (mono_t){MONO_S(5)}, GATE_OWN_ECHO, &datagram, &ballot);
}

static void log_nonsense(struct place *p)
{
    struct advert_datagram datagram = {.from = address(CANDIDATE)};
    struct ballot ballot;
    enum gate_verdict verdict = advert_gate_judge(p->gate, span_of("nonsense"), &datagram, &ballot);

    advert_gate_log(p->gate, (mono_t){MONO_S(5)}, verdict, &datagram, &ballot);
}

static void log_twin(struct place *p)
{
    struct advert_datagram datagram = {.from = address(CANDIDATE)};
    struct ballot ballot;

    ballot_of(BALLOT_STANDING, "paris", &ballot);
    snprintf(ballot.node, sizeof(ballot.node), "gw2");
    advert_gate_log(p->gate, (mono_t){MONO_S(5)}, GATE_OWN_NAME, &datagram, &ballot);
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void a_refusal_is_a_line_and_a_flood_a_few(void **state)
{
    char text[8192];
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){0});
    capture(&p, log_slaves_advert, text, sizeof(text));
    assert_int_equal(lines_of(text), LOG_BURST + 1);
    assert_non_null(strstr(text, "- gate=65029 message=advert namespace=paris sender=" SLAVE
                                 " receiver=gw2 its sender is no candidate of the tier\n"));
    assert_non_null(strstr(text, "of the tier (and 990 more of the kind)\n"));
    capture(&p, log_passed, text, sizeof(text));
    assert_string_equal(text, "");
    capture(&p, log_nonsense, text, sizeof(text));
    assert_non_null(strstr(text, "message=? namespace= sender=" CANDIDATE " receiver=gw2 the "
                                 "message is malformed: does not begin with a From"));
    capture(&p, log_twin, text, sizeof(text));
    assert_non_null(strstr(text, "message=standing namespace=paris sender=" CANDIDATE
                                 " (gw2) receiver=gw2 another host uses this node's name, which is "
                                 "at 10.27.4.2: give one of them another (carpond -n NAME)"));
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ballots_are_judged_by_membership_and_signature),
        cmocka_unit_test(another_cluster_may_have_the_same_key),
        cmocka_unit_test(ones_own_voice_and_name_are_known),
        cmocka_unit_test(a_group_hears_its_own_link_alone),
        cmocka_unit_test(a_link_local_address_is_one_of_the_senders_link),
        cmocka_unit_test(no_flipped_bit_passes),
        cmocka_unit_test(no_part_passes),
        cmocka_unit_test(a_reload_is_followed),
        cmocka_unit_test(a_refusal_is_a_line_and_a_flood_a_few),
    };

    return cmocka_run_group_tests_name("advert_gate", tests, NULL, NULL);
}
