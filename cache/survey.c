/* SPDX-License-Identifier: ISC */
#include "cache/survey.h"

#include <string.h>

#include "src/base/must.h"

enum {
    DEPTH_MAX = 6,  /* of cuts: more names than that are in no catalogue */
    PAGE_COST = 32, /* a page counts as so many names at least */
    ORDERED = 440   /* bytes of a name by which the catalogue's order can be told */
};

bool survey_is_forward(struct span before, struct span name)
{
    size_t least = before.len < name.len ? before.len : name.len;
    int order = memcmp(before.at, name.at, least < ORDERED ? least : ORDERED);

    if (order == 0 && least >= ORDERED)
        return !span_same(before, name);
    return order < 0 || (order == 0 && name.len > before.len);
}

const char *survey_sentence(enum survey_verdict verdict)
{
    switch (verdict) {
    case SURVEY_NO_STORE:
        return "it does not say whose it is";
    case SURVEY_WRONG_RANGES:
        return "its ranges of names are not those that were asked for";
    case SURVEY_WRONG_PAGE:
        return "a page does not go on from the one before it";
    case SURVEY_TOO_MUCH:
        return "it goes on long after all that there was said to be";
    case SURVEY_FINE:
    case SURVEY_OTHER_STORE:
    case SURVEY_UNREAD:
        break;
    }
    return "";
}

static struct survey_piece *push(struct survey *survey)
{
    MUST(survey->count < survey->room);
    return memset(&survey->todo[survey->count++], 0, sizeof(*survey->todo));
}

static enum survey_verdict spend(struct survey *survey, uint64_t names)
{
    if (names > survey->credit)
        return SURVEY_TOO_MUCH;
    survey->credit -= names;
    return SURVEY_FINE;
}

void survey_begin(struct survey *survey)
{
    survey->count = survey->asked = 0;
    survey->store_id = survey->last = 0;
    survey->credit = SURVEY_SPARE;
    push(survey);
}

bool survey_next(struct survey *survey)
{
    if (survey->count == 0)
        return false;
    survey->piece = survey->todo[--survey->count];
    survey->asked++;
    return true;
}

enum survey_verdict survey_answered(struct survey *survey, uint64_t store_id, uint64_t last)
{
    if (store_id == 0)
        return SURVEY_NO_STORE;
    if (survey->asked > 1 && store_id != survey->store_id)
        return SURVEY_OTHER_STORE;
    if (survey->asked > 1) { /* a page may have been begun before the survey was */
        if (last < survey->last)
            survey->last = last;
        return SURVEY_FINE;
    }
    survey->store_id = store_id;
    survey->last = last;
    return SURVEY_FINE;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* "COUNT DIGEST NAME" */
static bool read_part(struct span *rest, struct survey_part *part)
{
    struct span line = span_take(rest, '\n');
    struct span count = span_take(&line, ' '), digest = span_take(&line, ' ');

    part->first = line;
    return span_u64(count, SURVEY_NAMES_MAX, &part->count) && digest_parse(digest, &part->digest);
}

/* How many; 0 where they make no sense. The first one begins where we asked it to. */
static size_t read_parts(struct survey *survey, struct span rest)
{
    struct survey_part *parts = survey->parts;
    const struct survey_piece *piece = &survey->piece;
    size_t count = 0;

    while (rest.len) {
        if (count == SURVEY_PARTS || !read_part(&rest, &parts[count]))
            return 0;
        if (count == 0 && !span_is(parts[0].first, piece->from))
            return 0;
        if (count > 0 && (name_check(parts[count].first, survey->domain) != NAME_OK ||
                          !survey_is_forward(parts[count - 1].first, parts[count].first)))
            return 0;
        count++;
    }
    parts[count].first = span_of(piece->to);
    if (count > 0 && *piece->to && !survey_is_forward(parts[count - 1].first, parts[count].first))
        return 0;
    return count;
}

/* Adjacent ranges that are to be read are read as one. */
static void push_part(struct survey *survey, const struct survey_part *part, struct span to,
                      bool read)
{
    struct survey_piece *piece = survey->count ? &survey->todo[survey->count - 1] : NULL;
    unsigned depth = survey->piece.depth + 1;

    if (!piece || !read || !piece->read || piece->depth != depth || !span_is(to, piece->from)) {
        piece = push(survey);
        MUST(span_copy(to, piece->to, sizeof(piece->to)));
        piece->depth = depth;
        piece->read = read;
    }
    MUST(span_copy(part->first, piece->from, sizeof(piece->from)));
}

static enum survey_verdict compare_part(struct survey *survey, const struct survey_part *part,
                                        struct span to, const struct survey_own *own)
{
    struct survey_part ours = {.count = 0};

    if (part->count == 0)
        return !own->gone || own->gone(own->arg, part->first, to) ? SURVEY_FINE : SURVEY_UNREAD;
    if (!own->sum(own->arg, part->first, to, &ours))
        return SURVEY_UNREAD;
    if (ours.count == part->count && digest_same(&ours.digest, &part->digest))
        return SURVEY_FINE;
    push_part(survey, part, to,
              part->count <= survey->small || ours.count == 0 || survey->piece.depth == DEPTH_MAX);
    return SURVEY_FINE;
}

/* So few that they are read in one go, rather than each part that differs by itself. */
static bool are_few(const struct survey *survey, size_t count)
{
    uint64_t names = 0;

    for (size_t i = 0; i < count && names <= survey->small; i++)
        names += survey->parts[i].count;
    return names > 0 && names <= survey->small;
}

/* From the last to the first: the first is then on top. */
static enum survey_verdict compare_parts(struct survey *survey, size_t count,
                                         const struct survey_own *own)
{
    const struct survey_part *parts = survey->parts;
    enum survey_verdict worst = SURVEY_FINE;

    if (are_few(survey, count)) {
        push_part(survey, &parts[0], parts[count].first, true);
        return SURVEY_FINE;
    }
    for (size_t i = count; i-- > 0;) {
        enum survey_verdict verdict = compare_part(survey, &parts[i], parts[i + 1].first, own);
        if (verdict != SURVEY_FINE)
            worst = verdict;
    }
    return worst;
}

/* No answer to the first question says that it is the catalogue that we have. */
enum survey_verdict survey_ranges(struct survey *survey, struct span body,
                                  const struct survey_own *own)
{
    size_t count = read_parts(survey, body);
    enum survey_verdict verdict;

    MUST(!survey->piece.read && survey->room - survey->count >= SURVEY_ROOM);
    if (count == 0 && (body.len > 0 || survey->asked > 1))
        return SURVEY_WRONG_RANGES;
    for (size_t i = 0; i < count && survey->asked == 1; i++)
        survey->credit += 2 * survey->parts[i].count;
    verdict = compare_parts(survey, count, own);
    return verdict == SURVEY_FINE ? spend(survey, SURVEY_PARTS) : verdict;
}

/* ---- pages ----------------------------------------------------------------------------------- */

enum survey_verdict survey_page(struct survey *survey, uint64_t names, struct span last, bool more,
                                struct survey_piece *covered)
{
    enum survey_verdict verdict = spend(survey, names > PAGE_COST ? names : PAGE_COST);
    struct survey_piece *rest;

    *covered = survey->piece;
    if (!more)
        return verdict;
    if (!survey_is_forward(span_of(survey->piece.from), last))
        return SURVEY_WRONG_PAGE;
    rest = push(survey);
    *rest = survey->piece;
    MUST(span_copy(last, rest->from, sizeof(rest->from)));
    MUST(span_copy(last, covered->to, sizeof(covered->to)));
    return verdict;
}
