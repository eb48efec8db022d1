/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/* Drives the exchange of one node as the daemon does: events in, actions carried out in order. */

static const int64_t STORE_MOST_NS = MONO_MS(10);
static const int64_t CONTENT_RETRY_NS = MONO_S(5);

void sim_name(int name, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, SIM_DOMAIN "/f%d", name);
}

int sim_name_number(const char *name)
{
    const char head[] = SIM_DOMAIN "/f";
    uint64_t number;

    if (strncmp(name, head, sizeof(head) - 1) != 0 ||
        !span_u64(span_of(name + sizeof(head) - 1), 1000000, &number))
        return -1;
    return (int)number;
}

static struct exchange_local local_of(const struct sim *sim, const struct sim_node *node, int name)
{
    const struct twin_entry *entry;

    if (name < 0 || name >= sim->names)
        return (struct exchange_local){.known = false};
    entry = &node->twin.entries[name];
    return (struct exchange_local){
        .known = entry->known,
        .held = entry->held,
        .deleted = entry->deleted,
        .version = entry->version,
        .sha256 = entry->sha256,
        .size = 5,
    };
}

/* ---- actions ----------------------------------------------------------------------------------
 */

static void send_notice(struct sim *sim, struct sim_node *node,
                        const struct exchange_action *action)
{
    char bytes[MESSAGE_MAX];
    struct text text = TEXT_OVER(bytes);
    struct sim_packet packet = {.bytes = bytes, .from = node->address, .port = SIM_UDP_PORT};
    struct message message;
    struct notice said;

    speaker_say(node->speaker, &action->notice, sim_node_wall(sim, node), &text);
    MUST(message_decode((struct span){text.at, text.len}, &message) == MESSAGE_OK);
    MUST(notice_read(&message, &said) == MESSAGE_OK);
    check_said(sim, &said);
    sim_note(sim, "n%d says %s %s to %s", node->index,
             said.kind == NOTICE_WHOHAS ? "whohas" : "ihave", said.name,
             action->audiences ? "all" : sim->nodes[sim_node_at(sim, &action->to)].name);
    packet.len = text.len;
    sim->said_by_caches++;
    for (int to = 0; to < sim->node_count; to++)
        if (action->audiences ? to != node->index || sim->broadcast
                              : address_same_host(&sim->nodes[to].address, &action->to))
            sim_send(sim, node, to, &packet);
    sim_capture(sim, node, &packet);
}

static void learn(struct sim *sim, struct sim_node *node, const struct exchange_action *action)
{
    struct sim_request request = {.what = SIM_GET_MANIFEST};

    request.name = sim_name_number(action->name);
    MUST(request.name >= 0 && request.name < sim->names);
    sim_note(sim, "n%d learns f%d from n%d", node->index, request.name,
             sim_node_at(sim, &action->to));
    sim_get(sim, node, &action->to, &request);
}

static void compare(struct sim *sim, struct sim_node *node, const struct exchange_action *action)
{
    struct sim_request request = {.what = SIM_GET_PAGE, .name = -1};

    request.store_id = action->store_id;
    request.since = action->since;
    sim_note(sim, "n%d compares with n%d from %llu", node->index, sim_node_at(sim, &action->to),
             (unsigned long long)action->since);
    sim_get(sim, node, &action->to, &request);
}

static struct sim_ticket take_ticket(struct sim *sim, struct sim_node *node, uint64_t id)
{
    struct sim_ticket ticket = {0};

    for (size_t i = 0; i < node->ticket_count; i++) {
        if (node->tickets[i].id == id) {
            ticket = node->tickets[i];
            node->tickets[i] = node->tickets[--node->ticket_count];
            return ticket;
        }
    }
    sim_fail(sim, "n%d: ticket %llu was answered, which nobody holds", node->index,
             (unsigned long long)id);
    return ticket;
}

static void fetch_content(struct sim *sim, struct sim_node *node, int name,
                          const struct exchange_action *action)
{
    const struct twin_entry *entry = &node->twin.entries[name];

    for (size_t i = 0; i < action->source_count; i++) {
        struct sim_request request = {.what = SIM_GET_CONTENT, .name = name};

        request.version = entry->version.bits;
        if (version_same(action->sources[i].version, entry->version))
            sim_get(sim, node, &action->sources[i].http, &request);
    }
}

