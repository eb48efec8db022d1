/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/advert_gate.h"
#include "src/base/must.h"
#include "tools/sim/ballots.h"

/*
 * Hears everything, and says anything from any address. It has no key, but for what a slave that
 * has gone bad would know, and for the keys of another cluster that has the same.
 */
static const char OTHER_DOMAIN[] = "example.org";

struct attacker {
    struct keyring *wrong;
    struct seal *wrong_seal, *right_seal;
    struct speaker *speaker;
};

void attack_begin(struct sim *sim)
{
    const struct span key = span_of("a key that is none of theirs");
    struct speaker_options speaker = {.node = "n1", .domain = SIM_DOMAIN, .boot = 1};
    struct attacker *attacker = calloc(1, sizeof(*attacker));

    MUST(attacker != NULL);
    attacker->wrong = keyring_new(&key, 1, false);
    attacker->wrong_seal = seal_new(attacker->wrong);
    attacker->right_seal = seal_new(sim->keyring);
    speaker.keyring = attacker->wrong;
    attacker->speaker = speaker_new(&speaker);
    sim->attacker = attacker;
}

void attack_end(struct sim *sim)
{
    struct attacker *attacker = sim->attacker;

    for (size_t i = 0; i < sim->captured_count; i++)
        free(sim->captured[i].bytes);
    speaker_free(attacker->speaker);
    seal_free(attacker->wrong_seal);
    seal_free(attacker->right_seal);
    keyring_free(attacker->wrong);
    free(attacker);
}

void attack_capture(struct sim *sim, int from, const struct sim_packet *packet)
{
    struct sim_captured *captured = &sim->captured[rng_below(&sim->rng, SIM_CAPTURED_MAX)];

    if (sim->captured_count < SIM_CAPTURED_MAX)
        captured = &sim->captured[sim->captured_count++];
    free(captured->bytes);
    *captured = (struct sim_captured){.len = packet->len, .from = from, .port = packet->port};
    captured->to_group = packet->to_group;
    captured->bytes = malloc(packet->len);
    MUST(captured->bytes != NULL);
    memcpy(captured->bytes, packet->bytes, packet->len);
}

/* ---- what is said ---------------------------------------------------------------------------- */

/* Changes one byte, takes one out, or puts one in, anywhere. */
static void edit(struct sim *sim, struct text *text)
{
    size_t at = rng_below(&sim->rng, text->len);

    switch (rng_below(&sim->rng, 3)) {
    case 0:
        text->at[at] = (char)(text->at[at] ^ (1 << rng_below(&sim->rng, 8)));
        break;
    case 1:
        memmove(text->at + at, text->at + at + 1, text->len - at - 1);
        text->len--;
        break;
    default:
        memmove(text->at + at + 1, text->at + at, text->len - at);
        text->at[at] = (char)('0' + rng_below(&sim->rng, 10));
        text->len++;
    }
}

static void rubbish(struct sim *sim, struct text *text)
{
    text->len = rng_below(&sim->rng, 200);
    for (size_t i = 0; i < text->len; i++)
        text->at[i] = (char)rng_next(&sim->rng);
}

/* A well-formed lie: a version that nobody made. */
static void lie_of_content(struct sim *sim, struct text *text)
{
    struct notice notice = {.kind = NOTICE_IHAVE, .held = true, .port = SIM_HTTP_PORT};

    sim_name((int)rng_below(&sim->rng, (uint64_t)sim->names), notice.name);
    notice.version.bits = (uint64_t)sim_node_wall(sim, &sim->nodes[0]).ms << 16;
    speaker_say(sim->attacker->speaker, &notice, NULL, (wall_t){0}, text);
}

/* "I am the best of masters, and have been for long": in the name of `node`. */
static struct ballot lie_of_master(struct sim *sim, const struct sim_node *node, int tier)
{
    struct ballot ballot = {.kind = BALLOT_ADVERT,
                            .boot = node->boot + rng_below(&sim->rng, 1000),
                            .counter = rng_below(&sim->rng, 1000000) + 1,
                            .address = node->address,
                            .pair = {.base_us = 10000},
                            .epoch = rng_below(&sim->rng, 1000000)};

