/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_EXCHANGE_INNER_H
#define POND_CACHE_EXCHANGE_INNER_H

#include "cache/exchange.h"
#include "cache/slots.h"

/*
 * What the files of the exchange share: exchange.c takes the events and has each part of the
 * machine do its share of the work; exchange_ask.c asks the questions of this node, whose table is
 * in exchange_question.c, with what was heard lately in exchange_lately.c and who has a copy in
 * exchange_copies.c, and exchange_relay.c those of others that go on up; exchange_say.c what it
 * tells others, exchange_confirm.c who waits to hear that we hold what, exchange_learn.c the
 * manifests that it fetches; exchange_compare.c and exchange_heads.c whose catalogue is read in a
 * flat mesh and in tiers, exchange_read.c how; exchange_clock.c judges our clock by those of the
 * others. An event only changes these tables; what is due in them becomes actions afterwards, as
 * many as fit.
 */
enum { EXCHANGE_MAGIC = 0x45786368 };

/* ---- the table of questions: exchange_question.c --------------------------------------------- */

enum question_state {
    QUESTION_OPEN,
    QUESTION_ENDED, /* its tickets are being answered */
    QUESTION_SPENT  /* they are; its sources stay until the next step */
};

struct question {
    enum question_state state;
    enum exchange_ask ask;
    char name[NAME_SIZE];
    char tuid[TUID_SIZE];
    struct exchange_local local; /* the latest that is known of it */
    mono_t asked;
    size_t sent;
    size_t copies;          /* COPIES: how many others are to hold `version`, and until when */
    struct version version; /* it waits */
    struct digest sha256;   /* of that one */
    mono_t until;
    bool found;
    uint16_t tickets; /* the first: place + 1; 0: none */
    struct exchange_source *sources;
    size_t source_count;
    struct exchange_source few[EXCHANGE_SOURCES_MAX];
};

struct survey {
    bool taken;
    struct exchange_source sources[EXCHANGE_SURVEY_MAX];
};

struct ticket {
    uint64_t id;
    uint16_t question; /* slot + 1; 0: free */
    uint16_t next;     /* of the same question, or of the free ones: place + 1 */
};

struct recent {
    char name[NAME_SIZE];
    struct exchange_source source;
};

struct asking {
    struct slots slots;
    struct question questions[EXCHANGE_QUESTIONS_MAX];
    struct survey surveys[EXCHANGE_SURVEYS_MAX];
    size_t copies_asked;

    struct ticket tickets[EXCHANGE_TICKETS_MAX];
    uint16_t free_tickets;
    size_t tickets_end; /* no ticket behind was ever used */
    size_t tickets_used;

    size_t spent_count;
    int spent[EXCHANGE_ACTIONS_MAX]; /* slots to be freed by the next step */

    struct slots nobody_slots; /* due: when it is forgotten; so for the next two */
    char nobody[EXCHANGE_NOBODY_MAX][NAME_SIZE];
    struct slots recent_slots;
    struct recent recent[EXCHANGE_RECENT_MAX];

    /* The sources of an ASKED that is answered at once. */
    struct exchange_source at_once[EXCHANGE_SOURCES_MAX];
};

/* The next open question for the name at or behind the slot `from`. */
int exchange_question_find(const struct exchange *machine, const char *name, int from);

/* A new one, due at once, or SLOTS_NONE. */
int exchange_question_new(struct exchange *machine, const char *name, enum exchange_ask ask,
                          const struct exchange_event *event);

/* Once nobody waits for it. */
void exchange_question_free(struct asking *asking, int slot);

/* One answer a host: its latest. */
void exchange_question_add(struct question *question, const struct exchange_source *source);

/* How many of them hold the version that is the newest now; and those alone, for the others are no
 * sources of it. */
size_t exchange_question_holders(const struct question *question);
void exchange_question_keep_holders(struct question *question);

/* One more waits for the question; false: no room. */
bool exchange_ticket_add(struct asking *asking, int slot, uint64_t id);

/* Takes the ticket that *link names off its question's list; gives its id. */
uint64_t exchange_ticket_remove(struct asking *asking, uint16_t *link);

/* ---- asking: exchange_ask.c ------------------------------------------------------------------ */

void exchange_ask_begin(struct exchange *machine, const struct exchange_event *event,
                        struct exchange_actions *actions);
void exchange_ask_drop(struct exchange *machine, uint64_t ticket);

/* An ihave came: a possible answer to questions for its name, whoever asked. */
void exchange_ask_heard(struct exchange *machine, const struct exchange_event *event,
                        const struct exchange_source *source, bool usable);

/* What the store says of the name now. */
void exchange_ask_refresh(struct exchange *machine, const char *name,
                          const struct exchange_local *local);

