/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "cache/survey.h"
#include "src/base/must.h"

/* Drives the exchange of one node as the daemon does: events in, actions carried out in order. */

static const int64_t STORE_MOST_NS = MONO_MS(10);

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

struct exchange_local cache_local(const struct sim *sim, const struct sim_node *node, int name)
{
    const struct twin_entry *entry;

    if (name < 0 || name >= sim->names)
        return (struct exchange_local){.known = false};
    entry = &node->twin.entries[name];
    return (struct exchange_local){
        .known = entry->known,
        .held = entry->held,
        .wanted = entry->wanted,
        .deleted = entry->deleted,
        .version = entry->version,
        .sha256 = entry->sha256,
        .size = entry->size,
        .unconfirmed = entry->unconfirmed,
    };
}

/* ---- actions ----------------------------------------------------------------------------------
 */

static void note_notice(struct sim *sim, const struct sim_node *node,
                        const struct exchange_action *action, const struct notice *said)
{
    static const struct {
        unsigned audience;
        const char *name;
    } words[] = {{AUDIENCE_MESH, " all"},
                 {AUDIENCE_UP, " up"},
                 {AUDIENCE_DOWN, " down"},
                 {AUDIENCE_FELLOWS, " fellows"},
                 {AUDIENCE_ABOVE, " above"}};
    char memory[64];
    struct text to = TEXT_OVER(memory);

    if (!action->audiences)
        text_printf(&to, " %s", sim->nodes[sim_node_at(sim, &action->to)].name);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (action->audiences & words[i].audience)
            text_puts(&to, words[i].name);
    sim_note(sim, "n%d says %s %s to%.*s", node->index,
             said->kind == NOTICE_WHOHAS ? "whohas" : "ihave", said->name, (int)to.len, to.at);
}

/* A question that another asked first. */
static bool is_relayed(const struct sim_node *node, const struct notice *said)
{
    const char *asker = strchr(said->tuid, '@');

    return said->kind == NOTICE_WHOHAS && asker && strcmp(asker + 1, node->name) != 0;
}

