/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/* ---- history --------------------------------------------------------------------------------- */

void sim_note(struct sim *sim, const char *format, ...)
{
    char line[512];
    int head;
    va_list args;

    if (!sim->options.hash && !sim->options.trace)
        return;
    head = snprintf(line, sizeof(line), "%10.4f  ", (double)sim->now.ns / 1e9);
    va_start(args, format);
    vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
    va_end(args);
    sim->result->hash = sim_hash(line, strlen(line), sim->result->hash);
    if (sim->options.trace)
        fprintf(sim->options.trace, "%s\n", line);
}

/* The first failure counts; the run ends soon after it. */
void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (sim_failed(sim))
        return;
    va_start(args, format);
    vsnprintf(sim->result->failure, sizeof(sim->result->failure), format, args);
    va_end(args);
    sim->result->failed_ns = sim->now.ns;
    sim_note(sim, "FAILED: %s", sim->result->failure);
}

void sim_count(struct sim *sim, enum sim_fault fault)
{
    sim->result->faults[fault]++;
}

bool sim_planted(const struct sim *sim, enum sim_plant plant)
{
    return sim->options.plant == plant;
}

bool sim_failed(const struct sim *sim)
{
    return sim->result->failure[0] != '\0';
}

/* ---- the queue: a heap ----------------------------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at.ns != b->at.ns ? a->at.ns < b->at.ns : a->order < b->order;
}

static void swap(struct sim *sim, size_t a, size_t b)
{
    struct sim_event *event = sim->queue[a];

    sim->queue[a] = sim->queue[b];
    sim->queue[b] = event;
}

static void push(struct sim *sim, struct sim_event *event)
{
    size_t i = sim->queued++;

    if (sim->queued > sim->queue_cap) {
        sim->queue_cap = 2 * sim->queued;
        sim->queue = realloc(sim->queue, sim->queue_cap * sizeof(*sim->queue));
        MUST(sim->queue != NULL);
    }
    sim->queue[i] = event;
    for (; i && before(sim->queue[i], sim->queue[(i - 1) / 2]); i = (i - 1) / 2)
        swap(sim, i, (i - 1) / 2);
}

static struct sim_event *pop(struct sim *sim)
{
    struct sim_event *first = sim->queue[0];
    size_t i = 0;

    sim->queue[0] = sim->queue[--sim->queued];
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < sim->queued && before(sim->queue[child], sim->queue[least]))
                least = child;
        if (least == i)
            return first;
        swap(sim, i, least);
        i = least;
    }
}

struct sim_event *sim_at(struct sim *sim, int64_t after_ns,
                         void (*run)(struct sim *sim, struct sim_event *event), int node)
{
    struct sim_event *event = calloc(1, sizeof(*event));

    MUST(event != NULL && after_ns >= 0);
    event->at = mono_after(sim->now, after_ns);
    event->order = ++sim->order;
    event->run = run;
    event->node = node;
    event->life = node < 0 ? 0 : sim->nodes[node].life;
    push(sim, event);
    return event;
}

void sim_event_bytes(struct sim_event *event, const void *bytes, size_t len)
{
    event->bytes = malloc(len + 1);
    MUST(event->bytes != NULL);
    memcpy(event->bytes, bytes, len);
    event->len = len;
}

void sim_event_free(struct sim_event *event)
{
    free(event->bytes);
    free(event);
}

void sim_again(struct sim *sim, struct sim_event *event)
{
    event->at = sim->now;
    push(sim, event);
}

/* What is a process's own waits while it stands still, and is lost with it. */
static void happen(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = event->node < 0 ? NULL : &sim->nodes[event->node];

    if (!node || (node->up && node->life == event->life && !node->paused))
        event->run(sim, event);
    else if (node->up && node->life == event->life)
        sim_node_hold(&node->held, event);
    sim_event_free(event);
}

void sim_until(struct sim *sim, mono_t end)
{
    while (sim->queued && !sim_failed(sim) && mono_reached(end, sim->queue[0]->at)) {
        struct sim_event *event = pop(sim);

        sim->now = event->at;
        happen(sim, event);
    }
    if (!sim_failed(sim))
        sim->now = end;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void begin(struct sim *sim)
{
    const struct span key = span_of("the key that all of them share");

    /* Machines and gates are megabytes that are mostly never touched: each is to be a mapping of
     * its own, which comes zeroed and goes at once. */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    sim->now = (mono_t){SIM_BEGIN_NS};
    sim->rng.state = sim->options.seed;
    sim->keyring = keyring_new(&key, 1, false);
    sim->elected = calloc(1, sizeof(*sim->elected));
    MUST(sim->elected != NULL);
    attack_begin(sim);
}

static void end(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        sim_node_free(sim, &sim->nodes[i]);
    while (sim->queued)
        sim_event_free(pop(sim));
    free(sim->queue);
    free(sim->elected);
    check_promise_end(sim);
    sim_set_free(&sim->said);
    sim_set_free(&sim->manifests);
    attack_end(sim);
    keyring_free(sim->keyring);
    free(sim);
}

void sim_run(const struct sim_options *options, struct sim_result *result)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    MUST(sim != NULL);
    *result = (struct sim_result){.hash = 1};
    sim->options = *options;
    sim->result = result;
    begin(sim);
    if (options->scenario)
        sim_scenario(sim);
    else
        sim_plan(sim);
    result->simulated_ns = mono_between((mono_t){SIM_BEGIN_NS}, sim->now);
    end(sim);
}

const char *sim_plant_name(enum sim_plant plant)
{
    static const char *const names[SIM_PLANT_COUNT] = {
#define SIM_NAME(id, name, what) [id] = name,
        SIM_PLANTS(SIM_NAME)
#undef SIM_NAME
    };

    return names[plant];
}

const char *sim_plant_text(enum sim_plant plant)
{
    static const char *const texts[SIM_PLANT_COUNT] = {
#define SIM_TEXT(id, name, what) [id] = what,
        SIM_PLANTS(SIM_TEXT)
#undef SIM_TEXT
    };

    return texts[plant];
}

const char *sim_loss_text(enum sim_loss loss)
{
    static const char *const texts[SIM_LOSS_COUNT] = {
#define SIM_TEXT(id, text) [id] = text,
        SIM_LOSSES(SIM_TEXT)
#undef SIM_TEXT
    };

    return texts[loss];
}

const char *sim_fault_name(enum sim_fault fault)
{
    static const char *const names[SIM_FAULT_COUNT] = {
#define SIM_NAME(id, name) [id] = name,
        SIM_FAULTS(SIM_NAME)
#undef SIM_NAME
    };

    return names[fault];
}
