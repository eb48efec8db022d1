/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_SAY_H
#define POND_TOOLS_POND_SAY_H

#include "src/base/text.h"

/* How pond ends: the exit statuses that its manual promises. */
enum pond_exit {
    POND_DONE = 0,
    POND_FAILED = 1,
    POND_USAGE = 2,
    POND_NOT_FOUND = 3,
    POND_REFUSED = 4,
    POND_NO_DAEMON = 5
};

/* One line on standard error, behind "pond: ". What came from elsewhere may hold anything: control
 * characters are shown as '?', so that no stranger drives the terminal. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says it likewise and returns the status: `return say_exit(POND_FAILED, ...)`. */
enum pond_exit say_exit(enum pond_exit status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Replaces control characters in place (bytes below 0x20, DEL, and C1 as UTF-8 has it) by '?'. */
void say_clean(char *string);

#endif
