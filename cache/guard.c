/* SPDX-License-Identifier: ISC */
#include "cache/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/must.h"
#include "src/base/text.h"

/* An abort is among them: the allocator's, where LMDB wrote beyond a page. */
static const struct fault {
    int signal;
    const char *name;
} faults[] = {
    {SIGSEGV, "SIGSEGV"},
    {SIGBUS, "SIGBUS"},
    {SIGFPE, "SIGFPE"},
    {SIGABRT, "SIGABRT"},
};
enum { FAULT_COUNT = sizeof(faults) / sizeof(*faults) };

/* What the handler reads is set before there are threads that could fault. */
static volatile sig_atomic_t home_fd = -1, changed;
static char home_path[4096];
static _Thread_local volatile sig_atomic_t depth;

void guard_spare(sigset_t *set)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        sigdelset(set, faults[i].signal);
}

void guard_watch(const char *home, int fd)
{
    span_copy(span_of(home), home_path, sizeof(home_path));
    changed = false;
    home_fd = fd;
}

void guard_enter(void)
{
    depth = depth + 1;
}

void guard_leave(void)
{
    MUST(depth > 0);
    depth = depth - 1;
}

void guard_change(void)
{
    changed = true;
}

static bool mark(void)
{
    int fd = openat(home_fd, GUARD_MARKER, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd >= 0 && fsync(fd) == 0 && close(fd) == 0;
}

/* Marks it, and says "store: the catalogue in HOME IS (CAUSE" and what follows. */
static void mark_and_say(const char *is, const char *cause, const char *marked,
                         const char *not_marked)
{
    char line[sizeof(home_path) + 512];
    struct text text = TEXT_OVER(line);

    text_puts(&text, "store: the catalogue in ");
    text_puts(&text, home_path);
    text_puts(&text, is);
    text_puts(&text, " (");
    text_puts(&text, cause);
    text_puts(&text, mark() ? marked : not_marked);
    if (write(STDERR_FILENO, text.at, text.len) < 0)
        return; /* nobody is to be told */
}

void guard_give_up(const char *cause)
{
    mark_and_say(
        " is damaged", cause, "): carpond ends here, and makes it anew when it is started again\n",
        "), and " GUARD_MARKER " cannot be made there: carpond ends here; remove the folder "
        "catalogue before you start it again\n");
    _exit(EXIT_FAILURE);
}

/* For a fault that may have begun in the catalogue. */
static void doubt(const char *cause)
{
    mark_and_say(" may be damaged", cause,
                 " elsewhere, after changes to it): the next start makes it anew\n",
                 " elsewhere, after changes to it), and " GUARD_MARKER
                 " cannot be made there: if this comes again, remove the folder catalogue\n");
}

static bool was_mended_lately(void)
{
    struct stat st;
    time_t now = time(NULL);

    return fstatat(home_fd, GUARD_MENDED, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime <= now &&
           now - st.st_mtime < GUARD_DOUBT_S;
}

/* Sent, rather than caused here by what this process does. */
static bool is_from_elsewhere(const siginfo_t *info)
{
    return info->si_code <= 0 && info->si_pid != getpid();
}

static const char *name_of(int signal_number)
{
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (faults[i].signal == signal_number)
            return faults[i].name;
    }
    return "a fault";
}

/* What keeps its default action comes again as soon as this returns. Neither what is sent nor a
 * lack of memory is the catalogue's. */
static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    bool lacks_memory = must_has_failed() ? must_lacked_memory() : errno == ENOMEM;

    (void)context;
    if (home_fd >= 0 && !is_from_elsewhere(info) && !lacks_memory) {
        if (depth > 0)
            guard_give_up(name_of(signal_number));
        if (changed && !must_has_failed() && !was_mended_lately())
            doubt(name_of(signal_number));
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void guard_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        MUST(sigaction(faults[i].signal, &action, NULL) == 0);
}
