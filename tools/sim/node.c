/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>

#include "src/base/must.h"
#include "tools/sim/ballots.h"

/* The life of a node: its clocks, its start, its pauses and its ends. */

/* ---- clocks ---------------------------------------------------------------------------------- */

static const wall_t WALL = {1795348800000};

wall_t sim_node_wall(const struct sim *sim, const struct sim_node *node)
{
    return (wall_t){WALL.ms + sim->now.ns / 1000000 + node->wall_offset_ms};
}

mono_t sim_node_mono(const struct sim *sim, const struct sim_node *node)
{
    return (mono_t){node->mono_base + sim->now.ns +
                    (int64_t)((__int128)sim->now.ns * node->drift_ppm / 1000000)};
}

/* How long, in simulated time, until its clock reads `deadline`. */
int64_t sim_node_wait(const struct sim *sim, const struct sim_node *node, mono_t deadline)
{
    int64_t wait = mono_between(sim_node_mono(sim, node), deadline);

    if (wait <= 0)
        return 0;
    return (int64_t)((__int128)wait * 1000000 / (1000000 + node->drift_ppm)) +
           (node->drift_ppm ? 2 : 0);
}

/* ---- start ----------------------------------------------------------------------------------- */

static size_t list_members(const struct sim *sim, const struct sim_node *node,
                           struct member list[SIM_NODES_MAX * (SIM_TIERS_MAX + 1)])
{
    static const enum member_role roles[] = {
        [SIM_CANDIDATE] = MEMBER_CANDIDATE, [SIM_SLAVE] = MEMBER_SLAVE};
    struct member one = {.network = {.bits = 128}, .own = node->address, .has_own = true};
    size_t count = 0;

    for (int i = 0; i < sim->node_count && !sim->broadcast && !sim->by_tiers; i++) {
        one.network.base = sim->nodes[i].address;
        one.role = MEMBER_PEER;
        MUST(span_copy(span_of("all"), one.tier, sizeof(one.tier)));
        list[count++] = one;
    }
    for (int t = 0; t < sim->tier_count; t++) {
        const enum sim_part *parts = node->parts[t];

        if (parts[node->index] == SIM_STRANGER)
            continue;
        for (int i = 0; i < sim->node_count; i++) {
            if (parts[i] == SIM_STRANGER)
                continue;
            one.network.base = sim->nodes[i].address;
            one.role = roles[parts[i]];
            MUST(span_copy(span_of(sim->tiers[t].name), one.tier, sizeof(one.tier)));
            list[count++] = one;
        }
    }
    return count;
}

static void make_members(const struct sim *sim, struct sim_node *node)
{
    struct member list[SIM_NODES_MAX * (SIM_TIERS_MAX + 1)];
    struct members_options options = {.list = list,
                                      .own = &node->address,
                                      .own_count = 1,
                                      .nets_given = !sim->broadcast,
                                      .nobroadcast = !sim->broadcast};

    options.count = list_members(sim, node, list);
    if (node->members)
        members_replace(node->members, &options);
    else
        node->members = members_new(&options);
}

static void new_edge(struct sim *sim, struct sim_node *node)
{
    struct speaker_options speaker = {
        .node = node->name, .domain = SIM_DOMAIN, .boot = node->boot, .keyring = sim->keyring};
    struct gate_options gate = {.keyring = sim->keyring,
                                .domain = SIM_DOMAIN,
                                .node = node->name,
                                .boot = node->boot,
                                .auth = AUTH_ENFORCE};

    make_members(sim, node);
    place_begin(node);
    gate.members = node->members;
    node->gate = gate_new(&gate);
    node->speaker = speaker_new(&speaker);
    ballots_begin(sim, node);
}

static void new_machine(struct sim *sim, struct sim_node *node)
{
    struct exchange_options options = {.seed = rng_next(&sim->rng),
                                       .node = node->name,
                                       .domain = SIM_DOMAIN,
                                       .broadcast = sim->broadcast,
                                       .http_port = SIM_HTTP_PORT,
                                       .compare_ns = MONO_S(30),
                                       .now = sim_node_mono(sim, node)};

    node->machine = calloc(1, exchange_size());
    node->actions = calloc(1, sizeof(*node->actions));
    MUST(node->machine != NULL && node->actions != NULL);
    node->holders = holders_new();
    exchange_init(node->machine, &options);
}

