/* SPDX-License-Identifier: ISC */
#include "src/reload.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/reload_news.h"
#include "src/workers.h"

enum { RELOAD_MAGIC = 0x72656c6f, RESTART_SIZE = 512, SENTENCE_SIZE = 1024 };

struct reload {
    unsigned magic;
    struct reload_options options;
    struct workers *worker;
    struct conf *conf; /* in force */
    bool running;
    bool stopped;
    bool wanted;                /* once more, when this one is over */
    struct reload_ask *waiting; /* for the next one */
    struct reload_ask *served;  /* by the one under way */

    /* The run: the worker's while it runs, else the main thread's. */
    struct task task;
    struct letter letter;
    struct report *report;
    struct reload_news *news;
    struct conf *fresh; /* NULL: it is no good */
    double read_ms;
};

static double ms_since(mono_t begun)
{
    return (double)mono_between(begun, clock_mono()) / 1e6;
}

/* ---- reading: on the worker ------------------------------------------------------------------ */

static void read_conf(struct reload *reload)
{
    const struct conf *in_force = reload->conf;
    char restart[RESTART_SIZE];
    struct text text = TEXT_OVER(restart);
    struct conf *fresh = conf_reload(in_force, &text, reload->report);

    reload->fresh = fresh;
    if (!fresh)
        return;
    reload_news_restart(reload->news, restart);
    reload_news_compare(reload->news, in_force, fresh);
}

static void read_all(struct task *task)
{
    struct reload *reload = TASK_OWNER(task, struct reload, task);
    mono_t begun = clock_mono();

    MUST_BE(reload, RELOAD_MAGIC);
    read_conf(reload);
    reload->read_ms = ms_since(begun);
    mailbox_post(reload->options.mailbox, &reload->letter);
}

/* ---- the outcome ----------------------------------------------------------------------------- */

/* Answers all of a list, each with a copy of the text; NULL: the daemon is stopping. */
static void answer_all(struct reload_ask **list, const char *json)
{
    while (*list) {
        struct reload_ask *ask = *list;
        *list = ask->next;
        ask->json = json ? strdup(json) : NULL;
        MUST(!json || ask->json);
        ask->done(ask);
    }
}

static void log_report(const struct report *report)
{
    for (size_t i = 0; i < report_count(report); i++) {
        bool warning;
        const char *line = report_line(report, i, &warning);
        log_at(warning ? LEVEL_WARN : LEVEL_ERROR, "%s", line);
    }
}

static void log_outcome(const struct reload *reload, bool applied, const char *complaint)
{
    char sentence[SENTENCE_SIZE];
    struct text text = TEXT_OVER(sentence);

    log_report(reload->report);
    if (*complaint)
        log_error("%s", complaint);
    if (!applied) {
        log_error("reload: %s, or what it names, is no good as it is now: nothing was changed",
                  reload->conf->file);
        return;
    }
    reload_news_sentence(reload->news, &text);
    log_info("reload: %s", sentence);
}

static const char *result_of(const struct reload *reload, bool applied)
{
    if (!applied)
        return "faulty";
    return reload_news_empty(reload->news) ? "unchanged" : "applied";
}

/* The first one is not ours. */
static void drop_conf(struct reload *reload)
{
    if (reload->conf != reload->options.conf)
        conf_free(reload->conf);
}

/* False: nothing was changed. */
static bool apply(struct reload *reload, struct text *complaint)
{
    const struct reload_options *options = &reload->options;
    bool keys = false;

    if (!reload->fresh)
        return false;
    if (!options->apply(options->arg, reload->conf, reload->fresh, &keys, complaint)) {
        conf_free(reload->fresh);
        reload->fresh = NULL;
        return false;
    }
    if (keys)
        reload_news_keys(reload->news);
    drop_conf(reload);
    reload->conf = reload->fresh;
    reload->fresh = NULL;
    return true;
}

static void start(struct reload *reload);

static void end_run(struct reload *reload)
{
    report_free(reload->report);
    reload_news_free(reload->news);
    conf_free(reload->fresh);
    reload->report = NULL;
    reload->news = NULL;
    reload->fresh = NULL;
    reload->running = false;
}

static void finish(struct reload *reload)
{
    char memory[SENTENCE_SIZE];
    struct text complaint = TEXT_OVER(memory);
    struct reload_times times = {.read_ms = reload->read_ms};
    mono_t begun = clock_mono();
    bool applied = apply(reload, &complaint);
    char *json;

    times.applied_ms = ms_since(begun);
    log_outcome(reload, applied, memory);
    json =
        reload_news_json(reload->news, result_of(reload, applied), reload->report, memory, times);
    end_run(reload);
    if (reload->options.tell)
        reload->options.tell(reload->options.arg, false);
    answer_all(&reload->served, json);
    free(json);
    if (reload->wanted)
        start(reload);
}

static void read_finished(struct letter *letter)
{
    struct reload *reload = LETTER_OWNER(letter, struct reload, letter);

    MUST_BE(reload, RELOAD_MAGIC);
    if (!reload->stopped)
        finish(reload);
    else
        end_run(reload);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void start(struct reload *reload)
{
    reload->running = true;
    reload->wanted = false;
    reload->served = reload->waiting;
    reload->waiting = NULL;
    reload->report = report_new();
    reload->news = reload_news_new();
    reload->task.work = read_all;
    reload->letter.read = read_finished;
    if (reload->options.tell)
        reload->options.tell(reload->options.arg, true);
    workers_post(reload->worker, &reload->task);
}

void reload_want(struct reload *reload)
{
    MUST_BE(reload, RELOAD_MAGIC);
    if (reload->stopped)
        return;
    reload->wanted = true;
    if (!reload->running)
        start(reload);
}

static void read_ask(struct letter *letter)
{
    struct reload_ask *ask = LETTER_OWNER(letter, struct reload_ask, letter);
    struct reload *reload = ask->reload;

    MUST_BE(reload, RELOAD_MAGIC);
    ask->next = reload->waiting;
    reload->waiting = ask;
    if (reload->stopped)
        answer_all(&reload->waiting, NULL);
    else
        reload_want(reload);
}

void reload_ask(struct reload *reload, struct reload_ask *ask)
{
    MUST_BE(reload, RELOAD_MAGIC);
    ask->reload = reload;
    ask->letter.read = read_ask;
    mailbox_post(reload->options.mailbox, &ask->letter);
}

/* ---- begin and end --------------------------------------------------------------------------- */

struct reload *reload_new(const struct reload_options *options)
{
    struct reload *reload = calloc(1, sizeof(*reload));

    MUST(reload != NULL);
    reload->magic = RELOAD_MAGIC;
    reload->options = *options;
    reload->conf = options->conf;
    reload->worker = workers_new(1);
    return reload;
}

void reload_stop(struct reload *reload)
{
    MUST_BE(reload, RELOAD_MAGIC);
    reload->stopped = true;
    workers_free(reload->worker); /* a run that it is through with lies in the mailbox */
    reload->worker = NULL;
    answer_all(&reload->served, NULL);
    answer_all(&reload->waiting, NULL);
}

void reload_free(struct reload *reload)
{
    if (!reload)
        return;
    MUST_BE(reload, RELOAD_MAGIC);
    MUST(!reload->running && !reload->worker);
    drop_conf(reload);
    reload->magic = 0;
    free(reload);
}
