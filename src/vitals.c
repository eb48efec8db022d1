/* SPDX-License-Identifier: ISC */
#include "src/vitals.h"

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/health.h"
#include "src/probe.h"
#include "src/signals.h"

enum { VITALS_MAGIC = 0x76697461 };

static const double LOOK_EVERY = 0.25; /* seconds */
static const double LOOK_SOON = 0.01;  /* after a poke that came shortly after a look */
static const double PROBE_EVERY = 2.0;
static const int64_t PROBE_MOST = MONO_S(4);
static const int64_t MEND_EVERY = MONO_MS(500); /* while changes fail */

/* What is known of a tier in which this node has a role. */
struct place {
    char tier[TIER_SIZE];
    bool told;
    struct elect_self self; /* as it was told */
    struct health_hand hand;
    struct health_sync sync;
};

struct vitals {
    unsigned magic;
    struct vitals_options options;
    pthread_t thread;
    bool running;
    _Atomic bool stopping;

    struct ev_loop *loop; /* from here on the thread's */
    struct ev_timer tick, soon, probing;
    struct ev_async poked;
    struct probe *probe;
    struct health health;
    uint16_t demotion; /* of the node as a whole */
    uint32_t unconfirmed;
    struct ballot_head head;
    bool head_told;
    mono_t looked, mended;
    struct view_tier tiers[VIEW_TIERS_MAX];

    pthread_mutex_t lock; /* guards the rest; never held while the disk is waited for */
    struct place places[VIEW_TIERS_MAX];
    size_t count;
};

static const struct {
    uint16_t value;
    const char *words;
} causes[] = {
#define CAUSE_ROW(id, value, words) {value, words},
    DEMOTIONS(CAUSE_ROW)
#undef CAUSE_ROW
};

void vitals_causes(uint16_t demotion, struct text *out)
{
    const char *comma = "";

    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
        if (!(demotion & causes[i].value))
            continue;
        text_puts(out, comma);
        text_puts(out, causes[i].words);
        comma = ", ";
    }
}

/* ---- places: with the lock ------------------------------------------------------------------- */

static struct place *find_place(struct vitals *v, const char *tier)
{
    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(v->places[i].tier, tier) == 0)
            return &v->places[i];
    }
    return NULL;
}

/* There is always room: places of tiers that were left go first. */
static struct place *need_place(struct vitals *v, const char *tier)
{
    struct place *place = find_place(v, tier);

    if (place)
        return place;
    MUST(v->count < VIEW_TIERS_MAX);
    place = &v->places[v->count++];
    memset(place, 0, sizeof(*place));
    MUST(span_copy(span_of(tier), place->tier, sizeof(place->tier)));
    return place;
}

static bool is_among(const struct view_tier *tiers, size_t count, const char *tier)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tiers[i].tier, tier) == 0)
            return true;
    }
    return false;
}

static void forget_left(struct vitals *v, size_t tier_count)
{
    for (size_t i = v->count; i-- > 0;) {
        if (!is_among(v->tiers, tier_count, v->places[i].tier))
            v->places[i] = v->places[--v->count];
    }
}

/* ---- looking: the thread of vitals ----------------------------------------------------------- */

static void say(struct vitals *v, const char *sentence, const char *cause, const char *detail)
{
    const char *colon = *detail ? ": " : "";

    log_warn("%s%s%s%s", sentence, cause, colon, detail);
    recent_add(v->options.recent, clock_wall(), "%s%s%s%s", sentence, cause, colon, detail);
}

static const char *store_detail(const struct health_look *look)
{
    if (look->store != STORE_OK)
        return store_sentence(look->store);
    if (look->store_busy_ns >= HEALTH_STUCK_NS)
        return "the disk has not come back from a change for half a minute";
    return look->remembers ? "" : "the home folder cannot be written";
}

static void say_changes(struct vitals *v, uint16_t demotion, const struct health_look *look)
{
    unsigned begun = demotion & ~v->demotion, over = v->demotion & ~demotion;

    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
        bool is_store = causes[i].value == DEMOTION_STORE;
        if (begun & causes[i].value)
            say(v, "this node is demoted: ", causes[i].words, is_store ? store_detail(look) : "");
        if (over & causes[i].value)
            say(v, "this node is not demoted any more for this: ", causes[i].words, "");
    }
}

