/* SPDX-License-Identifier: ISC */
#include "src/wires.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/manager.h"

enum {
    NEWS_MAGIC = 0x6e657773,
    NEED_MAGIC = 0x6e656564,
    ROLE_MAGIC = 0x726f6e77,
    STATE_SIZE = 512
};

void wires_init(struct wires *wires)
{
    MUST(pthread_mutex_init(&wires->lock, NULL) == 0);
}

void wires_clear(struct wires *wires)
{
    pthread_mutex_destroy(&wires->lock);
}

void wires_stop(struct wires *wires)
{
    pthread_mutex_lock(&wires->lock);
    wires->stopped = true;
    pthread_mutex_unlock(&wires->lock);
    mailbox_read(wires->mailbox);
}

/* Tells those who listen to /.pond/events; the fields that follow are name and value in turn. */
static void publish(struct wires *wires, const char *event, const char *name, const char *detail,
                    const char *value)
{
    json_t *json;
    char *line;

    if (!wires->http || !http_has_listeners(wires->http))
        return;
    json = json_pack("{s:s, s:I, s:s, s:s}", "event", event, "time_ms", (json_int_t)clock_wall().ms,
                     "name", name, detail, value);
    line = json ? json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (line)
        http_event(wires->http, line);
    free(line);
    json_decref(json);
}

/* ---- the store's changes -------------------------------------------------------------------- */

struct news {
    unsigned magic;
    struct wires *wires;
    struct store_entry entry;
    enum store_job_kind how;
    struct letter letter;
};

static const char *word_for(const struct news *news)
{
    if (news->entry.manifest.deleted)
        return news->how == STORE_REMOVE ? "removed" : "learned_removed";
    return news->how == STORE_PUT ? "put" : "learned";
}

struct ballot_head wires_head(const struct wires *wires)
{
    struct store_head head;

    store_head(wires->store, &head);
    return (struct ballot_head){head.store_id, head.sequence, head.digest};
}

static void read_poke(struct letter *letter)
{
    struct wires *wires = LETTER_OWNER(letter, struct wires, poke);
    struct vitals *vitals = atomic_load(&wires->vitals);

    wires->poking = false;
    if (vitals && !wires->stopped)
        vitals_poke(vitals);
}

/* Once for all the letters that are here by now: a page of a catalogue brings hundreds. On the main
 * thread: there is one letter for it. */
static void poke_vitals(struct wires *wires)
{
    if (wires->poking)
        return;
    wires->poking = true;
    wires->poke.read = read_poke;
    mailbox_post(wires->mailbox, &wires->poke);
}

static void tell_news(struct wires *wires, const struct news *news)
{
    const struct manifest *manifest = &news->entry.manifest;
    char version[VERSION_TEXT_SIZE];

    if (news->how == STORE_PUT || news->how == STORE_REMOVE) {
        cache_loop_changed(wires->cache, &news->entry);
        recent_add(wires->recent, clock_wall(), "%s %s",
                   news->how == STORE_PUT ? "put in" : "removed", manifest->name);
    } else if (news->how == STORE_TAKE) {
        recent_add(wires->recent, clock_wall(), "took %s from an ISconf host: it is unverified",
                   manifest->name);
    }
    poke_vitals(wires);
    publish(wires, word_for(news), manifest->name, "version",
            version_text(manifest->version, version));
    if (news->entry.wanted)
        filler_poke(wires->filler);
    if (news->entry.unconfirmed)
        confirm_poke(wires->follow.confirm);
}

static void read_news(struct letter *letter)
{
    struct news *news = LETTER_OWNER(letter, struct news, letter);

    MUST_BE(news, NEWS_MAGIC);
    if (!news->wires->stopped)
        tell_news(news->wires, news);
    free(news);
}

void wires_changed(void *arg, const struct store_entry *entry, enum store_job_kind how)
{
    struct news *news = malloc(sizeof(*news));

    MUST(news != NULL);
    *news = (struct news){NEWS_MAGIC, arg, *entry, how, {.read = read_news}};
    mailbox_post(news->wires->mailbox, &news->letter);
}

/* ---- what flights tell ---------------------------------------------------------------------- */

/* A flight's search for sources, on its way through the exchange and back. */
struct need {
    unsigned magic;
    struct wires *wires;
    struct manifest manifest;
    struct ask ask;
};

static bool is_superseded(struct wires *wires, const struct manifest *manifest)
{
    struct store_entry entry;

    return !wires->stopped &&
           store_find(wires->store, span_of(manifest->name), &entry) == STORE_OK &&
           manifest_compare(&entry.manifest, manifest) > 0;
}

