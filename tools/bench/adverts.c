/* SPDX-License-Identifier: ISC */
/*
 * How many adverts a second one core judges, from the bytes of a datagram to what the election's
 * machine makes of it (the socket apart), and what each part of that costs:
 *
 *     tools/bench/adverts [ROUNDS]
 *
 * A backup hears the signed adverts of its master; then the same with a wrong signature, from a
 * stranger, and once more. Each round is ROUND_SIZE adverts; what is told is the median round, in
 * CPU time of the thread, so that it can be measured on a machine that has other things to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "election/elect.h"
#include "src/advert.h"
#include "src/advert_gate.h"
#include "src/base/must.h"

#define DOMAIN "example.com"
#define TIER "paris"

enum { ROUND_SIZE = 1000, ROUNDS = 201, ROUNDS_MAX = 9999 };

struct bytes {
    size_t len;
    char at[1024];
};

struct bench {
    struct keyring *keyring, *other_keyring;
    struct seal *seal;
    struct members *members;
    struct advert_gate *gate;
    struct elect *machine;
    struct elect_actions actions;
    struct address master, backup, stranger;
    struct bytes *good, *forged; /* ROUND_SIZE each */
    struct message *decoded;     /* of good */
    mono_t now;
};

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return MONO_S(t.tv_sec) + t.tv_nsec;
}

static struct address address(const char *text)
{
    struct address a;

    MUST(address_parse(span_of(text), 65028, &a));
    return a;
}

/* ---- what is heard --------------------------------------------------------------------------- */

static void write_advert(const struct bench *b, struct seal *seal, uint64_t counter,
                         const struct ballot_nonce *echo, struct bytes *out)
{
    struct ballot ballot = {.kind = BALLOT_ADVERT,
                            .tier = TIER,
                            .node = "gw1.paris.example.com",
                            .boot = 1795348800123,
                            .counter = counter,
                            .address = b->master,
                            .has_echo = echo != NULL,
                            .pair = {.base_us = 1000000},
                            .epoch = 14,
                            .head = {.store = 0x1234567890abcdef, .sequence = 123456},
                            .successor = b->backup};
    struct text text = TEXT_OVER(out->at);

    if (echo)
        ballot.echo = *echo;
    for (size_t i = 0; i < sizeof(ballot.head.digest.bytes); i++)
        ballot.head.digest.bytes[i] = (uint8_t)(i * 37);
    advert_write(&ballot, DOMAIN, (wall_t){1795348800000}, &text);
    seal_message(seal, &text, false);
    MUST(!text.full);
    out->len = text.len;
}

static void write_all(struct bench *b)
{
    struct seal *other = seal_new(b->other_keyring);

    b->good = calloc(ROUND_SIZE, sizeof(*b->good));
    b->forged = calloc(ROUND_SIZE, sizeof(*b->forged));
    b->decoded = calloc(ROUND_SIZE, sizeof(*b->decoded));
    MUST(b->good && b->forged && b->decoded);
    for (size_t i = 0; i < ROUND_SIZE; i++) {
        write_advert(b, b->seal, i + 10, NULL, &b->good[i]);
        write_advert(b, other, i + 10, NULL, &b->forged[i]);
        MUST(message_decode((struct span){b->good[i].at, b->good[i].len}, &b->decoded[i]) ==
             MESSAGE_OK);
    }
    seal_free(other);
}

/* ---- who hears it ---------------------------------------------------------------------------- */

static void step(struct bench *b, const struct elect_event *event)
{
    b->now.ns += 1000;
    elect_step(b->machine, event, &b->actions);
}

static void hear(struct bench *b, const struct ballot *ballot)
{
    step(b, &(struct elect_event){.kind = ELECT_HEARD,
                                  .now = b->now,
                                  .ballot = ballot,
                                  .from = b->master,
                                  .from_candidate = true});
}