static void look_at_node(struct vitals *v, mono_t now)
{
    struct store_figures figures;
    struct health_look look = {.now = now,
                               .remembers = remember_is_sound(v->options.remember),
                               .clock_off = atomic_load(&v->options.skew->off_ms) != 0};
    uint16_t demotion;

    store_figures(v->options.store, &figures);
    v->unconfirmed = figures.unconfirmed < UINT32_MAX ? (uint32_t)figures.unconfirmed : UINT32_MAX;
    look.store = figures.health;
    look.store_busy_ns = figures.busy_ns;
    if (figures.health != STORE_OK && mono_between(v->mended, now) >= MEND_EVERY) {
        v->mended = now;
        store_sweep(v->options.store); /* which finds out whether changes succeed again */
    }
    demotion = health_judge(&v->health, &look);
    say_changes(v, demotion, &look);
    v->demotion = demotion;
}

static void look_at_head(struct vitals *v, const struct store_head *own)
{
    if (v->head_told && v->head.store == own->store_id && v->head.sequence == own->sequence &&
        digest_same(&v->head.digest, &own->digest))
        return;
    v->head = (struct ballot_head){own->store_id, own->sequence, own->digest};
    v->head_told = true;
    v->options.head(v->options.arg, &v->head);
}

/* Demoted by hand? One whose time is up is forgotten. */
static bool is_by_hand(struct vitals *v, struct place *place, mono_t now)
{
    struct remember_hand hand;

    remember_hand(v->options.remember, place->tier, &hand);
    if (!hand.demoted)
        return false;
    if (!health_hand_ended(&place->hand, &hand, now, clock_wall(),
                           atomic_load(&v->options.skew->off_ms)))
        return true;
    remember_hand_over(v->options.remember, place->tier, &hand);
    log_info("tier %s: the time of the demotion by hand is up", place->tier);
    recent_add(v->options.recent, clock_wall(), "tier %s: the time of the demotion by hand is up",
               place->tier);
    return false;
}

static void look_at_tier(struct vitals *v, const struct view_tier *tier,
                         const struct store_head *own, mono_t now)
{
    struct place *place = need_place(v, tier->tier);
    struct elect_self self = {.demotion = v->demotion, .unconfirmed = v->unconfirmed};

    self.behind = health_is_behind(&place->sync, tier, own);
    if (is_by_hand(v, place, now))
        self.demotion |= DEMOTION_HAND;
    if (place->told && place->self.demotion == self.demotion && place->self.behind == self.behind &&
        place->self.unconfirmed == self.unconfirmed)
        return;
    place->told = true;
    place->self = self;
    v->options.tell(v->options.arg, tier->tier, &self);
}

static void look(struct vitals *v)
{
    mono_t now = clock_mono();
    struct store_head own;
    size_t count;

    v->looked = now;
    look_at_node(v, now);
    store_head(v->options.store, &own);
    look_at_head(v, &own);
    pthread_mutex_lock(&v->lock);
    count = view_list(v->options.view, v->tiers);
    forget_left(v, count);
    for (size_t i = 0; i < count; i++)
        look_at_tier(v, &v->tiers[i], &own, now);
    pthread_mutex_unlock(&v->lock);
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    MUST_BE((struct vitals *)timer->data, VITALS_MAGIC);
    look(timer->data);
}

static void on_poke(struct ev_loop *loop, struct ev_async *async, int events)
{
    struct vitals *v = async->data;

    (void)events;
    MUST_BE(v, VITALS_MAGIC);
    if (atomic_load(&v->stopping)) {
        ev_break(loop, EVBREAK_ALL);
    } else if (mono_between(v->looked, clock_mono()) >= (int64_t)(LOOK_SOON * 1e9)) {
        look(v);
    } else if (!ev_is_active(&v->soon)) {
        ev_timer_set(&v->soon, LOOK_SOON, 0.);
        ev_timer_start(loop, &v->soon);
    }
}

static void on_probe(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct vitals *v = timer->data;

    (void)loop, (void)events;
    MUST_BE(v, VITALS_MAGIC);
    probe_begin(v->probe);
}

