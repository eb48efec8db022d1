/* SPDX-License-Identifier: ISC */
#include "src/rulings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/node.h"

enum { RULINGS_MAGIC = 0x72756c73 };

static const int64_t BALLOTS_WINDOW = MONO_S(60);

struct edition {
    _Atomic unsigned users; /* who look up now, and the rulings while it is theirs */
    struct rulebook *book;
    pthread_mutex_t lock; /* guards the floods: RULINGS_FLOODS of each rule */
    struct log_flood *floods;
};

/* The lock is held to take hold of the edition or to put another one in place, never for a look-up.
 * An edition goes with its last user. Where there are no rules there is none, and no lock taken. */
struct rulings {
    unsigned magic;
    char domain[NODE_SIZE];
    _Atomic bool any;
    _Atomic uint64_t replaced; /* how often */
    pthread_mutex_t *lock;     /* apart, since to readers the rulings are const; guards: */
    struct edition *edition;
};

struct rulings *rulings_new(const char *domain)
{
    struct rulings *rulings = calloc(1, sizeof(*rulings));

    MUST(rulings != NULL);
    rulings->magic = RULINGS_MAGIC;
    MUST(span_copy(span_of(domain), rulings->domain, sizeof(rulings->domain)));
    rulings->lock = malloc(sizeof(*rulings->lock));
    MUST(rulings->lock != NULL);
    lock_init(rulings->lock);
    return rulings;
}

static struct edition *enter(const struct rulings *rulings)
{
    struct edition *edition;

    MUST_BE(rulings, RULINGS_MAGIC);
    if (!atomic_load_explicit(&rulings->any, memory_order_acquire))
        return NULL;
    pthread_mutex_lock(rulings->lock);
    edition = rulings->edition;
    if (edition)
        atomic_fetch_add_explicit(&edition->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(rulings->lock);
    return edition;
}

static void leave(struct edition *edition)
{
    if (!edition || atomic_fetch_sub(&edition->users, 1) > 1)
        return;
    rulebook_free(edition->book);
    pthread_mutex_destroy(&edition->lock);
    free(edition->floods);
    free(edition);
}

void rulings_free(struct rulings *rulings)
{
    if (!rulings)
        return;
    MUST_BE(rulings, RULINGS_MAGIC);
    rulings->magic = 0;
    leave(rulings->edition);
    pthread_mutex_destroy(rulings->lock);
    free(rulings->lock);
    free(rulings);
}

static struct edition *make_edition(const struct rulings *rulings, const struct rules *rules)
{
    struct edition *edition;

    if (!rules || rules->count == 0)
        return NULL;
    edition = calloc(1, sizeof(*edition));
    MUST(edition != NULL);
    atomic_init(&edition->users, 1);
    edition->book = rulebook_new(rules, rulings->domain);
    lock_init(&edition->lock);
    edition->floods = calloc(rules->count * RULINGS_FLOODS, sizeof(*edition->floods));
    MUST(edition->floods != NULL);
    for (size_t i = 0; i < rules->count; i++)
        edition->floods[i * RULINGS_FLOODS + RULINGS_BALLOTS].window_ns = BALLOTS_WINDOW;
    return edition;
}

void rulings_replace(struct rulings *rulings, const struct rules *rules)
{
    struct edition *old, *fresh;

    MUST_BE(rulings, RULINGS_MAGIC);
    fresh = make_edition(rulings, rules);
    if (fresh && rulings->edition)
        rulebook_keep_hits(fresh->book, rulings->edition->book);
    pthread_mutex_lock(rulings->lock);
    old = rulings->edition;
    rulings->edition = fresh;
    atomic_store_explicit(&rulings->any, fresh != NULL, memory_order_release);
    atomic_fetch_add(&rulings->replaced, 1);
    pthread_mutex_unlock(rulings->lock);
    leave(old);
}

uint64_t rulings_edition(const struct rulings *rulings)
{
    MUST_BE(rulings, RULINGS_MAGIC);
    return atomic_load(&rulings->replaced);
}

bool rulings_any(const struct rulings *rulings)
{
    MUST_BE(rulings, RULINGS_MAGIC);
    return atomic_load_explicit(&rulings->any, memory_order_acquire);
}

bool rulings_know_nodes(const struct rulings *rulings)
{
    struct edition *edition = enter(rulings);
    bool know = edition && rulebook_knows_nodes(edition->book);

    leave(edition);
    return know;
}

bool rulings_know_node(const struct rulings *rulings, struct span node)
{
    struct edition *edition = enter(rulings);
    bool know = edition && rulebook_knows_node(edition->book, node);

    leave(edition);
    return know;
}

static void describe(const struct rule *rule, struct ruling *out)
{
    out->passes = rule->passes;
    out->number = rule->number;
    MUST(span_copy(span_of(rule->description), out->description, sizeof(out->description)));
}

bool rulings_find(const struct rulings *rulings, const struct rule_case *about, struct ruling *out)
{
    struct edition *edition = enter(rulings);
    size_t i;
    bool found = edition && rulebook_find(edition->book, about, &i);

    if (found)
        describe(rulebook_rule(edition->book, i), out);
    leave(edition);
    return found;
}

/* The place of the rule with this number, or the count. */
static size_t place_of(const struct rulebook *book, unsigned number)
{
    size_t low = 0, high = rulebook_count(book);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rulebook_rule(book, middle)->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rulebook_count(book) && rulebook_rule(book, low)->number == number
               ? low
               : rulebook_count(book);
}

static bool hit(struct edition *edition, mono_t now, const struct ruling *ruling,
                enum rulings_flood flood, uint64_t *missed)
{
    size_t i = place_of(edition->book, ruling->number);
    bool pass;

    if (i == rulebook_count(edition->book))
        return true; /* it went meanwhile */
    rulebook_hit(edition->book, i);
    pthread_mutex_lock(&edition->lock);
    pass = log_flood_pass(&edition->floods[i * RULINGS_FLOODS + flood], now, missed);
    pthread_mutex_unlock(&edition->lock);
    return pass;
}

bool rulings_hit(struct rulings *rulings, mono_t now, const struct ruling *ruling,
                 enum rulings_flood flood, uint64_t *missed)
{
    struct edition *edition = enter(rulings);
    bool pass;

    *missed = 0;
    pass = !edition || hit(edition, now, ruling, flood, missed);
    leave(edition);
    return pass;
}

void rulings_each(const struct rulings *rulings, rulings_visit *visit, void *arg)
{
    struct edition *edition = enter(rulings);

    for (size_t i = 0; edition && i < rulebook_count(edition->book); i++)
        visit(arg, rulebook_rule(edition->book, i), rulebook_hits(edition->book, i));
    leave(edition);
}

void rulings_matching(const struct rulings *rulings, const struct rule_case *about,
                      rulings_visit *visit, void *arg)
{
    struct edition *edition = enter(rulings);

    for (size_t i = 0; edition && i < rulebook_count(edition->book); i++)
        if (rulebook_fits(edition->book, about, i))
            visit(arg, rulebook_rule(edition->book, i), rulebook_hits(edition->book, i));
    leave(edition);
}
