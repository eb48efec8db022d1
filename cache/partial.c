/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/lists.h"
#include "cache/store_inner.h"
#include "src/base/must.h"
#include "src/base/stats.h"

enum { PARTIAL_MAGIC = 0x70617274, BLOCK = 512 /* of st_blocks */ };

struct partial {
    uint32_t magic;
    struct store *store;
    struct manifest manifest;
    struct partials_row row;
    int fd;
    uint32_t count;
    struct digest *_Atomic list; /* NULL until it has come */
    _Atomic uint64_t *had;       /* a bit a chunk: it is there, and was checked */
    _Atomic uint32_t had_count;
    bool thrown_away;            /* its file has gone */
    bool is_small;               /* no file: the chunk is in memory, and is written as it lands */
    atomic_bool passing;         /* there is no room: nothing of it will be kept */
    pthread_rwlock_t given_back; /* read: chunks that are had stay so; below: while passing */
    uint8_t **memory;            /* a chunk each, or NULL: it is in the file, or not had */
    uint64_t memory_bytes;
};

static enum store_status partial_fault(const struct partial *partial, const char *what)
{
    enum store_status status =
        file_fault(&partial->store->home, what, FOLDER_PARTIAL, partial->row.name);

    store_note_fault(partial->store, status);
    return status;
}

bool partial_is_small(const struct manifest *m)
{
    return m->size <= PARTIAL_SMALL && m->size <= m->chunk_size;
}

static uint64_t length_of(const struct partial *partial, uint32_t chunk)
{
    return chunk_len(chunk, partial->manifest.size, partial->manifest.chunk_size);
}

static void mark_had(struct partial *partial, uint32_t chunk)
{
    uint64_t bit = (uint64_t)1 << chunk % 64;

    /* Released here and acquired by partial_has: who sees the bit sees the bytes. */
    if (!(atomic_fetch_or_explicit(&partial->had[chunk / 64], bit, memory_order_acq_rel) & bit))
        atomic_fetch_add(&partial->had_count, 1);
}

/* ---- in memory: without room, or small; not for long ----------------------------------------- */

/* A few chunks in any case, so that no content is too large to be passed on. */
static bool fits_memory(struct partial *partial, uint64_t len)
{
    struct store *store = partial->store;
    uint64_t most = PARTIAL_PASSED_MAX;

    if (atomic_load(&store->passed_bytes) + len > PARTIAL_PASSED_ALL_MAX ||
        most < 2 * partial->manifest.chunk_size)
        most = 2 * partial->manifest.chunk_size;
    return partial->memory_bytes + len <= most;
}

static void drop_memory(struct partial *partial, uint32_t chunk)
{
    uint64_t len = length_of(partial, chunk);

    if (!partial->memory || !partial->memory[chunk])
        return;
    free(partial->memory[chunk]);
    partial->memory[chunk] = NULL;
    partial->memory_bytes -= len;
    atomic_fetch_sub(&partial->store->passed_bytes, len);
}

static enum store_status put_in_memory(struct partial *partial, uint32_t chunk, const void *bytes,
                                       size_t len)
{
    uint8_t *copy;

    if (!fits_memory(partial, len))
        return STORE_FULL;
    copy = malloc(len + 1);
    MUST(copy != NULL);
    memcpy(copy, bytes, len);
    pthread_rwlock_wrlock(&partial->given_back);
    partial->memory[chunk] = copy;
    pthread_rwlock_unlock(&partial->given_back);
    partial->memory_bytes += len;
    atomic_fetch_add(&partial->store->passed_bytes, len);
    mark_had(partial, chunk);
    return STORE_OK;
}

static void use_memory(struct partial *partial)
{
    pthread_rwlock_wrlock(&partial->given_back);
    partial->memory = calloc(partial->count, sizeof(*partial->memory));
    MUST(partial->memory != NULL);
    pthread_rwlock_unlock(&partial->given_back);
}

/* The owner's. Logged as the fault that it comes from. */
static void begin_passing(struct partial *partial)
{
    if (atomic_load(&partial->passing))
        return;
    use_memory(partial);
    atomic_store(&partial->passing, true);
    sweep_want_room(partial->store, partial->manifest.size); /* for the next one */
}

bool partial_is_passing(const struct partial *partial)
{
    return atomic_load(&partial->passing);
}

static void give_back_disk(struct partial *partial, uint32_t chunk)
{
    if (partial->fd >= 0)
        (void)fallocate(partial->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)chunk_at(chunk, partial->manifest.chunk_size),
                        (off_t)length_of(partial, chunk));
}

