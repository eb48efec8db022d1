/* SPDX-License-Identifier: ISC */
/* A mesh of a thousand nodes that beat: with the real machines, in really signed and encrypted
 * bytes, behind the real gate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/gossip.h"
#include "src/base/must.h"
#include "src/gossip_gate.h"
#include "tests/unit/unit.h"

enum { NODES = 1000, INTERVALS = 10, HEADERS = 20 + 8 /* IPv4, UDP */ };
#define INTERVAL MONO_S(5)

static const struct span key = {"a key of sixty-four hexadecimal digits, as pond key new prints it",
                                64},
                         secret = {
                             "and a secret of as many, which it prints as well, of course....", 63};
static const wall_t noon = {1795348800000};

/* What one node says, with all that it takes. */
struct speaker {
    struct gossip *machine;
    struct envelope *envelope;
    struct heartbeat beat;
    mono_t due;
};

struct mesh {
    struct keyring *keyring;
    struct seal *seal;
    struct members *members;
    struct gossip_gate *gate; /* of the one who listens */
    struct envelope *envelope;
    struct speaker speakers[NODES];
    mono_t now;
};

static wall_t wall_at(mono_t now)
{
    return (wall_t){noon.ms + now.ns / MONO_MS(1)};
}

static void fill_beat(struct heartbeat *beat, size_t n)
{
    char address[64];

    *beat = (struct heartbeat){.domain = "example.com",
                               .boot = 1795348800000 + n,
                               .interval_ms = 5000,
                               .port = 65027,
                               .http_port = 65028,
                               .advert_port = 65029,
                               .address_count = 2};
    snprintf(beat->node, sizeof(beat->node), "web%zu.paris.example.com", n);
    snprintf(address, sizeof(address), "10.27.%zu.%zu", n / 250, n % 250 + 1);
    MUST(address_parse(span_of(address), 0, &beat->addresses[0]));
    snprintf(address, sizeof(address), "2001:db8:27:4::%zx", n + 1);
    MUST(address_parse(span_of(address), 0, &beat->addresses[1]));
    heartbeat_add_tier(beat, "slave", "paris");
}

static struct gossip *machine_new(uint64_t seed, mono_t now)
{
    struct gossip_options options = {.seed = seed, .interval_ns = INTERVAL, .now = now};
    struct gossip *machine = calloc(1, gossip_size());

    MUST(machine != NULL);
    gossip_init(machine, &options);
    return machine;
}

static int set_up(void **state)
{
    struct mesh *mesh = calloc(1, sizeof(*mesh));
    struct gossip_gate_options gate = {.domain = "example.com", .node = "gw1", .boot = 7};

    MUST(mesh != NULL);
    mesh->now = (mono_t){MONO_S(1000)};
    mesh->keyring = keyring_new(&key, 1, false);
    mesh->seal = seal_new(mesh->keyring);
    mesh->members = members_new(&(struct members_options){.nets_given = true});
    gate.members = mesh->members;
    gate.keyring = mesh->keyring;
    mesh->gate = gossip_gate_new(&gate);
    mesh->envelope = envelope_new(&secret, 1);
    gossip_gate_change(mesh->gate, AUTH_ENFORCE, 45892, mesh->envelope);
    for (size_t i = 0; i < NODES; i++) {
        struct speaker *speaker = &mesh->speakers[i];
        fill_beat(&speaker->beat, i);
        speaker->machine = machine_new(i * 7919 + 1, mesh->now);
        speaker->due = mesh->now;
    }
    *state = mesh;
    return 0;
}

static int tear_down(void **state)
{
    struct mesh *mesh = *state;

    for (size_t i = 0; i < NODES; i++) {
        envelope_free(mesh->speakers[i].envelope);
        free(mesh->speakers[i].machine);
    }
    gossip_gate_free(mesh->gate);
    envelope_free(mesh->envelope);
    members_free(mesh->members);
    seal_free(mesh->seal);
    keyring_free(mesh->keyring);
    free(mesh);
    return 0;
}

static void say(struct mesh *mesh, struct speaker *speaker, struct text *out)
{
    char memory[MESSAGE_MAX];
    struct text inside = TEXT_OVER(memory);

    if (!speaker->envelope) /* large, and few tests want all */
        speaker->envelope = envelope_new(&secret, 1);
    speaker->beat.counter++;
    speaker->beat.clock = wall_at(mesh->now);
    heartbeat_write(&speaker->beat, noon, &inside);
    seal_message(mesh->seal, &inside, false);
    envelope_close(speaker->envelope, (struct span){inside.at, inside.len}, out);
    MUST(!out->full);
}

