/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_SIM_H
#define POND_TOOLS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A cluster in one process, under one seed. Each node is the real election and the real exchange
 * behind the real gates, and speaks in really signed bytes; the clocks, the network, the disk, the
 * store and HTTP are simulated. One seed decides everything: who is in which tier, who does what
 * when, which kinds of faults there are, and which of them happen. The same seed gives the same
 * history, to the byte.
 *
 * After each step the checks look whether the invariants still hold (check_cache.c,
 * check_election.c). Then the faults end, and within a bounded time each tier has one master, the
 * right one, whom all follow; all nodes know the same versions of the same names, and find what any
 * of them holds; and then all is quiet.
 */

/* Kinds of faults, each of which a seed has or has not. The row: enumerator, name. */
#define SIM_FAULTS(ROW)                                                                            \
    ROW(SIM_LOSS, "loss")               /* of datagrams */                                         \
    ROW(SIM_DUPLICATION, "duplication") /* of datagrams */                                         \
    ROW(SIM_DELAY, "delay")             /* of datagrams, which reorders them too */                \
    ROW(SIM_CUT, "cut")                 /* one way between two nodes */                            \
    ROW(SIM_PARTITION, "partition")     /* in two halves */                                        \
    ROW(SIM_PAUSE, "pause")             /* a process stands still, or its whole host */            \
    ROW(SIM_CRASH, "crash")             /* of a process, or of its host */                         \
    ROW(SIM_HOME, "home")               /* lost, or restored from an older copy */                 \
    ROW(SIM_DISK, "disk")               /* stalls, or fails for a while */                         \
    ROW(SIM_CLOCK, "clock")             /* of the wall, stepped */                                 \
    ROW(SIM_DRIFT, "drift")             /* of the monotonic clocks */                              \
    ROW(SIM_HOSTILE, "hostile")         /* datagrams replayed, edited, forged */                   \
    ROW(SIM_HTTP, "http")               /* requests fail, answers are wrong */                     \
    ROW(SIM_DEMOTION, "demotion")       /* of a candidate, for a while */                          \
    ROW(SIM_RELOAD, "reload")           /* of a candidate's pair and preemption */                 \
    ROW(SIM_LEAVE, "leave")             /* a node is stopped in good order */                      \
    ROW(SIM_RESET, "reset")             /* of a watched connection */                              \
    ROW(SIM_DROP, "drop")               /* of content that need not be kept */                     \
    ROW(SIM_FULL, "full")               /* no room for content, for a while */                     \
    ROW(SIM_SLOW, "slow")               /* some readers take long for each chunk */

enum sim_fault {
#define SIM_ENUM(id, name) id,
    SIM_FAULTS(SIM_ENUM)
#undef SIM_ENUM
        SIM_FAULT_COUNT
};
const char *sim_fault_name(enum sim_fault fault);

/* What became of puts: what may take them away. The row: enumerator, text. */
#define SIM_LOSSES(ROW)                                                                            \
    ROW(SIM_LOSS_NONE, "kept to the end")                                                          \
    ROW(SIM_LOSS_BESIDE, "kept beside newer ones, as conflicts")                                   \
    ROW(SIM_LOSS_REPLACED, "replaced by newer ones")                                               \
    ROW(SIM_LOSS_HOME, "lost with the home of the last that had to keep them")

enum sim_loss {
#define SIM_ENUM(id, text) id,
    SIM_LOSSES(SIM_ENUM)
#undef SIM_ENUM
        SIM_LOSS_COUNT
};
const char *sim_loss_text(enum sim_loss loss);

