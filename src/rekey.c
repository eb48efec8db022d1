/* SPDX-License-Identifier: ISC */
#include "src/rekey.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/keys.h"
#include "src/base/log.h"
#include "src/base/must.h"

enum { REKEY_MAGIC = 0x72656b79 };

static const double LOOK_EVERY = 2.0; /* seconds */

struct rekey {
    unsigned magic;
    struct ev_loop *loop;
    struct ev_timer timer;
    char *path;
    struct keyring *keyring;
    struct stat seen;
};

/* To the nanosecond, which libev's own ev_stat does not look at. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mode == b->st_mode &&
           memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
           memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

static void log_report(const struct report *report)
{
    for (size_t i = 0; i < report_count(report); i++) {
        bool warning;
        const char *line = report_line(report, i, &warning);
        log_at(warning ? LEVEL_WARN : LEVEL_ERROR, "%s", line);
    }
}

static void read_again(struct rekey *rekey)
{
    struct report *report = report_new();
    struct keys keys;

    if (!keys_read(rekey->path, &keys, report)) {
        log_report(report);
        log_error("%s is no good now: the keys stay as they were", rekey->path);
    } else if (keys.count == 0) {
        log_error("%s holds no key now: the keys stay as they were; restart to run without",
                  rekey->path);
        keys_clear(&keys);
    } else {
        bool others = keyring_replace(rekey->keyring, keys.list, keys.count, keys.any);
        log_report(report);
        if (others)
            log_info("%s has changed: keys in force now: %zu", rekey->path, keys.count);
        keys_clear(&keys);
    }
    report_free(report);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct rekey *rekey = timer->data;
    struct stat now;

    (void)loop, (void)events;
    MUST_BE(rekey, REKEY_MAGIC);
    if (stat(rekey->path, &now) < 0 || is_same(&now, &rekey->seen))
        return; /* gone: on its way to be replaced, or a mistake; the keys stay */
    rekey->seen = now;
    read_again(rekey);
}

struct rekey *rekey_new(struct ev_loop *loop, const char *path, struct keyring *keyring)
{
    struct rekey *rekey;

    if (!path || !keyring)
        return NULL;
    rekey = calloc(1, sizeof(*rekey));
    MUST(rekey != NULL);
    rekey->magic = REKEY_MAGIC;
    rekey->loop = loop;
    rekey->path = strdup(path);
    MUST(rekey->path != NULL);
    rekey->keyring = keyring;
    (void)stat(path, &rekey->seen);
    ev_timer_init(&rekey->timer, on_timer, LOOK_EVERY, LOOK_EVERY);
    rekey->timer.data = rekey;
    ev_timer_start(loop, &rekey->timer);
    return rekey;
}

/* Not what the file was when its keys were read is known, so it is looked at once more. */
void rekey_follow(struct rekey *rekey, const char *path)
{
    if (!rekey || strcmp(rekey->path, path) == 0)
        return;
    MUST_BE(rekey, REKEY_MAGIC);
    free(rekey->path);
    rekey->path = strdup(path);
    MUST(rekey->path != NULL);
    memset(&rekey->seen, 0, sizeof(rekey->seen));
}

void rekey_free(struct rekey *rekey)
{
    if (!rekey)
        return;
    MUST_BE(rekey, REKEY_MAGIC);
    ev_timer_stop(rekey->loop, &rekey->timer);
    rekey->magic = 0;
    free(rekey->path);
    free(rekey);
}