/* Its members, to the exchange. */
static void introduce(struct sim *sim, struct sim_node *node)
{
    for (int i = 0; i < sim->node_count && !sim->broadcast; i++) {
        struct exchange_event event = {.kind = EXCHANGE_MEMBER, .from = sim->nodes[i].address};

        if (i != node->index && members_hold(node->members, &event.from))
            cache_step(sim, node, &event);
    }
}

static void begin_exchange(struct sim *sim, struct sim_node *node)
{
    struct exchange_event event = {.kind = EXCHANGE_WAKE};

    new_machine(sim, node);
    cache_step(sim, node, &event);
    place_look(sim, node);
    introduce(sim, node);
    keep_begin(sim, node);
    for (int i = 0; i < sim->names; i++)
        if (node->twin.entries[i].wanted)
            fetch_want(sim, node, i);
}

/* What the disk has to say where the node's home was lost, or put back from an older copy. */
static void change_home(struct sim *sim, struct sim_node *node, enum sim_home home)
{
    if (home == SIM_HOME_KEPT)
        return;
    sim_count(sim, SIM_HOME);
    if (home == SIM_HOME_REBUILT)
        return;
    node->home_changed = true;
    node->lost_home = true;
    if (home == SIM_HOME_RESTORED)
        disk_restore(node);
    else
        disk_lose(node);
    for (int t = 0; t < SIM_TIERS_MAX; t++)
        node->electors[t].led = 0;
}

static void rebuild(struct sim *sim, struct sim_node *node)
{
    sim_note(sim, "n%d makes its catalogue anew", node->index);
    twin_rebuild(&node->twin, rng_next(&sim->rng));
    keep_rebuilt(sim, node);
}

static void start_again(struct sim *sim, struct sim_event *event)
{
    if (!sim->nodes[event->peer].up)
        sim_node_start(sim, event->peer, SIM_HOME_KEPT);
}

void sim_node_start(struct sim *sim, int index, enum sim_home home)
{
    struct sim_node *node = &sim->nodes[index];
    bool empty = home > SIM_HOME_REBUILT || !node->twin.entries;

    if (!sim->puts)
        check_promise_begin(sim);
    change_home(sim, node, home);
    if (!disk_open(sim, node)) {
        sim_note(sim, "n%d cannot write its home, and does not start", index);
        sim_at(sim, MONO_S(1), start_again, -1)->peer = index;
        return;
    }
    if (node->deaf) /* the whole host was down: its clock begins anew */
        node->mono_base += MONO_S(10) - sim_node_mono(sim, node).ns;
    sim_note(sim, "n%d starts%s", index, empty ? " with an empty catalogue" : "");
    node->up = true;
    node->deaf = false;
    node->life++;
    node->started = sim->now;
    node->counter = 0;
    if (empty && node->twin.entries)
        check_home_lost(sim, node);
    if (empty)
        twin_begin(&node->twin, rng_next(&sim->rng), (size_t)sim->names, sim_node_wall(sim, node));
    plan_read(sim, index);
    new_edge(sim, node);
    if (home == SIM_HOME_REBUILT)
        rebuild(sim, node);
    begin_exchange(sim, node);
    check_place(sim, node);
    for (int t = 0; t < sim->tier_count; t++)
        if (sim->tiers[t].parts[index] != SIM_STRANGER)
            elector_begin(sim, node, t);
}

void sim_node_read_nets(struct sim *sim, int index)
{
    struct sim_node *node = &sim->nodes[index];

    sim_note(sim, "n%d reads its nets files anew", index);
    plan_read(sim, index);
    make_members(sim, node);
    for (int t = 0; t < sim->tier_count; t++)
        elector_rules(sim, node, t);
    introduce(sim, node);
    place_look(sim, node);
    check_place(sim, node);
}

/* ---- pauses ---------------------------------------------------------------------------------- */

