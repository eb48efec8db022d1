/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FLIGHTS_H
#define POND_SRC_FLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/flight.h"
#include "cache/manifest.h"
#include "cache/shares.h"
#include "cache/store.h"
#include "src/fetch.h"

/*
 * The fetches of content that are under way: one per content, however many ask (cache/flight.h
 * decides what is fetched next and from whom; this carries it out). A flight runs on its own on the
 * fetch thread: slow and vanished readers neither slow nor stop it. Readers, on any thread, are
 * given the chunks as they come in. What it has is kept over a restart and never fetched again.
 *
 * Where a flight lacks a source it asks for some: `need` is called, and answered with
 * flights_sources at any later time, and as often as there are others.
 */
struct flights;

enum flights_end {
    FLIGHTS_LANDED,
    FLIGHTS_PASSED_ON, /* to those who read, for want of room, as long as they did; nothing is kept
                        */
    FLIGHTS_REPLACED,  /* all of it came, for who reads it; but it is no name's any more, and is not
                          kept */
    FLIGHTS_FAILED,
    FLIGHTS_PUT_OFF /* nobody could give it, or there is no room to keep it, and nobody reads it:
                     * what is wanted for later is tried again */
};

struct flights_options {
    struct store *store;
    struct fetch *fetch;
    /* Wants holders of this manifest's content; any thread; must not block. again: those whom it
     * was told of before were of no use. */
    void (*need)(void *arg, const struct manifest *manifest, bool again);
    /* A flight is over; on some thread; must not block. source: whom the last of it came from; port
     * 0: nobody was asked. */
    void (*ended)(void *arg, const struct manifest *manifest, enum flights_end how,
                  const struct address *source);
    /* A source misbehaved, or proved good (PEER_FINE: not each time); on the fetch thread; must not
     * block. */
    void (*blame)(void *arg, const struct address *http, enum peer_fault fault);
    /* A source does not have it, which is nobody's fault; likewise. */
    void (*gone)(void *arg, const struct address *http, const struct digest *sha256);
    void *arg;
};
struct flights *flights_new(const struct flights_options *options);

/* Fails every reader (they are woken), keeps what was had, frees. Before fetch_free. */
void flights_stop(struct flights *flights);
void flights_free(struct flights *flights); /* when every reader has left */

/* Starts one that nobody reads, where none is under way. Any thread. False where the share has no
 * place (cache/shares.h): ask again later. */
enum { FLIGHTS_MAX = SHARES_MAX };
bool flights_start(struct flights *flights, const struct manifest *manifest,
                   const struct share *share);

/* How many are under way that were started in the background, and how many of these are large: no
 * batch takes them (src/frames.h). */
struct flights_filling {
    size_t all, large;
};
struct flights_filling flights_filling(struct flights *flights);

/* Whom to ask, the best first. None ends a flight that has no other and that nobody reads. */
struct flights_found {
    struct address list[FLIGHT_SOURCES_MAX];
    size_t count;
    bool superseded; /* a newer version of the name is known, or the content came from an ISconf
                        host meanwhile: readers had better come again, and none ends it at once */
    bool awaited;    /* a better one will be there before long: readers wait for it */
    bool renamed;    /* a newer version took the place of the one by whose name the content is
                        asked for; but it is also that of `manifest`: it is asked for as such */
    struct manifest manifest;
};

/* The answer to `need`. Any thread. */
void flights_sources(struct flights *flights, const struct manifest *manifest,
                     const struct flights_found *found);

/* The same for all that are under way: others may be asked now than before. Those of them whose
 * source must not be asked any more are ended by fetch_recheck. Any thread. */
void flights_reroute(struct flights *flights, const struct flights_found *found);

/* ---- readers: any thread, one at a time for each reader ------------------------------------- */

/* As in src/portions.h. */
enum { FLIGHTS_READERS_MAX = 16384, FLIGHTS_READERS_OTHERS = 15360, FLIGHTS_READERS_HOST = 4096 };

struct flight_reader;

/* Joins the flight for this content, which is started where there is none: then for the sake of a
 * request with this `via` (an empty span: for our own), which goes with what is asked. `wake` is
 * called at most once for each flights_read that returned FLIGHT_WAIT, on some thread, with no lock
 * held that flights_read takes; it must not block, unwait or leave. NULL where the share has no
 * place, or its host too many readers (which is counted), or the manifest contradicts another one
 * of the same content that is being fetched: 503. */
struct flight_reader *flights_join(struct flights *flights, const struct manifest *manifest,
                                   const struct share *share, struct span via,
                                   void (*wake)(void *arg), void *arg);

enum { FLIGHT_WAIT = 0, FLIGHT_FAILED = -1 };

/* Up to len checked bytes from `from` (less than the content's size): how many, or FLIGHT_WAIT
 * (`wake` will come), or FLIGHT_FAILED for good. What is waited for is fetched next. */
ssize_t flights_read(struct flight_reader *reader, uint64_t from, void *bytes, size_t len);

/* The chunk list, checked, which is there until the reader leaves: how many digests, or FLIGHT_WAIT
 * or FLIGHT_FAILED, as above. For content of several chunks. */
ssize_t flights_list(struct flight_reader *reader, const struct digest **list);

/* Will all of it be kept, as far as is known? Any thread. */
bool flights_keeps(const struct flight_reader *reader);

/* Forgets a wait: after this no wake comes for it, and none is under way. So the caller must hold
 * no lock that `wake` takes. Leaving does it too. */
void flights_unwait(struct flight_reader *reader);
void flights_leave(struct flight_reader *reader);

/* ---- for status ------------------------------------------------------------------------------ */

struct flight_view {
    char name[NAME_SIZE];
    uint64_t size;
    uint64_t had;  /* bytes */
    uint64_t rate; /* bytes a second, lately */
    uint32_t readers;
    struct address source; /* port 0: none at the moment */
};
size_t flights_view(struct flights *flights, struct flight_view *views, size_t most);

#endif
