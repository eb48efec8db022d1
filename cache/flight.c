/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include <string.h>

#include "cache/flight_inner.h"
#include "src/base/must.h"

struct flight_action *flight_add(struct flight_actions *out, enum flight_action_kind kind)
{
    struct flight_action *action = &out->list[out->count];

    MUST(out->count < FLIGHT_ACTIONS_MAX);
    out->count++;
    memset(action, 0, sizeof(*action));
    action->kind = kind;
    return action;
}

/* It got further: whoever lets it down from here on is given all the time again. */
static void progress(struct flight *flight)
{
    flight->rounds = 0;
    flight->hungry_since = MONO_NEVER;
}

/* ---- what is done next ---------------------------------------------------------------------- */

static void over(struct flight *flight, enum flight_action_kind how, struct flight_actions *out)
{
    flight->state = FLIGHT_OVER;
    flight_add(out, how);
}

static void ask_list(struct flight *flight, struct flight_actions *out)
{
    flight->state = FLIGHT_LISTING;
    flight_add(out, FLIGHT_ASK_LIST)->source = flight->sources[flight->source].http;
}

static void ask_run(struct flight *flight, struct flight_actions *out)
{
    struct flight_action *action = flight_add(out, FLIGHT_ASK_RUN);

    flight_plan_run(flight);
    flight->state = FLIGHT_RUNNING;
    action->source = flight->sources[flight->source].http;
    action->first = flight->first;
    action->last = flight->last;
}

static void rest_until(struct flight *flight, mono_t when)
{
    flight->state = FLIGHT_RESTING;
    flight->rest = when;
}

/* 1 s after the first round that brought nothing, then 2 s, then 4 s. */
static int64_t back_off(uint32_t rounds)
{
    return rounds == 0 ? 0 : MONO_S(1) << (rounds < 3 ? rounds - 1 : 2);
}

static void seek(struct flight *flight, mono_t now, struct flight_actions *out)
{
    if (flight->hungry_since.ns == MONO_NEVER.ns)
        flight->hungry_since = now;
    flight->rounds++;
    flight->turns = 0;
    flight->state = FLIGHT_SEEKING;
    flight->rest = mono_after(now, FLIGHT_NEED_NS);
    flight_add(out, FLIGHT_NEED);
}

static bool out_of_patience(const struct flight *flight, const struct flight_event *event)
{
    int64_t hungry_ns;

    if (flight->rounds == 0)
        return false;
    hungry_ns = mono_between(flight->hungry_since, event->now);
    if (event->readers == 0 || hungry_ns >= FLIGHT_AWAIT_NS)
        return true;
    return !flight->awaited &&
           (flight->rounds >= FLIGHT_ROUNDS_MAX || hungry_ns >= FLIGHT_PATIENCE_NS);
}

/* Nobody can be asked now. */
static void without_source(struct flight *flight, const struct flight_event *event,
                           struct flight_actions *out)
{
    mono_t busy_end = flight_first_busy_end(flight);

    if (flight->rounds == 0)
        seek(flight, event->now, out); /* others may hold it by now */
    else if (busy_end.ns != MONO_NEVER.ns)
        rest_until(flight, busy_end);
    else if (out_of_patience(flight, event))
        over(flight, FLIGHT_GIVE_UP, out);
    else
        rest_until(flight, mono_after(event->now, back_off(flight->rounds)));
}

/* Passing on: has everybody what they want? */
static bool is_idle(struct flight *flight, const struct flight_event *event)
{
    if (event->window == 0 || (event->readers > 0 && !flight->has_list))
        return false;
    flight_forget_filled(flight);
    return event->readers == 0 || flight->want_count == 0;
}

static void idle(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *out)
{
    if (event->readers == 0)
        over(flight, FLIGHT_LEAVE_OFF, out);
    else
        rest_until(flight, mono_after(event->now, FLIGHT_LOOK_NS));
}

/* Nothing is under way: what now? */
static void go_on(struct flight *flight, const struct flight_event *event,
                  struct flight_actions *out)
{
    if (is_idle(flight, event))
        idle(flight, event, out);
    else if (flight->had_count == flight->count)
        over(flight, FLIGHT_LAND, out);
    else if (!flight_pick_source(flight, event->now))
        without_source(flight, event, out);
    else if (!flight->has_list)
        ask_list(flight, out);
    else
        ask_run(flight, out);
}

