/* SPDX-License-Identifier: ISC */
/*
 * What the rules of the gate cost a datagram:
 *
 *     tools/bench/rules [RULES]
 *
 * Unsigned questions of a thousand hosts pass the gate of a cluster without keys: without rules,
 * and with RULES of them (1000), a third of which names namespaces, a third networks, and a third
 * nodes; then with as many that match each message. What is told is the median round, in CPU time
 * of the thread. Exits 1 where the rules cost more than a microsecond.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/gate.h"

#define DOMAIN "example.com"

enum { ROUND_SIZE = 1000, ROUNDS = 201, RULES = 1000, MOST_NS = 1000, BYTES_MAX = 512 };

struct datagram {
    size_t len;
    struct address from;
    char at[BYTES_MAX];
};

struct bench {
    struct members *members;
    struct gate *gate;
    uint64_t counter;
    struct datagram *list;
};

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return MONO_S(t.tv_sec) + t.tv_nsec;
}

static struct address host(unsigned n)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 65027};

    a.ip[14] = (uint8_t)(n >> 8);
    a.ip[15] = (uint8_t)n;
    return a;
}

/* Each is said once: a round has questions of its own. */
static void write_round(struct bench *b)
{
    b->counter++;
    for (unsigned i = 0; i < ROUND_SIZE; i++) {
        struct datagram *one = &b->list[i];
        struct text text = text_over(one->at, sizeof(one->at));
        struct notice n = {.kind = NOTICE_WHOHAS,
                           .sender = {.domain = DOMAIN, .boot = 1, .counter = b->counter},
                           .tuid = "1@t",
                           .port = 65028};
        snprintf(n.sender.node, sizeof(n.sender.node), "web%u.example.com", i);
        snprintf(n.name, sizeof(n.name), DOMAIN "/pkgs/%u/file-%u.tar.gz", i % 500, i);
        notice_write(&n, (wall_t){0}, &text);
        MUST(!text.full);
        one->len = text.len;
        one->from = host(i);
    }
}

static int64_t run_round(struct bench *b)
{
    mono_t now = {MONO_S(1000)};
    int64_t before = cpu_ns();

    for (unsigned i = 0; i < ROUND_SIZE; i++) {
        struct gate_datagram datagram = {.from = b->list[i].from};
        struct notice notice;
        struct span bytes = {b->list[i].at, b->list[i].len};
        enum gate_verdict verdict = gate_datagram(b->gate, now, bytes, &datagram, &notice);
        MUST(verdict == GATE_PASS);
        if (datagram.ruled)
            gate_log_datagram(b->gate, now, verdict, &datagram, &notice);
    }
    return cpu_ns() - before;
}

static int by_value(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* Nanoseconds a datagram, with these rules. */
static double measure(struct bench *b, const struct rules *rules)
{
    static int64_t took[ROUNDS];

    gate_set_rules(b->gate, rules);
    for (size_t i = 0; i < ROUNDS; i++) {
        write_round(b);
        took[i] = run_round(b);
    }
    qsort(took, ROUNDS, sizeof(*took), by_value);
    return (double)took[ROUNDS / 2] / ROUND_SIZE;
}

static void write_rule(struct text *out, unsigned i, bool matches)
{
    text_printf(out, "rule%u = +,", i + 1);
    if (matches)
        text_printf(out, ",whohas,,, matches\n");
    else if (i % 3 == 0)
        text_printf(out, ",whohas,pkgs/%u/secret,, a namespace\n", i);
    else if (i % 3 == 1)
        text_printf(out, ",,,10.%u.%u.0/24, a network\n", 1 + i / 256, i % 256);
    else
        text_printf(out, ",,pkgs,sun%u.example.com, a node\n", i);
}

static struct rules *make_rules(unsigned count, bool matches)
{
    size_t room = (size_t)count * 64 + 1;
    struct text text = text_over(malloc(room), room);
    struct report *report = report_new();
    struct rules *rules;

    MUST(text.at != NULL);
    for (unsigned i = 0; i < count; i++)
        write_rule(&text, i, matches);
    MUST(!text.full);
    rules = rules_parse((struct span){text.at, text.len}, "rules", report);
    MUST(rules != NULL);
    report_free(report);
    free(text.at);
    return rules;
}

static void begin(struct bench *b)
{
    struct member member = {.role = MEMBER_PEER, .network = {.base = host(0), .bits = 104}};

    member.network.base.port = 0;
    b->members = members_new(&(struct members_options){
        .list = &member, .count = 1, .nets_given = true, .nobroadcast = true});
    b->gate = gate_new(&(struct gate_options){.members = b->members,
                                              .domain = DOMAIN,
                                              .node = "gw1.example.com",
                                              .boot = 3,
                                              .port = 65027,
                                              .http_port = 65028});
    b->list = calloc(ROUND_SIZE, sizeof(*b->list));
    MUST(b->list != NULL);
}

int main(int argc, char **argv)
{
    uint64_t given = RULES;
    bool good = argc < 2 || span_u64(span_of(argv[1]), RULES_MAX, &given);
    unsigned count = (unsigned)given;
    struct rules *miss = make_rules(count, false), *hit = make_rules(count, true);
    struct bench b = {.counter = 0};
    double none, missed, matched;

    MUST(good);
    log_set_level(LEVEL_ERROR);
    begin(&b);
    (void)measure(&b, NULL);
    none = measure(&b, NULL);
    missed = measure(&b, miss);
    matched = measure(&b, hit);
    printf("a datagram: %.0f ns without rules, %.0f ns with %u that do not match, %.0f ns with "
           "%u that do\n",
           none, missed, count, matched, count);
    gate_free(b.gate);
    members_free(b.members);
    rules_free(miss);
    rules_free(hit);
    free(b.list);
    return missed - none > MOST_NS || matched - none > MOST_NS;
}
