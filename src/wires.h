/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WIRES_H
#define POND_SRC_WIRES_H

#include <pthread.h>
#include <stdbool.h>

#include "cache/store.h"
#include "src/cache_loop.h"
#include "src/discovery.h"
#include "src/election.h"
#include "src/filler.h"
#include "src/flights.h"
#include "src/follow.h"
#include "src/http.h"
#include "src/mailbox.h"
#include "src/recent.h"
#include "src/reload.h"
#include "src/role_news.h"
#include "src/roles.h"
#include "src/skew.h"
#include "src/status.h"
#include "src/vitals.h"

/*
 * The wires between the modules: what the store, the flights and the HTTP threads tell or ask is
 * carried to the main thread, and handed there to whom it concerns. Set up by world.c, which fills
 * in the modules as it makes them; a wire is only used while both its ends are there.
 */
struct wires {
    struct mailbox *mailbox;
    struct store *store;
    struct flights *flights;
    struct cache_loop *cache;
    struct filler *filler;
    struct follow follow;
    struct discovery *discovery;
    struct reload *reload;
    struct election *election;     /* NULL: no tier has roles */
    struct vitals *_Atomic vitals; /* likewise; any thread may ask */
    struct http *http;             /* NULL before it is there: nobody listens to events yet */
    struct recent *recent;
    struct skew skew;
    struct status_source status;
    struct role_news roles;
    pthread_mutex_t lock;
    struct letter poke;
    bool poking;  /* `poke` is on its way; main thread */
    bool stopped; /* under the lock; read freely on the main thread, which alone sets it */
};
void wires_init(struct wires *wires);
void wires_clear(struct wires *wires);

/* From now on nothing is carried to the main thread: news are dropped, looks get nothing. Those who
 * wait for a look are answered. Main thread. */
void wires_stop(struct wires *wires);

/* For store_on_change. */
void wires_changed(void *arg, const struct store_entry *entry, enum store_job_kind how);

/* For flights_options. */
void wires_need(void *arg, const struct manifest *manifest, bool again);
void wires_ended(void *arg, const struct manifest *manifest, enum flights_end how,
                 const struct address *source);
void wires_blame(void *arg, const struct address *http, enum peer_fault fault);
void wires_gone(void *arg, const struct address *http, const struct digest *sha256);

/* For cache_loop_options. */
void wires_fault(void *arg, const struct peer *peer, enum peer_fault fault);
void wires_clock(void *arg, const struct exchange_clock *clock);
void wires_compared(void *arg, const struct address *from, uint64_t store_id);
void wires_offered(void *arg, const struct notice *notice, const struct address *http);
void wires_wanted(void *arg);
void wires_moved(void *arg);

/* For confirm_options. */
void wires_again(void *arg, const struct store_entry *entry);

/* For tidings_options. */
void wires_viewed(void *arg, const char *tier, bool other_master);
void wires_standing(void *arg, const struct ballot *standing);

/* The catalogue's head, as elections tell it. */
struct ballot_head wires_head(const struct wires *wires);

/* For roles_register. */
void wires_role(void *arg, const struct role_change *change);

/* For vitals_options. */
void wires_tell_self(void *arg, const char *tier, const struct elect_self *self);
void wires_tell_head(void *arg, const struct ballot_head *head);

/* For http_world. The looks give NULL once the daemon is stopping. */
void wires_ask(void *arg, struct ask *ask);
void wires_drop(void *arg, struct ask *ask);
char *wires_status(void *arg);
char *wires_peers(void *arg);
char *wires_metrics(void *arg);
void wires_reload(void *arg, struct reload_ask *ask);
enum vitals_verdict wires_demote(void *arg, const char *tier, int64_t for_s,
                                 char sentence[VITALS_SENTENCE_SIZE]);
enum vitals_verdict wires_restore(void *arg, const char *tier, char sentence[VITALS_SENTENCE_SIZE]);

#endif