static void want_again(struct sim *sim, struct sim_event *event)
{
    cache_want_content(sim, &sim->nodes[event->node], (int)event->number);
}

/* Where this time it does not come: once more, ever later. */
static void want_later(struct sim *sim, struct sim_node *node, int name)
{
    unsigned tries = node->twin.entries[name].tries++;
    int64_t wait = CONTENT_RETRY_NS << (tries < 8 ? tries : 8);

    sim_at(sim, wait, want_again, node->index)->number = (uint64_t)name;
}

static void answer(struct sim *sim, struct sim_node *node, const struct exchange_action *action)
{
    struct sim_ticket ticket;
    struct twin_entry *entry;

    if (sim_planted(sim, SIM_LOSES_ANSWERS) && rng_below(&sim->rng, 10) == 0)
        return;
    ticket = take_ticket(sim, node, action->ticket);
    if (sim_failed(sim))
        return;
    entry = &node->twin.entries[ticket.name];
    sim_note(sim, "n%d is told of f%d: %s, %zu sources", node->index, ticket.name,
             action->found ? "found" : "not found", action->source_count);
    if (ticket.must_find && !action->found && !entry->held)
        sim_fail(sim, "n%d did not find f%d, which others hold", node->index, ticket.name);
    if (!ticket.fetch || !entry->known || entry->held || entry->deleted)
        return;
    entry->wanted = entry->wanted || action->found;
    if (!entry->wanted)
        return;
    fetch_content(sim, node, ticket.name, action);
    want_later(sim, node, ticket.name);
}

static void carry_out(struct sim *sim, struct sim_node *node)
{
    for (size_t i = 0; i < node->actions->count && !sim_failed(sim); i++) {
        const struct exchange_action *action = &node->actions->list[i];

        switch (action->kind) {
        case EXCHANGE_SEND:
            send_notice(sim, node, action);
            break;
        case EXCHANGE_LEARN:
            learn(sim, node, action);
            break;
        case EXCHANGE_COMPARE:
            compare(sim, node, action);
            break;
        case EXCHANGE_ANSWER:
            answer(sim, node, action);
            break;
        case EXCHANGE_CONFIRMED:
        case EXCHANGE_FAULT:
            break; /* for people alone */
        }
    }
}

static void wake(struct sim *sim, struct sim_event *event);

void cache_step(struct sim *sim, struct sim_node *node, struct exchange_event *event)
{
    event->now = sim_node_mono(sim, node);
    event->wall = sim_node_wall(sim, node);
    event->relations = ROUTE_MESH;
    do {
        exchange_step(node->machine, event, node->actions);
        sim->result->steps++;
        check_figures(sim, node);
        carry_out(sim, node);
        *event =
            (struct exchange_event){.kind = EXCHANGE_WAKE, .now = event->now, .wall = event->wall};
    } while (node->actions->more && !sim_failed(sim));
    if (node->actions->deadline.ns == MONO_NEVER.ns || sim_planted(sim, SIM_MISSES_DEADLINES))
        return;
    sim_at(sim, sim_node_wait(sim, node, node->actions->deadline), wake, node->index)->number =
        ++node->wake;
}

static void wake(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct exchange_event wakes = {.kind = EXCHANGE_WAKE};

    if (event->number == node->wake)
        cache_step(sim, node, &wakes);
}

/* ---- what comes in ----------------------------------------------------------------------------
 */

/* What a planted driver lets in against the gate's verdict. */
static bool let_in_wrongly(const struct sim *sim, enum gate_verdict verdict, struct span bytes,
                           struct notice *notice)
{
    struct message message;
    bool wrongly = (verdict == GATE_REPLAYED && sim_planted(sim, SIM_TAKES_REPLAYS)) ||
                   (verdict == GATE_WRONG_KEY && sim_planted(sim, SIM_TAKES_WRONG_KEYS));

    return wrongly && message_decode(bytes, &message) == MESSAGE_OK &&
           notice_read(&message, notice) == MESSAGE_OK;
}