static void on_probed(void *arg, enum probe_result result)
{
    struct vitals *v = arg;

    MUST_BE(v, VITALS_MAGIC);
    if (result != PROBE_UNSURE)
        health_probed(&v->health, result == PROBE_ANSWERED);
}

static void *run(void *arg)
{
    struct vitals *v = arg;

    MUST_BE(v, VITALS_MAGIC);
    look(v);
    if (!atomic_load(&v->stopping))
        ev_run(v->loop, 0);
    return NULL;
}

/* ---- building and taking down ---------------------------------------------------------------- */

/* Who listens on every address is asked on loopback. */
static struct address server_of(const struct address *listens)
{
    struct address server = *listens;

    if (address_is_any(listens))
        MUST(address_parse(span_of(address_is_v4(listens) ? "127.0.0.1" : "::1"), listens->port,
                           &server));
    return server;
}

static void start_timers(struct vitals *v)
{
    ev_timer_init(&v->tick, on_look, LOOK_EVERY, LOOK_EVERY);
    ev_timer_init(&v->probing, on_probe, PROBE_EVERY, PROBE_EVERY);
    ev_init(&v->soon, on_look);
    ev_async_init(&v->poked, on_poke);
    v->tick.data = v->probing.data = v->soon.data = v->poked.data = v;
    ev_timer_start(v->loop, &v->tick);
    ev_timer_start(v->loop, &v->probing);
    ev_async_start(v->loop, &v->poked);
}

struct vitals *vitals_new(const struct vitals_options *options)
{
    struct vitals *v = calloc(1, sizeof(*v));
    struct address server = server_of(&options->http);
    sigset_t before;

    MUST(v != NULL);
    v->magic = VITALS_MAGIC;
    v->options = *options;
    v->loop = ev_loop_new(EVFLAG_AUTO);
    MUST(v->loop != NULL);
    MUST(pthread_mutex_init(&v->lock, NULL) == 0);
    v->probe = probe_new(v->loop, &server, PROBE_MOST, on_probed, v);
    start_timers(v);
    signals_block(&before);
    MUST(pthread_create(&v->thread, NULL, run, v) == 0);
    signals_restore(&before);
    v->running = true;
    return v;
}

void vitals_stop(struct vitals *v)
{
    if (!v || !v->running)
        return;
    MUST_BE(v, VITALS_MAGIC);
    atomic_store(&v->stopping, true);
    ev_async_send(v->loop, &v->poked);
    MUST(pthread_join(v->thread, NULL) == 0);
    v->running = false;
}

void vitals_free(struct vitals *v)
{
    if (!v)
        return;
    vitals_stop(v);
    probe_free(v->probe);
    ev_timer_stop(v->loop, &v->tick);
    ev_timer_stop(v->loop, &v->probing);
    ev_timer_stop(v->loop, &v->soon);
    ev_async_stop(v->loop, &v->poked);
    ev_loop_destroy(v->loop);
    pthread_mutex_destroy(&v->lock);
    v->magic = 0;
    free(v);
}

void vitals_poke(struct vitals *v)
{
    MUST_BE(v, VITALS_MAGIC);
    ev_async_send(v->loop, &v->poked);
}

void vitals_compared(struct vitals *v, const struct address *from, uint64_t store_id)
{
    struct view_tier tier;

    MUST_BE(v, VITALS_MAGIC);
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < v->count; i++) {
        if (view_find(v->options.view, v->places[i].tier, &tier))
            health_compared(&v->places[i].sync, &tier, from, store_id);
    }
    pthread_mutex_unlock(&v->lock);
    vitals_poke(v);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* "paris, core (slave)" */
static void list_tiers(const struct vitals *v, struct text *out)
{
    struct view_tier *tiers = calloc(VIEW_TIERS_MAX, sizeof(*tiers));
    size_t count;

    MUST(tiers != NULL);
    count = view_list(v->options.view, tiers);
    for (size_t i = 0; i < count; i++)
        text_printf(out, "%s%s%s", i ? ", " : "", tiers[i].tier,
                    tiers[i].role == BALLOT_SLAVE ? " (slave)" : "");
    if (count == 0)
        text_puts(out, "none");
    free(tiers);
}

