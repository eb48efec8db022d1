/* SPDX-License-Identifier: ISC */
#include "src/base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/lock.h"
#include "src/base/must.h"

enum {
    LOG_LINE_MAX = 4096,
    LOG_PIECE = 16384, /* bytes that go out at once */
    LOG_RESCUE_MS = 500
};

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

/* As it was when the first line was logged. The variable alone does not tell: who is started by a
 * service may have another standard error, a file say. */
static bool to_journal;

static void look_for_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); /* "device:inode", set by systemd.exec(5) */
    char ours[64];
    struct stat status;

    if (!stream || fstat(STDERR_FILENO, &status) != 0)
        return;
    snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    to_journal = strcmp(stream, ours) == 0;
}

static void add_head(struct text *line, enum log_level level)
{
    static pthread_once_t looked = PTHREAD_ONCE_INIT;
    struct timespec now;
    struct tm utc;
    char stamp[32];

    pthread_once(&looked, look_for_journal);
    if (to_journal) {
        text_printf(line, "<%d>", levels[level].priority);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    text_printf(line, "%s.%03ldZ %-5s ", stamp, now.tv_nsec / 1000000, levels[level].name);
}

/* ---- the way out ---------------------------------------------------------------------------- */

/* What waits for the thread: a ring of whole lines. */
static struct {
    pthread_mutex_t lock; /* guards all of it */
    pthread_cond_t more;  /* for the thread */
    pthread_cond_t less;  /* for who ends it: everything has gone out */
    size_t first;
    size_t count;
    uint64_t lost;
    bool running;
    bool ending;
} waiting = {.more = PTHREAD_COND_INITIALIZER, .less = PTHREAD_COND_INITIALIZER};
static char ring[LOG_WAITING_MAX];

static void init_lock(void)
{
    lock_init(&waiting.lock);
}

static pthread_mutex_t *waiting_lock(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_lock);
    return &waiting.lock;
}

static void lock_waiting(void)
{
    pthread_mutex_lock(waiting_lock());
}

/* An error means that nobody is left to tell. */
static void write_out(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, len);
        if (written < 0 && errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        else if (written < 0 && errno != EINTR)
            return;
        bytes += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
}

static void put_in(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ring[(waiting.first + waiting.count + i) % LOG_WAITING_MAX] = bytes[i];
    waiting.count += len;
}

/* Lines were lost, and there is room again: says so, where the line belongs. */
static void put_lost(void)
{
    char memory[256];
    struct text line = TEXT_OVER(memory);

    add_head(&line, LEVEL_WARN);
    text_printf(&line, "%llu lines of this log are lost here: standard error did not take them\n",
                (unsigned long long)waiting.lost);
    if (line.len > LOG_WAITING_MAX - waiting.count)
        return;
    put_in(line.at, line.len);
    waiting.lost = 0;
}

/* False where no thread runs: then the caller writes. */
static bool hand_over(const struct text *line)
{
    bool running, was_empty;

    lock_waiting();
    running = waiting.running;
    was_empty = !waiting.count;
    if (running) {
        if (waiting.lost)
            put_lost();
        if (waiting.lost || line->len > LOG_WAITING_MAX - waiting.count)
            waiting.lost++;
        else
            put_in(line->at, line->len);
    }
    pthread_mutex_unlock(&waiting.lock);
    if (running && was_empty) /* else it has been woken, or is writing */
        pthread_cond_signal(&waiting.more);
    return running;
}

static size_t take_piece(char *piece, size_t most)
{
    size_t len = waiting.count < most ? waiting.count : most;

    for (size_t i = 0; i < len; i++)
        piece[i] = ring[(waiting.first + i) % LOG_WAITING_MAX];
    waiting.first = (waiting.first + len) % LOG_WAITING_MAX;
    waiting.count -= len;
    return len;
}

static void *write_all(void *unused)
{
    char piece[LOG_PIECE];
    size_t len;

    (void)unused;
    (void)pthread_setname_np(pthread_self(), "log");
    lock_waiting();
    while (waiting.count || waiting.lost || !waiting.ending) {
        if (!waiting.count && !waiting.lost) {
            pthread_cond_wait(&waiting.more, &waiting.lock);
            continue;
        }
        len = take_piece(piece, sizeof(piece));
        if (waiting.lost)
            put_lost();
        pthread_mutex_unlock(&waiting.lock);
        write_out(piece, len);
        pthread_mutex_lock(&waiting.lock);
    }
    waiting.running = waiting.ending = false;
    pthread_cond_signal(&waiting.less);
    pthread_mutex_unlock(&waiting.lock);
    return NULL;
}

void log_begin_thread(void)
{
    pthread_t thread;

    lock_waiting();
    MUST(!waiting.running);
    waiting.running = true;
    pthread_mutex_unlock(&waiting.lock);
    MUST(pthread_create(&thread, NULL, write_all, NULL) == 0);
    MUST(pthread_detach(thread) == 0); /* nobody can wait for one that cannot write */
}

void log_end_thread(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOG_END_MS / 1000;
    lock_waiting();
    waiting.ending = waiting.running;
    pthread_cond_signal(&waiting.more);
    while (waiting.running &&
           pthread_cond_clockwait(&waiting.less, &waiting.lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    pthread_mutex_unlock(&waiting.lock);
}

/* As much as goes out at once, and no waiting: a pipe that takes anything takes PIPE_BUF (pipe(7)).
 */
static bool write_at_once(const char *bytes, size_t len)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    MUST(len <= PIPE_BUF);
    return poll(&out, 1, LOG_RESCUE_MS) == 1 && write(STDERR_FILENO, bytes, len) > 0;
}

void log_rescue(const char *last)
{
    char piece[PIPE_BUF];
    size_t len = strlen(last);
    bool out = true;

    if (pthread_mutex_trylock(waiting_lock()) == 0) {
        while (out && waiting.count)
            out = write_at_once(piece, take_piece(piece, sizeof(piece)));
        pthread_mutex_unlock(&waiting.lock);
    }
    if (out)
        (void)write_at_once(last, len < PIPE_BUF ? len : PIPE_BUF);
}

/* ---- lines ---------------------------------------------------------------------------------- */

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
    if (!hand_over(&line))
        write_out(line.at, line.len);
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
    int64_t window = flood->window_ns ? flood->window_ns : MONO_S(1);

    if (flood->seen == 0 || mono_between(flood->since, now) >= window) {
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