/* Bytes into a machine, as src/discovery.c does it. */
static bool hear(struct mesh *mesh, struct gossip *machine, struct span bytes,
                 const struct address *from)
{
    struct gossip_datagram datagram = {.from = *from};
    struct gossip_actions actions;
    struct heartbeat beat;
    struct gossip_event event = {.kind = GOSSIP_HEARD,
                                 .now = mesh->now,
                                 .wall = wall_at(mesh->now),
                                 .beat = &beat,
                                 .from = *from};

    if (gossip_gate_judge(mesh->gate, mesh->now, bytes, &datagram, &beat) != GATE_PASS)
        return false;
    gossip_step(machine, &event, &actions);
    return actions.verdict == GOSSIP_TAKEN;
}

static bool speaks(struct speaker *speaker, mono_t now)
{
    struct gossip_event event = {.kind = GOSSIP_WAKE, .now = now, .wall = wall_at(now)};
    struct gossip_actions actions;

    if (!mono_reached(now, speaker->due))
        return false;
    gossip_step(speaker->machine, &event, &actions);
    speaker->due = actions.deadline;
    return actions.say;
}

/* The last of them is started anew while the others have been there for long. */
static void who_starts_is_known_to_all_within_one_interval(void **state)
{
    struct mesh *mesh = *state;
    struct speaker *fresh = &mesh->speakers[NODES - 1];
    char memory[MESSAGE_MAX];
    struct text bytes = TEXT_OVER(memory);
    mono_t began = mesh->now;
    size_t knowing = 0;

    while (!speaks(fresh, mesh->now))
        mesh->now = fresh->due;
    say(mesh, fresh, &bytes);
    for (size_t i = 0; i + 1 < NODES; i++) {
        hear(mesh, mesh->speakers[i].machine, (struct span){bytes.at, bytes.len},
             &fresh->beat.addresses[0]);
        knowing += gossip_known(mesh->speakers[i].machine);
    }
    print_message("known to %zu of %d others after %.2f s; the interval is 5 s\n", knowing,
                  NODES - 1, (double)mono_between(began, mesh->now) / 1e9);
    assert_int_equal(knowing, NODES - 1);
    assert_true(mono_between(began, mesh->now) <= INTERVAL);
}

static double cpu_s(void)
{
    struct timespec used;

    MUST(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

struct figures {
    size_t heartbeats, bytes;
    double cpu_s; /* of who listens */
};

static void all_speak_within(struct mesh *mesh, struct gossip *listener, mono_t end,
                             struct figures *figures)
{
    for (; !mono_reached(mesh->now, end); mesh->now = mono_after(mesh->now, MONO_MS(10))) {
        for (size_t i = 0; i < NODES; i++) {
            struct speaker *speaker = &mesh->speakers[i];
            char memory[MESSAGE_MAX];
            struct text bytes = TEXT_OVER(memory);
            double before;
            if (!speaks(speaker, mesh->now))
                continue;
            say(mesh, speaker, &bytes);
            figures->heartbeats++;
            figures->bytes += bytes.len + HEADERS;
            before = cpu_s();
            assert_true(hear(mesh, listener, (struct span){bytes.at, bytes.len},
                             &speaker->beat.addresses[0]));
            figures->cpu_s += cpu_s() - before;
        }
    }
}

/* The processor time is printed, and judged by who reads it: it is the machine's. */
static void a_thousand_cost_little(void **state)
{
    struct mesh *mesh = *state;
    struct gossip *listener = machine_new(4711, mesh->now);
    mono_t end = mono_after(mesh->now, INTERVALS * INTERVAL);
    double seconds = (double)(INTERVALS * INTERVAL) / 1e9;
    struct figures figures = {0};
    double bits;

    all_speak_within(mesh, listener, end, &figures);
    bits = 8 * (double)figures.bytes / NODES / seconds;
    print_message("each sends %.0f bit/s; %.0f heartbeats a second cost who hears them %.2f %% of "
                  "a core\n",
                  bits, (double)figures.heartbeats / seconds, 100 * figures.cpu_s / seconds);
    assert_int_equal(gossip_known(listener), NODES);
    assert_in_range(figures.heartbeats, NODES * INTERVALS - NODES, NODES * INTERVALS + NODES);
    assert_true(bits <= 1000);
    free(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_starts_is_known_to_all_within_one_interval, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_thousand_cost_little, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