/* Mistakes that can be built into the driver, to see that the simulator finds them. */
#define SIM_PLANTS(ROW)                                                                            \
    ROW(SIM_SOUND, "none", "is sound")                                                             \
    ROW(SIM_TAKES_REPLAYS, "takes-replays", "lets replayed datagrams in")                          \
    ROW(SIM_TAKES_WRONG_KEYS, "takes-wrong-keys",                                                  \
        "lets datagrams in that are signed with a wrong key")                                      \
    ROW(SIM_NEVER_COMPARES, "never-compares", "reports comparisons that it did not make")          \
    ROW(SIM_FORGETS_LOCAL, "forgets-local", "tells the exchange that nothing is known here")       \
    ROW(SIM_ADOPTS_OLDER, "adopts-older", "adopts manifests that are older than its own")          \
    ROW(SIM_ADOPTS_AHEAD, "adopts-ahead", "adopts versions from the future")                       \
    ROW(SIM_TRUSTS_PAGES, "trusts-pages", "adopts manifests without checking their sum")           \
    ROW(SIM_LOSES_ANSWERS, "loses-answers", "drops an answer now and then")                        \
    ROW(SIM_MISSES_DEADLINES, "misses-deadlines", "does not wake the exchange up")                 \
    ROW(SIM_DEADLINE_FIRST, "deadline-first", "judges deadlines before it reads its socket")       \
    ROW(SIM_ADVERTS_FIRST, "adverts-first",                                                        \
        "lets a master advert before it knows that it was late")                                   \
    ROW(SIM_BACKUP_LATE_UNTOLD, "backup-late-untold", "believes its own silence")                  \
    ROW(SIM_FORGETS_BOOT, "forgets-boot", "starts with the boot that it had before")               \
    ROW(SIM_FORGETS_EPOCH, "forgets-epoch", "reports epochs as kept that are not on disk")         \
    ROW(SIM_TAKES_OTHER_DOMAINS, "takes-other-domains", "lets ballots of another domain in")       \
    ROW(SIM_TAKES_OTHER_TIERS, "takes-other-tiers", "takes a ballot for that of another tier")     \
    ROW(SIM_TAKES_SLAVES_ADVERTS, "takes-slaves-adverts", "lets slaves advert")                    \
    ROW(SIM_TAKES_FAR_ADVERTS, "takes-far-adverts", "lets adverts in that a router passed on")     \
    ROW(SIM_TAKES_OLD_BALLOTS, "takes-old-ballots", "hands replayed ballots in as new ones")       \
    ROW(SIM_TAKES_ANY_NONCE, "takes-any-nonce", "takes any nonce for the one that it asked with")  \
    ROW(SIM_NEVER_SOLICITS, "never-solicits", "gives masters up without asking them")              \
    ROW(SIM_PREEMPTS_UNASKED, "preempts-unasked", "takes over where it should ask")                \
    ROW(SIM_WRITES_THE_ROLE, "writes-the-role", "changes its role behind the machine's back")      \
    ROW(SIM_HEARS_NO_MASTER, "hears-no-master", "keeps from a master that there is another")       \
    ROW(SIM_IGNORES_DEMOTION, "ignores-demotion", "tells nobody that it is demoted")               \
    ROW(SIM_EPOCH_GOES_BACK, "epoch-goes-back", "publishes the epoch that it heard last")          \
    ROW(SIM_LEAVES_UNSAID, "leaves-unsaid", "leaves without a word")                               \
    ROW(SIM_STAYS_ON, "stays-on", "says nothing of being backup again")                            \
    ROW(SIM_FETCHES_FOR_ALL, "fetches-for-all", "fetches for whoever asks")                        \
    ROW(SIM_NEVER_CUTS, "never-cuts", "goes on waiting for whom it follows no longer")             \
    ROW(SIM_KEEPS_NOTHING, "keeps-nothing", "does not want what it is to keep")                    \
    ROW(SIM_IGNORES_HEADS, "ignores-heads", "does not look at the heads of catalogues")            \
    ROW(SIM_TELLS_ONCE, "tells-once", "tells of a put once, and never again")                      \
    ROW(SIM_DROPS_UNCONFIRMED, "drops-unconfirmed", "drops what nobody has confirmed")             \
    ROW(SIM_KEEPS_NO_CONFLICT, "keeps-no-conflict",                                                \
        "forgets what another version replaces unseen")                                            \
    ROW(SIM_DROPS_UNTOLD, "drops-untold", "does not say that who asked has gone away")             \
    ROW(SIM_FETCHES_ANEW, "fetches-anew", "forgets which chunks it has")                           \
    ROW(SIM_LOSES_ENDS, "loses-ends", "tells no flight that its source is gone")                   \
    ROW(SIM_WAKES_NO_READER, "wakes-no-reader", "tells no reader that a chunk has come")           \
    ROW(SIM_SEES_CONFLICTS, "sees-conflicts",                                                      \
        "takes each version that is replaced for a conflict")                                      \
    ROW(SIM_SUMS_NAMES, "sums-names", "leaves versions out of the digests of ranges")              \
    ROW(SIM_TAKES_WRONG_CHUNKS, "takes-wrong-chunks", "keeps chunks without checking them")        \
    ROW(SIM_MIXES_VERSIONS, "mixes-versions",                                                      \
        "takes chunks of the version before for those of the next")                                \
    ROW(SIM_RELEASES_UNTOLD, "releases-untold", "tells no flight which chunks it keeps no longer") \
    ROW(SIM_RELAYS_NOTHING, "relays-nothing", "passes no question from below on")                  \
    ROW(SIM_FORGETS_ITS_PLACE, "forgets-its-place",                                                \
        "drops what it kept as a candidate where it is made a slave")                              \
    ROW(SIM_REBUILDS_AS_TOLD, "rebuilds-as-told",                                                  \
        "takes for confirmed what the journal does not tell")

enum sim_plant {
#define SIM_ENUM(id, name, what) id,
    SIM_PLANTS(SIM_ENUM)
#undef SIM_ENUM
        SIM_PLANT_COUNT
};
const char *sim_plant_name(enum sim_plant plant);
const char *sim_plant_text(enum sim_plant plant);

enum { SIM_MINUTES = 10, SIM_NODES_MAX = 9 };

/* How content goes: from each to each, or the ways of the tiers. */
enum sim_ways { SIM_WAYS_ROLLED, SIM_WAYS_MESH, SIM_WAYS_TIERS };

struct sim_options {
    uint64_t seed;
    const char *scenario; /* NULL: a random run; else one of sim_scenarios */
    enum sim_plant plant;
    unsigned minutes; /* how long the faults go on; 0: SIM_MINUTES */
    unsigned nodes;   /* 0: the seed decides */
    enum sim_ways ways;
    uint32_t off; /* a bit for each kind of fault that does not happen */
    bool hash;    /* of the history: it takes time */
    FILE *trace;  /* NULL: none; where there is one, there is a hash too */
};

struct sim_result {
    char failure[256];  /* empty: all was well */
    int64_t failed_ns;  /* when, in simulated time */
    uint64_t hash;      /* of the history */
    int64_t settled_ms; /* how long it took, after the faults, until all nodes agreed */
    int64_t simulated_ns;
    uint64_t datagrams;
    uint64_t steps;
    uint64_t faults[SIM_FAULT_COUNT]; /* that happened */
    uint64_t puts;                    /* acknowledged; */
    uint64_t copies;                  /* of these, with as many copies as were asked for; */
    uint64_t losses[SIM_LOSS_COUNT];  /* and what became of them, where the run came to its end */
};
void sim_run(const struct sim_options *options, struct sim_result *result);

/* Scenarios by name, with a fixed course. */
extern const char *const sim_scenarios[];
extern const size_t sim_scenario_count;

#endif
