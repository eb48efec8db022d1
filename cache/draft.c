/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/lists.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * What comes in bits is gathered, and written a piece at a time: the kernel keeps what one write
 * brings in memory as a whole, and one page at a time what comes in bits, which costs who reads it
 * later (sendfile, and the copy to the reader) half as much again, for as long as it stays there.
 * Larger pieces than this give no more. Only what is larger than the least is gathered, and at most
 * so many drafts gather at a time.
 */
enum { PIECE = 256 << 10, GATHERED_LEAST = 64 << 10, GATHERING_MAX = 64 };

/* Writing to disk begins after so much, so that the sync at the end finds little left to do. */
enum { DRAFT_MAGIC = 0x64726166, WRITE_BACK = 8 << 20 };

struct draft {
    uint32_t magic;
    struct store *store;
    char name[32]; /* below tmp/; its list is NAME.list */
    int fd;
    uint64_t size;
    uint64_t expected;        /* size at the end; 0: not known */
    char *piece;              /* NULL: what comes is written at once */
    size_t in_piece;          /* the last bytes of `size`, which are not written yet */
    uint64_t reserved;        /* by fallocate */
    uint64_t lacks;           /* bytes that find no room, unless it is made */
    bool unreserved;          /* these are all that is expected, and are to be reserved */
    uint64_t started;         /* what was told to be written back */
    enum store_status status; /* sticks */
    bool finished;
    bool synced;
    bool placed;

    struct digester *whole;
    struct digest sha256;

    /* The list as it grows; the last chunk is in `chunk` until it is full. */
    uint64_t chunk_size;
    struct digester *chunk;
    uint64_t in_chunk;
    struct digest *list;
    uint32_t count;
    uint32_t room;
};

static enum store_status draft_fault(struct draft *draft, const char *what)
{
    draft->status = file_fault(&draft->store->home, what, FOLDER_TMP, draft->name);
    store_note_fault(draft->store, draft->status);
    return draft->status;
}

static const char *list_name(const struct draft *draft, char out[48])
{
    snprintf(out, 48, "%s.list", draft->name);
    return out;
}

/* Finds out early where there is no room. What the file system tells is enough for that; it would
 * take long to find out by filling it. Those that cannot reserve are not asked twice. */
static bool reserve(struct draft *draft, uint64_t size)
{
    int error;

    if (size < WRITE_BACK)
        return true;
    if (size > INT64_MAX)
        return false;
    if (!reserve_hold(draft->store) || home_free(&draft->store->home) < size + RESERVE_LOW)
        return false;
    if (fallocate(draft->fd, 0, 0, (off_t)size) == 0) {
        draft->reserved = size;
        return true;
    }
    error = errno;
    (void)!ftruncate(draft->fd, 0); /* some leave what they could reserve */
    return error != ENOSPC && error != EDQUOT && error != EFBIG;
}

/* So much is more than there is room for. That says nothing of the disk while less would fit. */
static enum store_status refuse(struct draft *draft, uint64_t bytes)
{
    struct store *store = draft->store;
    struct store_figures figures;
    uint64_t free = home_free(&store->home);

    store_figures(store, &figures);
    log_warn("store: there is no room for %" PRIu64 " bytes below %s: %" PRIu64
             " are free, and %" PRIu64 " of content may go",
             bytes, store->home.path, free, figures.may_go);
    if (free < ROOM_LEAST)
        store_note_fault(store, STORE_FULL);
    return draft->status = STORE_FULL;
}

uint64_t store_room(const struct store *store)
{
    uint64_t free, kept_free, most, cache_size;

    MUST_BE(store, STORE_MAGIC);
    free = home_free(&store->home);
    kept_free = reserve_lacks(store);
    most = free > kept_free ? free - kept_free : 0;
    cache_size = atomic_load(&store->cache_size);
    if (policy_bits(store) & POLICY_KEEP_ALL || !cache_size || most < cache_size)
        return most;
    return cache_size;
}

static enum store_status find_room(struct draft *draft, uint64_t size)
{
    if (reserve(draft, size))
        return STORE_OK;
    if (!sweep_could_fit(draft->store, size))
        return refuse(draft, size);
    draft->lacks = size;
    draft->unreserved = true;
    return STORE_OK;
}

enum store_status draft_begin(struct store *store, uint64_t size, struct draft **out)
{
    struct draft *draft = calloc(1, sizeof(*draft));
    enum store_status status;

    MUST_BE(store, STORE_MAGIC);
    MUST(draft != NULL);
    draft->magic = DRAFT_MAGIC;
    draft->store = store;
    draft->expected = size;
    draft->chunk_size = chunk_size_for(size);
    snprintf(draft->name, sizeof(draft->name), "draft-%" PRIu64,
             atomic_fetch_add(&store->drafts, 1));
    draft->fd = file_open(&store->home, FOLDER_TMP, draft->name, O_RDWR | O_CREAT | O_EXCL);
    draft->whole = digester_begin();
    draft->chunk = digester_begin();
    status = draft->fd < 0 ? draft_fault(draft, "make") : find_room(draft, size);
    if (status == STORE_OK)
        *out = draft;
    else
        draft_drop(draft);
    return status;
}