static void send_notice(struct sim *sim, struct sim_node *node,
                        const struct exchange_action *action)
{
    char bytes[MESSAGE_MAX];
    struct text text = TEXT_OVER(bytes);
    struct sim_packet packet = {.bytes = bytes, .from = node->address, .port = SIM_UDP_PORT};
    struct message message;
    struct notice said;

    speaker_say(node->speaker, &action->notice, action->audiences ? NULL : &node->address,
                sim_node_wall(sim, node), &text);
    MUST(message_decode((struct span){text.at, text.len}, &message) == MESSAGE_OK);
    MUST(notice_read(&message, &said) == MESSAGE_OK);
    if (sim_planted(sim, SIM_RELAYS_NOTHING) && is_relayed(node, &said))
        return;
    check_said(sim, &said);
    check_says_kept(sim, node, &said);
    if (!action->audiences && sim_node_at(sim, &action->to) < 0) {
        sim_fail(sim, "n%d says something to nobody", node->index);
        return;
    }
    note_notice(sim, node, action, &said);
    packet.len = text.len;
    sim->said_by_caches++;
    for (int to = 0; to < sim->node_count; to++)
        if (action->audiences ? place_reaches(sim, node, to, action->audiences)
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

    sim_note(sim, "n%d compares with n%d from %llu", node->index, sim_node_at(sim, &action->to),
             (unsigned long long)action->since);
    if (!action->store_id && node->twin.sequence > 0) {
        compare_begin(sim, node, &action->to);
        return;
    }
    request.store_id = action->store_id;
    request.since = action->since;
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
    if (ticket.ask == EXCHANGE_ASK_COPIES)
        copies_answered(sim, node, &ticket, action->found);
    if (ticket.fetch && ticket.ask == EXCHANGE_ASK_CONTENT)
        fetch_told(sim, node, ticket.name, action);
    else if (ticket.fetch && action->found)
        fetch_read(sim, node->index, ticket.name, ticket.must_find);
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
            keep_confirmed(sim, node, action);
            break;
        case EXCHANGE_WANT:
            keep_want(sim, node, action);
            break;
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
    event->relations = place_relations(sim, node, &event->from);
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
    fetch_offered(sim, node, &notice, &event->from);
    if (!sim_planted(sim, SIM_FORGETS_LOCAL))
        heard.local = cache_local(sim, node, sim_name_number(notice.name));
    cache_step(sim, node, &heard);
}

static enum exchange_result adopt(struct sim *sim, struct sim_node *node, int name, int from,
                                  const struct manifest *manifest, struct span text)
{
    const struct twin_mistakes mistakes = {.older = sim_planted(sim, SIM_ADOPTS_OLDER),
                                           .ahead = sim_planted(sim, SIM_ADOPTS_AHEAD),
                                           .no_rivals = sim_planted(sim, SIM_KEEPS_NO_CONFLICT),
                                           .all_rivals = sim_planted(sim, SIM_SEES_CONFLICTS),
                                           .old_chunks = sim_planted(sim, SIM_MIXES_VERSIONS)};
    struct twin_entry before = node->twin.entries[name];
    enum twin_status status =
        twin_adopt(&node->twin, name, manifest, text, sim_node_wall(sim, node), &mistakes);

    if (node->twin.entries[name].rival_count > before.rival_count)
        sim_note(sim, "n%d keeps an older version of f%d as a conflict", node->index, name);

    if (status == TWIN_AHEAD)
        return EXCHANGE_AHEAD;
    if (status == TWIN_TAKEN) {
        sim_note(sim, "n%d adopts f%d", node->index, name);
        check_adopted(sim, node, &before, &node->twin.entries[name]);
        keep_adopted(sim, node, name, from);
        check_replaced(sim, node, name, &before);
        if (manifest->deleted)
            check_held(sim, node, name);
        if (node->twin.entries[name].wanted)
            fetch_want(sim, node, name);
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

/* Names of a range stand in it, one behind the other. */
static bool is_in_place(const struct sim_request *request, const struct sim_page *page,
                        const char *name)
{
    struct span last = span_of(page->last), whole = span_of(name);

    if (request->what != SIM_GET_NAMES)
        return request->name < 0 || sim_name_number(name) == request->name;
    if (last.len ? !survey_is_forward(last, whole) : strcmp(name, request->from) < 0)
        return false;
    return !*request->to || survey_is_forward(whole, span_of(request->to));
}

/* All manifests of an answer; the worst that came of it. */
enum exchange_result cache_adopt_all(struct sim *sim, struct sim_node *node,
                                     const struct sim_call *call, struct span body,
                                     struct sim_page *page)
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
        if (name < 0 || name >= sim->names || !is_in_place(&call->request, page, manifest.name))
            return EXCHANGE_FAULTY;
        page->count++;
        memcpy(page->last, manifest.name, sizeof(page->last));
        result = adopt(sim, node, name, call->server, &manifest, one);
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
        done.local = cache_local(sim, node, (int)event->number);
    }
    cache_step(sim, node, &done);
}

void cache_report_later(struct sim *sim, struct sim_node *node, int name,
                        const struct exchange_event *done)
{
    struct sim_event *event = sim_at(sim, sim_between(sim, 0, STORE_MOST_NS), report, node->index);

    event->number = (uint64_t)name;
    sim_event_bytes(event, done, sizeof(*done));
}

enum peer_fault cache_fault(const struct sim_answer *answer)
{
    return answer->refused ? PEER_REFUSES : answer->reached ? PEER_FINE : PEER_UNREACHABLE;
}

/* The first page of many of another catalogue than it was, of which we may have most. */
static bool is_by_ranges(const struct sim_node *node, const struct sim_request *request,
                         const struct sim_answer *answer)
{
    return request->what == SIM_GET_PAGE && answer->found && answer->more &&
           answer->store_id != request->store_id && node->twin.sequence > 0;
}

void cache_http_done(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                     const struct sim_answer *answer)
{
    const struct sim_request *request = &call->request;
    struct exchange_event done = {.kind = EXCHANGE_LEARNED, .from = call->to};
    struct sim_page page = {.count = 0};

    if (request->what == SIM_GET_RANGES || request->what == SIM_GET_NAMES) {
        compare_answered(sim, node, call, answer);
        return;
    }
    if (is_by_ranges(node, request, answer)) {
        compare_begin(sim, node, &call->to);
        return;
    }
    if (request->what == SIM_GET_LIST || request->what == SIM_GET_RUN) {
        fetch_came(sim, node, call, answer);
        return;
    }
    done.result = EXCHANGE_FAILED;
    done.fault = cache_fault(answer);
    if (answer->found && !(sim_planted(sim, SIM_NEVER_COMPARES) && request->what == SIM_GET_PAGE))
        done.result = cache_adopt_all(sim, node, call, answer->body, &page);
    else if (answer->found)
        done.result = EXCHANGE_DONE;
    if (done.result == EXCHANGE_FAULTY)
        done.fault = PEER_WRONG_MANIFEST;
    if (request->what == SIM_GET_PAGE) {
        done.kind = EXCHANGE_COMPARED;
        done.page = (struct exchange_page){answer->store_id, answer->last, answer->more,
                                           done.result == EXCHANGE_AHEAD};
    }
    cache_report_later(sim, node, request->name, &done);
}

/* ---- what people on the node do ---------------------------------------------------------------
 */

/* Whose clock is far off refuses to put. */
static bool is_off(const struct sim_node *node)
{
    return node->wall_offset_ms > 120000 || node->wall_offset_ms < -120000;
}

/* Nobody is told of it yet. */
bool cache_put_untold(struct sim *sim, int index, int name, bool deleted)
{
    struct sim_node *node = &sim->nodes[index];
    struct twin_entry before;
    char whole[NAME_SIZE];

    if (!node->up || node->paused || is_off(node) || (!deleted && !content_has_room(sim, node)))
        return false;
    before = node->twin.entries[name];
    if (deleted && (!before.known || before.deleted))
        return false;
    sim_name(name, whole);
    sim_note(sim, "n%d %s f%d", index, deleted ? "removes" : "puts", name);
    twin_put(&node->twin, name, whole, node->name, sim_node_wall(sim, node), deleted);
    check_made(sim, &node->twin.entries[name]);
    check_newer(sim, node, &before, &node->twin.entries[name]);
    keep_put(sim, node, name);
    check_put(sim, node, name, &before);
    check_replaced(sim, node, name, &before);
    return true;
}

bool cache_put(struct sim *sim, int index, int name, bool deleted)
{
    struct sim_node *node = &sim->nodes[index];
    struct exchange_event changed = {.kind = EXCHANGE_CHANGED};
    char whole[NAME_SIZE];

    if (!cache_put_untold(sim, index, name, deleted))
        return false;
    keep_changed(sim, node);
    sim_name(name, whole);
    changed.name = span_of(whole);
    changed.local = cache_local(sim, node, name);
    changed.local.known = true;
    cache_step(sim, node, &changed);
    return true;
}

bool cache_order(struct sim *sim, struct sim_node *node, const struct sim_ticket *ticket)
{
    struct exchange_event asked = {.kind = EXCHANGE_ASKED,
                                   .ask = ticket->ask,
                                   .version = ticket->version,
                                   .sha256 = ticket->sha256};
    struct sim_ticket *kept = &node->tickets[node->ticket_count];
    char whole[NAME_SIZE];

    if (!node->up || node->paused || node->ticket_count == SIM_TICKETS_MAX)
        return false;
    node->ticket_count++;
    *kept = *ticket;
    kept->id = asked.ticket = ++sim->next_ticket;
    kept->asked = sim->now;
    sim_name(ticket->name, whole);
    asked.name = span_of(whole);
    asked.local = cache_local(sim, node, ticket->name);
    asked.copies = ticket->copies;
    asked.until = mono_after(sim_node_mono(sim, node), ticket->patience_ns);
    sim_note(sim, "n%d asks (%d) for f%d", node->index, (int)ticket->ask, ticket->name);
    cache_step(sim, node, &asked);
    return true;
}

/* Who asked does not want it any more. */
void cache_drop(struct sim *sim, struct sim_node *node, uint64_t ticket)
{
    struct exchange_event dropped = {.kind = EXCHANGE_DROPPED, .ticket = ticket};

    for (size_t i = 0; i < node->ticket_count; i++) {
        if (node->tickets[i].id != ticket)
            continue;
        sim_note(sim, "n%d: who asked for f%d goes away", node->index, node->tickets[i].name);
        node->tickets[i] = node->tickets[--node->ticket_count];
        if (!sim_planted(sim, SIM_DROPS_UNTOLD))
            cache_step(sim, node, &dropped);
        return;
    }
}

bool cache_ask(struct sim *sim, int index, int name, enum exchange_ask ask, bool fetch,
               bool must_find)
{
    const struct sim_ticket ticket = {
        .ask = ask, .name = name, .fetch = fetch, .must_find = must_find};

    return cache_order(sim, &sim->nodes[index], &ticket);
}
