/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_LOG_H
#define POND_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/text.h"
#include "src/base/time.h"

/*
 * The log: one line an event, on standard error, in one write, so that the lines of several threads
 * never mix. Where standard error is the journal's (JOURNAL_STREAM, systemd.exec(5)) each line is
 * led by its priority ("<6>"), else by the time (UTC). What came from outside is quoted by the
 * caller with log_quote, so that no stranger writes our lines.
 */
enum log_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG };

void log_set_level(enum log_level level); /* any thread, at any time */
enum log_level log_level(void);
const char *log_level_name(enum log_level level);
bool log_level_parse(struct span name, enum log_level *out);

void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LEVEL_DEBUG, __VA_ARGS__)

/*
 * Until log_begin_thread, and after log_end_thread, who logs also writes. Between the two a thread
 * writes, so that nobody waits for a full pipe, a service manager that stands still, or a busy disk
 * behind standard error; what finds no room among the LOG_WAITING_MAX bytes that may wait is lost,
 * and how many lines that were is said as soon as lines go out again. log_end_thread gives what
 * waits LOG_END_MS to go out.
 */
enum { LOG_WAITING_MAX = 256 * 1024, LOG_END_MS = 2000 };
void log_begin_thread(void);
void log_end_thread(void);

/* For who is about to abort: writes what waits, and these last words, as far as standard error
 * takes them: a process that has to die must not hang on who reads its log. */
void log_rescue(const char *last);

/* Adds s with what is not printable ASCII written as \xHH, and cut after `most` bytes with "...".
 */
void log_quote(struct text *out, struct span s, size_t most);

/*
 * Keeps a flood off the log: the first LOG_BURST lines of one kind within a window (a second,
 * unless it says otherwise) are let through, the rest is counted. One of these per kind of line and
 * thread; zero it to begin. Returns whether to log now; *missed is how many were held back since
 * the last that was let through.
 */
enum { LOG_BURST = 10 };
struct log_flood {
    mono_t since;
    uint32_t seen;
    uint64_t missed;
    int64_t window_ns; /* 0: a second */
};
bool log_flood_pass(struct log_flood *flood, mono_t now, uint64_t *missed);

#endif
