/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_EXCHANGE_INNER_H
#define POND_CACHE_EXCHANGE_INNER_H

#include "cache/exchange.h"
#include "cache/slots.h"

/*
 * What the files of the exchange share: exchange.c takes the events and has each part of the
 * machine do its share of the work; exchange_ask.c keeps the questions of this node,
 * exchange_say.c what it tells others, exchange_learn.c the manifests that it fetches, and
 * exchange_compare.c the comparison of catalogues; exchange_clock.c judges our clock by those of
 * the others. An event only changes these tables; what is due in them becomes actions afterwards,
 * as many as fit.
 */
enum { EXCHANGE_MAGIC = 0x45786368 };

/* ---- questions: exchange_ask.c -------------------------------------------------------------- */

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

void exchange_ask_begin(struct exchange *machine, const struct exchange_event *event,
                        struct exchange_actions *actions);
void exchange_ask_drop(struct exchange *machine, uint64_t ticket);

/* An ihave came: a possible answer to questions for its name, whoever asked. */
void exchange_ask_heard(struct exchange *machine, const struct exchange_event *event,
                        const struct exchange_source *source, bool usable);

/* What the store says of the name now. */
void exchange_ask_refresh(struct exchange *machine, const char *name,
                          const struct exchange_local *local);

/* Does somebody here wait for news of the name? */
bool exchange_ask_waits(const struct exchange *machine, const char *name);

void exchange_ask_work(struct exchange *machine, struct exchange_actions *actions);
void exchange_ask_free_spent(struct exchange *machine);

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
    bool repeated;
};

struct saying {
    struct slots reply_slots;
    struct reply replies[EXCHANGE_REPLIES_MAX];

    struct slots corrections; /* key: of name and host; due: when it may be corrected again */

    struct slots announcement_slots;
    struct announcement announcements[EXCHANGE_ANNOUNCEMENTS_MAX];
    mono_t announce_from; /* none before: they are paced */
};

/* A whohas came. */
void exchange_say_asked(struct exchange *machine, const struct exchange_event *event);

/* A greeting to one, or to all where `to` is NULL. There must be room. */
void exchange_say_hello(struct exchange *machine, const struct address *to,
                        struct exchange_actions *actions);

/* An announcement came of a version older than ours. */
void exchange_say_correction(struct exchange *machine, const struct exchange_event *event);

void exchange_say_changed(struct exchange *machine, const struct exchange_event *event);
void exchange_say_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_say_due(const struct exchange *machine);

/* ---- manifests to fetch: exchange_learn.c --------------------------------------------------- */

enum { LEARN_CANDIDATES_MAX = 4 };

struct learn_candidate {
    struct address http;
    struct version version;
    struct digest sha256;
};

struct learn {
    char name[NAME_SIZE];
    bool in_flight;
    struct learn_candidate asked; /* while in flight */
    size_t count;
    struct learn_candidate candidates[LEARN_CANDIDATES_MAX];
};

struct learning {
    struct slots slots;
    struct learn learns[EXCHANGE_LEARNS_MAX];
    size_t in_flight;
};

/* `candidate` has a version that we lack: fetch its manifest when it is due. False: no room. */
bool exchange_learn_want(struct exchange *machine, const char *name,
                         const struct learn_candidate *candidate, mono_t due);
void exchange_learn_done(struct exchange *machine, const struct exchange_event *event,
                         const char *name);
bool exchange_learn_pending(const struct exchange *machine, const char *name);
void exchange_learn_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_learn_due(const struct exchange *machine);

/* ---- the comparison: exchange_compare.c ----------------------------------------------------- */

struct comparing {
    mono_t due;
    bool in_flight;
    bool run; /* of one peer's catalogue, page by page */
    struct address host;
    uint64_t store_id; /* what the page under way was asked for */
    uint64_t since;
    size_t pages;
    unsigned failures; /* in a row */
    bool greeted;      /* everyone, at start */
    bool hinted;       /* `hint` is to be next, if it is usable */
    struct address hint;
};

void exchange_compare_init(struct exchange *machine);
void exchange_compare_soon(struct exchange *machine, const struct address *host);
void exchange_compare_done(struct exchange *machine, const struct exchange_event *event);
void exchange_compare_work(struct exchange *machine, struct exchange_actions *actions);
mono_t exchange_compare_due(const struct exchange *machine);

/* ---- clocks: exchange_clock.c --------------------------------------------------------------- */

/* Before the event's times become the machine's: notices when our wall clock was set. */
void exchange_clock_tick(struct exchange *machine, const struct exchange_event *event);
void exchange_clock_heard(struct peer *peer, const struct exchange_event *event);

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
    struct asking asking;
    struct saying saying;
    struct learning learning;
    struct comparing comparing;
    struct exchange_figures figures;
};

/* Room for one more action of this kind, or NULL, which sets actions->more. */
struct exchange_action *exchange_act(struct exchange_actions *actions,
                                     enum exchange_action_kind kind);

uint64_t exchange_key(const struct exchange *machine, const char *name);

void exchange_copy_name(char out[NAME_SIZE], const char *name);

/* An id for a question: no other of this node and boot has it, and nobody can guess it. */
void exchange_make_tuid(struct exchange *machine, char out[TUID_SIZE]);

/* A random moment within `ns` from now. */
mono_t exchange_within(struct exchange *machine, int64_t ns);

/* <0, 0, >0: is what we know older than, the same as, or newer than this version? */
int exchange_order(const struct exchange_local *local, struct version version,
                   const struct digest *sha256);

/* Where a peer serves HTTP. */
struct address exchange_http(const struct exchange *machine, const struct peer *peer);

/* Sets it aside as far as the fault asks for it (or praises it, PEER_FINE). Hosts that are not
 * known as peers are passed over. */
void exchange_blame(struct exchange *machine, const struct address *host, enum peer_fault fault);

/* The same, for how a request of ours ended. */
void exchange_judge(struct exchange *machine, const struct exchange_event *event);

#endif
