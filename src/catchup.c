/* SPDX-License-Identifier: ISC */
#include "src/catchup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/bygone.h"
#include "src/clock.h"

enum {
    CATCHUP_MAGIC = 0x63617463,
    DEPTH_MAX = 6, /* of cuts: more names than that are in no catalogue */
    PAGE_COST = 32 /* a page counts as so many names at least */
};

/* A range that is still to be looked at. */
struct piece {
    char from[NAME_SIZE];
    char to[NAME_SIZE];
    unsigned depth;
    bool read; /* not cut any more */
};

/* A page on its way into the store. */
struct page {
    struct catchup *catchup;
    bool busy;
    struct piece piece; /* what it covers */
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

    bool asking; /* then the rest belongs to the thread that deals with the answer */
    struct piece piece;
    struct page *page; /* where the answer goes, if it is one */
    struct fetch_request request;
    struct letter answered, compared;
    struct task compare;
    struct catchup_end comparison; /* its result */
    bool senseless;                /* what was to be compared */
    unsigned requests;
    uint64_t credit; /* names that may still come; see CATCHUP_SPARE */

    struct piece *todo; /* the next one is the last: in the order of names */
    size_t todo_count, todo_room;
    struct page pages[CATCHUP_PAGES];
};

/* ---- what is to be done ---------------------------------------------------------------------- */

static struct piece *push(struct catchup *c)
{
    if (c->todo_count == c->todo_room) {
        c->todo_room = c->todo_room ? 2 * c->todo_room : 16;
        c->todo = realloc(c->todo, c->todo_room * sizeof(*c->todo));
        MUST(c->todo != NULL);
    }
    return memset(&c->todo[c->todo_count++], 0, sizeof(*c->todo));
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

static void lied(struct catchup *c, const char *what)
{
    char server[ADDRESS_TEXT_SIZE];

    log_warn("%s: its catalogue makes no sense: %s", address_text(&c->options.server, server),
             what);
    note(c, EXCHANGE_FAULTY, PEER_WRONG_ANSWER);
}

static void spend(struct catchup *c, uint64_t names)
{
    if (names > c->credit)
        lied(c, "it goes on long after all that there was said to be");
    else
        c->credit -= names;
}

static void finish(struct catchup *c)
{
    c->options.done(c->options.arg, &c->end);
    free(c->request.body);
    free(c->todo);
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
    if ((c->failed || c->todo_count == 0) && !is_adopting(c))
        finish(c);
    else if (!c->failed && c->todo_count > 0 && free_page(c))
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
                                     .domain = c->options.domain,
                                     .ordered = true,
                                     .from = span_of(c->piece.from),
                                     .to = span_of(c->piece.to)};

    page->body = c->request.body;
    page->adoption = (struct adoption){.done = adopted, .owner = page};
    c->request.body = NULL;
    (void)adoption_read(&page->adoption, (struct span){page->body, c->request.body_len}, &source);
}

/* What did not fit into this page begins with its last name, which comes once more. */
static void take_page(struct catchup *c)
{
    struct page *page = c->page;
    struct span from = span_of(c->piece.from), last = span_of(page->adoption.last);
    struct piece *rest;

    page->busy = true;
    page->piece = c->piece;
    spend(c, page->adoption.count > PAGE_COST ? page->adoption.count : PAGE_COST);
    if (c->request.more && !adoption_is_forward(from, last)) {
        lied(c, "a page does not go on from the one before it");
    } else if (c->request.more) {
        rest = push(c);
        *rest = c->piece;
        MUST(span_copy(last, rest->from, sizeof(rest->from)));
        MUST(span_copy(last, page->piece.to, sizeof(page->piece.to)));
    }
    adoption_begin(&page->adoption, c->options.store);
}

/* ---- ranges: the comparer's thread ----------------------------------------------------------- */

struct part {
    struct span first;
    uint64_t count;
    struct digest digest;
};

/* "COUNT DIGEST NAME" */
static bool read_part(struct span *rest, struct part *part)
{
    struct span line = span_take(rest, '\n');
    struct span count = span_take(&line, ' '), digest = span_take(&line, ' ');

    part->first = line;
    return span_u64(count, CATCHUP_NAMES_MAX, &part->count) && digest_parse(digest, &part->digest);
}

/* How many; 0 where they make no sense. The first one begins where we asked it to. */
static size_t read_parts(const struct catchup *c, struct part parts[CATCHUP_PARTS + 1])
{
    struct span rest = {c->request.body, c->request.body_len};
    size_t count = 0;

    while (rest.len) {
        if (count == CATCHUP_PARTS || !read_part(&rest, &parts[count]))
            return 0;
        if (count == 0 && !span_is(parts[0].first, c->piece.from))
            return 0;
        if (count > 0 && (name_check(parts[count].first, c->options.domain) != NAME_OK ||
                          !adoption_is_forward(parts[count - 1].first, parts[count].first)))
            return 0;
        count++;
    }
    parts[count].first = span_of(c->piece.to);
    if (count > 0 && *c->piece.to &&
        !adoption_is_forward(parts[count - 1].first, parts[count].first))
        return 0;
    return count;
}

static void take_own(void *arg, const struct store_range *range)
{
    struct part *own = arg;

    own->count = range->count;
    own->digest = range->digest;
}

