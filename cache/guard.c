/* SPDX-License-Identifier: ISC */
#include "cache/guard.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
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
static volatile sig_atomic_t home_fd = -1;
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

void guard_give_up(const char *cause)
{
    char line[sizeof(home_path) + 512];
    struct text text = TEXT_OVER(line);
    int fd = openat(home_fd, GUARD_MARKER, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    text_puts(&text, "store: the catalogue in ");
    text_puts(&text, home_path);
    text_puts(&text, " is damaged (");
    text_puts(&text, cause);
    if (fd >= 0 && fsync(fd) == 0 && close(fd) == 0)
        text_puts(&text, "): carpond ends here, and makes it anew when it is started again\n");
    else
        text_puts(&text, "), and " GUARD_MARKER " cannot be made there: carpond ends here; remove "
                         "the folder catalogue before you start it again\n");
    if (write(STDERR_FILENO, text.at, text.len) < 0)
        _exit(EXIT_FAILURE); /* nobody is to be told */
    _exit(EXIT_FAILURE);
}

/* What is not the catalogue's comes again as soon as this returns, and dumps core; neither is it
 * the catalogue's that there was no memory. */
static void on_fault(int signal_number)
{
    if (depth > 0 && home_fd >= 0 && !must_lacked_memory()) {
        for (size_t i = 0; i < FAULT_COUNT; i++) {
            if (faults[i].signal == signal_number)
                guard_give_up(faults[i].name);
        }
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void guard_install(void)
{
    struct sigaction action = {.sa_handler = on_fault};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        MUST(sigaction(faults[i].signal, &action, NULL) == 0);
}