void partial_release(struct partial *partial, uint32_t chunk)
{
    uint64_t bit = (uint64_t)1 << chunk % 64;
    bool was_in_memory;

    MUST_BE(partial, PARTIAL_MAGIC);
    MUST(atomic_load(&partial->passing));
    if (!partial_has(partial, chunk) || length_of(partial, chunk) == 0)
        return;
    pthread_rwlock_wrlock(&partial->given_back);
    atomic_fetch_and(&partial->had[chunk / 64], ~bit);
    atomic_fetch_sub(&partial->had_count, 1);
    was_in_memory = partial->memory[chunk] != NULL;
    drop_memory(partial, chunk);
    pthread_rwlock_unlock(&partial->given_back);
    if (!was_in_memory)
        give_back_disk(partial, chunk);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Checks the chunk that is on the disk. One that was never written is not read: it is a hole. */
static void check_chunk(struct partial *partial, uint32_t chunk)
{
    uint64_t at = chunk_at(chunk, partial->manifest.chunk_size), len = length_of(partial, chunk);
    off_t data = len ? lseek(partial->fd, (off_t)at, SEEK_DATA) : (off_t)at;
    struct digest digest;

    if (data < 0 ? errno == ENXIO : (uint64_t)data >= at + (len ? len : 1))
        return;
    if (list_chunk_digest(partial->fd, at, len, &partial->store->hurried, &digest) == STORE_OK &&
        digest_same(&digest, &partial->list[chunk]))
        mark_had(partial, chunk);
}

static void check_all(struct partial *partial)
{
    for (uint32_t i = 0; i < partial->count; i++)
        check_chunk(partial, i);
}

/* What cannot be kept is not begun to be: those who read it are told from the begin that it is not.
 * `there` bytes of it have their room already. */
static enum store_status look_for_room(struct partial *partial, uint64_t there)
{
    struct store *store = partial->store;
    uint64_t size = partial->manifest.size, lacks = size > there ? size - there : 0;

    if (lacks == 0 || home_free(&store->home) >= lacks + reserve_lacks(store))
        return STORE_OK;
    if (!sweep_could_fit(store, lacks))
        return STORE_FULL;
    sweep_want_room(store, lacks);
    return STORE_OK;
}

static enum store_status open_file(struct partial *partial)
{
    struct stat st;

    partial->fd =
        file_open(&partial->store->home, FOLDER_PARTIAL, partial->row.name, O_RDWR | O_CREAT);
    if (partial->fd < 0 || fstat(partial->fd, &st) != 0)
        return partial_fault(partial, "open");
    if ((uint64_t)st.st_size != partial->manifest.size &&
        ftruncate(partial->fd, (off_t)partial->manifest.size) != 0)
        return partial_fault(partial, "size");
    return look_for_room(partial, (uint64_t)st.st_blocks * BLOCK);
}

/* Its file, or the memory in its place. */
static enum store_status open_place(struct partial *partial)
{
    enum store_status status = STORE_OK;

    partial->is_small = partial_is_small(&partial->manifest);
    if (partial->is_small)
        use_memory(partial);
    else
        status = open_file(partial);
    if (status == STORE_FULL) {
        begin_passing(partial);
        status = STORE_OK;
    }
    return status;
}

static void partial_free(struct partial *partial)
{
    if (partial->fd >= 0)
        close(partial->fd);
    for (uint32_t i = 0; partial->memory && i < partial->count; i++)
        drop_memory(partial, i);
    free(partial->memory);
    free(partial->list);
    free(partial->had);
    pthread_rwlock_destroy(&partial->given_back);
    partial->magic = 0;
    free(partial);
}

enum store_status partial_open(struct store *store, const struct manifest *m, struct partial **out)
{
    struct partial *partial = calloc(1, sizeof(*partial));
    struct digest *list;
    enum store_status status;
    uint32_t count;

    MUST_BE(store, STORE_MAGIC);
    MUST(partial != NULL && !m->deleted);
    partial->magic = PARTIAL_MAGIC;
    partial->store = store;
    partial->manifest = *m;
    partial->count = chunk_count(m->size, m->chunk_size);
    partial->had = calloc(partial->count / 64 + 1, sizeof(*partial->had));
    MUST(partial->had != NULL);
    MUST(pthread_rwlock_init(&partial->given_back, NULL) == 0);
    file_of_digest(FOLDER_PARTIAL, &m->sha256, partial->row.name);
    partial->row.size = m->size;
    partial->fd = -1;
    if (!partials_add(store, &partial->row)) {
        partial_free(partial);
        return STORE_WRONG;
    }
    status = open_place(partial);
    if (status != STORE_OK) {
        partials_remove(store, &partial->row);
        partial_free(partial);
        return status;
    }
    if (list_read(&store->home, m, &list, &count) == STORE_OK) {
        partial->list = list;
        if (!partial->is_small)
            check_all(partial);
        else if (m->size == 0)
            (void)partial_put(partial, 0, "", 0); /* all that there is of it */
    }
    *out = partial;
    return STORE_OK;
}

const struct digest *partial_list(const struct partial *partial)
{
    return partial->list;
}

enum store_status partial_set_list(struct partial *partial, const void *list, size_t len)
{
    struct digest *copy;
    enum store_status status;

    MUST_BE(partial, PARTIAL_MAGIC);
    if (partial->list)
        return STORE_OK;
    if (!list_fits(&partial->manifest, list, len))
        return STORE_WRONG;
    copy = malloc(len);
    MUST(copy != NULL);
    memcpy(copy, list, len);
    status = STORE_FULL;
    if (reserve_hold(partial->store))
        status = list_write(&partial->store->home, &partial->manifest.sha256, copy, partial->count,
                            partial->row.name);
    if (status == STORE_FULL) {
        begin_passing(partial);
    } else if (status != STORE_OK) {
        free(copy);
        return status;
    }
    partial->list = copy;
    check_all(partial);
    return STORE_OK;
}

uint32_t partial_count(const struct partial *partial)
{
    return partial->count;
}

bool partial_has(const struct partial *partial, uint32_t chunk)
{
    MUST(chunk < partial->count);
    return atomic_load_explicit(&partial->had[chunk / 64], memory_order_acquire) >> chunk % 64 & 1;
}

uint32_t partial_had(const struct partial *partial)
{
    return atomic_load(&partial->had_count);
}

static enum store_status write_chunk(struct partial *partial, uint32_t chunk, const void *bytes,
                                     size_t len)
{
    if (!reserve_hold(partial->store))
        return STORE_FULL;
    if (file_write(partial->fd, bytes, len, chunk_at(chunk, partial->manifest.chunk_size)))
        return STORE_OK;
    return partial_fault(partial, "write");
}

enum store_status partial_put(struct partial *partial, uint32_t chunk, const void *bytes,
                              size_t len)
{
    struct digest digest;
    enum store_status status;

    MUST_BE(partial, PARTIAL_MAGIC);
    MUST(partial->list && chunk < partial->count);
    if (partial_has(partial, chunk))
        return STORE_OK;
    if (len != length_of(partial, chunk))
        return STORE_WRONG;
    digest_of(bytes, len, &digest);
    if (!digest_same(&digest, &partial->list[chunk]))
        return STORE_WRONG;
    if (partial->memory)
        return put_in_memory(partial, chunk, bytes, len);
    status = write_chunk(partial, chunk, bytes, len);
    if (status == STORE_OK)
        mark_had(partial, chunk);
    if (status != STORE_FULL)
        return status;
    begin_passing(partial);
    give_back_disk(partial, chunk); /* what was written of it */
    return put_in_memory(partial, chunk, bytes, len);
}

/* Where the bytes from `from` on, up to `len` of them, lie together: in one chunk in memory, or in
 * the file. */
static ssize_t read_some(const struct partial *partial, uint64_t from, void *bytes, size_t len)
{
    uint64_t chunk_size = partial->manifest.chunk_size, end = from;
    const uint8_t *memory = partial->memory ? partial->memory[from / chunk_size] : NULL;

    while (end < from + len && partial_has(partial, (uint32_t)(end / chunk_size)) &&
           (end == from || (!memory && !(partial->memory && partial->memory[end / chunk_size]))))
        end = (end / chunk_size + 1) * chunk_size;
    if (end < from + len)
        len = (size_t)(end - from);
    if (!memory || len == 0)
        return len ? file_read(partial->fd, bytes, len, from) : 0;
    memcpy(bytes, memory + from % chunk_size, len);
    return (ssize_t)len;
}

ssize_t partial_read(const struct partial *partial, uint64_t from, void *bytes, size_t len)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)(uintptr_t)&partial->given_back;
    uint64_t size = partial->manifest.size;
    ssize_t n;

    if (from >= size)
        return 0;
    pthread_rwlock_rdlock(lock);
    n = read_some(partial, from, bytes, len < size - from ? len : (size_t)(size - from));
    pthread_rwlock_unlock(lock);
    return n < 0 ? (ssize_t)partial_fault(partial, "read") : n;
}