/* Adjacent ranges that are to be read are read as one. */
static void push_part(struct catchup *c, const struct part *part, struct span to, bool read)
{
    struct piece *piece = c->todo_count ? &c->todo[c->todo_count - 1] : NULL;

    if (!piece || !read || !piece->read || piece->depth != c->piece.depth + 1 ||
        !span_is(to, piece->from)) {
        piece = push(c);
        MUST(span_copy(to, piece->to, sizeof(piece->to)));
        piece->depth = c->piece.depth + 1;
        piece->read = read;
    }
    MUST(span_copy(part->first, piece->from, sizeof(piece->from)));
}

static void compare_part(struct catchup *c, const struct part *part, struct span to)
{
    struct part own = {.count = 0};

    if (store_ranges(c->options.store, part->first, to, 1, take_own, &own) != STORE_OK) {
        c->comparison.result = EXCHANGE_FAILED;
        return;
    }
    if (own.count == part->count && digest_same(&own.digest, &part->digest))
        return;
    push_part(c, part, to,
              part->count <= CATCHUP_SMALL || own.count == 0 || c->piece.depth == DEPTH_MAX);
}

/* So few that they are read in one go, rather than each part that differs by itself. */
static bool are_few(const struct part *parts, size_t count)
{
    uint64_t names = 0;

    for (size_t i = 0; i < count && names <= CATCHUP_SMALL; i++)
        names = parts[i].count > CATCHUP_SMALL ? parts[i].count : names + parts[i].count;
    return names > 0 && names <= CATCHUP_SMALL;
}

/* The whole range is gone there. */
static void forget_part(struct catchup *c, const struct part *part, struct span to)
{
    if (c->forgets && bygone_forget(c->options.store, part->first, to, NULL) != STORE_OK)
        c->comparison.result = EXCHANGE_FAILED;
}

/* From the last to the first: the first is then on top. */
static void compare_parts(struct catchup *c, const struct part *parts, size_t count)
{
    if (are_few(parts, count)) {
        push_part(c, &parts[0], parts[count].first, true);
        return;
    }
    for (size_t i = count; i-- > 0;) {
        if (parts[i].count > 0)
            compare_part(c, &parts[i], parts[i + 1].first);
        else
            forget_part(c, &parts[i], parts[i + 1].first);
    }
}

static void compare(struct task *task)
{
    struct catchup *c = TASK_OWNER(task, struct catchup, compare);
    struct part *parts = calloc(CATCHUP_PARTS + 1, sizeof(*parts));
    size_t count;

    MUST_BE(c, CATCHUP_MAGIC);
    MUST(parts != NULL);
    count = read_parts(c, parts);
    c->comparison = (struct catchup_end){.result = EXCHANGE_DONE};
    c->senseless = count == 0 && (c->request.body_len > 0 || c->requests > 1);
    for (size_t i = 0; i < count && c->requests == 1; i++)
        c->credit += 2 * parts[i].count;
    compare_parts(c, parts, count);
    free(parts);
    mailbox_post(c->options.mailbox, &c->compared);
}

static void read_compared(struct letter *letter)
{
    struct catchup *c = LETTER_OWNER(letter, struct catchup, compared);

    MUST_BE(c, CATCHUP_MAGIC);
    c->asking = false;
    note(c, c->comparison.result, c->comparison.fault);
    if (c->senseless)
        lied(c, "its ranges of names are not those that were asked for");
    spend(c, CATCHUP_PARTS);
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
    else if (request->store_id == 0)
        note(c, EXCHANGE_FAULTY, PEER_WRONG_ANSWER);
    else if (c->requests > 1 && request->store_id != c->end.store_id)
        note(c, EXCHANGE_FAILED, PEER_FINE); /* it was made anew meanwhile */
    return !c->failed;
}

static void take_first(struct catchup *c)
{
    const struct routes *routes = c->options.routes;

    c->end.store_id = c->request.store_id;
    c->end.last = c->request.sequence_last;
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
    if (*c->options.comparer && is_sound(c) && c->requests == 1)
        take_first(c);
    if (!c->failed && !c->piece.read && *c->options.comparer) {
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
    if (request->result == FETCH_OK && c->piece.read)
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

    text_puts(&target, c->piece.read ? "/.pond/catalogue?" : "/.pond/ranges?");
    put_name(&target, "from=", c->piece.from);
    put_name(&target, "&to=", c->piece.to);
    if (!c->piece.read)
        text_printf(&target, "&parts=%d", CATCHUP_PARTS);
    if (c->requests == 1) {
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
    c->piece = c->todo[--c->todo_count];
    c->page = free_page(c);
    c->asking = true;
    c->requests++;
    put_target(c);
    fetch_submit(c->options.fetch, &c->request);
}

void catchup_begin(const struct catchup_options *options)
{
    struct catchup *c = calloc(1, sizeof(*c));

    MUST(c != NULL);
    c->magic = CATCHUP_MAGIC;
    c->options = *options;
    c->credit = CATCHUP_SPARE;
    c->answered.read = read_answered;
    c->compared.read = read_compared;
    c->compare.work = compare;
    for (size_t i = 0; i < CATCHUP_PAGES; i++) {
        c->pages[i].catchup = c;
        c->pages[i].letter.read = read_page;
        c->pages[i].forget.work = forget;
        c->pages[i].forgot.read = read_forgot;
    }
    push(c);
    go_on(c);
}