/* It has come by another way than the flight: from an ISconf host, which serves no chunks. No other
 * content comes so: where the store says that it has that, it is only about to find out that it is
 * rotten, and the flight is to make it good. */
static bool is_here(struct wires *wires, const struct manifest *manifest)
{
    struct store_entry entry;

    return !wires->stopped && version_is_unverified(manifest->version) &&
           store_find(wires->store, span_of(manifest->name), &entry) == STORE_OK && entry.held &&
           manifest_compare(&entry.manifest, manifest) == 0;
}

/* Is it also the content of another name's newest version, or of this one's? */
static bool is_found_elsewhere(struct wires *wires, const struct manifest *manifest,
                               struct manifest *out)
{
    bool newest;

    return store_find_content(wires->store, NULL, &manifest->sha256, out, &newest) == STORE_OK &&
           newest;
}

/* As the exchange found them: holders that somebody told of, not only lately. */
static void need_answered(struct ask *ask)
{
    struct need *need = ask->owner;
    struct flights_found found = {.count = 0};

    MUST_BE(need, NEED_MAGIC);
    for (size_t i = 0; i < ask->source_count && found.count < FLIGHT_SOURCES_MAX / 2; i++) {
        const struct exchange_source *source = &ask->sources[i];
        if (source->held && version_same(source->version, need->manifest.version) &&
            digest_same(&source->sha256, &need->manifest.sha256))
            found.list[found.count++] = source->http;
    }
    follow_sources(&need->wires->follow, &need->manifest.sha256, &found);
    found.superseded = is_superseded(need->wires, &need->manifest);
    found.renamed =
        found.superseded && is_found_elsewhere(need->wires, &need->manifest, &found.manifest);
    found.superseded =
        (found.superseded && !found.renamed) || is_here(need->wires, &need->manifest);
    flights_sources(need->wires->flights, &need->manifest, &found);
    free(need);
}

static void ask_around(struct wires *wires, const struct manifest *manifest)
{
    struct need *need = calloc(1, sizeof(*need));

    MUST(need != NULL);
    need->magic = NEED_MAGIC;
    need->wires = wires;
    need->manifest = *manifest;
    need->ask.kind = EXCHANGE_ASK_CONTENT;
    need->ask.done = need_answered;
    need->ask.owner = need;
    MUST(span_copy(span_of(manifest->name), need->ask.name, sizeof(need->ask.name)));
    cache_loop_ask(wires->cache, &need->ask);
}

/* Whoever is known to serve it is asked without asking around. */
void wires_need(void *arg, const struct manifest *manifest, bool again)
{
    struct wires *wires = arg;
    struct flights_found found = {.count = 0};

    follow_sources(&wires->follow, &manifest->sha256, &found);
    if (again || found.count == 0)
        ask_around(wires, manifest);
    else
        flights_sources(wires->flights, manifest, &found);
}

struct end {
    struct wires *wires;
    char name[NAME_SIZE];
    enum flights_end how;
    struct address source;
    struct letter letter;
};

static void tell_end(struct wires *wires, const struct end *end)
{
    static const char *const sentences[] = {[FLIGHTS_LANDED] = "fetched",
                                            [FLIGHTS_PASSED_ON] = "passed on, for want of room,",
                                            [FLIGHTS_REPLACED] =
                                                "passed on, after it was replaced,",
                                            [FLIGHTS_FAILED] = "could not fetch"};
    static const char *const events[] = {[FLIGHTS_LANDED] = "fetched",
                                         [FLIGHTS_PASSED_ON] = "passed_on",
                                         [FLIGHTS_REPLACED] = "passed_on",
                                         [FLIGHTS_FAILED] = "fetch_failed"};

    if (end->how != FLIGHTS_PUT_OFF) {
        recent_add(wires->recent, clock_wall(), "%s %s", sentences[end->how], end->name);
        publish(wires, events[end->how], end->name, "node", wires->status.node);
    }
    if (end->how == FLIGHTS_LANDED)
        cache_loop_landed(wires->cache, span_of(end->name), &end->source);
    filler_flight_ended(wires->filler, end->how == FLIGHTS_LANDED);
}

static void read_end(struct letter *letter)
{
    struct end *end = LETTER_OWNER(letter, struct end, letter);

    if (!end->wires->stopped)
        tell_end(end->wires, end);
    free(end);
}

