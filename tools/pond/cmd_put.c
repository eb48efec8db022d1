/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/clock.h"
#include "tools/pond/progress.h"

enum {
    TIMEOUT_MAX_S = 30 * 86400,
    COPIES_MAX = 1000000, /* the daemon knows how many there are */
    ANSWER_S = 5,         /* for its answer, once the time is up */
    HEADER_SIZE = 64
};

struct upload {
    const char *file; /* as messages name it */
    int fd;
    bool sized; /* a plain file: its size is known, and must not change */
    struct stat before;
    uint64_t sent;
    bool whole;      /* all of it was handed over */
    mono_t deadline; /* of --timeout */
    struct progress progress;
};

static ssize_t read_some(int fd, char *bytes, size_t len)
{
    ssize_t n;

    do
        n = read(fd, bytes, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Is the file still as it was when we began? Asked before its last bytes are handed over, so that
 * the daemon never gets the whole of something torn. */
static bool unchanged(const struct upload *upload)
{
    struct stat now;

    if (fstat(upload->fd, &now) != 0) {
        say("cannot read %s: %s", upload->file, strerror(errno));
        return false;
    }
    if (now.st_size == upload->before.st_size && same_time(now.st_mtim, upload->before.st_mtim))
        return true;
    say("%s changed while it was read (it had %jd bytes, now it has %jd): put it again when nobody "
        "writes to it",
        upload->file, (intmax_t)upload->before.st_size, (intmax_t)now.st_size);
    return false;
}

/* The next bytes of a plain file: exactly as many as it had in the beginning. */
static ssize_t read_sized(struct upload *upload, char *bytes, size_t len)
{
    uint64_t left = (uint64_t)upload->before.st_size - upload->sent;
    ssize_t n = read_some(upload->fd, bytes, len < left ? len : (size_t)left);

    if (n < 0) {
        say("cannot read %s: %s", upload->file, strerror(errno));
        return -1;
    }
    if (n == 0 && left) {
        say("%s became shorter while it was read: put it again when nobody writes to it",
            upload->file);
        return -1;
    }
    return (uint64_t)n < left || unchanged(upload) ? n : -1;
}

/* A pipe may keep us waiting, and libcurl looks at its time only between two reads. */
static ssize_t read_pipe(struct upload *upload, char *bytes, size_t len)
{
    struct pollfd input = {.fd = upload->fd, .events = POLLIN};
    int64_t left = mono_between(clock_mono(), upload->deadline) / MONO_MS(1);
    ssize_t n;

    if (left > 0 && poll(&input, 1, left < INT_MAX ? (int)left : -1) == 0)
        left = 0;
    if (left <= 0) {
        say("%s did not end within the time that --timeout gives", upload->file);
        return -1;
    }
    n = read_some(upload->fd, bytes, len);
    if (n < 0)
        say("cannot read %s: %s", upload->file, strerror(errno));
    return n;
}

static ssize_t give(void *arg, char *bytes, size_t len)
{
    struct upload *upload = arg;
    ssize_t n = upload->sized ? read_sized(upload, bytes, len) : read_pipe(upload, bytes, len);

    if (n < 0)
        return -1;
    upload->sent += (uint64_t)n;
    upload->whole = upload->sized ? upload->sent == (uint64_t)upload->before.st_size : n == 0;
    progress_at(&upload->progress, upload->sent,
                upload->sized ? (uint64_t)upload->before.st_size : 0);
    return n;
}

static enum pond_exit open_file(const char *file, struct upload *out)
{
    bool standard = strcmp(file, "-") == 0;

    *out = (struct upload){.file = standard ? "standard input" : file};
    out->fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0 || fstat(out->fd, &out->before) != 0)
        return say_exit(POND_FAILED, "cannot read %s: %s", out->file, strerror(errno));
    if (S_ISDIR(out->before.st_mode))
        return say_exit(POND_USAGE, "%s is a folder: put takes one file at a time", out->file);
    out->sized = !standard && S_ISREG(out->before.st_mode);
    return POND_DONE;
}

/* What --copies and --timeout ask for; 0: nothing. */
struct patience {
    uint64_t copies;
    uint64_t timeout_s;
};

static enum pond_exit read_options(const struct args *args, struct patience *out)
{
    const char *copies = args->value[OPTION_COPIES], *timeout = args->value[OPTION_TIMEOUT];

    if (copies && (!span_u64(span_of(copies), COPIES_MAX, &out->copies) || out->copies == 0))
        return say_exit(POND_USAGE, "--copies %s: give a number of candidates, from 1 on", copies);
    if (timeout &&
        (!span_u64(span_of(timeout), TIMEOUT_MAX_S, &out->timeout_s) || out->timeout_s == 0))
        return say_exit(POND_USAGE, "--timeout %s: give whole seconds, from 1 to %d", timeout,
                        TIMEOUT_MAX_S);
    return POND_DONE;
}

/* With --copies it is the daemon that looks at the time, and says how many there are when it is up.
 */
static unsigned most_s_of(const struct patience *patience)
{
    return (unsigned)patience->timeout_s + (patience->timeout_s && patience->copies ? ANSWER_S : 0);
}

/* The headers that go with it: their memory, and the list of those that are used. */
struct put_headers {
    char mtime[HEADER_SIZE], mode[HEADER_SIZE], copies[HEADER_SIZE], timeout[HEADER_SIZE];
    const char *list[5];
};

static void set_headers(struct put_headers *out, const struct upload *upload,
                        const struct patience *patience)
{
    size_t n = 0;

    if (upload->sized) {
        snprintf(out->mtime, HEADER_SIZE, "Pond-Mtime: %" PRId64,
                 (int64_t)upload->before.st_mtim.tv_sec * 1000000000 +
                     upload->before.st_mtim.tv_nsec);
        snprintf(out->mode, HEADER_SIZE, "Pond-Mode: %o", (unsigned)upload->before.st_mode & 07777);
        out->list[n++] = out->mtime;
        out->list[n++] = out->mode;
    }
    if (patience->copies) {
        snprintf(out->copies, HEADER_SIZE, "Pond-Copies: %" PRIu64, patience->copies);
        out->list[n++] = out->copies;
    }
    if (patience->copies && patience->timeout_s) {
        snprintf(out->timeout, HEADER_SIZE, "Pond-Timeout: %" PRIu64, patience->timeout_s);
        out->list[n++] = out->timeout;
    }
    out->list[n] = NULL;
}

static enum pond_exit send_file(struct pond *pond, struct upload *upload, const char *name,
                                const struct patience *patience)
{
    char target[TARGET_SIZE], what[NAME_SIZE + 8];
    struct text text = TEXT_OVER(target);
    unsigned most_s = most_s_of(patience);
    struct put_headers headers;
    struct call call = {.method = "PUT",
                        .target = target,
                        .source = give,
                        .arg = upload,
                        .headers = headers.list,
                        .source_size = upload->sized ? upload->before.st_size : -1,
                        .most_s = most_s};
    struct answer answer;
    enum pond_exit status;

    name_to_target(span_of(name), &text);
    snprintf(what, sizeof(what), "put %s", name);
    set_headers(&headers, upload, patience);
    upload->deadline = most_s ? mono_after(clock_mono(), MONO_S(most_s)) : MONO_NEVER;
    progress_begin(&upload->progress, name);
    status = pond_do(pond, what, &call, &answer);
    progress_end(&upload->progress);
    if (status == POND_FAILED && upload->whole && !patience->copies)
        say("all of it had been sent: pond ls tells whether it is in");
    return status;
}

int cmd_put(struct pond *pond)
{
    const struct args *args = pond->args;
    const char *file = args->words[0], *typed = args->words[1];
    char name[NAME_SIZE];
    struct upload upload;
    struct patience patience = {0};
    enum pond_exit status = read_options(args, &patience);

    if (status != POND_DONE)
        return status;
    if (!typed && strcmp(file, "-") == 0)
        return say_exit(POND_USAGE, "standard input has no name: pond put - NAME");
    status = open_file(file, &upload);
    if (status == POND_DONE)
        status = pond_name(pond, typed ? typed : name_base(span_of(file)).at, name);
    if (status == POND_DONE)
        status = send_file(pond, &upload, name, &patience);
    if (upload.fd > STDIN_FILENO)
        close(upload.fd);
    return status;
}
