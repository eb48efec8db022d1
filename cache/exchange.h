/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_EXCHANGE_H
#define POND_CACHE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/name.h"
#include "cache/notice.h"
#include "cache/peers.h"
#include "cache/route.h"
#include "cache/version.h"
#include "src/base/address.h"
#include "src/base/digest.h"
#include "src/base/rng.h"
#include "src/base/time.h"

/*
 * The exchange decides who is asked, answered, told and compared with, so that every node comes to
 * know every name's newest version, and finds whoever has the content. It is a pure machine: one
 * call, exchange_step(machine, event, actions). The event carries the time; the actions are data
 * that the driver carries out in their order. No clock, dice, allocation or descriptor in it; all
 * tables are inside the struct and bounded. One thread.
 *
 * In all places:
 *  - A whohas is answered with an ihave where we know better than the asker; at once where it was
 *    asked of one, after a random part of the question's `spread` where it was asked of many.
 *  - An ihave that answers a question of ours goes to that question. One that announces a version
 *    newer than ours is learned (its manifest fetched, then adopted by the store, which fetches the
 *    content where it held the older one); an older one is answered with our own. Only of those
 *    who may be asked for content (cache/route.h) anything is learned.
 *  - A local change is announced, and once more a little later.
 *  - A name that somebody here wants is asked for, again and again within the question's time.
 *    Several who want the same share one question. What nobody has is remembered for a second.
 *  - Who misbehaved is left alone for a while (cache/peers.h).
 *  - An ISconf host (cache/notice.h) is answered where our content is later than it asks for, and
 *    told so where it says that it has what is older. What it has later than any such host had of
 *    that name is learned as an unverified version, which never takes the place of one that a
 *    manifest vouches for.
 *
 * In a flat mesh everyone is asked and told. Every 30 s, jittered, one random peer's catalogue is
 * read from where we left off in it. It is greeted then, so that it knows of us too; all are at
 * start, while we know nobody, and, where there may be others than we know, by chance now and then.
 * The greeting is a question for DOMAIN/.pond, which nobody has.
 *
 * In tiers with roles:
 *  - Questions go up alone, to the masters that we follow. What a member asks us, whom we lead, and
 *    we do not know better, is relayed up under its tuid; it is answered when we have learned it.
 *    No tuid is relayed twice. Who follows nobody knows at once that nobody knows a name.
 *  - A local change is announced up and down. What was learned singly, and was new to us, is
 *    announced onward: from below or beside up, down and to the fellow candidates; from above down.
 *    What came by pages of a catalogue the heads tell of.
 *  - A catalogue is read where its head tells of changes that we have not seen; that of a master
 *    that we follow once an hour in any case.
 *  - Who asks an ihave to be confirmed is answered as soon as we hold that version. Where it is
 *    below or beside us, it is for us to hold it and to bring it up: then the answer comes once it
 *    is marked so, or a candidate above has it. A backup mirrors what its master holds.
 *    Only what a candidate says from its own address confirms anything: an ihave to a single host
 *    names it, so that nobody can pass on from there what another said.
 */

/* What the driver knows of a name when the event happens, looked up in the store. */
struct exchange_local {
    bool known;
    bool held;
    bool wanted; /* not held, but to be fetched */
    bool deleted;
    struct version version;
    struct digest sha256;
    uint64_t size;
    int64_t mtime;    /* seconds */
    bool unconfirmed; /* no candidate of the tier above ours, or of our own, has it for certain */
};

/* What an ASKED wants to know; `found` of its ANSWER in brackets. */
enum exchange_ask {
    EXCHANGE_ASK_NAME,    /* any version, for a name that is not known here (it is known now) */
    EXCHANGE_ASK_NEWEST,  /* is there a newer version than ours? Answered when the time is up (the
                             name is known now) */
    EXCHANGE_ASK_CONTENT, /* who holds the content of the version that we know? (somebody does, or
                             it came meanwhile) */
    EXCHANGE_ASK_SURVEY,  /* pond whohas: everyone's answers, when the time is up (there was one) */
    EXCHANGE_ASK_COPIES   /* pond put --copies: as many candidates hold `version` (they do, before
                             `until`, and while it is the name's version here); its sources are
                             those who do. Sent again and again */
};

