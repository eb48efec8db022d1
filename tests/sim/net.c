/* SPDX-License-Identifier: ISC */
#include "tests/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

static const int64_t WIRE_LEAST_NS = 200000, WIRE_MOST_NS = MONO_MS(2);
static const int64_t HTTP_TIMEOUT_NS = MONO_S(5);

int sim_node_at(const struct sim *sim, const struct address *address)
{
    for (int i = 0; i < sim->node_count; i++)
        if (address_same_host(&sim->nodes[i].address, address))
            return i;
    return -1;
}

bool sim_path(const struct sim *sim, int from, int to)
{
    return !sim->faults.cut[from][to];
}

/* ---- datagrams --------------------------------------------------------------------------------
 */

static void arrive(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->peer];

    if (node->up)
        sim_node_datagram(sim, event);
}

static void deliver_in(struct sim *sim, int64_t after_ns, int from, int to, const void *bytes,
                       size_t len, bool hostile)
{
    struct sim_event *event = sim_at(sim, after_ns, arrive, -1);

    event->peer = to;
    event->from = sim->nodes[from].address;
    event->hostile = hostile;
    sim_event_bytes(event, bytes, len);
}

static void deliver(struct sim *sim, int from, int to, const void *bytes, size_t len, bool hostile)
{
    int64_t after = sim_between(sim, WIRE_LEAST_NS, WIRE_MOST_NS);

    if (sim_chance(sim, sim->faults.delay))
        after += sim_between(sim, 0, sim->faults.delay_ns);
    if (sim_path(sim, from, to) && !sim_chance(sim, sim->faults.loss))
        deliver_in(sim, after, from, to, bytes, len, hostile);
}

/* ---- the attacker: hears everything, says anything from any address, and has no key -----------
 */

static void capture(struct sim *sim, int from, const char *bytes, size_t len)
{
    struct sim_captured *captured = &sim->captured[rng_below(&sim->rng, SIM_CAPTURED_MAX)];

    if (sim->captured_count < SIM_CAPTURED_MAX)
        captured = &sim->captured[sim->captured_count++];
    free(captured->bytes);
    captured->bytes = malloc(len);
    MUST(captured->bytes != NULL);
    memcpy(captured->bytes, bytes, len);
    captured->len = len;
    captured->from = from;
}

/* Changes one byte, takes one out, or puts one in, anywhere. */
static size_t edit(struct sim *sim, char *bytes, size_t len)
{
    size_t at = rng_below(&sim->rng, len);

    switch (rng_below(&sim->rng, 3)) {
    case 0:
        bytes[at] = (char)(bytes[at] ^ (1 << rng_below(&sim->rng, 8)));
        return len;
    case 1:
        memmove(bytes + at, bytes + at + 1, len - at - 1);
        return len - 1;
    default:
        memmove(bytes + at + 1, bytes + at, len - at);
        bytes[at] = (char)('0' + rng_below(&sim->rng, 10));
        return len + 1;
    }
}

/* A well-formed lie: a version that nobody made. */
static void forge(struct sim *sim, struct text *out)
{
    struct notice notice = {.kind = NOTICE_IHAVE, .held = true, .port = SIM_HTTP_PORT};

    sim_name((int)rng_below(&sim->rng, (uint64_t)sim->names), notice.name);
    notice.version.bits = (uint64_t)sim_node_wall(sim, &sim->nodes[0]).ms << 16;
    speaker_say(sim->attacker, &notice, (wall_t){0}, out);
}

static void attack(struct sim *sim)
{
    const struct sim_captured *captured;
    char bytes[MESSAGE_MAX + 1];
    struct text text = text_over(bytes, MESSAGE_MAX);
    int to = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    size_t len;

    if (!sim->captured_count)
        return;
    captured = &sim->captured[rng_below(&sim->rng, sim->captured_count)];
    memcpy(bytes, captured->bytes, captured->len);
    len = captured->len;
    switch (rng_below(&sim->rng, 4)) {
    case 0: /* replayed as it was */
        break;
    case 1:
        forge(sim, &text);
        len = text.len;
        break;
    case 2: /* rubbish */
        len = rng_below(&sim->rng, 200);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)rng_next(&sim->rng);
        break;
    default:
        len = edit(sim, bytes, len);
    }
    deliver(sim, captured->from, to, bytes, len, true);
}