/* Was that asked by us? */
bool exchange_ask_is_ours(const struct exchange *machine, const char *name, const char *tuid);

/* Our masters have changed: whatever is open is asked of the new ones. */
void exchange_ask_again(struct exchange *machine);

/* Does somebody here wait for news of the name? */
bool exchange_ask_waits(const struct exchange *machine, const char *name);

void exchange_ask_work(struct exchange *machine, struct exchange_actions *actions);
void exchange_ask_free_spent(struct exchange *machine);

/* ---- copies of what was put: exchange_copies.c ------------------------------------------------
 */

/* Does one that is this to us, and answers so, count? */
bool exchange_copies_count(const struct exchange *machine, const struct question *question,
                           const struct exchange_source *source, unsigned relations);

/* Do as many candidates hold it as are asked for? */
bool exchange_copies_are_enough(const struct exchange *machine, const struct question *question);

/* Has it another version here now than the one whose copies are asked for? */
bool exchange_copies_are_replaced(const struct question *question);

/* Where we stand is another, or what some peer is to us: who would not be counted now as one that
 * has a copy is not counted any more. */
void exchange_copies_recount(struct exchange *machine);

/* ---- what was heard lately: exchange_lately.c ------------------------------------------------ */

bool exchange_nobody_has(const struct exchange *machine, const char *name);
void exchange_nobody_forget(struct exchange *machine, const char *name);
void exchange_nobody_remember(struct exchange *machine, const char *name);

/* Somebody said that it holds some version of the name. */
void exchange_recent_remember(struct exchange *machine, const char *name,
                              const struct exchange_source *source);

/* Who lately said that it holds this version. Each is given out once: one who asks again found
 * them wanting, and the network is asked anew. */
size_t exchange_recent_take(struct exchange *machine, const char *name,
                            const struct exchange_local *local, struct exchange_source *out,
                            size_t most);

/* Does it hold the version that we know? */
bool exchange_holds(const struct exchange_source *source, const struct exchange_local *local);

/* ---- questions that go on up: exchange_relay.c ----------------------------------------------- */

struct relay {
    char name[NAME_SIZE];
    char tuid[TUID_SIZE];
    struct address to;      /* who asked us */
    struct version version; /* that it knows */
    int64_t time;
    bool content;
    bool speaks; /* no other row asks for the name in its stead */
    bool answered;
    mono_t asked;
    size_t sent;
};

struct relaying {
    struct slots slots;
    struct relay relays[EXCHANGE_RELAYS_MAX];
};

/* A whohas came from one whom we lead, and we know no better. */
void exchange_relay_asked(struct exchange *machine, const struct exchange_event *event);
void exchange_relay_refresh(struct exchange *machine, const char *name,
                            const struct exchange_local *local);
void exchange_relay_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_relay_due(const struct exchange *machine);

/* ---- confirmations: exchange_confirm.c --------------------------------------------------------
 */

/* A version that somebody said it holds; of those of one moment the one with this content. */
struct confirm {
    char name[NAME_SIZE];
    char tuid[TUID_SIZE];
    struct version version;
    struct digest sha256;
    struct address to;
    bool asked; /* it wants to know when we hold it too */
    bool ours;  /* it is for us to hold it */
};

struct confirming {
    struct slots slots; /* due: when it is given up */
    struct confirm confirms[EXCHANGE_CONFIRMS_MAX];
    struct slots confirmed; /* key: of name, version, content; due: when it is forgotten */
    bool wants;             /* the name of this step is to be here: */
    struct exchange_action want;
};

/* A candidate's word that it holds what is here confirms it: it is not dropped before the tier
 * above has it. */
bool exchange_confirm_keeps(const struct exchange *machine, const char *name,
                            const struct exchange_local *local);

/* An ihave came: does its sender want to know when we hold that, and should we? */
void exchange_confirm_asked(struct exchange *machine, const struct exchange_event *event);
void exchange_confirm_refresh(struct exchange *machine, const char *name,
                              const struct exchange_local *local);

/* An ihave came: does it confirm what we put? To be called before there are other actions. */
void exchange_confirm_heard(struct exchange *machine, const struct exchange_event *event,
                            struct exchange_actions *actions);
void exchange_confirm_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_confirm_due(const struct exchange *machine);

/* ---- answers and announcements: exchange_say.c ---------------------------------------------- */

struct reply {
    struct address to;
    char name[NAME_SIZE];
    char tuid[TUID_SIZE];
    struct exchange_local local;
};

struct announcement {
    char name[NAME_SIZE];
    struct exchange_local local;
    unsigned audiences;
    unsigned told; /* of these: who has heard it ahead of the others */
    bool once;     /* not to be repeated, or the repetition itself */
};