/* Every table is bounded. What finds no room is dropped and counted; what was dropped is made good
 * by a question that is asked again, or by the next comparison of catalogues. */
enum {
    EXCHANGE_QUESTIONS_MAX = 512,
    EXCHANGE_SURVEYS_MAX = 8,        /* of the questions */
    EXCHANGE_COPIES_ASKED_MAX = 128, /* likewise; of these each may last for days */
    EXCHANGE_TICKETS_MAX = 8192,     /* that wait for questions */
    EXCHANGE_NOBODY_MAX = 256,       /* names that nobody has */
    EXCHANGE_RECENT_MAX = 512,       /* who lately said that it holds what */
    EXCHANGE_REPLIES_MAX = 1024,     /* ihaves to one, whose time has not come */
    EXCHANGE_CORRECTIONS_MAX = 256,
    EXCHANGE_ANNOUNCEMENTS_MAX = 1024,
    EXCHANGE_RELAYS_MAX = 512,       /* questions from below, under way up */
    EXCHANGE_CONFIRMS_MAX = 1024,    /* who waits for us to hold what */
    EXCHANGE_CONFIRMED_MAX = 1024,   /* what was confirmed to us lately */
    EXCHANGE_COMPARISONS_MAX = 512,  /* hosts whose catalogue is to be read */
    EXCHANGE_COMPARES_IN_FLIGHT = 4, /* of them; half of them at most with those below or beside */
    EXCHANGE_LEARNS_MAX = 1024,
    EXCHANGE_LEARNS_IN_FLIGHT = 16,
    EXCHANGE_ISCONF_LEARNS_MAX = 256, /* of EXCHANGE_LEARNS_MAX, begun for ISconf hosts, */
    EXCHANGE_ISCONF_HOST_LEARNS = 64, /* and of these, for one of them */
    EXCHANGE_ISCONF_IN_FLIGHT = 4,    /* of EXCHANGE_LEARNS_IN_FLIGHT, from ISconf hosts: contents,
                                         which may be large; */
    EXCHANGE_ISCONF_HOST_IN_FLIGHT = 2, /* from one of them */
    EXCHANGE_ISCONF_MAX = 1024          /* ISconf hosts that are known: whoever has recorded one can
                                           speak as many */
};

enum exchange_event_kind {
    EXCHANGE_WAKE,     /* the deadline has come, or nothing in particular */
    EXCHANGE_MEMBER,   /* from: a member with a single address, at start or from now on; and after
                          each change of the members, where it may be something else to us now */
    EXCHANGE_STRANGER, /* from: it is no member any more, and may be heard like anyone */
    EXCHANGE_LEFT,     /* from: it is not to be heard any more, and forgotten */
    EXCHANGE_FOUND,    /* from, http_port: a member tells by heartbeat where it is; one that no nets
                          file names singly is told and asked from now on, as if it was heard: in a
                          flat mesh, and where we lead */
    EXCHANGE_LOST,     /* from: its heartbeats have ended; who was found and never heard otherwise
                          is forgotten */
    EXCHANGE_PLACE,    /* place: where we stand now; at start, and whenever that changes, or who the
                          masters are */
    EXCHANGE_HEARD,    /* from, notice, local: a datagram that the gate let in */
    EXCHANGE_HEAD,    /* from, head, own: the head of a master that we follow (from the view), or of
                         a member that we lead (from its standing); and that of our own catalogue */
    EXCHANGE_CHANGED, /* name, local: our own put or rm is in the store; tell the others */
    EXCHANGE_LANDED,  /* name, local, from: its content is complete here; from: where the last of
                         it came from, or all zero where it was here before */
    EXCHANGE_AGAIN, /* name, local: what we put is still unconfirmed; tell those who can confirm it
                     */
    EXCHANGE_ASKED, /* ticket, ask, name, local, copies, until: somebody here wants it */
    EXCHANGE_DROPPED,  /* ticket: they do not want it any more */
    EXCHANGE_LEARNED,  /* name, from, result, fault, local: a LEARN is done; local: as it is now */
    EXCHANGE_COMPARED, /* from, result, fault, page: a COMPARE is done */
    EXCHANGE_BLAMED    /* from, fault: somebody else found it misbehaving, or good (PEER_FINE) */
};