void sim_send(struct sim *sim, struct sim_node *from, const struct address *to, bool to_all,
              const struct text *datagram)
{
    for (int i = 0; i < sim->node_count; i++) {
        bool meant = to_all ? i != from->index || sim->broadcast
                            : address_same_host(&sim->nodes[i].address, to);

        if (!meant)
            continue;
        sim->result->datagrams++;
        deliver(sim, from->index, i, datagram->at, datagram->len, false);
        if (sim_chance(sim, sim->faults.duplication))
            deliver(sim, from->index, i, datagram->at, datagram->len, false);
    }
    if (sim->faults.hostile) {
        capture(sim, from->index, datagram->at, datagram->len);
        if (sim_chance(sim, sim->faults.hostile))
            attack(sim);
    }
}

/* ---- HTTP -------------------------------------------------------------------------------------
 */

struct exchange_over_http {
    struct sim_request request;
    struct sim_answer answer;
    char body[];
};

static void http_done(struct sim *sim, struct sim_event *event)
{
    struct exchange_over_http *over = (void *)event->bytes;

    over->answer.body.at = over->body;
    sim_node_http_done(sim, &sim->nodes[event->node], &event->from, &over->request, &over->answer);
}

static void add_page(const struct twin *twin, const struct sim_request *request,
                     struct sim_answer *answer, struct text *body)
{
    uint64_t since = request->store_id == twin->store_id ? request->since : 0;
    int next = twin_next(twin, since);

    for (int i = 0; i < TWIN_PAGE && next >= 0; i++) {
        text_add(body, twin->entries[next].text, twin->entries[next].len);
        since = twin->entries[next].sequence;
        next = twin_next(twin, since);
    }
    answer->found = true;
    answer->store_id = twin->store_id;
    answer->last = since;
    answer->more = next >= 0;
}

static void serve(const struct sim_node *server, const struct sim_request *request,
                  struct sim_answer *answer, struct text *body)
{
    const struct twin_entry *entry =
        request->name < 0 ? NULL : &server->twin.entries[request->name];

    switch (request->what) {
    case SIM_GET_PAGE:
        add_page(&server->twin, request, answer, body);
        break;
    case SIM_GET_MANIFEST:
        answer->found = entry->known;
        if (entry->known)
            text_add(body, entry->text, entry->len);
        break;
    case SIM_GET_CONTENT:
        answer->found = entry->held && entry->version.bits == request->version;
        break;
    }
}

/* The request comes to the server, and its answer goes back. */
static void http_arrives(struct sim *sim, struct sim_event *event)
{
    struct sim_request request;
    char body[TWIN_PAGE * 1024];
    struct text text = TEXT_OVER(body);
    struct sim_answer answer = {.reached = false};
    struct sim_node *asker = &sim->nodes[event->number];
    bool reached = sim_path(sim, asker->index, event->peer) &&
                   sim_path(sim, event->peer, asker->index) &&
                   !sim_chance(sim, sim->faults.http_failed);
    int64_t after = reached ? sim_between(sim, WIRE_LEAST_NS, WIRE_MOST_NS) : HTTP_TIMEOUT_NS;
    struct exchange_over_http *over;
    struct sim_event *done;

    memcpy(&request, event->bytes, sizeof(request));
    answer.reached = reached && sim->nodes[event->peer].up;
    if (answer.reached)
        serve(&sim->nodes[event->peer], &request, &answer, &text);
    if (text.len && sim_chance(sim, sim->faults.http_wrong)) {
        body[rng_below(&sim->rng, text.len)] ^= 1;
        answer.wrong = true;
    }
    answer.body.len = text.len;
    if (!asker->up || asker->life != event->other)
        return;
    done = sim_at(sim, after, http_done, asker->index);
    done->from = event->from;
    done->len = sizeof(*over) + text.len;
    over = calloc(1, done->len + 1);
    MUST(over != NULL);
    over->request = request;
    over->answer = answer;
    memcpy(over->body, body, text.len);
    done->bytes = (char *)over;
}

void sim_get(struct sim *sim, struct sim_node *from, const struct address *to,
             const struct sim_request *request)
{
    struct sim_event *event =
        sim_at(sim, sim_between(sim, WIRE_LEAST_NS, WIRE_MOST_NS), http_arrives, -1);

    MUST(sim_node_at(sim, to) >= 0);
    sim->http_requests++;
    event->peer = sim_node_at(sim, to);
    event->from = *to;
    event->number = (uint64_t)from->index;
    event->other = from->life;
    sim_event_bytes(event, request, sizeof(*request));
}