void cache_datagram(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->peer];
    struct gate_datagram datagram = {.from = event->from};
    struct span bytes = {event->bytes, event->len};
    struct notice notice;
    struct exchange_event heard = {.kind = EXCHANGE_HEARD, .from = event->from, .notice = &notice};
    enum gate_verdict verdict =
        gate_datagram(node->gate, sim_node_mono(sim, node), bytes, &datagram, &notice);

    if (verdict != GATE_PASS)
        sim_note(sim, "n%d refuses a datagram: %s", node->index, gate_name(verdict));
    if (verdict != GATE_PASS && !let_in_wrongly(sim, verdict, bytes, &notice))
        return;
    check_let_in(sim, node, &notice);
    if (!sim_planted(sim, SIM_FORGETS_LOCAL))
        heard.local = local_of(sim, node, sim_name_number(notice.name));
    cache_step(sim, node, &heard);
}

static enum exchange_result adopt(struct sim *sim, struct sim_node *node, int name,
                                  const struct manifest *manifest, struct span text)
{
    struct twin_entry before = node->twin.entries[name];
    enum twin_status status =
        twin_adopt(&node->twin, name, manifest, text, sim_node_wall(sim, node),
                   sim_planted(sim, SIM_ADOPTS_OLDER), sim_planted(sim, SIM_ADOPTS_AHEAD));

    if (status == TWIN_AHEAD)
        return EXCHANGE_AHEAD;
    if (status == TWIN_TAKEN) {
        sim_note(sim, "n%d adopts f%d", node->index, name);
        check_adopted(sim, node, &before, &node->twin.entries[name]);
        if (node->twin.entries[name].wanted)
            cache_want_content(sim, node, name);
    }
    return EXCHANGE_DONE;
}

/* A planted driver takes the manifest as it stands, with whatever sum. */
static bool read_manifest(const struct sim *sim, struct span *rest, struct manifest *manifest,
                          struct span *one)
{
    struct span trusted = *rest;
    const char *sum;

    if (manifest_read_next(rest, manifest, one) == MESSAGE_OK)
        return true;
    if (!sim_planted(sim, SIM_TRUSTS_PAGES) || !(sum = memmem(trusted.at, trusted.len, " SUM=", 5)))
        return false;
    memcpy((char *)(uintptr_t)sum, " NON=", 5);
    return manifest_read_next(rest, manifest, one) == MESSAGE_OK;
}

/* All manifests of an answer; the worst that came of it. */
static enum exchange_result adopt_all(struct sim *sim, struct sim_node *node, int only,
                                      struct span body)
{
    enum exchange_result worst = EXCHANGE_DONE;

    while (body.len) {
        struct manifest manifest;
        struct span one;
        enum exchange_result result;
        int name;

        if (!read_manifest(sim, &body, &manifest, &one))
            return EXCHANGE_FAULTY;
        name = sim_name_number(manifest.name);
        if (name < 0 || name >= sim->names || (only >= 0 && name != only))
            return EXCHANGE_FAULTY;
        result = adopt(sim, node, name, &manifest, one);
        if (result == EXCHANGE_AHEAD)
            worst = result;
    }
    return worst;
}

/* The store is done: now the exchange is told. */
static void report(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct exchange_event done;
    char name[NAME_SIZE];

    memcpy(&done, event->bytes, sizeof(done));
    if (done.kind == EXCHANGE_LEARNED) {
        sim_name((int)event->number, name);
        done.name = span_of(name);
        done.local = local_of(sim, node, (int)event->number);
    }
    cache_step(sim, node, &done);
}

static void report_later(struct sim *sim, struct sim_node *node, int name,
                         const struct exchange_event *done)
{
    struct sim_event *event = sim_at(sim, sim_between(sim, 0, STORE_MOST_NS), report, node->index);

    event->number = (uint64_t)name;
    sim_event_bytes(event, done, sizeof(*done));
}

