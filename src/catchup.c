/* SPDX-License-Identifier: ISC */
#include "src/catchup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/survey.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/bygone.h"
#include "src/clock.h"

enum { CATCHUP_MAGIC = 0x63617463 };

/* A page on its way into the store. */
struct page {
    struct catchup *catchup;
    bool busy;
    struct survey_piece piece; /* what it covers */
    char *body;
    struct adoption adoption;
    struct letter letter;
    struct task forget; /* what it has not, where the master says so */
    enum store_status forgotten;
    struct letter forgot;
};

struct catchup {
    unsigned magic;
    struct catchup_options options;
    struct catchup_end end;
    bool failed; /* nothing more is asked for */
    bool forgets;

    bool asking;       /* then the rest belongs to the thread that deals with the answer */
    struct page *page; /* where the answer goes, if it is one */
    struct fetch_request request;
    struct letter answered, compared;
    struct task compare;
    enum survey_verdict compared_well;

    struct survey survey;
    struct page pages[CATCHUP_PAGES];
};

/* ---- what is to be done ---------------------------------------------------------------------- */

static void make_room(struct survey *survey)
{
    if (survey->room - survey->count >= SURVEY_ROOM)
        return;
    survey->room = survey->count + SURVEY_ROOM;
    survey->todo = realloc(survey->todo, survey->room * sizeof(*survey->todo));
    MUST(survey->todo != NULL);
}

/* The worst counts. */
static void note(struct catchup *c, enum exchange_result result, enum peer_fault fault)
{
    if (result == EXCHANGE_DONE || c->end.result == EXCHANGE_FAULTY ||
        (result == EXCHANGE_AHEAD && c->end.result == EXCHANGE_FAILED))
        return;
    c->end.result = result;
    c->end.fault = fault;
    c->failed = c->failed || result != EXCHANGE_AHEAD;
}

static void judge(struct catchup *c, enum survey_verdict verdict)
{
    char server[ADDRESS_TEXT_SIZE];

    if (verdict == SURVEY_FINE)
        return;
    if (verdict == SURVEY_OTHER_STORE || verdict == SURVEY_UNREAD) {
        note(c, EXCHANGE_FAILED, PEER_FINE);
        return;
    }
    log_warn("%s: its catalogue makes no sense: %s", address_text(&c->options.server, server),
             survey_sentence(verdict));
    note(c, EXCHANGE_FAULTY, PEER_WRONG_ANSWER);
}

static void finish(struct catchup *c)
{
    c->end.last = c->survey.last;
    c->options.done(c->options.arg, &c->end);
    free(c->request.body);
    free(c->survey.todo);
    c->magic = 0;
    free(c);
}

static struct page *free_page(struct catchup *c)
{
    for (size_t i = 0; i < CATCHUP_PAGES; i++) {
        if (!c->pages[i].busy)
            return &c->pages[i];
    }
    return NULL;
}

static bool is_adopting(const struct catchup *c)
{
    bool busy = false;

    for (size_t i = 0; i < CATCHUP_PAGES; i++)
        busy = busy || c->pages[i].busy;
    return busy;
}

static void ask(struct catchup *c);