enum exchange_result {
    EXCHANGE_DONE,   /* taken, or we knew better already */
    EXCHANGE_FAILED, /* it did not have it, or we could not take it (`fault` is PEER_FINE); or it
                        was not reached or refused us (`fault` says so) */
    EXCHANGE_AHEAD,  /* its version lies in the future: not taken now */
    EXCHANGE_FAULTY  /* it sent what is wrong; `fault` says what */
};

/* A page of a peer's catalogue. Whose store is not the one that we asked for answers from its
 * beginning. */
struct exchange_page {
    uint64_t store_id;
    uint64_t last; /* the position reached */
    bool more;     /* others follow */
    bool ahead;    /* one of its versions lay in the future and was not taken */
};

/* The head of a catalogue, as adverts and standings tell it. */
struct exchange_head {
    uint64_t store; /* 0: it has told of none yet */
    uint64_t sequence;
    struct digest digest; /* over all names and versions */
    wall_t clock;         /* what the wall clock there said; 0: it did not tell */
};

struct exchange_event {
    enum exchange_event_kind kind;
    mono_t now;
    wall_t wall;
    struct address from;     /* datagrams: as received; HTTP: with the HTTP port */
    unsigned relations;      /* what `from` is to us now, in every event that has one: of
                                enum route_relation; 0: a stranger, who is told and asked nothing */
    struct address answered; /* LEARNED: who answered: `from`, or whom that sent us to. It is
                                judged; all zero: `from` is */
    uint16_t http_port;      /* FOUND: where it serves HTTP */
    struct route_place place;
    const struct notice *notice;
    struct span name;
    struct exchange_local local;
    uint64_t ticket;
    enum exchange_ask ask;
    size_t copies;          /* 1 to EXCHANGE_COPIES_MAX, our own counted where we are a candidate */
    struct version version; /* COPIES: what was put */
    struct digest sha256;   /* likewise: two nodes may put at the same moment */
    mono_t until;
    enum exchange_result result;
    enum peer_fault fault;
    struct exchange_page page;
    struct exchange_head head;
    struct digest own; /* of our own head */
};

enum exchange_action_kind {
    EXCHANGE_SEND,    /* notice (but for its sender, which the driver fills in), to, or audiences */
    EXCHANGE_LEARN,   /* name, to: GET its manifest, adopt it, report LEARNED, always; isconf: GET
                         the content itself, of which the driver makes an unverified version */
    EXCHANGE_COMPARE, /* to, store_id, since: GET what changed in its catalogue, a page or more,
                         adopt what is in it, report COMPARED, always. store_id 0: its store was
                         never read, or is not trusted to have been: the driver may compare by
                         ranges, and report the whole as one page */
    EXCHANGE_ANSWER,  /* ticket, found, busy, sources: the end of an ASKED */
    EXCHANGE_CONFIRMED, /* name, version, sha256, to: a candidate of the tier above (of our own,
                           where none is) holds this version with this content, which the event had
                           as unconfirmed */
    EXCHANGE_WANT, /* name, version, sha256, unconfirmed: as long as this is the name's version and
                      content it is to be here, and unconfirmed where that is set; report LANDED
                      where it is here, and fetch it where it is not */
    EXCHANGE_FAULT /* to, fault: a peer was found misbehaving: for the log and the counters */
};

enum { EXCHANGE_SOURCES_MAX = 8, EXCHANGE_SURVEY_MAX = 64, EXCHANGE_ACTIONS_MAX = 64 };

/* A put can wait for so many copies: one answer each, and our own. */
enum { EXCHANGE_COPIES_MAX = EXCHANGE_SOURCES_MAX + 1 };

