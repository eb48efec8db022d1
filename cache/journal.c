/* SPDX-License-Identifier: ISC */
#include "cache/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"

enum { SEGMENT_NAME_LEN = 8, SEGMENT_NAME_SIZE = 16, SEGMENT_MAX = 99999999 };

static const char *segment_name(uint32_t segment, char out[SEGMENT_NAME_SIZE])
{
    snprintf(out, SEGMENT_NAME_SIZE, "%08" PRIu32, segment);
    return out;
}

static uint64_t segment_size(const struct home *home, uint32_t segment)
{
    char name[SEGMENT_NAME_SIZE];
    struct stat st;

    if (fstatat(home->fd[FOLDER_MANIFESTS], segment_name(segment, name), &st, 0) != 0)
        return 0;
    return (uint64_t)st.st_size;
}

static enum store_status segment_fault(const struct journal *journal, const char *what,
                                       uint32_t segment)
{
    char name[SEGMENT_NAME_SIZE];

    return file_fault(journal->home, what, FOLDER_MANIFESTS, segment_name(segment, name));
}

struct segments {
    const struct home *home;
    uint32_t first, last;
    uint64_t bytes;
};

static bool note_segment(void *arg, const char *name)
{
    struct segments *segments = arg;
    uint64_t n;

    if (strlen(name) != SEGMENT_NAME_LEN || !span_u64(span_of(name), SEGMENT_MAX, &n) || n == 0)
        return true; /* not ours */
    if (segments->first == 0 || n < segments->first)
        segments->first = (uint32_t)n;
    if (n > segments->last)
        segments->last = (uint32_t)n;
    segments->bytes += segment_size(segments->home, (uint32_t)n);
    return true;
}

static bool find_segments(const struct home *home, struct segments *out)
{
    *out = (struct segments){.home = home};
    return folder_walk(home, FOLDER_MANIFESTS, "", note_segment, out);
}

enum store_status journal_open(const struct home *home, struct journal *journal)
{
    struct segments found;

    journal->home = home;
    journal->fd = -1;
    if (!find_segments(home, &found))
        return file_fault(home, "read the folder", FOLDER_MANIFESTS, "");
    journal->first = found.first;
    journal->bytes = found.bytes;
    journal->end.segment = found.last;
    journal->end.offset = found.last ? segment_size(home, found.last) : 0;
    return STORE_OK;
}

void journal_close(struct journal *journal)
{
    journal_turn(journal);
}

bool journal_reaches(const struct journal *journal, struct journal_place place)
{
    if (place.segment == 0)
        return true;
    return place.segment <= journal->end.segment &&
           place.offset <= segment_size(journal->home, place.segment);
}

enum store_status journal_resume(struct journal *journal, struct journal_place place)
{
    char name[SEGMENT_NAME_SIZE];

    if (place.segment != journal->end.segment || place.segment == 0)
        return STORE_OK;
    journal->fd =
        file_open(journal->home, FOLDER_MANIFESTS, segment_name(place.segment, name), O_RDWR);
    if (journal->fd < 0)
        return segment_fault(journal, "open", place.segment);
    if (place.offset < journal->end.offset) {
        log_info("store: cut %" PRIu64 " torn bytes off the end of %s/manifests/%s",
                 journal->end.offset - place.offset, journal->home->path, name);
        if (ftruncate(journal->fd, (off_t)place.offset) != 0 || fdatasync(journal->fd) != 0)
            return segment_fault(journal, "cut", place.segment);
        journal->bytes -= journal->end.offset - place.offset;
    }
    journal->end = place;
    return STORE_OK;
}

void journal_turn(struct journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
}

static enum store_status new_segment(struct journal *journal)
{
    char name[SEGMENT_NAME_SIZE];
    uint32_t segment = journal->end.segment + 1;

    MUST(segment <= SEGMENT_MAX);
    journal_turn(journal);
    segment_name(segment, name);
    journal->fd = file_open(journal->home, FOLDER_MANIFESTS, name, O_RDWR | O_CREAT | O_TRUNC);
    if (journal->fd < 0)
        return segment_fault(journal, "make", segment);
    if (!folder_sync(journal->home, FOLDER_MANIFESTS, ".")) {
        enum store_status status = segment_fault(journal, "sync the folder of", segment);
        journal_turn(journal);
        file_remove(journal->home, FOLDER_MANIFESTS, name);
        return status;
    }
    journal->end = (struct journal_place){segment, 0};
    if (journal->first == 0)
        journal->first = segment;
    return STORE_OK;
}

