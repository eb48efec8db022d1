/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/*
 * HTTP between nodes: requests, which the server judges by what the asker is to it, and their
 * answers. Content itself is given out by readers.c.
 */
static const int64_t HTTP_TIMEOUT_NS = MONO_S(5);
enum { BODY_MAX = TWIN_PAGE * 1024 };

struct exchange_over_http {
    struct sim_call call;
    struct sim_answer answer;
    char body[];
};

static void http_done(struct sim *sim, struct sim_event *event)
{
    struct exchange_over_http *over = (void *)event->bytes;

    over->answer.body.at = over->body;
    cache_http_done(sim, &sim->nodes[event->node], &over->call, &over->answer);
}

/* ---- the server ------------------------------------------------------------------------------ */

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

static void serve(const struct sim *sim, const struct sim_node *server,
                  const struct sim_request *request, struct sim_answer *answer, struct text *body)
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
    case SIM_GET_RANGES:
    case SIM_GET_NAMES:
        compare_serve(sim, server, request, answer, body);
        break;
    case SIM_GET_LIST:
    case SIM_GET_RUN:
        break;
    }
}

static bool is_content(const struct sim_call *call)
{
    return call->request.what == SIM_GET_LIST || call->request.what == SIM_GET_RUN;
}

/* Section 9. True: it is answered by those who give out content. */
static bool judge(struct sim *sim, struct sim_call *call, struct sim_answer *answer,
                  struct text *body)
{
    struct sim_node *server = &sim->nodes[call->server];
    struct routes_answer verdict = place_serve(sim, server, call->asker);

    check_served(sim, call, verdict.serve);
    switch (verdict.serve) {
    case ROUTE_SERVE_FETCH:
        if (is_content(call) && readers_take(sim, call, true))
            return true;
        break;
    case ROUTE_SERVE_HELD:
        if (is_content(call) && readers_take(sim, call, false))
            return true;
        break;
    case ROUTE_REDIRECT:
        answer->master = verdict.master;
        answer->redirected = is_content(call);
        break;
    case ROUTE_NO_MASTER:
        answer->busy = is_content(call);
        break;
    case ROUTE_REFUSE_SIBLING:
    case ROUTE_REFUSE:
        answer->refused = true;
        break;
    }
    if (!answer->refused && !answer->busy && !answer->redirected)
        serve(sim, server, &call->request, answer, body);
    return false;
}

/* ---- the way there and back ------------------------------------------------------------------ */

bool sim_call_is_gone(const struct sim *sim, const struct sim_call *call)
{
    const struct sim_node *asker = &sim->nodes[call->asker];

    return !asker->up || asker->life != call->life;
}

static bool is_reached(struct sim *sim, const struct sim_call *call)
{
    return sim_path(sim, call->asker, call->server) && sim_path(sim, call->server, call->asker) &&
           !sim_chance(sim, sim->faults.http_failed);
}

static void send_back(struct sim *sim, const struct sim_call *call, const struct sim_answer *answer,
                      const struct text *body, int64_t after)
{
    size_t len = body ? body->len : 0;
    struct exchange_over_http *over = calloc(1, sizeof(*over) + len + 1);
    struct sim_event *done = sim_at(sim, after, http_done, call->asker);

    MUST(over != NULL);
    over->call = *call;
    over->answer = *answer;
    over->answer.body.len = len;
    if (len)
        memcpy(over->body, body->at, len);
    done->len = sizeof(*over) + len;
    done->bytes = (char *)over;
}

static void fail(struct sim *sim, const struct sim_call *call, int64_t after)
{
    send_back(sim, call, &(struct sim_answer){.reached = false}, NULL, after);
}

static void answer_call(struct sim *sim, struct sim_call *call)
{
    char memory[BODY_MAX];
    struct text body = TEXT_OVER(memory);
    struct sim_answer answer = {.reached = true};

    if (judge(sim, call, &answer, &body))
        return;
    if (body.len && call->request.what != SIM_GET_RANGES && /* they carry no sum of their own */
        sim_chance(sim, sim->faults.http_wrong)) {
        memory[rng_below(&sim->rng, body.len)] ^= 1;
        answer.wrong = sim->wrong_answers = true;
        sim_count(sim, SIM_HTTP);
    }
    send_back(sim, call, &answer, &body, sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS));
}

static void http_arrives(struct sim *sim, struct sim_event *event)
{
    struct sim_call call;
    bool reached;

    memcpy(&call, event->bytes, sizeof(call));
    reached = is_reached(sim, &call);
    if (sim_call_is_gone(sim, &call))
        return;
    if (!reached)
        fail(sim, &call, HTTP_TIMEOUT_NS);
    else if (!sim->nodes[call.server].up)
        fail(sim, &call, sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS));
    else
        answer_call(sim, &call);
}

void sim_call_answers(struct sim *sim, const struct sim_call *call, const struct sim_answer *answer)
{
    if (sim_call_is_gone(sim, call))
        return;
    if (is_reached(sim, call))
        send_back(sim, call, answer, NULL, sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS));
    else
        fail(sim, call, HTTP_TIMEOUT_NS);
}

void sim_call_breaks(struct sim *sim, const struct sim_call *call, bool with_host)
{
    if (!sim_call_is_gone(sim, call))
        fail(sim, call, with_host ? HTTP_TIMEOUT_NS : SIM_WIRE_LEAST_NS);
}

uint64_t sim_get(struct sim *sim, struct sim_node *from, const struct address *to,
                 const struct sim_request *request)
{
    struct sim_event *event =
        sim_at(sim, sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS), http_arrives, -1);
    struct sim_call call = {.number = ++sim->calls,
                            .asker = from->index,
                            .life = from->life,
                            .server = sim_node_at(sim, to),
                            .to = *to,
                            .request = *request};

    MUST(call.server >= 0);
    sim_event_bytes(event, &call, sizeof(call));
    return call.number;
}