/* One answer to a question. */
struct exchange_source {
    struct address http; /* where to GET it */
    char node[NODE_SIZE];
    struct version version;
    struct digest sha256;
    uint64_t size;
    bool held;
    bool deleted;
    bool leads; /* it is the master of a tier: it can ask others for us */
};

struct exchange_action {
    enum exchange_action_kind kind;
    struct address to;
    unsigned audiences; /* of enum route_audience, each host once; 0: `to` alone */
    struct notice notice;
    char name[NAME_SIZE];
    struct version version;
    struct digest sha256;
    bool unconfirmed;
    bool isconf;
    uint64_t store_id;
    uint64_t since;
    uint64_t ticket;
    bool found;
    bool busy;     /* too many questions: not found, but asking again later may help (503) */
    bool replaced; /* COPIES: not found, since another version is here in its place */
    const struct exchange_source *sources; /* valid until the next step */
    size_t source_count;
    enum peer_fault fault;
};

/* Filled by one step; `deadline` is when to call with EXCHANGE_WAKE at the latest. `more` is set
 * where not all fitted: step again with WAKE at once. */
struct exchange_actions {
    size_t count;
    struct exchange_action list[EXCHANGE_ACTIONS_MAX];
    mono_t deadline;
    bool more;
};

struct exchange_options {
    uint64_t seed;
    const char *node;   /* our name, for the ids of questions; copied */
    const char *domain; /* the cluster's; copied */
    bool broadcast;     /* AUDIENCE_MESH reaches more than the peers that are known */
    uint16_t http_port; /* ours, to tell others; and theirs, as long as they have not told us */
    int64_t compare_ns; /* 30 s */
    mono_t now;
};

/* Before the first PLACE it is in a flat mesh alone. */
struct exchange;
size_t exchange_size(void); /* bytes of a machine: the caller provides the memory, zeroed */
void exchange_init(struct exchange *machine, const struct exchange_options *options);
void exchange_step(struct exchange *machine, const struct exchange_event *event,
                   struct exchange_actions *actions);

/* Does AUDIENCE_MESH reach more than the peers that are known, from now on? */
void exchange_set_broadcast(struct exchange *machine, bool broadcast);

/*
 * How our wall clock stands among those of the others. Where two or more that were heard lately
 * tell theirs, and ours is further off their median than a version may be ahead, it is ours that is
 * wrong. Between two nodes nobody can tell whose it is. When our clock is set, everything that was
 * known of the others' is forgotten, so that it counts for nothing whether it was off before.
 */
#define EXCHANGE_CLOCK_HEARD_NS MONO_S(300)
enum { EXCHANGE_CLOCK_OFF_MS = VERSION_AHEAD_MAX_MS, EXCHANGE_CLOCK_WITNESSES = 2 };

struct exchange_clock {
    size_t heard;     /* peers whose clock is known from the last EXCHANGE_CLOCK_HEARD_NS */
    int64_t ahead_ms; /* of their median; negative: behind */
    bool differs;     /* by more than EXCHANGE_CLOCK_OFF_MS */
    bool off;         /* differs, and it is ours that is wrong */
};

/* Not for every message: it looks at all peers many times over. */
struct exchange_clock exchange_clock(const struct exchange *machine, mono_t now);

/* May be true what this host says: is it not set aside for what only a broken or hostile one does?
 */
bool exchange_credits(struct exchange *machine, const struct address *host, mono_t now);

/* Everyone who is known, for pond peers. */
const struct peers *exchange_peers(const struct exchange *machine);

/* How full it is, and what was dropped because a table was. */
struct exchange_figures {
    size_t questions;
    size_t tickets;
    size_t replies;
    size_t announcements;
    size_t relays;
    size_t confirms;
    size_t learns; /* waiting and under way */
    size_t learns_in_flight;
    uint64_t tickets_refused; /* answered as busy */
    uint64_t replies_dropped;
    uint64_t announcements_dropped;
    uint64_t learns_dropped;
    uint64_t relays_dropped;
    uint64_t faults; /* times that a peer was set aside */
};
void exchange_figures(const struct exchange *machine, struct exchange_figures *out);

#endif
