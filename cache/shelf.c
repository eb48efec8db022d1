/* SPDX-License-Identifier: ISC */
#include "cache/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/lists.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * How long a chunk counts as checked: a file can rot behind its page cache, and files that are
 * served for weeks should be looked at again. And how often a use of the same content is noted.
 */
enum {
    CONTENT_MAGIC = 0x636f6e74,
    BUCKETS = 1024,
    IDLE_MAX = 256,
    READ_AHEAD = 1 << 20 /* bytes */
};
static const int64_t TRUSTED_NS = MONO_S(60 * 60);
static const int64_t NOTED_NS = MONO_S(60);

/* What tells that a file is still as it was. */
struct stamp {
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct content {
    uint32_t magic;
    struct store *store;
    struct manifest manifest;
    int fd;
    uint64_t inode;
    uint32_t count;
    atomic_bool rotten;

    /* Under the shelf's lock. */
    unsigned users;
    bool shelved;
    mono_t noted; /* when its use was last noted */
    struct content *next_in_bucket;
    struct content *newer, *older; /* among those without users */

    /* Under `lock`: what was checked, and since when that holds. */
    pthread_mutex_t lock;
    struct stamp stamp;
    mono_t since;
    uint32_t generation; /* grows whenever nothing counts as checked any more */
    struct digest *list; /* while it is used */
    uint64_t *checked;   /* a bit a chunk */
};

struct shelf {
    struct store *store;
    pthread_mutex_t lock;
    struct content *buckets[BUCKETS];
    struct content *newest, *oldest; /* without users, in the order in which they were left */
    size_t idle;
};

static bool stamp_of(int fd, struct stamp *out, bool *linked)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    *out = (struct stamp){st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    *linked = st.st_nlink > 0;
    return true;
}

static bool time_same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool stamp_same(const struct stamp *a, const struct stamp *b)
{
    return a->inode == b->inode && a->size == b->size && time_same(a->modified, b->modified) &&
           time_same(a->changed, b->changed);
}

/* ---- the shelf ------------------------------------------------------------------------------ */

struct shelf *shelf_new(struct store *store)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));

    MUST(shelf != NULL);
    shelf->store = store;
    MUST(pthread_mutex_init(&shelf->lock, NULL) == 0);
    return shelf;
}

static struct content **bucket_of(struct shelf *shelf, const struct digest *sha256)
{
    return &shelf->buckets[(sha256->bytes[0] | sha256->bytes[1] << 8) % BUCKETS];
}

static struct content *find(struct shelf *shelf, const struct digest *sha256)
{
    struct content *c = *bucket_of(shelf, sha256);

    while (c && !digest_same(&c->manifest.sha256, sha256))
        c = c->next_in_bucket;
    return c;
}

static void content_free(struct content *c)
{
    if (c->fd >= 0)
        close(c->fd);
    pthread_mutex_destroy(&c->lock);
    free(c->list);
    free(c->checked);
    c->magic = 0;
    free(c);
}

static void idle_remove(struct shelf *shelf, struct content *c)
{
    *(c->newer ? &c->newer->older : &shelf->newest) = c->older;
    *(c->older ? &c->older->newer : &shelf->oldest) = c->newer;
    c->newer = c->older = NULL;
    shelf->idle--;
}

static void idle_add(struct shelf *shelf, struct content *c)
{
    c->older = shelf->newest;
    *(c->older ? &c->older->newer : &shelf->oldest) = c;
    shelf->newest = c;
    shelf->idle++;
}

/* Off the shelf; freed at once, or by its last user. */
static void take_off(struct shelf *shelf, struct content *c)
{
    struct content **link = bucket_of(shelf, &c->manifest.sha256);

    while (*link != c)
        link = &(*link)->next_in_bucket;
    *link = c->next_in_bucket;
    c->shelved = false;
    if (c->users)
        return;
    idle_remove(shelf, c);
    content_free(c);
}

