/* SPDX-License-Identifier: ISC */
#include "tools/pond/say.h"

#include <stdarg.h>
#include <stdio.h>

enum { SAY_MAX = 4096 };

void say_clean(char *string)
{
    for (unsigned char *c = (unsigned char *)string; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
        if (*c < 0x20 || *c == 0x7f || c1)
            *c = '?';
        if (c1)
            *++c = '?';
    }
}

static void __attribute__((format(printf, 1, 0))) say_list(const char *format, va_list args)
{
    char line[SAY_MAX];

    vsnprintf(line, sizeof(line), format, args);
    say_clean(line);
    fprintf(stderr, "pond: %s\n", line);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_list(format, args);
    va_end(args);
}

enum pond_exit say_exit(enum pond_exit status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_list(format, args);
    va_end(args);
    return status;
}