/* Takes the event over, with what belongs to it. */
void sim_node_hold(struct sim_list *list, struct sim_event *event)
{
    struct sim_event *kept = malloc(sizeof(*kept));

    MUST(kept != NULL);
    *kept = *event;
    event->bytes = NULL;
    if (list->count == list->cap) {
        list->cap = 2 * list->cap + 16;
        list->at = realloc(list->at, list->cap * sizeof(struct sim_event *));
        MUST(list->at != NULL);
    }
    list->at[list->count++] = kept;
}

static void empty_list(struct sim_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sim_event_free(list->at[i]);
    free(list->at);
    *list = (struct sim_list){0};
}

void sim_node_pause(struct sim *sim, int index, bool deaf)
{
    struct sim_node *node = &sim->nodes[index];

    if (!node->up || node->paused)
        return;
    sim_note(sim, "n%d stands still%s", index, deaf ? ", and its host too" : "");
    sim_count(sim, SIM_PAUSE);
    node->paused = true;
    node->deaf = deaf;
    elector_falls_asleep(sim, node);
}

static void read_socket(struct sim *sim, struct sim_node *node)
{
    struct sim_list socket = node->socket;
    uint32_t life = node->life;

    node->socket = (struct sim_list){0};
    for (size_t i = 0; i < socket.count && node->up && node->life == life; i++)
        socket.at[i]->run(sim, socket.at[i]);
    empty_list(&socket);
}

/* It goes on: what lies in its sockets is read before any of its deadlines is judged. */
void sim_node_resume(struct sim *sim, int index)
{
    struct sim_node *node = &sim->nodes[index];
    struct sim_list held = node->held;

    if (!node->up || !node->paused)
        return;
    sim_note(sim, "n%d goes on", index);
    node->paused = false;
    node->resumed = sim->now;
    elector_was_late(sim, node);
    mistake_before_late(sim, node);
    read_socket(sim, node);
    for (int t = 0; t < sim->tier_count; t++)
        if (node->electors[t].late > 0)
            elector_wake_now(sim, node, t);
    node->held = (struct sim_list){0};
    for (size_t i = 0; i < held.count; i++)
        sim_again(sim, held.at[i]);
    free(held.at);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void end_life(struct sim *sim, struct sim_node *node, bool with_host)
{
    fetch_end(sim, node, with_host);
    holders_free(node->holders);
    free(node->machine);
    free(node->actions);
    gate_free(node->gate);
    speaker_free(node->speaker);
    ballots_end(node);
    place_end(node);
    members_free(node->members);
    sim_set_free(&node->passed);
    for (int t = 0; t < SIM_TIERS_MAX; t++)
        elector_free(&node->electors[t]);
    empty_list(&node->socket);
    empty_list(&node->held);
    compare_end_all(node);
    node->holders = NULL;
    node->machine = NULL;
    node->actions = NULL;
    node->gate = NULL;
    node->speaker = NULL;
    node->members = NULL;
    node->ticket_count = 0;
    node->paused = node->deaf = node->up = false;
    node->disk.writing = false;
    for (int t = 0; t < SIM_TIERS_MAX; t++)
        node->disk.is_posted[t] = false;
}

void sim_node_free(struct sim *sim, struct sim_node *node)
{
    end_life(sim, node, false);
    sim_set_free(&node->heard);
    sim_set_free(&node->places);
    twin_free(&node->twin);
}

void sim_node_crash(struct sim *sim, int index, bool with_host)
{
    if (!sim->nodes[index].up)
        return;
    sim_note(sim, "n%d crashes%s", index, with_host ? " with its host" : "");
    sim_count(sim, SIM_CRASH);
    end_life(sim, &sim->nodes[index], with_host);
    sim->nodes[index].deaf = with_host;
    if (!with_host)
        watch_peer_died(sim, index);
}

void sim_node_stop(struct sim *sim, int index)
{
    struct sim_node *node = &sim->nodes[index];

    if (!node->up || node->paused)
        return;
    sim_note(sim, "n%d is stopped", index);
    sim_count(sim, SIM_LEAVE);
    for (int t = 0; t < sim->tier_count; t++)
        elector_end(sim, node, t);
    disk_close(sim, node);
    end_life(sim, node, false);
    watch_peer_died(sim, index);
}