struct saying {
    struct slots reply_slots;
    struct reply replies[EXCHANGE_REPLIES_MAX];

    struct slots corrections; /* key: of name and host; due: when it may be corrected again */

    struct slots announcement_slots;
    struct announcement announcements[EXCHANGE_ANNOUNCEMENTS_MAX];
    mono_t announce_from;     /* none before: they are paced; */
    mono_t announce_few_from; /* none before to the few, who need not wait for the many */
};

/* A whohas came. */
void exchange_say_asked(struct exchange *machine, const struct exchange_event *event);

/* A greeting to one, or to all where `to` is NULL. There must be room. */
void exchange_say_hello(struct exchange *machine, const struct address *to,
                        struct exchange_actions *actions);

/* An announcement came of a version older than ours. */
void exchange_say_correction(struct exchange *machine, const struct exchange_event *event);

/* To those of the audiences that we have; what is unconfirmed asks to be. `once`: not repeated. */
void exchange_say_announce(struct exchange *machine, const char *name,
                           const struct exchange_local *local, unsigned audiences, bool once);

/* What is announced of this version need not be confirmed any more. */
void exchange_say_confirmed(struct exchange *machine, const char *name,
                            const struct exchange_local *confirmed);

/* To one, within `ns`; `tuid` is empty where nothing was asked. */
void exchange_say_reply(struct exchange *machine, const struct address *to, const char *name,
                        const char *tuid, const struct exchange_local *local, int64_t ns);

/* An ihave of what we know. */
void exchange_say_write(const struct exchange *machine, const char *name,
                        const struct exchange_local *local, struct notice *out);
void exchange_say_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_say_due(const struct exchange *machine);

/* ---- manifests to fetch: exchange_learn.c --------------------------------------------------- */

enum { LEARN_CANDIDATES_MAX = 4 };

struct learn_candidate {
    struct address http;
    struct version version;
    struct digest sha256;
    bool isconf; /* an ISconf host: it has the content, and no manifest */
};

struct learn {
    char name[NAME_SIZE];
    bool isconf;             /* it was begun for an ISconf host, */
    struct address begun_by; /* this one */
    bool in_flight;
    struct learn_candidate asked; /* while in flight */
    bool tries;                   /* likewise: whether it is there again is to be seen by this */
    bool waits;                   /* not in flight: for what comes of such a one, or of one of
                                     ISconf's */
    size_t count;
    struct learn_candidate candidates[LEARN_CANDIDATES_MAX];
};

struct learning {
    struct slots slots;
    struct learn learns[EXCHANGE_LEARNS_MAX];
    size_t isconf; /* of the learns */
    size_t in_flight;
    size_t isconf_in_flight; /* of these, from: */
    struct address isconf_asked[EXCHANGE_ISCONF_IN_FLIGHT];
};

/* `candidate` has a version that we lack: fetch its manifest when it is due. False: no room. */
bool exchange_learn_want(struct exchange *machine, const char *name,
                         const struct learn_candidate *candidate, mono_t due);

/* True: we have learned what was asked for. */
bool exchange_learn_done(struct exchange *machine, const struct exchange_event *event,
                         const char *name);
bool exchange_learn_pending(const struct exchange *machine, const char *name);
void exchange_learn_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_learn_due(const struct exchange *machine);

/* ---- ISconf hosts: exchange_isconf.c --------------------------------------------------------- */

/* Who spoke; NULL: one of more than are remembered. */
struct peer *exchange_isconf_note(struct exchange *machine, const struct exchange_event *event);
void exchange_isconf_heard(struct exchange *machine, const struct exchange_event *event,
                           const struct peer *peer);

/* ---- one catalogue: exchange_read.c ---------------------------------------------------------- */

enum reading_state { READING_ON, READING_ENDED, READING_FAILED };

struct reading {
    bool run; /* of one peer's catalogue, page by page */
    bool in_flight;
    struct address host;
    uint64_t store_id; /* what the page under way was asked for */
    uint64_t since;
    size_t pages;
};

void exchange_read_begin(const struct exchange *machine, struct reading *reading,
                         struct peer *peer);
void exchange_read_forget(struct peer *peer); /* its catalogue is compared as a whole next time */
void exchange_read_ask(struct exchange *machine, struct reading *reading, const struct peer *peer,
                       struct exchange_action *action);
enum reading_state exchange_read_take(struct exchange *machine, struct reading *reading,
                                      const struct exchange_event *event);

/* ---- the comparison in a flat mesh: exchange_compare.c --------------------------------------- */

struct comparing {
    mono_t due;
    struct reading reading;
    unsigned failures; /* in a row */
    bool greeted;      /* everyone, at start */
    bool hinted;       /* `hint` is to be next, if it is usable */
    struct address hint;
};

