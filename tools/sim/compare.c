/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/sum.h"
#include "cache/survey.h"
#include "src/base/must.h"
#include "tools/sim/inner.h"

/*
 * Compares a catalogue in which no position is known by ranges of names, as src/catchup.c does: the
 * same decisions, over requests that may be lost. Ranges are few and small here, so that there are
 * many of them among few names.
 */
enum { PARTS = 4, SMALL = 2 };

struct sim_survey {
    struct sim_survey *next;
    struct address server;
    uint64_t call; /* that is waited for */
    bool ahead;
    uint64_t read; /* names, that is manifests which came */
    struct sim_before *before;
    struct survey survey;
    struct survey_piece todo[2 * SURVEY_ROOM];
};

/* ---- ranges of a catalogue ------------------------------------------------------------------- */

/* A range as it is gone through. */
struct walk {
    const struct twin *twin;
    struct span from, to;
    size_t at; /* in the order of names */
    int name;
    struct manifest manifest; /* as far as sums need it */
};

static bool walk_next(struct walk *walk)
{
    for (; walk->at < walk->twin->count; walk->at++) {
        const struct twin_entry *entry = &walk->twin->entries[walk->twin->order[walk->at]];
        struct span name;

        if (!entry->known)
            continue;
        walk->name = walk->twin->order[walk->at];
        sim_name(walk->name, walk->manifest.name);
        name = span_of(walk->manifest.name);
        if (!span_same(name, walk->from) && !survey_is_forward(walk->from, name))
            continue;
        if (walk->to.len && !survey_is_forward(name, walk->to))
            return false;
        walk->manifest.version = entry->version;
        walk->manifest.sha256 = entry->sha256;
        walk->at++;
        return true;
    }
    return false;
}

static void add(const struct sim *sim, struct walk *walk, uint64_t lanes[SUM_LANES])
{
    if (sim_planted(sim, SIM_SUMS_NAMES))
        walk->manifest.version = (struct version){0};
    sum_add(lanes, &walk->manifest);
}

static void put_range(struct text *body, uint64_t count, uint64_t lanes[SUM_LANES],
                      const char *first)
{
    struct digest digest = sum_digest(lanes);
    char hex[DIGEST_HEX_SIZE];

    text_printf(body, "%" PRIu64 " %s %s\n", count, digest_hex(&digest, hex), first);
    memset(lanes, 0, SUM_LANES * sizeof(*lanes));
}

static void put_ranges(const struct sim *sim, const struct twin *twin,
                       const struct sim_request *request, struct text *body)
{
    struct walk walk = {.twin = twin, .from = span_of(request->from), .to = span_of(request->to)};
    struct walk all = walk;
    uint64_t names = 0, count = 0, lanes[SUM_LANES] = {0};
    char first[NAME_SIZE];

    while (walk_next(&all))
        names++;
    MUST(span_copy(walk.from, first, sizeof(first)));
    while (walk_next(&walk)) {
        if (count == (names + PARTS - 1) / PARTS) {
            put_range(body, count, lanes, first);
            memcpy(first, walk.manifest.name, sizeof(first));
            count = 0;
        }
        count++;
        add(sim, &walk, lanes);
    }
    put_range(body, count, lanes, first);
}

static bool put_names(const struct twin *twin, const struct sim_request *request, struct text *body)
{
    struct walk walk = {.twin = twin, .from = span_of(request->from), .to = span_of(request->to)};

    for (int i = 0; walk_next(&walk); i++) {
        if (i == TWIN_PAGE)
            return true;
        text_add(body, twin->entries[walk.name].text, twin->entries[walk.name].len);
    }
    return false;
}

