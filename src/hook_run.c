/* SPDX-License-Identifier: ISC */
#include "src/hook_run.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/base/text.h"
#include "src/clock.h"

enum {
    RUN_MAGIC = 0x686f6f6b,
    READ_SIZE = 16 * 1024,
    PIPE_HOLDS = 64 * 1024,             /* pipe(7) */
    QUOTED_MAX = 4 * HOOK_LINE_MAX + 8, /* each byte may become \xHH */
    WORDS_MAX = 32,
    WORDS_SIZE = 1024
};
static const double FLOOD_PAUSE = 0.01; /* seconds between two reads, once the log has its share */

struct hook_run {
    unsigned magic;
    struct hook_run_options options;
    mono_t began;
    pid_t pid;
    bool late; /* killed, because it did not end in time */
    struct ev_io exited;
    struct ev_io output;
    struct ev_timer limit;
    struct ev_timer pause;

    char line[HOOK_LINE_MAX]; /* begun, not logged yet */
    size_t len;
    size_t lines;
    uint64_t cut; /* bytes that were not logged */
};

/* ---- its output ----------------------------------------------------------------------------- */

static void log_line(struct hook_run *run)
{
    char memory[QUOTED_MAX];
    struct text text = TEXT_OVER(memory);

    log_quote(&text, (struct span){run->line, run->len}, HOOK_LINE_MAX);
    log_info("%s says: %s", run->options.name, memory);
    run->lines++;
    run->len = 0;
}

static void take_output(struct hook_run *run, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (run->lines == HOOK_LINES_MAX) {
            run->cut += len - i;
            return;
        }
        if (bytes[i] != '\n')
            run->line[run->len++] = bytes[i];
        if (bytes[i] == '\n' || run->len == HOOK_LINE_MAX)
            log_line(run);
    }
}

/* How many bytes came; 0: none now, or none any more. */
static size_t read_once(struct hook_run *run)
{
    char bytes[READ_SIZE];
    ssize_t n = read(run->output.fd, bytes, sizeof(bytes));

    if (n > 0)
        take_output(run, bytes, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        ev_io_stop(run->options.loop, &run->output);
    return n > 0 ? (size_t)n : 0;
}

static void on_output(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct hook_run *run = watcher->data;

    (void)events;
    MUST_BE(run, RUN_MAGIC);
    if (read_once(run) && run->cut) {
        ev_io_stop(loop, &run->output);
        ev_timer_set(&run->pause, FLOOD_PAUSE, 0.);
        ev_timer_start(loop, &run->pause);
    }
}

static void on_pause(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct hook_run *run = timer->data;

    (void)events;
    MUST_BE(run, RUN_MAGIC);
    ev_io_start(loop, &run->output);
}

/* What stands in the pipe once the hook has ended. What it left running may go on writing, and is
 * not waited for. */
static void finish_output(struct hook_run *run)
{
    size_t most = PIPE_HOLDS;

    while (most) {
        size_t n = read_once(run);
        if (n == 0)
            break;
        most -= n < most ? n : most;
    }
    if (run->len)
        log_line(run);
    if (run->cut) {
        stat_add(STAT_HOOKS_CUT, run->cut);
        log_warn("%s printed %" PRIu64 " bytes more, which are not logged", run->options.name,
                 run->cut);
    }
}

/* ---- its end -------------------------------------------------------------------------------- */

static void release(struct hook_run *run)
{
    struct ev_loop *loop = run->options.loop;

    ev_io_stop(loop, &run->exited);
    ev_io_stop(loop, &run->output);
    ev_timer_stop(loop, &run->limit);
    ev_timer_stop(loop, &run->pause);
    close(run->exited.fd);
    close(run->output.fd);
    run->magic = 0;
    free(run);
}

static void judge(const struct hook_run *run, int status)
{
    const char *name = run->options.name;
    int64_t ms = mono_between(run->began, clock_mono()) / MONO_MS(1);

    if (run->late)
        return; /* said when it was killed */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        log_info("%s is done, in %" PRId64 " ms", name, ms);
        return;
    }
    stat_add(STAT_HOOKS_FAILED, 1);
    if (WIFEXITED(status))
        log_warn("%s failed after %" PRId64 " ms: exit status %d", name, ms, WEXITSTATUS(status));
    else
        log_warn("%s failed after %" PRId64 " ms: it died of signal %d (%s)", name, ms,
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static void on_exited(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct hook_run *run = watcher->data;
    struct hook_run_options options;
    int status;

    (void)loop, (void)events;
    MUST_BE(run, RUN_MAGIC);
    if (waitpid(run->pid, &status, WNOHANG) != run->pid)
        return;
    options = run->options;
    finish_output(run);
    judge(run, status);
    release(run);
    options.ended(options.arg);
}

/* The group's number is taken as long as its first process is not waited for. */
static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct hook_run *run = timer->data;

    (void)loop, (void)events;
    MUST_BE(run, RUN_MAGIC);
    run->late = true;
    kill(-run->pid, SIGKILL);
    stat_add(STAT_HOOKS_KILLED, 1);
    log_error("%s did not end within %.3g s: it is killed, with all that it began",
              run->options.name, (double)run->options.limit_ns / 1e9);
}

void hook_run_abandon(struct hook_run *run)
{
    MUST_BE(run, RUN_MAGIC);
    kill(-run->pid, SIGKILL);
    release(run);
}

/* ---- its beginning -------------------------------------------------------------------------- */

/*
 * The words of a command that a shell would only split: a path and plain arguments. For such a one
 * no shell is begun. On a busy host a new process waits for a processor much longer than a woken
 * one, and of all that runs here a virtual address is in the greatest hurry.
 */
struct words {
    char text[WORDS_SIZE];
    char *argv[WORDS_MAX + 1];
};

static bool split_plain(struct words *words, const char *command)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                " _-+,.:/@";
    size_t count = 0;
    char *rest = words->text;

    if (command[0] != '/' || command[strspn(command, plain)] != '\0' ||
        !span_copy(span_of(command), words->text, sizeof(words->text)))
        return false;
    for (char *word; (word = strsep(&rest, " "));) {
        if (*word == '\0')
            continue;
        if (count == WORDS_MAX)
            return false;
        words->argv[count++] = word;
    }
    words->argv[count] = NULL;
    return true;
}

