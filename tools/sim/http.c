/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

static const int64_t HTTP_TIMEOUT_NS = MONO_S(5);

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
    cache_http_done(sim, &sim->nodes[event->node], &event->from, &over->request, &over->answer);
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
    int64_t after =
        reached ? sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS) : HTTP_TIMEOUT_NS;
    struct exchange_over_http *over;
    struct sim_event *done;

    memcpy(&request, event->bytes, sizeof(request));
    answer.reached = reached && sim->nodes[event->peer].up;
    if (answer.reached)
        serve(&sim->nodes[event->peer], &request, &answer, &text);
    if (text.len && sim_chance(sim, sim->faults.http_wrong)) {
        body[rng_below(&sim->rng, text.len)] ^= 1;
        answer.wrong = sim->wrong_answers = true;
        sim_count(sim, SIM_HTTP);
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
        sim_at(sim, sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS), http_arrives, -1);

    MUST(sim_node_at(sim, to) >= 0);
    event->peer = sim_node_at(sim, to);
    event->from = *to;
    event->number = (uint64_t)from->index;
    event->other = from->life;
    sim_event_bytes(event, request, sizeof(*request));
}