/* The segment that could not be begun goes again: a disk that stays full for days would else be
 * left with one for each attempt. */
static void drop_empty_segment(struct journal *journal)
{
    uint32_t segment = journal->end.segment;
    char name[SEGMENT_NAME_SIZE];

    if (journal->torn.segment != 0 || journal->end.offset != 0 ||
        !file_remove(journal->home, FOLDER_MANIFESTS, segment_name(segment, name)))
        return;
    if (journal->first == segment)
        journal->first = 0;
    journal->end = (struct journal_place){
        segment - 1, journal->first ? segment_size(journal->home, segment - 1) : 0};
}

enum store_status journal_append(struct journal *journal, const char *bytes, size_t len)
{
    struct journal_place before;
    enum store_status status = journal_settle(journal);

    if (status == STORE_OK &&
        (journal->fd < 0 ||
         (journal->end.offset && journal->end.offset + len > JOURNAL_SEGMENT_SIZE)))
        status = new_segment(journal);
    if (status != STORE_OK)
        return status;
    before = journal->end;
    journal->end.offset += len;
    journal->bytes += len;
    if (file_write(journal->fd, bytes, len, before.offset) && fdatasync(journal->fd) == 0)
        return STORE_OK;
    status = segment_fault(journal, "append to", before.segment);
    journal_undo(journal, before);
    journal_turn(journal);
    drop_empty_segment(journal);
    return status;
}

/* Where even this fails, and we die before it is made good, whole manifests may stay that nobody
 * was told of; the next start takes them in whole, or passes over them where they are torn. */
void journal_undo(struct journal *journal, struct journal_place place)
{
    uint64_t keep = place.segment == journal->end.segment ? place.offset : 0;

    if (journal->fd < 0 || journal->end.offset == keep)
        return;
    if (ftruncate(journal->fd, (off_t)keep) != 0 || fdatasync(journal->fd) != 0) {
        segment_fault(journal, "take back what was appended to", journal->end.segment);
        journal->torn = (struct journal_place){journal->end.segment, keep};
        journal_turn(journal);
        return;
    }
    journal->bytes -= journal->end.offset - keep;
    journal->end.offset = keep;
}

enum store_status journal_settle(struct journal *journal)
{
    char name[SEGMENT_NAME_SIZE];
    uint32_t segment = journal->torn.segment;
    bool cut;
    int fd;

    if (segment == 0)
        return STORE_OK;
    fd = file_open(journal->home, FOLDER_MANIFESTS, segment_name(segment, name), O_RDWR);
    cut = fd >= 0 && ftruncate(fd, (off_t)journal->torn.offset) == 0 && fdatasync(fd) == 0;
    if (!cut)
        segment_fault(journal, "take back what was appended to", segment);
    if (fd >= 0)
        close(fd);
    if (!cut)
        return STORE_FAILED;
    journal->bytes -= journal->end.offset - journal->torn.offset;
    journal->end.offset = journal->torn.offset;
    journal->torn.segment = 0;
    return STORE_OK;
}

enum store_status journal_forget(struct journal *journal, uint32_t segment)
{
    char name[SEGMENT_NAME_SIZE];