void exchange_compare_init(struct exchange *machine);
void exchange_compare_soon(struct exchange *machine, const struct address *host);

/* False: it was not this one's page. */
bool exchange_compare_done(struct exchange *machine, const struct exchange_event *event);
void exchange_compare_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_compare_due(const struct exchange *machine);
bool exchange_compare_busy(const struct exchange *machine, const struct address *host);

/* ---- the comparisons in tiers: exchange_heads.c -----------------------------------------------
 */

struct head_row {
    struct address host;
    bool above;
    uint64_t store; /* its head's */
    uint64_t sequence;
    unsigned failures; /* in a row */
};

struct heads {
    struct slots slots; /* due: MONO_NEVER while it is being read */
    struct head_row rows[EXCHANGE_COMPARISONS_MAX];
    struct reading readings[EXCHANGE_COMPARES_IN_FLIGHT];
    mono_t anyway; /* when one above that agrees is compared with all the same; 0: not set yet */
};

void exchange_heads_heard(struct exchange *machine, const struct exchange_event *event);

/* It has something that we missed. */
void exchange_heads_soon(struct exchange *machine, const struct peer *peer);

/* False: it was not a page of these. */
bool exchange_heads_done(struct exchange *machine, const struct exchange_event *event);
void exchange_heads_forget(struct exchange *machine, const struct address *host);
void exchange_heads_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_heads_due(const struct exchange *machine);
bool exchange_heads_busy(const struct exchange *machine, const struct address *host);

/* ---- clocks: exchange_clock.c --------------------------------------------------------------- */

/* Before the event's times become the machine's: notices when our wall clock was set. */
void exchange_clock_tick(struct exchange *machine, const struct exchange_event *event);

/* A peer told what its clock says; 0: it does not tell. */
void exchange_clock_heard(struct peer *peer, const struct exchange_event *event, wall_t clock);

/* ---- the machine: exchange.c ---------------------------------------------------------------- */

struct exchange {
    uint32_t magic;
    char node[NODE_SIZE];
    char hello[NAME_SIZE]; /* the name that a greeting asks for */
    struct route_place place;
    bool broadcast;
    uint16_t http_port;
    uint64_t serial; /* of the last question or greeting */
    int64_t compare_ns;
    uint64_t hash_seed;
    struct rng rng;
    mono_t now;                 /* of the event at hand */
    wall_t wall;                /* likewise; 0 before the first */
    struct address blamed;      /* whom that event showed to misbehave */
    enum peer_fault blamed_for; /* PEER_FINE: nobody */
    struct peers peers;
    mono_t isconf_room; /* before it none of them can make room for another */
    struct asking asking;
    struct saying saying;
    struct relaying relaying;
    struct confirming confirming;
    struct learning learning;
    struct comparing comparing;
    struct heads heads;
    struct exchange_figures figures;
};

/* Room for one more action of this kind, or NULL, which sets actions->more. */
struct exchange_action *exchange_act(struct exchange_actions *actions,
                                     enum exchange_action_kind kind);

uint64_t exchange_key(const struct exchange *machine, const char *name);

uint64_t exchange_host_key(const struct exchange *machine, const struct address *host);

/* What of these audiences there is, from where we stand. */
unsigned exchange_audiences(const struct exchange *machine, unsigned audiences);

/* How far what goes to them should be spread out by those who hear it, where `most_ms` at most. */
uint16_t exchange_spread_ms(const struct exchange *machine, unsigned audiences, int64_t most_ms);

/* May we ask it for anything, by the routes? */
bool exchange_asks(const struct peer *peer);

void exchange_copy_name(char out[NAME_SIZE], const char *name);

/* An id for a question: no other of this node and boot has it, and nobody can guess it. */
void exchange_make_tuid(struct exchange *machine, char out[TUID_SIZE]);

/* A random moment within `ns` from now. */
mono_t exchange_within(struct exchange *machine, int64_t ns);

/* <0, 0, >0: is what we know older than, the same as, or newer than this version? */
int exchange_order(const struct exchange_local *local, struct version version,
                   const struct digest *sha256);

/* A host that is not to be heard any more, or makes room; another peer may take its place. */
void exchange_forget(struct exchange *machine, const struct address *host);

/* What a peer is to us from now on. */
void exchange_relate(struct exchange *machine, struct peer *peer, unsigned relations);

/* Where a peer serves HTTP. */
struct address exchange_http(const struct exchange *machine, const struct peer *peer);

/* Sets it aside as far as the fault asks for it (or praises it, PEER_FINE). Hosts that are not
 * known as peers are passed over. */
void exchange_blame(struct exchange *machine, const struct address *host, enum peer_fault fault);

/* The same, for how a request of ours ended. */
void exchange_judge(struct exchange *machine, const struct exchange_event *event);

#endif
