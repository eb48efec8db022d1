/* SPDX-License-Identifier: ISC */
#include "tools/pond/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "src/base/must.h"

static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

/* A signal handler has no argument, so what it needs is global. Only touched with the deadly
 * signals blocked, or in the handler. */
static char *temporary;
static struct termios old_settings;
static volatile sig_atomic_t terminal_changed;
static bool handlers_set;

static const char show_cursor[] = "\033[?25h";
static const char hide_cursor[] = "\033[?25l";

static void write_escape(const char *bytes, size_t len)
{
    /* Nothing can be done where the terminal is gone. */
    if (write(STDOUT_FILENO, bytes, len) < 0)
        return;
}

static void restore_terminal(void)
{
    if (!terminal_changed)
        return;
    tcsetattr(STDIN_FILENO, TCSANOW, &old_settings);
    write_escape(show_cursor, sizeof(show_cursor) - 1);
    terminal_changed = 0;
}

/* Calls only what signal-safety(7) allows. The handler was taken off before it runs
 * (SA_RESETHAND), so raising the signal again ends the program once the handler returns. */
static void on_signal(int number)
{
    if (temporary)
        unlink(temporary);
    restore_terminal();
    raise(number);
}

static void block(sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
        sigaddset(&set, deadly[i]);
    sigprocmask(SIG_BLOCK, &set, before);
}

/* With the signals blocked. A signal that our parent ignores (nohup) stays ignored. */
static void set_handlers(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction old;

    if (handlers_set)
        return;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
        if (sigaction(deadly[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(deadly[i], &action, NULL);
    handlers_set = true;
}

int undo_make_file(char *path)
{
    sigset_t before;
    int fd, saved;

    MUST(!temporary);
    block(&before);
    fd = mkostemp(path, O_CLOEXEC);
    saved = errno;
    if (fd >= 0) {
        temporary = path;
        set_handlers();
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return fd;
}

void undo_keep(void)
{
    sigset_t before;

    block(&before);
    temporary = NULL;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void undo_remove(void)
{
    sigset_t before;

    block(&before);
    if (temporary)
        unlink(temporary);
    temporary = NULL;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

bool undo_set_terminal(void)
{
    struct termios settings;
    sigset_t before;
    bool fine;

    block(&before);
    fine = tcgetattr(STDIN_FILENO, &old_settings) == 0;
    if (fine) {
        settings = old_settings;
        settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        fine = tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0;
    }
    if (fine) {
        terminal_changed = 1;
        set_handlers();
        write_escape(hide_cursor, sizeof(hide_cursor) - 1);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return fine;
}

void undo_terminal(void)
{
    sigset_t before;

    block(&before);
    restore_terminal();
    sigprocmask(SIG_SETMASK, &before, NULL);
}