static enum gate_verdict judge(struct bench *b, const struct bytes *bytes,
                               const struct address *from, struct ballot *out)
{
    struct advert_datagram datagram = {.from = *from};

    return advert_gate_judge(b->gate, (struct span){bytes->at, bytes->len}, &datagram, out);
}

/* The machine asks the unknown master for proof, and gets it. */
static void introduce(struct bench *b)
{
    const struct ballot_nonce *nonce = NULL;
    struct bytes bytes;
    struct ballot ballot;

    write_advert(b, b->seal, 1, NULL, &bytes);
    MUST(judge(b, &bytes, &b->master, &ballot) == GATE_PASS);
    hear(b, &ballot);
    for (size_t i = 0; i < b->actions.count; i++) {
        if (b->actions.list[i].kind == ELECT_SEND &&
            b->actions.list[i].ballot.kind == BALLOT_SOLICIT)
            nonce = &b->actions.list[i].ballot.nonce;
    }
    MUST(nonce != NULL);
    write_advert(b, b->seal, 2, nonce, &bytes);
    MUST(judge(b, &bytes, &b->master, &ballot) == GATE_PASS);
    hear(b, &ballot);
}

/* A backup that follows the master. */
static void begin_machine(struct bench *b)
{
    struct elect_options options = {
        .tier = TIER,
        .node = "gw2.paris.example.com",
        .boot = 3,
        .standing_ns = ELECT_STANDING_NS,
        .rules = {.candidate = true,
                  .address = b->backup,
                  .pair = {.base_us = 1100000},
                  .dead_ratio_milli = 3000,
                  .candidate_count = 2,
                  .candidates = {b->master, b->backup}},
        .memory = {.reserved = 4},
    };
    struct view_tier view;

    free(b->machine);
    b->machine = calloc(1, elect_size());
    MUST(b->machine != NULL);
    elect_init(b->machine, &options);
    b->now = (mono_t){MONO_S(1000)};
    step(b, &(struct elect_event){.kind = ELECT_BEGIN, .now = b->now});
    introduce(b);
    elect_view(b->machine, b->now, &view);
    MUST(elect_state(b->machine) == ELECT_BACKUP && view.has_master);
}

static void add_member(struct member *member, const char *tier, const char *network,
                       enum member_role role)
{
    bool differs;

    MUST(network_parse(span_of(network), &member->network, &differs));
    MUST(span_copy(span_of(tier), member->tier, sizeof(member->tier)));
    member->role = role;
}

static void begin(struct bench *b)
{
    const struct span key = {"a key of forty characters as people use.", 40}, other = {"other", 5};
    struct member list[5] = {0};

    b->master = address("10.27.4.1");
    b->backup = address("10.27.4.2");
    b->stranger = address("10.99.0.1");
    add_member(&list[0], TIER, "10.27.4.1", MEMBER_CANDIDATE);
    add_member(&list[1], TIER, "10.27.4.2", MEMBER_CANDIDATE);
    add_member(&list[2], TIER, "10.27.4.0/24", MEMBER_SLAVE);
    add_member(&list[3], "core", "10.1.0.1", MEMBER_CANDIDATE);
    add_member(&list[4], "core", "10.1.0.0/16", MEMBER_SLAVE);
    b->members = members_new(&(struct members_options){.list = list,
                                                       .count = 5,
                                                       .own = &b->backup,
                                                       .own_count = 1,
                                                       .nets_given = true,
                                                       .nobroadcast = true});
    b->keyring = keyring_new(&key, 1, false);
    b->other_keyring = keyring_new(&other, 1, false);
    b->seal = seal_new(b->keyring);
    b->gate = advert_gate_new(&(struct advert_gate_options){.members = b->members,
                                                            .keyring = b->keyring,
                                                            .domain = DOMAIN,
                                                            .node = "gw2.paris.example.com",
                                                            .boot = 3,
                                                            .port = 65029});
    write_all(b);
}

static void end(struct bench *b)
{
    advert_gate_free(b->gate);
    seal_free(b->seal);
    keyring_free(b->keyring);
    keyring_free(b->other_keyring);
    members_free(b->members);
    free(b->machine);
    free(b->good);
    free(b->forged);
    free(b->decoded);
}

