/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HTTP_H
#define POND_SRC_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/store.h"
#include "src/asks.h"
#include "src/challenge.h"
#include "src/flights.h"
#include "src/gate.h"
#include "src/reaper.h"
#include "src/routes.h"
#include "src/skew.h"
#include "src/vitals.h"

/*
 * The HTTP server: our own acceptor (on the main loop) in front of libmicrohttpd's worker threads.
 * MHD's constants and types stop here (src/http*.c). One API for other nodes, pond and curl; what
 * changes things comes over the control socket, or signed.
 *
 * What a request wants from the rest of the daemon it asks through `struct http_world`; the answers
 * come from other threads, while the connection is suspended.
 */
struct http;
struct ev_loop;
struct fetch;
struct reload_ask;

struct http_world {
    struct store *store;
    struct flights *flights;
    struct fetch *fetch; /* NULL: nobody is asked over HTTP */
    struct gate *gate;
    const struct routes *routes;
    struct challenge_server *challenges;
    const struct skew *skew;
    const struct keyring *keyring; /* NULL: unsigned */
    const char *node;
    const char *domain;

    /* Called on any worker thread. */
    void (*ask)(void *arg, struct ask *ask);  /* `done` comes later, always: src/asks.h */
    void (*drop)(void *arg, struct ask *ask); /* `dropped` comes later, after `done` */
    char *(*status_json)(void *arg);          /* free() it; takes a round of the main loop */
    char *(*peers_json)(void *arg);           /* likewise */
    char *(*metrics)(void *arg);              /* likewise */
    void (*reload)(void *arg,
                   struct reload_ask *ask); /* `done` comes later, always: src/reload.h */

    /* As vitals_demote and vitals_restore: they wait for the disk. */
    enum vitals_verdict (*demote)(void *arg, const char *tier, int64_t for_s,
                                  char sentence[VITALS_SENTENCE_SIZE]);
    enum vitals_verdict (*restore)(void *arg, const char *tier,
                                   char sentence[VITALS_SENTENCE_SIZE]);
    void *arg;
};

struct http_options {
    struct ev_loop *loop;         /* the acceptor's, and the reaper's timer's */
    const struct address *listen; /* addresses with ports */
    size_t listen_count;
    struct passed *passed; /* as in acceptor_options; used while http_new runs, and then no more */
    const char *socket_path;  /* the control socket; made anew, mode 0600 or 0660 */
    const char *socket_group; /* NULL: its owner alone */
    unsigned threads;
    unsigned max_connections;
    struct reaper_limits limits; /* zeros: the deadlines that the daemon has */
    int64_t patience_ns;         /* for which other nodes wait; 0: as long as in the daemon */
    int64_t hot_ns; /* for which the answer about a small object is kept; 0: as in the daemon */
    size_t reply_memory; /* bytes of answers that wait to be sent; 0: as many as the daemon has */
    struct http_world world;
};

/* Logs what failed; NULL then. */
struct http *http_new(const struct http_options *options);

/* Where it listens: options.listen[index], with the port that it got where none was given. */
struct address http_address(const struct http *http, size_t index);

/* After the members have changed: ends the connections of hosts that the gate does not let in any
 * more, whatever is under way on them. On the loop's thread. */
void http_recheck(struct http *http);

/* In good order: no new connections, answers say "Connection: close", waits until what is being
 * served is through or `mono_t` deadline has come. Runs the loop meanwhile. */
void http_drain(struct http *http, int64_t most_ns);
void http_free(struct http *http); /* closes what is left; NULL: nothing */

/* Does anybody listen to /.pond/events, who is to be told? Any thread. */
bool http_has_listeners(struct http *http);

/* Sends a line of JSON (without its newline) to all who listen to /.pond/events. Any thread. */
void http_event(struct http *http, const char *json_line);

struct http_figures {
    unsigned connections;
    unsigned requests; /* under way */
};
void http_figures(struct http *http, struct http_figures *out);

#endif
