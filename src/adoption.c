/* SPDX-License-Identifier: ISC */
#include "src/adoption.h"

#include <stdlib.h>
#include <string.h>

#include "cache/manifest.h"
#include "cache/survey.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"

enum { ADOPTION_MAGIC = 0x61646f70 };

/* ---- reading --------------------------------------------------------------------------------- */

static void blame(struct adoption *adoption, const struct adoption_source *source, const char *what)
{
    char from[ADDRESS_TEXT_SIZE];

    adoption->result = EXCHANGE_FAULTY;
    adoption->fault = PEER_WRONG_MANIFEST;
    log_warn("%s sent a wrong manifest: %s", address_text(&source->server, from), what);
}

static bool is_in_place(const struct adoption *adoption, const struct adoption_source *source,
                        struct span name)
{
    struct span last = span_of(adoption->last);

    if (last.len ? !survey_is_forward(last, name)
                 : !span_same(source->from, name) && !survey_is_forward(source->from, name))
        return false;
    return !source->to.len || survey_is_forward(name, source->to);
}

/* Holds one manifest against what it was asked as. False, and the blame is laid, where it is not
 * what it should be. */
static bool is_right(struct adoption *adoption, const struct adoption_source *source,
                     enum message_verdict verdict, const struct manifest *manifest)
{
    enum name_verdict name;

    if (verdict != MESSAGE_OK) {
        blame(adoption, source, message_verdict_sentence(verdict));
        return false;
    }
    name = name_check(span_of(manifest->name), source->domain);
    if (name != NAME_OK) {
        blame(adoption, source, name_sentence(name));
        return false;
    }
    if (source->name && strcmp(source->name, manifest->name) != 0) {
        blame(adoption, source, "it is another name's");
        return false;
    }
    if (source->ordered && !is_in_place(adoption, source, span_of(manifest->name))) {
        blame(adoption, source, "it does not stand where it was asked for");
        return false;
    }
    return true;
}

static void adopted(struct store_job *job);

static bool is_to_confirm(const struct adoption_source *source)
{
    mono_t now = clock_mono();
    struct route_place place;

    if (!source->routes)
        return false;
    place = routes_place(source->routes, now);
    return route_brings_up(&place, routes_to(source->routes, now, &source->server));
}

/* A manifest that is told is an announcement. */
static bool is_taken(const struct adoption_source *source, const struct manifest *manifest)
{
    return !source->gate || gate_takes_answer(source->gate, clock_mono(), RULE_IHAVE,
                                              &source->server, span_of(manifest->name));
}

bool adoption_read(struct adoption *adoption, struct span rest,
                   const struct adoption_source *source)
{
    size_t most = source->name ? 1 : ADOPTION_MOST;
    bool unconfirmed = is_to_confirm(source);
    struct manifest manifest;
    struct span one;

    adoption->magic = ADOPTION_MAGIC;
    adoption->jobs = malloc(most * sizeof(*adoption->jobs)); /* most of it is not touched */
    MUST(adoption->jobs != NULL);
    while (rest.len > 0) {
        enum message_verdict verdict = manifest_read_next(&rest, &manifest, &one);
        if (verdict == MESSAGE_NO_TYPE && manifest_pass_over(&rest))
            continue;
        if (!is_right(adoption, source, verdict, &manifest))
            return false;
        if (adoption->count == most) {
            blame(adoption, source, "more came than was asked for");
            return false;
        }
        memcpy(adoption->last, manifest.name, sizeof(adoption->last));
        if (!is_taken(source, &manifest))
            continue;
        adoption->jobs[adoption->count++] = (struct store_job){.kind = STORE_ADOPT,
                                                               .text = one,
                                                               .unconfirmed = unconfirmed,
                                                               .done = adopted,
                                                               .owner = adoption};
    }
    if (source->name && !*adoption->last)
        blame(adoption, source, "it is empty");
    return adoption->result != EXCHANGE_FAULTY;
}

/* ---- adopting -------------------------------------------------------------------------------- */

/* The worst that befell any manifest is the result of all. */
static void take_results(struct adoption *adoption)
{
    for (size_t i = 0; i < adoption->count; i++) {
        enum store_status status = adoption->jobs[i].status;
        if (status == STORE_AHEAD && adoption->result == EXCHANGE_DONE)
            adoption->result = EXCHANGE_AHEAD;
        else if (status != STORE_OK && status != STORE_NOT_NEWER && status != STORE_AHEAD)
            adoption->result = EXCHANGE_FAILED;
    }
    if (adoption->result == EXCHANGE_AHEAD)
        adoption->fault = PEER_AHEAD;
}

static void end(struct adoption *adoption)
{
    if (adoption->result != EXCHANGE_FAULTY)
        take_results(adoption);
    adoption->done(adoption);
}

static void adopted(struct store_job *job)
{
    struct adoption *adoption = job->owner;

    MUST_BE(adoption, ADOPTION_MAGIC);
    if (atomic_fetch_sub(&adoption->left, 1) == 1)
        end(adoption);
}

void adoption_begin(struct adoption *adoption, struct store *store)
{
    size_t count = adoption->count;

    MUST_BE(adoption, ADOPTION_MAGIC);
    if (count == 0) {
        end(adoption);
        return;
    }
    atomic_init(&adoption->left, count);
    for (size_t i = 0; i < count; i++)
        store_submit(store, &adoption->jobs[i]);
}

void adoption_clear(struct adoption *adoption)
{
    free(adoption->jobs);
    adoption->jobs = NULL;
    adoption->count = 0;
    adoption->magic = 0;
}
