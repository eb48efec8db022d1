/* SPDX-License-Identifier: ISC */
#include "src/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 4096 };

static _Atomic int level_now = LEVEL_INFO;

/* In the order of enum log_level; the priorities are syslog's (RFC 5424, table 2). */
static const struct {
    const char *name;
    int priority;
} levels[] = {{"error", 3}, {"warn", 4}, {"info", 6}, {"debug", 7}};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

bool log_level_parse(struct span name, enum log_level *out)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        if (span_is(name, levels[i].name)) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void add_head(struct text *line, enum log_level level)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];

    if (getenv("JOURNAL_STREAM")) { /* set by systemd.exec(5) */
        text_printf(line, "<%d>", levels[level].priority);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    text_printf(line, "%s.%03ldZ %-5s ", stamp, now.tv_nsec / 1000000, levels[level].name);
}

void log_at(enum log_level level, const char *format, ...)
{
    char memory[LOG_LINE_MAX], body[LOG_LINE_MAX - 64];
    struct text line = TEXT_OVER(memory);
    int error = errno;
    va_list args;

    if (level > log_level())
        return;
    va_start(args, format);
    vsnprintf(body, sizeof(body), format, args); /* a line that is too long is cut */
    va_end(args);
    add_head(&line, level);
    text_puts(&line, body);
    text_putc(&line, '\n');
    if (write(STDERR_FILENO, line.at, line.len) < 0) {
        /* Nobody is left to tell. */
    }
    errno = error;
}

void log_quote(struct text *out, struct span s, size_t most)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (i == most) {
            text_puts(out, "...");
            return;
        }
        if (c >= 0x20 && c < 0x7f && c != '\\')
            text_putc(out, (char)c);
        else
            text_printf(out, "\\x%02x", c);
    }
}

bool log_flood_pass(struct log_flood *flood, mono_t now, uint64_t *missed)
{
    if (flood->seen == 0 || mono_between(flood->since, now) >= MONO_S(1)) {
        flood->since = now;
        flood->seen = 0;
    }
    if (++flood->seen > LOG_BURST) {
        flood->missed++;
        return false;
    }
    *missed = flood->missed;
    flood->missed = 0;
    return true;
}