static void keep_idle(struct shelf *shelf, size_t most)
{
    while (shelf->idle > most)
        take_off(shelf, shelf->oldest);
}

void shelf_forget(struct shelf *shelf, const struct digest *sha256)
{
    struct content *c;

    pthread_mutex_lock(&shelf->lock);
    c = find(shelf, sha256);
    if (c)
        take_off(shelf, c);
    pthread_mutex_unlock(&shelf->lock);
}

void shelf_free(struct shelf *shelf)
{
    keep_idle(shelf, 0);
    for (size_t i = 0; i < BUCKETS; i++)
        MUST(shelf->buckets[i] == NULL);
    pthread_mutex_destroy(&shelf->lock);
    free(shelf);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Notes that the content is used, now and then. Under the shelf's lock. */
static bool use_is_due(struct content *c)
{
    mono_t now = c->store->options.mono();

    if (c->noted.ns && mono_between(c->noted, now) < NOTED_NS)
        return false;
    c->noted = now;
    return true;
}

static struct content *take_user(struct shelf *shelf, struct content *c, bool *use)
{
    if (c->users++ == 0)
        idle_remove(shelf, c);
    *use = use_is_due(c);
    return c;
}

/* The one on the shelf, if its file still is the content's. */
static struct content *open_shelved(struct shelf *shelf, const struct manifest *m, bool *use)
{
    struct content *c;
    struct stamp stamp;
    bool linked = false;

    pthread_mutex_lock(&shelf->lock);
    c = find(shelf, &m->sha256);
    if (c && (!stamp_of(c->fd, &stamp, &linked) || !linked)) {
        take_off(shelf, c);
        c = NULL;
    }
    if (c)
        take_user(shelf, c, use);
    pthread_mutex_unlock(&shelf->lock);
    return c;
}

/* Puts a new one on the shelf; another thread may have been faster. */
static struct content *shelve(struct shelf *shelf, struct content *c, bool *use)
{
    struct content *other, **bucket = bucket_of(shelf, &c->manifest.sha256);

    pthread_mutex_lock(&shelf->lock);
    other = find(shelf, &c->manifest.sha256);
    if (other) {
        take_user(shelf, other, use);
    } else {
        c->next_in_bucket = *bucket;
        *bucket = c;
        c->shelved = true;
        c->users = 1;
        *use = use_is_due(c);
    }
    pthread_mutex_unlock(&shelf->lock);
    if (!other)
        return c;
    content_free(c);
    return other;
}

static int open_file(struct shelf *shelf, const char *name)
{
    int fd = file_open(&shelf->store->home, FOLDER_CONTENT, name, O_RDONLY);

    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    pthread_mutex_lock(&shelf->lock);
    keep_idle(shelf, 0);
    pthread_mutex_unlock(&shelf->lock);
    return file_open(&shelf->store->home, FOLDER_CONTENT, name, O_RDONLY);
}

static enum store_status open_new(struct store *store, const struct manifest *m,
                                  struct content **out)
{
    char name[FILE_NAME_SIZE];
    struct content *c;
    bool linked;
    int fd = open_file(store->shelf, file_of_digest(FOLDER_CONTENT, &m->sha256, name));

    if (fd < 0 && errno == ENOENT) {
        aside_send(store, &m->sha256, 0);
        return STORE_NOT_HELD;
    }
    if (fd < 0)
        return file_fault(&store->home, "open", FOLDER_CONTENT, name);
    c = calloc(1, sizeof(*c));
    MUST(c != NULL);
    c->magic = CONTENT_MAGIC;
    c->store = store;
    c->manifest = *m;
    c->fd = fd;
    c->count = chunk_count(m->size, m->chunk_size);
    c->checked = calloc(c->count / 64 + 1, sizeof(*c->checked));
    c->since = store->options.mono();
    MUST(c->checked != NULL);
    MUST(pthread_mutex_init(&c->lock, NULL) == 0);
    MUST(stamp_of(fd, &c->stamp, &linked));
    c->inode = c->stamp.inode;
    *out = c;
    return STORE_OK;
}

enum store_status content_open(struct store *store, const struct manifest *m, struct content **out)
{
    struct view view;
    struct holding holding;
    enum store_status status;
    struct content *c;
    bool use = false;

    MUST_BE(store, STORE_MAGIC);
    if (m->deleted)
        return STORE_NOT_HELD;
    view_begin(store->catalogue, &view);
    status = ledger_holding(&view, &m->sha256, &holding);
    view_end(&view);
    store_note_fault(store, status);
    if (status != STORE_OK || !holding.held || holding.size != m->size)
        return STORE_NOT_HELD;
    c = open_shelved(store->shelf, m, &use);
    if (!c) {
        status = open_new(store, m, &c);
        if (status != STORE_OK)
            return status;
        c = shelve(store->shelf, c, &use);
    }
    if (atomic_load(&c->rotten)) {
        content_close(c);
        return STORE_NOT_HELD;
    }
    if (use)
        store_note_use(store, &m->sha256);
    *out = c;
    return STORE_OK;
}

void content_close(struct content *c)
{
    struct shelf *shelf;

    MUST_BE(c, CONTENT_MAGIC);
    shelf = c->store->shelf;
    pthread_mutex_lock(&shelf->lock);
    MUST(c->users > 0);
    if (--c->users == 0) {
        free(c->list); /* read again when it is needed: idle content is to be small */
        c->list = NULL;
        if (c->shelved) {
            idle_add(shelf, c);
            keep_idle(shelf, IDLE_MAX);
        } else {
            content_free(c);
        }
    }
    pthread_mutex_unlock(&shelf->lock);
}

int content_fd(const struct content *c)
{
    return c->fd;
}

/* ---- checking ------------------------------------------------------------------------------- */

static void set_checked(struct content *c, uint32_t chunk)
{
    c->checked[chunk / 64] |= (uint64_t)1 << chunk % 64;
}

static bool is_checked(const struct content *c, uint32_t chunk)
{
    return c->checked[chunk / 64] >> chunk % 64 & 1;
}

/* Nothing counts as checked once the file changed, or after a while. Under c->lock. */
static void refresh(struct content *c)
{
    mono_t now = c->store->options.mono();
    struct stamp stamp;
    bool linked;

    MUST(stamp_of(c->fd, &stamp, &linked));
    if (stamp_same(&stamp, &c->stamp) && mono_between(c->since, now) < TRUSTED_NS)
        return;
    c->stamp = stamp;
    c->since = now;
    c->generation++;
    memset(c->checked, 0, (c->count / 64 + 1) * sizeof(*c->checked));
}

/* The chunks that these bytes touch. */
static bool range_of(const struct content *c, uint64_t from, uint64_t len, uint32_t *first,
                     uint32_t *last)
{
    const struct manifest *m = &c->manifest;

    if (from >= m->size || len == 0)
        return false;
    if (len > m->size - from)
        len = m->size - from;
    *first = (uint32_t)(from / m->chunk_size);
    *last = (uint32_t)((from + len - 1) / m->chunk_size);
    return true;
}

static enum store_status set_aside(struct content *c)
{
    if (!atomic_exchange(&c->rotten, true))
        aside_send(c->store, &c->manifest.sha256, c->inode);
    return STORE_ROTTEN;
}

/* Without a list to go by the whole content is read: is it right, so is the list that it gives. */
static enum store_status list_from_content(struct content *c)
{
    const struct manifest *m = &c->manifest;
    struct digest whole, *list;
    struct stamp stamp;
    uint32_t count;
    char hex[DIGEST_HEX_SIZE];
    bool linked;
    enum store_status status =
        list_compute(c->fd, m->size, m->chunk_size, &list, &count, &whole, NULL, NULL);

    if (status != STORE_OK)
        return status;
    if (!digest_same(&whole, &m->sha256)) {
        free(list);
        return STORE_ROTTEN;
    }
    c->list = list;
    if (stamp_of(c->fd, &stamp, &linked) && linked)
        list_write(&c->store->home, &m->sha256, list, count, digest_hex(&m->sha256, hex));
    return STORE_OK;
}

/* Under c->lock. */
static enum store_status need_list(struct content *c)
{
    uint32_t count;
    enum store_status status;

    if (c->list)
        return STORE_OK;
    status = list_read(&c->store->home, &c->manifest, &c->list, &count);
    return status == STORE_NOT_FOUND || status == STORE_ROTTEN ? list_from_content(c) : status;
}

/* Whoever reads one chunk soon reads the next ones: they are on their way from the disk meanwhile,
 * so that the thread that serves does not wait for it chunk by chunk. */
static void read_ahead(const struct content *c, uint32_t chunk)
{
    const struct manifest *m = &c->manifest;

    if (chunk + 1 < c->count)
        (void)posix_fadvise(c->fd, (off_t)chunk_at(chunk + 1, m->chunk_size), READ_AHEAD,
                            POSIX_FADV_WILLNEED);
}

/* Checks one chunk, with c->lock let go of while it is read. */
static enum store_status check_chunk(struct content *c, uint32_t chunk)
{
    const struct manifest *m = &c->manifest;
    struct digest digest, right;
    uint32_t generation;
    enum store_status status = need_list(c);

    if (status != STORE_OK)
        return status;
    generation = c->generation;
    right = c->list[chunk];
    pthread_mutex_unlock(&c->lock);
    read_ahead(c, chunk);
    status = list_chunk_digest(c->fd, chunk_at(chunk, m->chunk_size),
                               chunk_len(chunk, m->size, m->chunk_size), NULL, &digest);
    if (status == STORE_OK && !digest_same(&digest, &right))
        status = STORE_ROTTEN;
    pthread_mutex_lock(&c->lock);
    if (status == STORE_OK && generation == c->generation)
        set_checked(c, chunk);
    return status;
}

enum store_status content_check(struct content *c, uint64_t from, uint64_t len)
{
    enum store_status status = STORE_OK;
    uint32_t first, last;

    MUST_BE(c, CONTENT_MAGIC);
    if (atomic_load(&c->rotten))
        return STORE_ROTTEN;
    if (!range_of(c, from, len, &first, &last))
        return STORE_OK;
    pthread_mutex_lock(&c->lock);
    refresh(c);
    for (uint32_t i = first; i <= last && status == STORE_OK; i++) {
        if (!is_checked(c, i))
            status = check_chunk(c, i);
    }
    pthread_mutex_unlock(&c->lock);
    return status == STORE_ROTTEN ? set_aside(c) : status;
}

bool content_is_checked(struct content *c, uint64_t from, uint64_t len)
{
    uint32_t first, last;
    bool checked = true;

    MUST_BE(c, CONTENT_MAGIC);
    if (atomic_load(&c->rotten))
        return false;
    if (!range_of(c, from, len, &first, &last))
        return true;
    pthread_mutex_lock(&c->lock);
    refresh(c);
    for (uint32_t i = first; i <= last && checked; i++)
        checked = is_checked(c, i);
    pthread_mutex_unlock(&c->lock);
    return checked;
}

ssize_t content_read(struct content *c, uint64_t from, void *bytes, size_t len)
{
    enum store_status status = content_check(c, from, len);
    uint64_t size = c->manifest.size;
    ssize_t n;

    if (status != STORE_OK)
        return status;
    if (from >= size)
        return 0;
    n = file_read(c->fd, bytes, len < size - from ? len : (size_t)(size - from), from);
    return n < 0 ? file_status(errno) : n;
}
