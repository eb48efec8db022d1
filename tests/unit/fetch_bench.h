/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_FETCH_BENCH_H
#define POND_TESTS_UNIT_FETCH_BENCH_H

#include <pthread.h>
#include <string.h>

#include "src/base/must.h"
#include "src/fetch.h"

/* What the tests of the fetcher share: one request that is waited for. */

struct waiting {
    struct fetch_request request;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static inline void tell(struct fetch_request *request)
{
    struct waiting *waiting = request->owner;

    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    pthread_cond_signal(&waiting->cond);
    pthread_mutex_unlock(&waiting->lock);
}

static inline void prepare(struct waiting *waiting, struct address server, const char *target)
{
    memset(waiting, 0, sizeof(*waiting));
    pthread_mutex_init(&waiting->lock, NULL);
    pthread_cond_init(&waiting->cond, NULL);
    waiting->request.server = server;
    waiting->request.most = 1000;
    waiting->request.done = tell;
    waiting->request.owner = waiting;
    MUST(span_copy(span_of(target), waiting->request.target, FETCH_TARGET_SIZE));
}

static inline void ask_for_range(struct waiting *waiting, uint64_t from, uint64_t to,
                                 uint64_t total)
{
    waiting->request.range = waiting->request.content = true;
    waiting->request.from = from;
    waiting->request.to = to;
    waiting->request.total = total;
    waiting->request.most = to - from + 1;
}

static inline void wait_for(struct waiting *waiting)
{
    pthread_mutex_lock(&waiting->lock);
    while (!waiting->done)
        pthread_cond_wait(&waiting->cond, &waiting->lock);
    pthread_mutex_unlock(&waiting->lock);
}

static inline void carry_out(struct fetch *fetch, struct waiting *waiting)
{
    fetch_submit(fetch, &waiting->request);
    wait_for(waiting);
}

static inline struct fetch *new_fetch(const struct keyring *keyring)
{
    return fetch_new(&(struct fetch_options){
        .node = "web1",
        .domain = "example.com",
        .keyring = keyring,
        .sign = keyring != NULL,
        .must_be_signed = keyring != NULL,
        .connect_ms = 3000,
        .stall_s = 3,
    });
}

#endif