void wires_ended(void *arg, const struct manifest *manifest, enum flights_end how,
                 const struct address *source)
{
    struct end *end = calloc(1, sizeof(*end));

    MUST(end != NULL);
    end->wires = arg;
    end->how = how;
    end->source = *source;
    end->letter.read = read_end;
    MUST(span_copy(span_of(manifest->name), end->name, sizeof(end->name)));
    mailbox_post(end->wires->mailbox, &end->letter);
}

void wires_blame(void *arg, const struct address *http, enum peer_fault fault)
{
    struct wires *wires = arg;

    if (fault != PEER_FINE)
        holders_forget(wires->follow.holders, http);
    cache_loop_blame(wires->cache, http, fault);
}

/* Else it would be the only one that is asked, again and again. */
void wires_gone(void *arg, const struct address *http, const struct digest *sha256)
{
    struct wires *wires = arg;

    holders_gone(wires->follow.holders, sha256, http);
}

void wires_fault(void *arg, const struct peer *peer, enum peer_fault fault)
{
    struct wires *wires = arg;
    const char *why = peer_fault_sentence(fault);
    const char *node = *peer->node ? peer->node : "never heard";
    const char *then = fault == PEER_AHEAD ? "" : " (left alone for a while)";
    char text[ADDRESS_TEXT_SIZE];

    address_host_text(&peer->address, text);
    log_warn("peer %s, %s: %s%s", text, node, why, then);
    recent_add(wires->recent, clock_wall(), "peer %s: %s%s", text, why, then);
    publish(wires, "peer_fault", text, "why", peer_fault_name(fault));
}

void wires_clock(void *arg, const struct exchange_clock *clock)
{
    struct wires *wires = arg;
    char sentence[SKEW_SENTENCE_SIZE];
    bool agrees = clock->heard >= EXCHANGE_CLOCK_WITNESSES && !clock->differs;

    if (!wires->stopped)
        store_clock_agrees(wires->store, agrees);
    if (!skew_judge(&wires->skew, clock))
        return;
    recent_add(wires->recent, clock_wall(), "%s",
               skew_sentence(&wires->skew, sentence) ? sentence
                                                     : "this node's clock is right again");
}

void wires_compared(void *arg, const struct address *from, uint64_t store_id)
{
    struct wires *wires = arg;
    struct vitals *vitals = atomic_load(&wires->vitals);

    if (vitals)
        vitals_compared(vitals, from, store_id);
}

/* A flight that waits for a source has one now; the filler may want it. */
void wires_offered(void *arg, const struct notice *notice, const struct address *http)
{
    struct wires *wires = arg;
    struct flights_found found = {.count = 0};
    struct store_entry entry;

    holders_note(wires->follow.holders, &notice->sha256, http);
    if (store_find(wires->store, span_of(notice->name), &entry) != STORE_OK ||
        !digest_same(&entry.manifest.sha256, &notice->sha256))
        return;
    follow_sources(&wires->follow, &notice->sha256, &found);
    flights_sources(wires->flights, &entry.manifest, &found);
    if (entry.wanted)
        filler_poke(wires->filler);
}

void wires_wanted(void *arg)
{
    struct wires *wires = arg;

    poke_vitals(wires);
    filler_poke(wires->filler);
}

void wires_moved(void *arg)
{
    struct wires *wires = arg;

    follow_look(&wires->follow);
}

void wires_again(void *arg, const struct store_entry *entry)
{
    struct wires *wires = arg;

    cache_loop_again(wires->cache, span_of(entry->manifest.name));
}

void wires_viewed(void *arg, const char *tier, bool other_master)
{
    struct wires *wires = arg;

    if (wires->stopped)
        return;
    if (other_master)
        follow_look(&wires->follow);
    follow_view(&wires->follow, tier);
}

void wires_standing(void *arg, const struct ballot *standing)
{
    struct wires *wires = arg;

    if (!wires->stopped)
        follow_standing(&wires->follow, standing);
}

/* ---- what the election is told ---------------------------------------------------------------
 */

void wires_tell_self(void *arg, const char *tier, const struct elect_self *self)
{
    struct wires *wires = arg;

    election_tell(wires->election, tier, self);
}

void wires_tell_head(void *arg, const struct ballot_head *head)
{
    struct wires *wires = arg;

    election_head(wires->election, head);
}

/* ---- what the election tells ------------------------------------------------------------------
 */

struct role {
    unsigned magic;
    struct wires *wires;
    struct role_change change;
    struct letter letter;
};

static void tell_manager(const struct role_news *roles)
{
    char memory[STATE_SIZE];
    struct text state = TEXT_OVER(memory);

    text_puts(&state, "STATUS=");
    role_news_summary(roles, &state); /* cut where there are many tiers */
    manager_tell(memory);
}

