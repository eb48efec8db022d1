/* SPDX-License-Identifier: ISC */
#include "src/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/fetch_inner.h"
#include "src/signals.h"

/* ---- the thread ----------------------------------------------------------------------------- */

static struct transfer *find_cancelled(struct fetch *fetch)
{
    struct transfer *transfer = fetch->transfers;

    while (transfer && !transfer->cancelled)
        transfer = transfer->next;
    return transfer;
}

/* From the front each time: a `done` may change the list. */
static void on_reap(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct fetch *fetch = timer->data;
    struct transfer *transfer;

    (void)loop, (void)events;
    MUST_BE(fetch, FETCH_MAGIC);
    while ((transfer = find_cancelled(fetch)))
        transfer_finish(transfer, (struct fetch_verdict){FETCH_CANCELLED, PEER_FINE, ""});
}

static void *run(void *arg)
{
    struct fetch *fetch = arg;

    MUST_BE(fetch, FETCH_MAGIC);
    ev_run(fetch->loop, 0);
    mailbox_free(fetch->mailbox); /* what was still posted is told that it is over */
    return NULL;
}

static void start_thread(struct fetch *fetch)
{
    sigset_t before;

    signals_block(&before);
    MUST(pthread_create(&fetch->thread, NULL, run, fetch) == 0);
    signals_restore(&before);
}

struct fetch *fetch_new(const struct fetch_options *options)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));

    MUST(fetch != NULL);
    MUST(curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK);
    fetch->magic = FETCH_MAGIC;
    fetch->options = *options;
    fetch->options.node = strdup(options->node);
    fetch->options.domain = strdup(options->domain);
    MUST(fetch->options.node != NULL && fetch->options.domain != NULL);
    fetch->sign = options->sign;
    fetch->must_be_signed = options->must_be_signed;
    fetch->loop = ev_loop_new(EVFLAG_AUTO);
    MUST(fetch->loop != NULL);
    fetch->mailbox = mailbox_new(fetch->loop);
    ev_timer_init(&fetch->reap, on_reap, 0., 0.);
    fetch->reap.data = fetch;
    if (options->keyring)
        fetch->seal = seal_new(options->keyring);
    fetch->challenges = challenge_client_new(options->node, options->domain);
    fetch_loop_open(fetch);
    start_thread(fetch);
    return fetch;
}

/* ---- settings that change ------------------------------------------------------------------- */

void fetch_sign(struct fetch *fetch, bool sign, bool must_be_signed)
{
    MUST_BE(fetch, FETCH_MAGIC);
    fetch->sign = sign;
    fetch->must_be_signed = must_be_signed;
}

static struct transfer *find_not_allowed(struct fetch *fetch)
{
    struct transfer *transfer = fetch->transfers;

    while (transfer && transfer_allowed(transfer))
        transfer = transfer->next;
    return transfer;
}

/* From the front each time: a `done` may change the list. */
static void recheck(void *arg)
{
    struct fetch *fetch = arg;
    struct transfer *transfer;

    MUST_BE(fetch, FETCH_MAGIC);
    while ((transfer = find_not_allowed(fetch)))
        transfer_finish(transfer, (struct fetch_verdict){FETCH_BARRED, PEER_REFUSES, ""});
}

void fetch_recheck(struct fetch *fetch)
{
    fetch_call(fetch, recheck, fetch);
}

/* ---- letters -------------------------------------------------------------------------------- */

static void read_submitted(struct letter *letter)
{
    struct transfer *transfer = LETTER_OWNER(letter, struct transfer, letter);
    enum fetch_result result = transfer->fetch->stopping ? FETCH_STOPPED : FETCH_CANCELLED;

    MUST_BE(transfer, TRANSFER_MAGIC);
    if (transfer->cancelled || transfer->fetch->stopping)
        transfer_finish(transfer, (struct fetch_verdict){result, PEER_FINE, ""});
    else if (!transfer_admit(transfer))
        transfer_finish(transfer, (struct fetch_verdict){FETCH_BARRED, PEER_REFUSES, ""});
    else if (!batch_take(transfer))
        transfer_begin(transfer);
}

struct transfer *fetch_transfer(struct fetch *fetch, struct fetch_request *request)
{
    struct transfer *transfer;

    MUST(!request->range || (request->from <= request->to && request->to < request->total));
    request->answered = request->server;
    request->fault = PEER_FINE;
    request->retry_after_s = 0;
    request->body = NULL;
    request->body_len = 0;
    request->store_id = request->sequence_last = 0;
    request->touch = (struct store_touch){.away = false};
    request->more = false;
    transfer = transfer_new(fetch, request);
    request->inner = transfer;
    transfer->letter.read = read_submitted;
    return transfer;
}