/* Takes up the next piece, or ends. Main thread. */
static void go_on(struct catchup *c)
{
    if (c->asking)
        return;
    if (!*c->options.comparer)
        note(c, EXCHANGE_FAILED, PEER_FINE);
    if ((c->failed || c->survey.count == 0) && !is_adopting(c))
        finish(c);
    else if (!c->failed && c->survey.count > 0 && free_page(c))
        ask(c);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void drop_page(struct page *page)
{
    adoption_clear(&page->adoption);
    free(page->body);
    page->body = NULL;
}

static void end_page(struct page *page)
{
    drop_page(page);
    page->busy = false;
    go_on(page->catchup);
}

static void read_forgot(struct letter *letter)
{
    struct page *page = LETTER_OWNER(letter, struct page, forgot);

    MUST_BE(page->catchup, CATCHUP_MAGIC);
    if (page->forgotten != STORE_OK)
        note(page->catchup, EXCHANGE_FAILED, PEER_FINE);
    end_page(page);
}

/* The comparer's thread. */
static void forget(struct task *task)
{
    struct page *page = TASK_OWNER(task, struct page, forget);
    const struct catchup_options *options = &page->catchup->options;

    page->forgotten = bygone_forget(options->store, span_of(page->piece.from),
                                    span_of(page->piece.to), &page->adoption);
    mailbox_post(options->mailbox, &page->forgot);
}

static void read_page(struct letter *letter)
{
    struct page *page = LETTER_OWNER(letter, struct page, letter);
    struct catchup *c = page->catchup;

    MUST_BE(c, CATCHUP_MAGIC);
    note(c, page->adoption.result, page->adoption.fault);
    if (c->forgets && !c->failed && *c->options.comparer)
        workers_post(*c->options.comparer, &page->forget);
    else
        end_page(page);
}

static void adopted(struct adoption *adoption)
{
    struct page *page = adoption->owner;

    MUST_BE(page->catchup, CATCHUP_MAGIC);
    mailbox_post(page->catchup->options.mailbox, &page->letter);
}

/* On the fetch thread. */
static void cut_page(struct catchup *c)
{
    struct page *page = c->page;
    struct adoption_source source = {.server = c->options.server,
                                     .routes = c->options.routes,
                                     .gate = c->options.gate,
                                     .domain = c->options.domain,
                                     .ordered = true,
                                     .from = span_of(c->survey.piece.from),
                                     .to = span_of(c->survey.piece.to)};

    page->body = c->request.body;
    page->adoption = (struct adoption){.done = adopted, .owner = page};
    c->request.body = NULL;
    (void)adoption_read(&page->adoption, (struct span){page->body, c->request.body_len}, &source);
}

static void take_page(struct catchup *c)
{
    struct page *page = c->page;

    page->busy = true;
    make_room(&c->survey);
    judge(c, survey_page(&c->survey, page->adoption.count, span_of(page->adoption.last),
                         c->request.more, &page->piece));
    adoption_begin(&page->adoption, c->options.store);
}

/* ---- ranges: the comparer's thread ----------------------------------------------------------- */

static void take_own(void *arg, const struct store_range *range)
{
    struct survey_part *own = arg;

    own->count = range->count;
    own->digest = range->digest;
}

static bool sum_own(void *arg, struct span from, struct span to, struct survey_part *out)
{
    struct catchup *c = arg;

    return store_ranges(c->options.store, NULL, from, to, 1, take_own, out) == STORE_OK;
}

static bool forget_own(void *arg, struct span from, struct span to)
{
    struct catchup *c = arg;

    return bygone_forget(c->options.store, from, to, NULL) == STORE_OK;
}

static void compare(struct task *task)
{
    struct catchup *c = TASK_OWNER(task, struct catchup, compare);
    const struct survey_own own = {
        .sum = sum_own, .gone = c->forgets ? forget_own : NULL, .arg = c};

    MUST_BE(c, CATCHUP_MAGIC);
    make_room(&c->survey);
    c->compared_well =
        survey_ranges(&c->survey, (struct span){c->request.body, c->request.body_len}, &own);
    mailbox_post(c->options.mailbox, &c->compared);
}

static void read_compared(struct letter *letter)
{
    struct catchup *c = LETTER_OWNER(letter, struct catchup, compared);

    MUST_BE(c, CATCHUP_MAGIC);
    c->asking = false;
    judge(c, c->compared_well);
    go_on(c);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void judge_failure(struct catchup *c)
{
    const struct fetch_request *request = &c->request;

    if (request->result != FETCH_FAULT)
        note(c, EXCHANGE_FAILED, PEER_FINE);
    else
        note(c, peer_fault_is_absence(request->fault) ? EXCHANGE_FAILED : EXCHANGE_FAULTY,
             request->fault);
}

/* Is it an answer, of the store with which we began? */
static bool is_sound(struct catchup *c)
{
    const struct fetch_request *request = &c->request;

    if (request->result != FETCH_OK)
        judge_failure(c);
    else
        judge(c, survey_answered(&c->survey, request->store_id, request->sequence_last));
    return !c->failed;
}

static void take_first(struct catchup *c)
{
    const struct routes *routes = c->options.routes;

    c->end.store_id = c->survey.store_id;
    c->end.touch = c->request.touch;
    c->forgets = routes && store_may_forget(c->options.store, &c->end.touch) &&
                 routes_to(routes, clock_mono(), &c->options.server) & ROUTE_FOLLOWED;
}

/* Main thread. */
static void read_answered(struct letter *letter)
{
    struct catchup *c = LETTER_OWNER(letter, struct catchup, answered);

    MUST_BE(c, CATCHUP_MAGIC);
    c->asking = false;
    if (*c->options.comparer && is_sound(c) && c->survey.asked == 1)
        take_first(c);
    if (!c->failed && !c->survey.piece.read && *c->options.comparer) {
        c->asking = true;
        workers_post(*c->options.comparer, &c->compare);
        return;
    }
    if (!*c->options.comparer)
        note(c, EXCHANGE_FAILED, PEER_FINE); /* the store may be closed */
    if (c->page->body && c->failed)
        drop_page(c->page);
    else if (c->page->body)
        take_page(c);
    go_on(c);
}

static void fetched(struct fetch_request *request)
{
    struct catchup *c = request->owner;

    MUST_BE(c, CATCHUP_MAGIC);
    if (request->result == FETCH_OK && c->survey.piece.read)
        cut_page(c);
    mailbox_post(c->options.mailbox, &c->answered);
}

/* ---- asking: main thread --------------------------------------------------------------------- */

/* As in a path, slashes as they are. */
static void put_name(struct text *target, const char *arg, const char *name)
{
    size_t slash = target->len + strlen(arg);

    text_puts(target, arg);
    name_to_target(span_of(name), target); /* begins with one of its own */
    MUST(!target->full);
    memmove(target->at + slash, target->at + slash + 1, target->len - slash);
    target->len--;
}

static void put_target(struct catchup *c)
{
    struct text target = TEXT_OVER(c->request.target);
    struct store_head own;

    text_puts(&target, c->survey.piece.read ? "/.pond/catalogue?" : "/.pond/ranges?");
    put_name(&target, "from=", c->survey.piece.from);
    put_name(&target, "&to=", c->survey.piece.to);
    if (!c->survey.piece.read)
        text_printf(&target, "&parts=%d", SURVEY_PARTS);
    if (c->survey.asked == 1) {
        store_head(c->options.store, &own);
        text_puts(&target, "&digest="); /* the same: nothing to send */
        text_hex(&target, own.digest.bytes, sizeof(own.digest.bytes));
    }
    MUST(!target.full);
}

static void ask(struct catchup *c)
{
    free(c->request.body);
    c->request = (struct fetch_request){.server = c->options.server,
                                        .stay = true,
                                        .most = CATCHUP_PAGE_MAX,
                                        .done = fetched,
                                        .owner = c};
    MUST(survey_next(&c->survey));
    c->page = free_page(c);
    c->asking = true;
    put_target(c);
    fetch_submit(c->options.fetch, &c->request);
}

void catchup_begin(const struct catchup_options *options)
{
    struct catchup *c = calloc(1, sizeof(*c));

    MUST(c != NULL);
    c->magic = CATCHUP_MAGIC;
    c->options = *options;
    c->survey.domain = options->domain;
    c->survey.small = CATCHUP_SMALL;
    c->answered.read = read_answered;
    c->compared.read = read_compared;
    c->compare.work = compare;
    for (size_t i = 0; i < CATCHUP_PAGES; i++) {
        c->pages[i].catchup = c;
        c->pages[i].letter.read = read_page;
        c->pages[i].forget.work = forget;
        c->pages[i].forgot.read = read_forgot;
    }
    make_room(&c->survey);
    survey_begin(&c->survey);
    go_on(c);
}