/* ---- what is measured: the i-th of a round --------------------------------------------------- */

static void do_decode(struct bench *b, size_t i)
{
    struct message m;

    MUST(message_decode((struct span){b->good[i].at, b->good[i].len}, &m) == MESSAGE_OK);
}

static void do_read(struct bench *b, size_t i)
{
    struct advert_head head;
    struct ballot ballot;

    MUST(advert_read(&b->decoded[i], &head, &ballot) == MESSAGE_OK);
}

static void do_member(struct bench *b, size_t i)
{
    struct member member;

    (void)i;
    MUST(members_find_in(b->members, TIER, &b->master, &member));
}

static void do_seal(struct bench *b, size_t i)
{
    size_t key;

    MUST(seal_check_message(b->seal, &b->decoded[i], false, &key) == SEAL_OK);
}

static void do_gate(struct bench *b, size_t i)
{
    struct ballot ballot;

    MUST(judge(b, &b->good[i], &b->master, &ballot) == GATE_PASS);
}

static void do_all(struct bench *b, size_t i)
{
    struct ballot ballot;

    MUST(judge(b, &b->good[i], &b->master, &ballot) == GATE_PASS);
    hear(b, &ballot);
}

static void do_replayed(struct bench *b, size_t i)
{
    struct ballot ballot;

    MUST(judge(b, &b->good[i % 2], &b->master, &ballot) == GATE_PASS);
    hear(b, &ballot);
}

static void do_forged(struct bench *b, size_t i)
{
    struct ballot ballot;

    MUST(judge(b, &b->forged[i], &b->master, &ballot) == GATE_WRONG_KEY);
}

static void do_stranger(struct bench *b, size_t i)
{
    struct ballot ballot;

    MUST(judge(b, &b->good[i], &b->stranger, &ballot) == GATE_NOT_MEMBER);
}

/* How many of a round the machine must have passed over. */
static const struct {
    const char *what;
    void (*deed)(struct bench *b, size_t i);
    uint64_t replayed;
} parts[] = {
    {"message_decode", do_decode, 0},
    {"advert_read", do_read, 0},
    {"members_find_in", do_member, 0},
    {"seal_check_message", do_seal, 0},
    {"the whole gate", do_gate, 0},
    {"gate and elect_step", do_all, 0},
    {"the same, replayed", do_replayed, ROUND_SIZE - 2},
    {"gate, forged", do_forged, 0},
    {"gate, from a stranger", do_stranger, 0},
};

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void measure(struct bench *b, size_t part, size_t rounds)
{
    double ns[ROUNDS_MAX];

    for (size_t round = 0; round < rounds; round++) {
        int64_t from;
        begin_machine(b);
        from = cpu_ns();
        for (size_t i = 0; i < ROUND_SIZE; i++)
            parts[part].deed(b, i);
        ns[round] = (double)(cpu_ns() - from) / ROUND_SIZE;
        MUST(elect_count(b->machine, REASON_REPLAYED) == parts[part].replayed);
    }
    qsort(ns, rounds, sizeof(*ns), by_value);
    printf("%-22s %8.0f %8.0f %12.0f\n", parts[part].what, ns[rounds / 2], ns[0],
           1e9 / ns[rounds / 2]);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint64_t rounds = ROUNDS;

    if (argc > 2 || (argc == 2 && (!span_u64(span_of(argv[1]), ROUNDS_MAX, &rounds) || !rounds))) {
        fprintf(stderr, "usage: %s [ROUNDS]\n", argv[0]);
        return 2;
    }
    begin(&bench);
    printf("%zu bytes an advert; nanoseconds each: median, least; a second\n", bench.good[0].len);
    for (size_t part = 0; part < sizeof(parts) / sizeof(*parts); part++)
        measure(&bench, part, (size_t)rounds);
    end(&bench);
    return 0;
}