static void end_chunk(struct draft *draft)
{
    if (draft->count == draft->room) {
        draft->room = draft->room ? 2 * draft->room : 1;
        draft->list = realloc(draft->list, draft->room * sizeof(*draft->list));
        MUST(draft->list != NULL);
    }
    digester_cut(draft->chunk, &draft->list[draft->count++]);
    draft->in_chunk = 0;
}

/* Past CHUNK_COUNT_MAX chunks the chunks will be larger ones: they are computed at the end. */
static void add_to_chunks(struct draft *draft, const char *bytes, size_t len)
{
    while (len && draft->count < CHUNK_COUNT_MAX) {
        uint64_t room = draft->chunk_size - draft->in_chunk;
        size_t part = len < room ? len : (size_t)room;
        digester_add(draft->chunk, bytes, part);
        draft->in_chunk += part;
        bytes += part;
        len -= part;
        if (draft->in_chunk == draft->chunk_size)
            end_chunk(draft);
    }
}

static void write_back(struct draft *draft)
{
    uint64_t written = draft->size - draft->in_piece;

    if (written - draft->started < WRITE_BACK)
        return;
    sync_file_range(draft->fd, (off_t)draft->started, (off_t)(written - draft->started),
                    SYNC_FILE_RANGE_WRITE);
    draft->started = written;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool is_gathered(struct draft *draft, size_t len)
{
    _Atomic unsigned *gathering = &draft->store->gathering;

    if (draft->piece || draft->size || draft->expected <= GATHERED_LEAST || len >= draft->expected)
        return draft->piece != NULL;
    if (atomic_fetch_add(gathering, 1) < GATHERING_MAX)
        draft->piece = malloc(PIECE);
    if (!draft->piece)
        atomic_fetch_sub(gathering, 1);
    return draft->piece != NULL;
}

static void end_pieces(struct draft *draft)
{
    if (draft->piece)
        atomic_fetch_sub(&draft->store->gathering, 1);
    free(draft->piece);
    draft->piece = NULL;
    draft->in_piece = 0;
}

/* Whole pieces are written, the rest is kept; at the expected end there is none. False: it is as if
 * nothing had been given, even where some of it stands in the file or behind in_piece. */
static bool gather(struct draft *draft, const char *bytes, size_t len)
{
    uint64_t at = draft->size - draft->in_piece;
    bool ends = draft->size + len >= draft->expected;
    size_t fill = PIECE - draft->in_piece, whole, rest;

    if (fill > len)
        fill = len;
    whole = ends ? len - fill : (len - fill) / PIECE * PIECE;
    rest = len - fill - whole;
    memcpy(draft->piece + draft->in_piece, bytes, fill);
    if (draft->in_piece + fill < PIECE && !ends) {
        draft->in_piece += fill;
        return true;
    }
    if (!file_write(draft->fd, draft->piece, draft->in_piece + fill, at) ||
        !file_write(draft->fd, bytes + fill, whole, at + draft->in_piece + fill))
        return false;
    memcpy(draft->piece, bytes + fill + whole, rest);
    draft->in_piece = rest;
    if (ends)
        end_pieces(draft);
    return true;
}

/* Less came than was expected. */
static bool write_rest(struct draft *draft)
{
    bool done = file_write(draft->fd, draft->piece, draft->in_piece, draft->size - draft->in_piece);

    end_pieces(draft);
    return done;
}

static bool put_down(struct draft *draft, const void *bytes, size_t len)
{
    return is_gathered(draft, len) ? gather(draft, bytes, len)
                                   : file_write(draft->fd, bytes, len, draft->size);
}

static enum store_status write_failed(struct draft *draft, size_t len)
{
    int error = errno;

    if (file_status(error) == STORE_FULL && sweep_could_fit(draft->store, draft->in_piece + len)) {
        draft->lacks = draft->in_piece + len;
        return STORE_FULL;
    }
    errno = error;
    return draft_fault(draft, "write");
}

enum store_status draft_write(struct draft *draft, const void *bytes, size_t len)
{
    MUST_BE(draft, DRAFT_MAGIC);
    MUST(!draft->finished);
    if (draft->status != STORE_OK)
        return draft->status;
    if (len > (uint64_t)INT64_MAX - draft->size)
        return draft->status = STORE_FULL;
    if (draft->lacks)
        return STORE_FULL;
    if (!reserve_hold(draft->store) || !put_down(draft, bytes, len))
        return write_failed(draft, len);
    digester_add(draft->whole, bytes, len);
    add_to_chunks(draft, bytes, len);
    draft->size += len;
    write_back(draft);
    return STORE_OK;
}

uint64_t draft_lacks(const struct draft *draft)
{
    return draft->lacks;
}

uint64_t draft_size(const struct draft *draft)
{
    return draft->size;
}

/* The size turned out other than it was expected, and with it that of the chunks. */
static enum store_status cut_anew(struct draft *draft)
{
    struct digest whole;
    enum store_status status;

    free(draft->list);
    draft->list = NULL;
    draft->chunk_size = chunk_size_for(draft->size);
    status = list_compute(draft->fd, draft->size, draft->chunk_size, &draft->list, &draft->count,
                          &whole, NULL, NULL);
    if (status == STORE_OK && !digest_same(&whole, &draft->sha256))
        status = STORE_FAILED; /* the disk gives other bytes than were written */
    return status;
}

enum store_status draft_finish(struct draft *draft)
{
    char name[48];

    MUST_BE(draft, DRAFT_MAGIC);
    MUST(!draft->finished);
    if (draft->status != STORE_OK)
        return draft->status;
    draft->finished = true;
    if (!write_rest(draft))
        return draft_fault(draft, "write");
    if (draft->reserved > draft->size && ftruncate(draft->fd, (off_t)draft->size) != 0)
        return draft_fault(draft, "cut");
    digester_end(draft->whole, &draft->sha256);
    draft->whole = NULL;
    if (draft->in_chunk || draft->size == 0)
        end_chunk(draft);
    if (!chunk_size_fits(draft->size, draft->chunk_size))
        draft->status = cut_anew(draft);
    if (draft->status != STORE_OK || draft->count == 1)
        return draft->status;
    if (!list_store(&draft->store->home, list_name(draft, name), draft->list, draft->count))
        return draft_fault(draft, "write the chunk list of");
    return STORE_OK;
}

const struct digest *draft_digest(const struct draft *draft)
{
    MUST(draft->finished);
    return &draft->sha256;
}

void draft_drop(struct draft *draft)
{
    char name[48];

    MUST_BE(draft, DRAFT_MAGIC);
    if (draft->fd >= 0)
        close(draft->fd);
    if (draft->fd >= 0 && !draft->placed)
        file_remove(&draft->store->home, FOLDER_TMP, draft->name);
    if (draft->count > 1 && !(draft->placed && draft->status == STORE_OK))
        file_remove(&draft->store->home, FOLDER_TMP, list_name(draft, name));
    end_pieces(draft);
    digester_drop(draft->whole);
    digester_drop(draft->chunk);
    free(draft->list);
    draft->magic = 0;
    free(draft);
}

/* ---- for the writer and the porter ---------------------------------------------------------- */

static bool make_room(struct draft *draft)
{
    if (!draft->unreserved)
        return sweep_make_room(draft->store, draft->lacks);
    while (!reserve(draft, draft->lacks)) {
        if (!sweep_make_room(draft->store, draft->lacks))
            return false;
    }
    draft->unreserved = false;
    return true;
}

enum store_status draft_make_room(struct draft *draft)
{
    uint64_t lacks;

    MUST_BE(draft, DRAFT_MAGIC);
    if (draft->status != STORE_OK || make_room(draft)) {
        draft->lacks = 0;
        return draft->status;
    }
    lacks = draft->lacks;
    draft->lacks = 0;
    return refuse(draft, lacks);
}

bool draft_is_synced(const struct draft *draft)
{
    return draft->synced;
}

void draft_start_writing(struct draft *draft)
{
    sync_file_range(draft->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* A sync that failed is not tried again: the pages that were lost count as clean from then on. */
enum store_status draft_sync(struct draft *draft)
{
    char name[48];

    MUST_BE(draft, DRAFT_MAGIC);
    MUST(draft->finished);
    if (draft->status != STORE_OK || draft->synced)
        return draft->status;
    if (fdatasync(draft->fd) != 0)
        return draft_fault(draft, "sync");
    if (draft->count > 1 && !file_sync(&draft->store->home, FOLDER_TMP, list_name(draft, name)))
        draft_fault(draft, "sync the chunk list of");
    draft->synced = draft->status == STORE_OK;
    return draft->status;
}

void draft_was_synced(struct draft *draft, enum store_status status)
{
    if (draft->status == STORE_OK)
        draft->status = status;
    draft->synced = draft->status == STORE_OK;
}

void draft_describe(const struct draft *draft, struct manifest *m)
{
    m->size = draft->size;
    m->chunk_size = draft->chunk_size;
    m->sha256 = draft->sha256;
    digest_of(draft->list, draft->count * sizeof(*draft->list), &m->chunks);
}

enum store_status draft_place(struct draft *draft)
{
    const struct home *home = &draft->store->home;
    char name[48], place[FILE_NAME_SIZE];

    MUST(draft->synced);
    if (!file_rename(home, FOLDER_TMP, draft->name, FOLDER_CONTENT,
                     file_of_digest(FOLDER_CONTENT, &draft->sha256, place)))
        return draft_fault(draft, "place");
    draft->placed = true;
    if (draft->count > 1 && !file_rename(home, FOLDER_TMP, list_name(draft, name), FOLDER_CHUNKS,
                                         file_of_digest(FOLDER_CHUNKS, &draft->sha256, place)))
        return draft_fault(draft, "place the chunk list of");
    return STORE_OK;
}

bool draft_is_placed(const struct draft *draft)
{
    return draft->placed;
}
