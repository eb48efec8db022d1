/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HOOK_RUN_H
#define POND_SRC_HOOK_RUN_H

#include <stdint.h>

struct ev_loop;

/*
 * One run of a hook: /bin/sh -c COMMAND (or, where COMMAND is a path and plain words, that program
 * at once, which is the same and sooner) in a process group of its own, with nothing of the
 * daemon's but the environment that it is given, watched by a loop. One that does not end in time
 * is killed with its whole group. What it prints is logged up to a bound; all beyond is read and
 * thrown away, slowly, so that a flood neither blocks it nor costs the host a processor. How it
 * ended is logged and counted.
 *
 * A group that outlives its first process is left alone: hooks may begin what goes on without them;
 * but nobody reads its output any more.
 */
enum { HOOK_LINES_MAX = 50, HOOK_LINE_MAX = 512 };

struct hook_run_options {
    struct ev_loop *loop;
    const char *name; /* for the log, as in "paris: on_master"; outlives the run */
    const char *command;
    char *const *env;
    int64_t limit_ns;

    /* On the loop's thread, once; the run is gone by then. */
    void (*ended)(void *arg);
    void *arg;
};

/* On the loop's thread. NULL where it could not be started: logged, and `ended` is not called. */
struct hook_run;
struct hook_run *hook_run_new(const struct hook_run_options *options);

/* Kills it and forgets it, without waiting for its end; `ended` is not called. */
void hook_run_abandon(struct hook_run *run);

#endif