/* Returns an errno. */
static int spawn_command(const struct hook_run_options *options,
                         const posix_spawn_file_actions_t *actions,
                         const posix_spawnattr_t *attributes, pid_t *pid)
{
    char *shell[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)options->command, NULL};
    struct words words;

    if (split_plain(&words, options->command) &&
        posix_spawn(pid, words.argv[0], actions, attributes, words.argv, options->env) == 0)
        return 0;
    /* Where it failed, the shell says why. */
    return posix_spawn(pid, "/bin/sh", actions, attributes, shell, options->env);
}

/* Returns an errno. posix_spawn shares the daemon's memory with the child until it has another
 * (vfork), so that the daemon's size does not matter. */
static int spawn(const struct hook_run_options *options, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int error;

    sigemptyset(&none);
    sigfillset(&all);
    MUST(posix_spawnattr_init(&attributes) == 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    MUST(posix_spawn_file_actions_init(&actions) == 0);
    error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (!error)
        error = spawn_command(options, &actions, &attributes, pid);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* Begins it, with a descriptor that is readable once it has ended, and one for its output. Returns
 * an errno. */
static int begin(const struct hook_run_options *options, pid_t *pid, int *exited, int *output)
{
    int ends[2], error;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* this end alone */
    error = spawn(options, ends[1], pid);
    close(ends[1]);
    *output = ends[0];
    *exited = error ? -1 : (int)syscall(SYS_pidfd_open, *pid, 0);
    if (!error && *exited < 0) {
        error = errno;
        kill(-*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    if (error)
        close(ends[0]);
    return error;
}

static void watch(struct hook_run *run, int exited, int output)
{
    struct ev_loop *loop = run->options.loop;

    ev_io_init(&run->exited, on_exited, exited, EV_READ);
    ev_io_init(&run->output, on_output, output, EV_READ);
    ev_timer_init(&run->limit, on_limit, (double)run->options.limit_ns / 1e9, 0.);
    ev_timer_init(&run->pause, on_pause, FLOOD_PAUSE, 0.);
    run->exited.data = run->output.data = run->limit.data = run->pause.data = run;
    ev_io_start(loop, &run->exited);
    ev_io_start(loop, &run->output);
    ev_timer_start(loop, &run->limit);
}

struct hook_run *hook_run_new(const struct hook_run_options *options)
{
    struct hook_run *run = calloc(1, sizeof(*run));
    int exited, output, error;

    MUST(run != NULL);
    run->magic = RUN_MAGIC;
    run->options = *options;
    run->began = clock_mono();
    stat_add(STAT_HOOKS_RUN, 1);
    error = begin(options, &run->pid, &exited, &output);
    if (error) {
        stat_add(STAT_HOOKS_FAILED, 1);
        log_error("%s could not be started: %s", options->name, strerror(error));
        free(run);
        return NULL;
    }
    watch(run, exited, output);
    return run;
}