    for (; journal->first && journal->first < segment; journal->first++) {
        uint64_t size = segment_size(journal->home, journal->first);
        segment_name(journal->first, name);
        if (!file_remove(journal->home, FOLDER_MANIFESTS, name))
            return segment_fault(journal, "remove", journal->first);
        journal->bytes -= size;
    }
    return STORE_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

static const char NEXT[] = "\nFrom fbp822";
enum { WINDOW = 256 * 1024, NEXT_LEN = sizeof(NEXT) - 1 };

/* A window that moves over one segment; `bytes` is what is not yet read of it. */
struct reel {
    int fd;
    uint64_t at; /* the place in the file where `bytes` begins */
    struct span bytes;
    bool ended; /* the window reaches the end of the file */
    int error;  /* errno of a read that failed */
    char memory[WINDOW];
};

/* Sees to it that the window holds a whole manifest, if there is one. */
static bool reel_fill(struct reel *reel)
{
    ssize_t n;

    if (reel->ended || reel->bytes.len >= MESSAGE_MAX)
        return true;
    if (reel->bytes.len)
        memmove(reel->memory, reel->bytes.at, reel->bytes.len);
    n = file_read(reel->fd, reel->memory + reel->bytes.len, WINDOW - reel->bytes.len,
                  reel->at + reel->bytes.len);
    if (n < 0) {
        reel->error = errno;
        return false;
    }
    reel->bytes = (struct span){reel->memory, reel->bytes.len + (size_t)n};
    reel->ended = reel->bytes.len < WINDOW;
    return true;
}

static void reel_skip(struct reel *reel, size_t len)
{
    reel->bytes.at += len;
    reel->bytes.len -= len;
    reel->at += len;
}

/* Passes over what cannot be read, up to what looks like the next manifest. False: there is none.
 */
static bool reel_search(struct reel *reel)
{
    for (;;) {
        const char *next = memmem(reel->bytes.at, reel->bytes.len, NEXT, NEXT_LEN);
        if (next) {
            reel_skip(reel, (size_t)(next + 1 - reel->bytes.at));
            return reel_fill(reel);
        }
        if (reel->ended || reel->bytes.len < NEXT_LEN)
            return false;
        reel_skip(reel, reel->bytes.len - (NEXT_LEN - 1));
        if (!reel_fill(reel))
            return false;
    }
}

static bool reel_next(struct reel *reel, struct manifest *m, struct span *text,
                      struct journal_reading *reading)
{
    for (;;) {
        struct span rest;
        if (!reel_fill(reel) || reel->bytes.len == 0)
            return false;
        rest = reel->bytes;
        if (manifest_read_next(&rest, m, text) == MESSAGE_OK && manifest_has_sum(*text)) {
            reel_skip(reel, text->len);
            return true;
        }
        rest = reel->bytes;
        if (manifest_pass_over(&rest)) {
            reel_skip(reel, reel->bytes.len - rest.len);
            continue;
        }
        reading->rotten++;
        if (!reel_search(reel))
            return false;
    }
}

static bool read_segment(struct reel *reel, uint32_t segment, journal_visit *visit, void *arg,
                         struct journal_reading *reading)
{
    struct manifest m;
    struct span text;

    while (reel_next(reel, &m, &text, reading)) {
        reading->manifests++;
        reading->bytes += text.len;
        reading->end = (struct journal_place){segment, reel->at};
        if (!visit(arg, &m, text, reading->end))
            return false;
    }
    return true;
}

enum store_status journal_read(const struct home *home, struct journal_place from, uint32_t last,
                               journal_visit *visit, void *arg, struct journal_reading *reading)
{
    struct segments found;
    char name[SEGMENT_NAME_SIZE];
    struct reel reel;
    bool more = true;

    *reading = (struct journal_reading){.end = from};
    if (!find_segments(home, &found))
        return file_fault(home, "read the folder", FOLDER_MANIFESTS, "");
    for (uint32_t segment = from.segment > found.first ? from.segment : found.first;
         more && segment && segment <= found.last && (last == 0 || segment <= last); segment++) {
        reel.fd = file_open(home, FOLDER_MANIFESTS, segment_name(segment, name), O_RDONLY);
        if (reel.fd < 0 && errno == ENOENT) {
            reading->rotten++; /* somebody removed it */
            continue;
        }
        if (reel.fd < 0)
            return file_fault(home, "open", FOLDER_MANIFESTS, name);
        reel.at = segment == from.segment ? from.offset : 0;
        reel.bytes = (struct span){reel.memory, 0};
        reel.ended = false;
        reel.error = 0;
        more = read_segment(&reel, segment, visit, arg, reading);
        close(reel.fd);
        if (reel.error) {
            errno = reel.error;
            return file_fault(home, "read", FOLDER_MANIFESTS, name);
        }
    }
    return STORE_OK;
}