void fetch_submit(struct fetch *fetch, struct fetch_request *request)
{
    MUST_BE(fetch, FETCH_MAGIC);
    mailbox_post(fetch->mailbox, &fetch_transfer(fetch, request)->letter);
}

void fetch_cancel(struct fetch *fetch, struct fetch_request *request)
{
    struct transfer *transfer = request->inner;

    MUST_BE(fetch, FETCH_MAGIC);
    MUST_BE(transfer, TRANSFER_MAGIC);
    transfer->cancelled = true;
    if (fetch->stopping || ev_is_active(&fetch->reap))
        return;
    ev_timer_set(&fetch->reap, 0., 0.);
    ev_timer_start(fetch->loop, &fetch->reap);
}

struct errand {
    struct letter letter;
    void (*call)(void *arg);
    void *arg;
};

static void read_errand(struct letter *letter)
{
    struct errand *errand = LETTER_OWNER(letter, struct errand, letter);

    errand->call(errand->arg);
    free(errand);
}

void fetch_call(struct fetch *fetch, void (*call)(void *arg), void *arg)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    MUST_BE(fetch, FETCH_MAGIC);
    MUST(errand != NULL);
    *errand = (struct errand){.letter.read = read_errand, .call = call, .arg = arg};
    mailbox_post(fetch->mailbox, &errand->letter);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void stop(void *arg)
{
    struct fetch *fetch = arg;

    MUST_BE(fetch, FETCH_MAGIC);
    fetch->stopping = true;
    while (fetch->transfers)
        transfer_finish(fetch->transfers, (struct fetch_verdict){FETCH_STOPPED, PEER_FINE, ""});
    ev_timer_stop(fetch->loop, &fetch->reap);
    ev_break(fetch->loop, EVBREAK_ALL);
}

static void free_string(const char *string)
{
    free((char *)(uintptr_t)string);
}

void fetch_free(struct fetch *fetch)
{
    if (!fetch)
        return;
    fetch_call(fetch, stop, fetch);
    MUST(pthread_join(fetch->thread, NULL) == 0);
    fetch_loop_close(fetch);
    ev_loop_destroy(fetch->loop);
    challenge_client_free(fetch->challenges);
    if (fetch->seal)
        seal_free(fetch->seal);
    free_string(fetch->options.node);
    free_string(fetch->options.domain);
    curl_global_cleanup();
    fetch->magic = 0;
    free(fetch);
}

/* ---- alarms --------------------------------------------------------------------------------- */

struct fetch_alarm {
    unsigned magic;
    struct fetch *fetch;
    struct ev_timer timer;
    void (*ring)(void *arg);
    void *arg;
};

static void on_alarm(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct fetch_alarm *alarm = timer->data;

    (void)loop, (void)events;
    MUST_BE(alarm, ALARM_MAGIC);
    alarm->ring(alarm->arg);
}

struct fetch_alarm *fetch_alarm_new(struct fetch *fetch, void (*ring)(void *arg), void *arg)
{
    struct fetch_alarm *alarm = calloc(1, sizeof(*alarm));

    MUST(alarm != NULL);
    alarm->magic = ALARM_MAGIC;
    alarm->fetch = fetch;
    alarm->ring = ring;
    alarm->arg = arg;
    ev_init(&alarm->timer, on_alarm);
    alarm->timer.data = alarm;
    return alarm;
}

void fetch_alarm_set(struct fetch_alarm *alarm, mono_t when)
{
    struct ev_loop *loop = alarm->fetch->loop;
    int64_t left = mono_between(clock_mono(), when);

    MUST_BE(alarm, ALARM_MAGIC);
    ev_timer_stop(loop, &alarm->timer);
    if (when.ns == MONO_NEVER.ns)
        return;
    ev_now_update(loop); /* timers count from the loop's own, older, idea of now */
    ev_timer_set(&alarm->timer, left > 0 ? (double)left / 1e9 : 0., 0.);
    ev_timer_start(loop, &alarm->timer);
}

void fetch_alarm_free(struct fetch_alarm *alarm)
{
    if (!alarm)
        return;
    MUST_BE(alarm, ALARM_MAGIC);
    ev_timer_stop(alarm->fetch->loop, &alarm->timer);
    alarm->magic = 0;
    free(alarm);
}