static void content_came(struct sim *sim, struct sim_node *node, const struct address *from,
                         const struct sim_request *request, const struct sim_answer *answer)
{
    struct twin_entry *entry = &node->twin.entries[request->name];
    struct exchange_event blamed = {.kind = EXCHANGE_BLAMED, .from = *from};

    if (answer->found && entry->version.bits == request->version && !entry->held) {
        entry->held = true;
        entry->wanted = false;
        sim_note(sim, "n%d holds f%d", node->index, request->name);
    }
    blamed.fault = answer->reached ? PEER_FINE : PEER_UNREACHABLE;
    cache_step(sim, node, &blamed);
}

void cache_http_done(struct sim *sim, struct sim_node *node, const struct address *from,
                     const struct sim_request *request, const struct sim_answer *answer)
{
    struct exchange_event done = {.kind = EXCHANGE_LEARNED, .from = *from};

    if (request->what == SIM_GET_CONTENT) {
        content_came(sim, node, from, request, answer);
        return;
    }
    done.result = EXCHANGE_FAILED;
    done.fault = answer->reached ? PEER_FINE : PEER_UNREACHABLE;
    if (answer->found && !(sim_planted(sim, SIM_NEVER_COMPARES) && request->what == SIM_GET_PAGE))
        done.result = adopt_all(sim, node, request->name, answer->body);
    else if (answer->found)
        done.result = EXCHANGE_DONE;
    if (done.result == EXCHANGE_FAULTY)
        done.fault = PEER_WRONG_MANIFEST;
    if (request->what == SIM_GET_PAGE) {
        done.kind = EXCHANGE_COMPARED;
        done.page = (struct exchange_page){answer->store_id, answer->last, answer->more,
                                           done.result == EXCHANGE_AHEAD, request->since};
    }
    report_later(sim, node, request->name, &done);
}

/* ---- what people on the node do ---------------------------------------------------------------
 */

/* Whose clock is far off refuses to put. */
static bool is_off(const struct sim_node *node)
{
    return node->wall_offset_ms > 120000 || node->wall_offset_ms < -120000;
}

void cache_put(struct sim *sim, int index, int name, bool deleted)
{
    struct sim_node *node = &sim->nodes[index];
    struct exchange_event changed = {.kind = EXCHANGE_CHANGED};
    struct twin_entry before;
    char whole[NAME_SIZE];

    if (!node->up || node->paused || is_off(node))
        return;
    before = node->twin.entries[name];
    if (deleted && (!before.known || before.deleted))
        return;
    sim_name(name, whole);
    sim_note(sim, "n%d %s f%d", index, deleted ? "removes" : "puts", name);
    twin_put(&node->twin, name, whole, node->name, sim_node_wall(sim, node), deleted);
    check_made(sim, &node->twin.entries[name]);
    check_newer(sim, node, &before, &node->twin.entries[name]);
    changed.name = span_of(whole);
    changed.local = local_of(sim, node, name);
    changed.local.known = true;
    cache_step(sim, node, &changed);
}

void cache_ask(struct sim *sim, int index, int name, enum exchange_ask ask, bool fetch,
               bool must_find)
{
    struct sim_node *node = &sim->nodes[index];
    struct exchange_event asked = {.kind = EXCHANGE_ASKED, .ask = ask};
    char whole[NAME_SIZE];

    if (!node->up || node->paused || node->ticket_count == SIM_TICKETS_MAX)
        return;
    sim_name(name, whole);
    asked.ticket = ++sim->next_ticket;
    asked.name = span_of(whole);
    asked.local = local_of(sim, node, name);
    node->tickets[node->ticket_count++] =
        (struct sim_ticket){asked.ticket, ask, name, sim->now, fetch, must_find};
    sim_note(sim, "n%d asks (%d) for f%d", index, (int)ask, name);
    cache_step(sim, node, &asked);
}

void cache_want_content(struct sim *sim, struct sim_node *node, int name)
{
    const struct twin_entry *entry = &node->twin.entries[name];

    for (size_t i = 0; i < node->ticket_count; i++)
        if (node->tickets[i].name == name && node->tickets[i].fetch)
            return;
    if (entry->wanted && !entry->held)
        cache_ask(sim, node->index, name, EXCHANGE_ASK_CONTENT, true, false);
}
