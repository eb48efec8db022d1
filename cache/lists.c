/* SPDX-License-Identifier: ISC */
#include "cache/lists.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"

enum { PIECE = 128 * 1024 }; /* what is read at once: it stays in the processor's cache */

static struct digest *list_new(uint32_t count)
{
    struct digest *list = malloc((size_t)count * sizeof(*list));

    MUST(list != NULL);
    return list;
}

bool list_fits(const struct manifest *m, const void *list, size_t len)
{
    struct digest digest;

    if (len != (size_t)chunk_count(m->size, m->chunk_size) * sizeof(digest))
        return false;
    digest_of(list, len, &digest);
    return digest_same(&digest, &m->chunks);
}

static enum store_status read_file(const struct home *home, const struct manifest *m,
                                   struct digest *list, size_t len)
{
    char name[FILE_NAME_SIZE];
    struct stat st;
    enum store_status status = STORE_OK;
    int fd =
        file_open(home, FOLDER_CHUNKS, file_of_digest(FOLDER_CHUNKS, &m->sha256, name), O_RDONLY);

    if (fd < 0 && errno == ENOENT)
        return STORE_NOT_FOUND;
    if (fd < 0)
        return file_fault(home, "open", FOLDER_CHUNKS, name);
    if (fstat(fd, &st) != 0 || (size_t)st.st_size != len ||
        file_read(fd, list, len, 0) != (ssize_t)len || !list_fits(m, list, len)) {
        stat_add(STAT_CONTENT_ROTTEN, 1);
        log_error("store: the chunk list %s/chunks/%s is rotten: `pond verify` makes it anew",
                  home->path, name);
        status = STORE_ROTTEN;
    }
    close(fd);
    return status;
}

enum store_status list_read(const struct home *home, const struct manifest *m, struct digest **list,
                            uint32_t *count)
{
    uint32_t n = chunk_count(m->size, m->chunk_size);
    struct digest *read = list_new(n);
    enum store_status status = STORE_OK;

    if (n == 1)
        *read = m->sha256; /* content of one chunk is its own list */
    else
        status = read_file(home, m, read, n * sizeof(*read));
    if (status != STORE_OK) {
        free(read);
        return status;
    }
    *list = read;
    *count = n;
    return STORE_OK;
}

bool list_store(const struct home *home, const char *name, const struct digest *list,
                uint32_t count)
{
    int fd = file_open(home, FOLDER_TMP, name, O_WRONLY | O_CREAT | O_TRUNC);
    bool done = fd >= 0 && file_write(fd, list, count * sizeof(*list), 0);
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return done;
}

enum store_status list_write(const struct home *home, const struct digest *sha256,
                             const struct digest *list, uint32_t count, const char *name)
{
    char place[FILE_NAME_SIZE];
    enum store_status status = STORE_OK;

    if (count == 1)
        return STORE_OK;
    file_of_digest(FOLDER_CHUNKS, sha256, place);
    if (!list_store(home, name, list, count) ||
        !file_rename(home, FOLDER_TMP, name, FOLDER_CHUNKS, place)) {
        status = file_fault(home, "write the chunk list", FOLDER_TMP, name);
        file_remove(home, FOLDER_TMP, name);
    }
    return status;
}

/* Feeds len bytes of the file to one digester, and to a second one where there is one. */
static enum store_status feed(int fd, uint64_t at, uint64_t len, struct digester *first,
                              struct digester *second, const atomic_bool *stop)
{
    char bytes[PIECE];

    while (len) {
        size_t want = len < PIECE ? (size_t)len : PIECE;
        ssize_t n = file_read(fd, bytes, want, at);
        if (stop && atomic_load(stop))
            return STORE_STOPPED;
        if (n < 0)
            return errno == EIO ? STORE_ROTTEN : file_status(errno);
        if ((size_t)n < want)
            return STORE_ROTTEN;
        digester_add(first, bytes, want);
        if (second)
            digester_add(second, bytes, want);
        at += want;
        len -= want;
    }
    return STORE_OK;
}

enum store_status list_chunk_digest(int fd, uint64_t at, uint64_t len, const atomic_bool *stop,
                                    struct digest *out)
{
    struct digester *digester = digester_begin();
    enum store_status status = feed(fd, at, len, digester, NULL, stop);

    digester_end(digester, out);
    return status;
}

enum store_status list_compute(int fd, uint64_t size, uint64_t chunk_size, struct digest **list,
                               uint32_t *count, struct digest *whole,
                               bool (*go_on)(void *arg, uint64_t bytes), void *arg)
{
    uint32_t n = chunk_count(size, chunk_size);
    struct digest *computed = list_new(n);
    struct digester *all = digester_begin(), *one = digester_begin();
    enum store_status status = STORE_OK;

    for (uint32_t i = 0; i < n && status == STORE_OK; i++) {
        uint64_t len = chunk_len(i, size, chunk_size);
        status = feed(fd, chunk_at(i, chunk_size), len, all, one, NULL);
        digester_cut(one, &computed[i]);
        if (status == STORE_OK && go_on && !go_on(arg, len))
            status = STORE_STOPPED;
    }
    digester_drop(one);
    digester_end(all, whole);
    if (status != STORE_OK) {
        free(computed);
        return status;
    }
    *list = computed;
    *count = n;
    return STORE_OK;
}