void partial_close(struct partial *partial, bool keep)
{
    bool keeps = keep && !partial->thrown_away && !partial_is_passing(partial);
    bool goes = !keeps && !atomic_load(&partial->row.landed);

    MUST_BE(partial, PARTIAL_MAGIC);
    if (goes)
        partial_throw_away(partial);
    partials_remove(partial->store, &partial->row);
    if (goes && partial->list && partial->count > 1)
        partials_forget_list(partial->store, &partial->manifest.sha256);
    partial_free(partial);
}

/* ---- for the writer and the porter ---------------------------------------------------------- */

bool partial_is_checked(const struct partial *partial)
{
    return partial->count == 1 && partial_had(partial) == 1 && !partial_is_passing(partial) &&
           digest_same(&partial->list[0], &partial->manifest.sha256);
}

bool partial_has_file(const struct partial *partial)
{
    return !partial->is_small;
}

enum store_status partial_check_whole(struct partial *partial, const struct manifest *m)
{
    struct digest whole;
    enum store_status status;

    MUST_BE(partial, PARTIAL_MAGIC);
    MUST(digest_same(&m->sha256, &partial->manifest.sha256));
    if (partial_is_passing(partial))
        return STORE_FULL;
    MUST(partial_had(partial) == partial->count);
    status = list_chunk_digest(partial->fd, 0, m->size, &partial->store->hurried, &whole);
    if (status == STORE_OK && !digest_same(&whole, &m->sha256))
        status = STORE_WRONG;
    return status;
}