static enum vitals_verdict find_tier(const struct vitals *v, const char *name, struct text *out)
{
    struct view_tier tier;

    if (!view_find(v->options.view, name, &tier)) {
        text_puts(out, "this node has a role in no tier of that name; it has one in: ");
        list_tiers(v, out);
        return VITALS_NO_TIER;
    }
    if (tier.role == BALLOT_SLAVE) {
        text_printf(out, "this node is a slave in tier %s: only its candidates can be demoted",
                    name);
        return VITALS_NO_CANDIDATE;
    }
    return VITALS_DONE;
}

static enum vitals_verdict not_kept(struct text *out)
{
    text_puts(out, "the home folder cannot be written, so it would not last over a restart: "
                   "nothing is changed");
    return VITALS_NOT_KEPT;
}

/* The disk may take longer than the election can wait: first it is kept, then it counts. */
static bool set_hand(struct vitals *v, const char *tier, const struct remember_hand *hand,
                     int64_t for_ns)
{
    struct place *place;

    if (!remember_set_hand(v->options.remember, tier, hand))
        return false;
    pthread_mutex_lock(&v->lock);
    place = find_place(v, tier);
    if (place)
        health_hand_begin(&place->hand, hand, for_ns, clock_mono());
    pthread_mutex_unlock(&v->lock);
    vitals_poke(v);
    return true;
}

enum vitals_verdict vitals_demote(struct vitals *v, const char *tier, int64_t for_s,
                                  char sentence[VITALS_SENTENCE_SIZE])
{
    struct text out = text_over(sentence, VITALS_SENTENCE_SIZE);
    enum vitals_verdict verdict = find_tier(v, tier, &out);
    struct remember_hand hand = {.demoted = true, .since = clock_wall()};

    MUST(for_s >= 0 && for_s <= VITALS_FOR_MAX_S);
    if (verdict != VITALS_DONE)
        return verdict;
    if (for_s)
        hand.until.ms = hand.since.ms + 1000 * for_s;
    if (!set_hand(v, tier, &hand, MONO_S(for_s)))
        return not_kept(&out);
    text_printf(&out, "demoted in tier %s ", tier);
    if (for_s) {
        text_puts(&out, "for ");
        text_seconds(&out, MONO_S(for_s));
    } else {
        text_puts(&out, "until it is restored");
    }
    log_warn("by hand: %s", sentence);
    recent_add(v->options.recent, clock_wall(), "by hand: %s", sentence);
    return VITALS_DONE;
}

enum vitals_verdict vitals_restore(struct vitals *v, const char *tier,
                                   char sentence[VITALS_SENTENCE_SIZE])
{
    struct text out = text_over(sentence, VITALS_SENTENCE_SIZE);
    enum vitals_verdict verdict = find_tier(v, tier, &out);
    struct remember_hand before, none = {0};
    struct view_tier now;
    uint16_t rest;

    if (verdict != VITALS_DONE)
        return verdict;
    remember_hand(v->options.remember, tier, &before);
    if (before.demoted && !set_hand(v, tier, &none, 0))
        return not_kept(&out);
    text_printf(&out, before.demoted ? "restored in tier %s" : "nobody had demoted it in tier %s",
                tier);
    rest = view_find(v->options.view, tier, &now) ? now.own_demotion & ~DEMOTION_HAND : 0;
    if (before.demoted) {
        log_info("by hand: %s", sentence);
        recent_add(v->options.recent, clock_wall(), "by hand: %s", sentence);
    }
    if (rest) {
        text_puts(&out, "; it still is, because of this: ");
        vitals_causes(rest, &out);
    }
    return VITALS_DONE;
}

bool vitals_hand(struct vitals *v, const char *tier, struct vitals_hand *out)
{
    struct remember_hand hand;
    struct place *place;

    MUST_BE(v, VITALS_MAGIC);
    remember_hand(v->options.remember, tier, &hand);
    *out = (struct vitals_hand){.since = hand.since};
    pthread_mutex_lock(&v->lock);
    place = find_place(v, tier);
    if (place && hand.demoted)
        out->left_ns = health_hand_left(&place->hand, clock_mono());
    pthread_mutex_unlock(&v->lock);
    return hand.demoted;
}