void compare_serve(const struct sim *sim, const struct sim_node *server,
                   const struct sim_request *request, struct sim_answer *answer, struct text *body)
{
    const struct twin *twin = &server->twin;

    answer->found = true;
    answer->store_id = twin->store_id;
    answer->last = twin->sequence;
    if (request->what == SIM_GET_NAMES)
        answer->more = put_names(twin, request, body);
    else if (!digest_same(&request->head, &twin->digest))
        put_ranges(sim, twin, request, body);
    MUST(!body->full);
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct own {
    const struct sim *sim;
    const struct twin *twin;
};

static bool sum_own(void *arg, struct span from, struct span to, struct survey_part *out)
{
    const struct own *own = arg;
    struct walk walk = {.twin = own->twin, .from = from, .to = to};
    uint64_t lanes[SUM_LANES] = {0};

    out->count = 0;
    while (walk_next(&walk)) {
        out->count++;
        add(own->sim, &walk, lanes);
    }
    out->digest = sum_digest(lanes);
    return true;
}

static void ask(struct sim *sim, struct sim_node *node, struct sim_survey *s)
{
    const struct survey_piece *piece = &s->survey.piece;
    struct sim_request request = {.what = piece->read ? SIM_GET_NAMES : SIM_GET_RANGES, .name = -1};

    MUST(span_copy(span_of(piece->from), request.from, sizeof(request.from)));
    MUST(span_copy(span_of(piece->to), request.to, sizeof(request.to)));
    if (s->survey.asked == 1)
        request.head = node->twin.digest;
    s->call = sim_get(sim, node, &s->server, &request);
}

static void release(struct sim_node *node, struct sim_survey *s)
{
    struct sim_survey **at = &node->surveys;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    free(s->before);
    free(s);
}

static void end(struct sim *sim, struct sim_node *node, struct sim_survey *s,
                enum exchange_result result, enum peer_fault fault)
{
    struct exchange_event done = {
        .kind = EXCHANGE_COMPARED, .from = s->server, .result = result, .fault = fault};

    if (result == EXCHANGE_DONE && s->ahead)
        done.result = EXCHANGE_AHEAD;
    if (done.result == EXCHANGE_DONE)
        check_compared(sim, node, s->before, s->survey.store_id, s->read, SMALL);
    done.page = (struct exchange_page){s->survey.store_id, s->survey.last, false,
                                       done.result == EXCHANGE_AHEAD};
    sim_note(sim, "n%d has compared with n%d by ranges: %u requests, %llu names read", node->index,
             sim_node_at(sim, &s->server), s->survey.asked, (unsigned long long)s->read);
    cache_report_later(sim, node, -1, &done);
    release(node, s);
}

void compare_begin(struct sim *sim, struct sim_node *node, const struct address *server)
{
    struct sim_survey *s = calloc(1, sizeof(*s));

    MUST(s != NULL);
    s->next = node->surveys;
    node->surveys = s;
    s->server = *server;
    s->before = check_compare_begin(sim, node, &sim->nodes[sim_node_at(sim, server)]);
    s->survey.domain = SIM_DOMAIN;
    s->survey.small = SMALL;
    s->survey.todo = s->todo;
    s->survey.room = 2 * SURVEY_ROOM;
    survey_begin(&s->survey);
    MUST(survey_next(&s->survey));
    ask(sim, node, s);
}

/* What there is in it is taken, whatever else is wrong with it. */
static enum survey_verdict take_page(struct sim *sim, struct sim_node *node, struct sim_survey *s,
                                     const struct sim_call *call, const struct sim_answer *answer)
{
    struct sim_page page = {.count = 0};
    struct survey_piece covered;
    enum exchange_result result = cache_adopt_all(sim, node, call, answer->body, &page);

    if (result == EXCHANGE_FAULTY)
        return SURVEY_WRONG_PAGE;
    s->ahead = s->ahead || result == EXCHANGE_AHEAD;
    s->read += page.count - answer->more; /* the last one comes once more */
    return survey_page(&s->survey, page.count, span_of(page.last), answer->more, &covered);
}

static enum survey_verdict take(struct sim *sim, struct sim_node *node, struct sim_survey *s,
                                const struct sim_call *call, const struct sim_answer *answer)
{
    struct own own = {sim, &node->twin};
    enum survey_verdict verdict = survey_answered(&s->survey, answer->store_id, answer->last);

    if (verdict != SURVEY_FINE || sim_planted(sim, SIM_NEVER_COMPARES))
        return verdict;
    if (s->survey.piece.read)
        return take_page(sim, node, s, call, answer);
    return survey_ranges(&s->survey, answer->body, &(struct survey_own){sum_own, NULL, &own});
}

void compare_answered(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                      const struct sim_answer *answer)
{
    struct sim_survey *s = node->surveys;
    enum survey_verdict verdict;

    while (s && s->call != call->number)
        s = s->next;
    MUST(s != NULL);
    if (!answer->found) {
        end(sim, node, s, EXCHANGE_FAILED, cache_fault(answer));
        return;
    }
    verdict = take(sim, node, s, call, answer);
    if (verdict == SURVEY_OTHER_STORE)
        end(sim, node, s, EXCHANGE_FAILED, PEER_FINE);
    else if (verdict != SURVEY_FINE)
        end(sim, node, s, EXCHANGE_FAULTY, PEER_WRONG_MANIFEST);
    else if (survey_next(&s->survey))
        ask(sim, node, s);
    else
        end(sim, node, s, EXCHANGE_DONE, PEER_FINE);
}

void compare_end_all(struct sim_node *node)
{
    while (node->surveys)
        release(node, node->surveys);
}