static void tell_role(struct wires *wires, const struct role_change *change)
{
    char memory[RECENT_LEN];
    struct text sentence = TEXT_OVER(memory);
    char *line = role_news_json(change);

    poke_vitals(wires);
    if (wires->http)
        http_event(wires->http, line);
    free(line);
    role_news_sentence(change, &sentence);
    recent_add(wires->recent, change->wall, "%s", memory);
    role_news_take(&wires->roles, change);
    tell_manager(&wires->roles);
}

static void read_role(struct letter *letter)
{
    struct role *role = LETTER_OWNER(letter, struct role, letter);

    MUST_BE(role, ROLE_MAGIC);
    if (!role->wires->stopped)
        tell_role(role->wires, &role->change);
    free(role);
}

void wires_role(void *arg, const struct role_change *change)
{
    struct role *role = malloc(sizeof(*role));

    MUST(role != NULL);
    *role = (struct role){ROLE_MAGIC, arg, *change, {.read = read_role}};
    mailbox_post(role->wires->mailbox, &role->letter);
}

/* ---- what requests ask ---------------------------------------------------------------------- */

void wires_ask(void *arg, struct ask *ask)
{
    struct wires *wires = arg;

    cache_loop_ask(wires->cache, ask);
}

void wires_drop(void *arg, struct ask *ask)
{
    struct wires *wires = arg;

    cache_loop_drop(wires->cache, ask);
}

/* A look at what belongs to the main thread: the caller waits for one round of the loop. */
struct look {
    struct letter letter;
    struct wires *wires;
    char *(*make)(const struct status_source *source, mono_t now);
    pthread_mutex_t lock;
    pthread_cond_t made;
    char *text; /* NULL until made */
};

static void read_look(struct letter *letter)
{
    struct look *look = LETTER_OWNER(letter, struct look, letter);
    struct status_source source = look->wires->status;
    char *text;

    source.exchange = cache_loop_exchange(look->wires->cache);
    source.election = look->wires->election;
    source.vitals = atomic_load(&look->wires->vitals);
    text = look->make(&source, clock_mono());
    /* Signalled inside the lock: the look is on the waiter's stack, and gone once it sees `text`.
     */
    pthread_mutex_lock(&look->lock);
    look->text = text;
    pthread_cond_signal(&look->made);
    pthread_mutex_unlock(&look->lock);
}

static char *take_look(struct wires *wires, char *(*make)(const struct status_source *, mono_t))
{
    struct look look = {.letter = {.read = read_look},
                        .wires = wires,
                        .make = make,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .made = PTHREAD_COND_INITIALIZER};

    pthread_mutex_lock(&wires->lock);
    if (wires->stopped) {
        pthread_mutex_unlock(&wires->lock);
        return NULL;
    }
    mailbox_post(wires->mailbox, &look.letter); /* before the stop, so it will be read */
    pthread_mutex_unlock(&wires->lock);
    pthread_mutex_lock(&look.lock);
    while (!look.text)
        pthread_cond_wait(&look.made, &look.lock);
    pthread_mutex_unlock(&look.lock);
    pthread_cond_destroy(&look.made);
    pthread_mutex_destroy(&look.lock);
    return look.text;
}

char *wires_status(void *arg)
{
    return take_look(arg, status_json);
}

char *wires_peers(void *arg)
{
    return take_look(arg, status_peers_json);
}

char *wires_metrics(void *arg)
{
    return take_look(arg, status_metrics);
}

void wires_reload(void *arg, struct reload_ask *ask)
{
    struct wires *wires = arg;

    reload_ask(wires->reload, ask);
}

static enum vitals_verdict no_elections(char sentence[VITALS_SENTENCE_SIZE])
{
    struct text out = text_over(sentence, VITALS_SENTENCE_SIZE);

    text_puts(&out, "this node has a role in no tier: a flat mesh elects nobody");
    return VITALS_NO_TIER;
}

enum vitals_verdict wires_demote(void *arg, const char *tier, int64_t for_s,
                                 char sentence[VITALS_SENTENCE_SIZE])
{
    struct wires *wires = arg;
    struct vitals *vitals = atomic_load(&wires->vitals);

    return vitals ? vitals_demote(vitals, tier, for_s, sentence) : no_elections(sentence);
}

enum vitals_verdict wires_restore(void *arg, const char *tier, char sentence[VITALS_SENTENCE_SIZE])
{
    struct wires *wires = arg;
    struct vitals *vitals = atomic_load(&wires->vitals);

    return vitals ? vitals_restore(vitals, tier, sentence) : no_elections(sentence);
}