/* The rest is over: a busy source is asked again, or sources are asked for. */
static void wake(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *out)
{
    bool due = mono_reached(event->now, flight->rest);

    if (flight->state == FLIGHT_SEEKING && due)
        without_source(flight, event, out);
    else if (flight->state == FLIGHT_RESTING && due) {
        if (is_idle(flight, event) || flight_pick_source(flight, event->now) ||
            flight_first_busy_end(flight).ns != MONO_NEVER.ns)
            go_on(flight, event, out);
        else if (out_of_patience(flight, event))
            over(flight, FLIGHT_GIVE_UP, out);
        else
            seek(flight, event->now, out);
    }
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_opened(struct flight *flight, const struct flight_event *event,
                      struct flight_actions *out)
{
    if (flight->state != FLIGHT_OPENING)
        return;
    flight->has_list = event->has_list || flight->count == 1;
    flight_have_all_of(flight, event->had);
    go_on(flight, event, out);
}

static void on_listed(struct flight *flight, const struct flight_event *event,
                      struct flight_actions *out)
{
    MUST(flight->state == FLIGHT_LISTING);
    flight->has_list = true;
    flight_have_all_of(flight, event->had);
    progress(flight);
    flight_judge(flight, PEER_FINE, out);
    go_on(flight, event, out);
}

static void cut_if_worth_it(struct flight *flight, struct flight_actions *out)
{
    flight_forget_filled(flight);
    if (!flight_worth_cutting(flight))
        return;
    flight->cut = true;
    flight_add(out, FLIGHT_CUT);
}

static void on_chunk(struct flight *flight, const struct flight_event *event,
                     struct flight_actions *out)
{
    MUST(flight->state == FLIGHT_RUNNING && event->chunk == flight->next);
    flight_linger(flight, event->chunk);
    flight_have(flight, event->chunk);
    flight->next++;
    progress(flight);
    cut_if_worth_it(flight, out);
}

static void on_wanted(struct flight *flight, const struct flight_event *event,
                      struct flight_actions *out)
{
    flight_want(flight, event->chunk);
    flight->crowded = flight->crowded || event->crowded;
    if (event->window > 0 && flight->state == FLIGHT_RESTING &&
        flight_pick_source(flight, event->now))
        go_on(flight, event, out);
}

static void on_sources(struct flight *flight, const struct flight_event *event,
                       struct flight_actions *out)
{
    bool in_vain = flight->rounds > 1 && flight->had_count == 0; /* all were asked once */

    for (size_t i = 0; i < event->source_count; i++)
        flight_take_source(flight, &event->sources[i]);
    flight->awaited = event->awaited;
    if (flight->state != FLIGHT_SEEKING && flight->state != FLIGHT_RESTING)
        return;
    if (event->superseded && (in_vain || !flight_pick_source(flight, event->now)))
        over(flight, FLIGHT_GIVE_UP, out);
    else if (flight->state == FLIGHT_SEEKING || flight_pick_source(flight, event->now))
        go_on(flight, event, out);
}

static void on_ended(struct flight *flight, const struct flight_event *event,
                     struct flight_actions *out)
{
    MUST(flight->state == FLIGHT_LISTING || flight->state == FLIGHT_RUNNING);
    if (flight->state == FLIGHT_RUNNING)
        flight->turns++;
    flight->state = FLIGHT_RESTING;
    flight->rest = event->now;
    flight_request_ended(flight, event, out);
    go_on(flight, event, out);
}

void flight_step(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *actions)
{
    actions->count = 0;
    flight->window = event->window;
    switch (flight->state == FLIGHT_OVER ? FLIGHT_WAKE : event->kind) {
    case FLIGHT_WAKE:
        wake(flight, event, actions);
        break;
    case FLIGHT_OPENED:
        on_opened(flight, event, actions);
        break;
    case FLIGHT_LISTED:
        on_listed(flight, event, actions);
        break;
    case FLIGHT_CHUNK:
        on_chunk(flight, event, actions);
        break;
    case FLIGHT_WANTED:
        on_wanted(flight, event, actions);
        break;
    case FLIGHT_RELEASED:
        flight_release(flight, event->chunk);
        break;
    case FLIGHT_SOURCES:
        on_sources(flight, event, actions);
        break;
    case FLIGHT_ENDED:
        on_ended(flight, event, actions);
        break;
    case FLIGHT_BROKEN:
        over(flight, FLIGHT_GIVE_UP, actions);
        break;
    }
    if (flight->state != FLIGHT_OVER && flight_wants_others(flight))
        flight_add(actions, FLIGHT_LISTEN);
    actions->deadline = flight->state == FLIGHT_RESTING || flight->state == FLIGHT_SEEKING
                            ? flight->rest
                            : MONO_NEVER;
}

void flight_init(struct flight *flight, uint64_t size, uint64_t chunk_size)
{
    MUST(chunk_size_fits(size, chunk_size));
    memset(flight, 0, offsetof(struct flight, had));
    flight->state = FLIGHT_OPENING;
    flight->chunk_size = chunk_size;
    flight->count = chunk_count(size, chunk_size);
    flight->hungry_since = MONO_NEVER;
    MUST(flight->count <= CHUNK_COUNT_MAX);
    chunk_map_clear(&flight->had, flight->count);
}

const struct address *flight_source_now(const struct flight *flight)
{
    if (flight->state != FLIGHT_LISTING && flight->state != FLIGHT_RUNNING)
        return NULL;
    return &flight->sources[flight->source].http;
}

struct address flight_source_last(const struct flight *flight)
{
    if (flight->source >= flight->source_count)
        return (struct address){.port = 0};
    return flight->sources[flight->source].http;
}
