/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_SITE_H
#define POND_TESTS_UNIT_SITE_H

#include <pthread.h>
#include <stdatomic.h>

#include "src/http.h"
#include "src/mailbox.h"

/*
 * A site: the HTTP server with a real store, gate and challenges in a folder of its own, on
 * loopback, its main loop on a thread of its own. What the exchange and the flights would say is
 * set by the test. And a client that speaks raw bytes.
 */
#define SITE_NODE "web1"
#define SITE_DOMAIN "example.com"
enum { SITE_EPOCH = 14 }; /* of every tier */

struct site_options {
    unsigned max_connections; /* 0: 64 */
    unsigned threads;         /* 0: 2 */
    struct reaper_limits limits;
    int64_t patience_ns;
    int64_t hot_ns;
    size_t reply_memory;
    size_t metrics_len;           /* of what /.pond/metrics says; 0: one line */
    const char *key;              /* NULL: a cluster without keys */
    bool plain_get;               /* with a key: members need not sign to read */
    const struct member *members; /* last until the site's last start */
    size_t member_count;          /* 0: no tiers */
    bool nobroadcast;
};

struct site {
    struct site_options options;
    char folder[64];
    char socket_path[96];
    struct address address;
    struct store *store;
    struct keyring *keyring;
    struct members *members;
    struct view *view;
    struct routes routes;
    struct gate *gate;
    struct challenge_server *challenges;
    struct skew skew;
    struct http *http;
    struct ev_loop *loop;
    struct mailbox *mailbox;
    pthread_t thread;
    int64_t drain_ns;
    struct letter ready, stop;
    _Atomic int is_ready;
    _Atomic unsigned asked;   /* questions that the exchange got */
    _Atomic unsigned dropped; /* and that nobody waits for any more */
    bool (*_Atomic answer)(struct site *site, struct ask *ask); /* NULL, or fills it in; false:
                                                                   later */
};

void site_start(struct site *site, const struct site_options *options);
void site_stop(struct site *site, int64_t drain_ns); /* keeps the folder */
void site_remove(struct site *site);                 /* the folder */

/* Stores `len` bytes under the name, directly. */
void site_put(struct site *site, const char *name, const void *bytes, size_t len);

/* The rules of its gate from now on, as a rules file has them. */
void site_rule(struct site *site, const char *text);

/* A line of a nets file; ours in every tier is 127.0.0.1. */
struct member site_member(const char *network, enum member_role role, const char *tier);

/* What an election says; `master` NULL: there is none. */
void site_publish(struct site *site, const char *tier, enum ballot_role role, const char *master,
                  mono_t good_until);

/* ---- the client ------------------------------------------------------------------------------ */

int site_connect(const struct site *site); /* over TCP */
int site_control(const struct site *site); /* over the control socket */

int site_connect_from(const struct site *site, const char *host); /* from 127.x.x.x */

/* The same, with so little room on the way that what is not read is soon felt. */
int site_connect_narrow(const struct site *site, const char *host);

struct answer {
    unsigned status; /* 0: the connection ended, or was silent for 10 s, before a whole head */
    char *head;      /* with its empty line, ended by a NUL */
    char *body;      /* ended by a NUL */
    size_t len;
    bool whole; /* the body has the length that was promised */
};

void send_all(int fd, const char *bytes, size_t len); /* what cannot be sent is not */
void send_text(int fd, const char *text);

/* The next answer on the connection; `head_only` to a HEAD. Free it. */
void read_answer(int fd, bool head_only, struct answer *answer);
void answer_free(struct answer *answer);

/* Fails the test where the answer is not whole, or has another status or body (NULL: any). */
void expect(const struct answer *a, unsigned status, const char *body);
void expect_header(const struct answer *a, const char *name, const char *value);

/* The value of a header, or NULL; good until the next call. */
const char *answer_header(const struct answer *answer, const char *name);
bool is_closed(int fd); /* does the other end close within 10 s, having sent nothing more? */

void ask_from(const struct site *site, const char *host, const char *method, const char *target,
              const char *headers, struct answer *answer);

/* A request on a connection of its own. `headers`: lines, each with its \r\n, or "". */
void ask_tcp(const struct site *site, const char *method, const char *target, const char *headers,
             struct answer *answer);
void ask_control(const struct site *site, const char *method, const char *target,
                 const char *headers, const char *body, struct answer *answer);

#endif