/* Half a file is none: its digest would be found wrong when it is read. */
static bool write_small(const struct partial *partial, enum folder folder, const char *name,
                        int flags)
{
    const struct home *home = &partial->store->home;
    int fd = file_open(home, folder, name, O_WRONLY | O_CREAT | flags), error;
    bool done;

    if (fd < 0)
        return false;
    done = file_write(fd, partial->memory[0], partial->manifest.size, 0);
    error = errno;
    close(fd);
    if (!done)
        file_remove(home, folder, name);
    errno = error;
    return done;
}

/* Where something has its place already, that may be open and is replaced as a whole. */
static bool place_small(const struct partial *partial, const char *place)
{
    if (!reserve_hold(partial->store))
        return false;
    if (write_small(partial, FOLDER_CONTENT, place, O_EXCL))
        return true;
    return errno == EEXIST && write_small(partial, FOLDER_PARTIAL, partial->row.name, O_TRUNC) &&
           file_rename(&partial->store->home, FOLDER_PARTIAL, partial->row.name, FOLDER_CONTENT,
                       place);
}

enum store_status partial_sync(struct partial *partial)
{
    return fdatasync(partial->fd) == 0 ? STORE_OK : partial_fault(partial, "sync");
}

enum store_status partial_place(struct partial *partial)
{
    const struct home *home = &partial->store->home;
    char place[FILE_NAME_SIZE];
    enum store_status status;
    bool placed;

    file_of_digest(FOLDER_CONTENT, &partial->manifest.sha256, place);
    placed = partial->is_small
                 ? place_small(partial, place)
                 : file_rename(home, FOLDER_PARTIAL, partial->row.name, FOLDER_CONTENT, place);
    atomic_store(&partial->row.landed, placed);
    if (placed)
        return STORE_OK;
    status = partial_fault(partial, "place");
    if (status == STORE_FULL)
        sweep_want_room(partial->store, partial->manifest.size); /* for the next one */
    return status;
}

bool partial_is_placed(const struct partial *partial)
{
    return atomic_load(&partial->row.landed);
}

void partial_displace(struct partial *partial)
{
    const struct home *home = &partial->store->home;
    char place[FILE_NAME_SIZE];
    bool taken;

    file_of_digest(FOLDER_CONTENT, &partial->manifest.sha256, place);
    taken = partial->is_small
                ? file_remove(home, FOLDER_CONTENT, place)
                : file_rename(home, FOLDER_CONTENT, place, FOLDER_PARTIAL, partial->row.name);
    if (taken)
        atomic_store(&partial->row.landed, false);
    else
        partial_fault(partial, "take back");
}

void partial_throw_away(struct partial *partial)
{
    if (!partial->thrown_away && !partial->is_small && !atomic_load(&partial->row.landed))
        file_remove(&partial->store->home, FOLDER_PARTIAL, partial->row.name);
    partial->thrown_away = true;
}