    ballot.address.port = SIM_HTTP_PORT;
    ballot.leaving = sim_chance(sim, 200);
    MUST(span_copy(span_of(sim->tiers[tier].name), ballot.tier, sizeof(ballot.tier)));
    MUST(span_copy(span_of(node->name), ballot.node, sizeof(ballot.node)));
    return ballot;
}

static void lie(struct sim *sim, const struct sim_captured *captured, struct text *text)
{
    struct ballot ballot;

    text->len = 0;
    if (captured->port == SIM_UDP_PORT || sim->tier_count == 0) {
        lie_of_content(sim, text);
        return;
    }
    ballot = lie_of_master(sim, &sim->nodes[captured->from],
                           (int)rng_below(&sim->rng, (uint64_t)sim->tier_count));
    if (sim_chance(sim, 500))
        ballots_write(sim->attacker->wrong_seal, &ballot, SIM_DOMAIN, (wall_t){0}, text);
    else
        ballots_write(sim->attacker->right_seal, &ballot, OTHER_DOMAIN, (wall_t){0}, text);
}

static bool is_slave_to_all(const struct sim *sim, int tier, int index)
{
    for (int i = 0; i < sim->node_count; i++)
        if (sim->tiers[tier].parts[index] != SIM_SLAVE ||
            sim->nodes[i].parts[tier][index] == SIM_CANDIDATE)
            return false;
    return true;
}

/* A slave whose host was taken over calls itself master: from its own address, with its own name,
 * and with the key. */
static void rogue_slave(struct sim *sim)
{
    int tier = (int)rng_below(&sim->rng, (uint64_t)sim->tier_count);
    int index = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    struct sim_node *node = &sim->nodes[index];
    char bytes[MESSAGE_MAX];
    struct text text = TEXT_OVER(bytes);
    struct sim_packet packet = {.bytes = bytes, .from = node->address, .port = SIM_ADVERT_PORT};
    struct ballot ballot;

    if (!node->up || !is_slave_to_all(sim, tier, index))
        return;
    ballot = lie_of_master(sim, node, tier);
    ballot.boot = node->boot;
    ballot.counter = ++node->counter;
    ballots_write(sim->attacker->right_seal, &ballot, SIM_DOMAIN, (wall_t){0}, &text);
    sim_set_add(&sim->said, ballots_id((struct span){text.at, text.len}));
    packet.len = text.len;
    for (int to = 0; to < sim->node_count; to++)
        if (to != index)
            sim_deliver(sim, index, to, &packet);
}

/* ---- and when -------------------------------------------------------------------------------- */

static void said_later(struct sim *sim, struct sim_event *event)
{
    struct sim_packet packet = {.bytes = event->bytes,
                                .len = event->len,
                                .from = event->from,
                                .port = event->port,
                                .to_group = event->to_group,
                                .hops = event->hops};

    sim_deliver(sim, (int)event->number, event->peer, &packet);
}

void attack_now(struct sim *sim)
{
    const struct sim_captured *captured = &sim->captured[rng_below(&sim->rng, sim->captured_count)];
    char bytes[MESSAGE_MAX + 1];
    struct text text = text_over(bytes, MESSAGE_MAX);
    struct sim_event *event;
    int64_t after = sim_chance(sim, 300) ? sim_scale(sim, MONO_MS(1), MONO_S(200)) : 0;
    int from = captured->from;

    sim_count(sim, SIM_HOSTILE);
    text_add(&text, captured->bytes, captured->len);
    switch (rng_below(&sim->rng, 5)) {
    case 0:
        edit(sim, &text);
        break;
    case 1:
        lie(sim, captured, &text);
        break;
    case 2:
        if (sim_chance(sim, 500))
            rubbish(sim, &text);
        else if (sim->tier_count)
            rogue_slave(sim);
        break;
    default: /* as it was; now and then from another's address */
        if (sim_chance(sim, 250))
            from = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    }
    event = sim_at(sim, after, said_later, -1);
    event->number = (uint64_t)captured->from;
    event->peer = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    event->from = sim->nodes[from].address;
    event->port = captured->port;
    event->to_group = captured->to_group;
    event->hops = sim_chance(sim, 500) ? ADVERT_HOPS : 64;
    sim_event_bytes(event, text.at, text.len);
}
