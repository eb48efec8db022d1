/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_LISTS_H
#define POND_CACHE_LISTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/files.h"
#include "cache/manifest.h"

/* The chunk lists of content, on disk and in memory. Any thread. */

/* The list of the manifest's content, checked against manifest.chunks; free() it. STORE_NOT_FOUND,
 * STORE_ROTTEN (counted), or why it could not be read. */
enum store_status list_read(const struct home *home, const struct manifest *m, struct digest **list,
                            uint32_t *count);

/* Does this list belong to the manifest? */
bool list_fits(const struct manifest *m, const void *list, size_t len);

/* Writes the list to tmp/NAME. False with errno. */
bool list_store(const struct home *home, const char *name, const struct digest *list,
                uint32_t count);

/* Puts the list in its place, by way of tmp/NAME; not synced. */
enum store_status list_write(const struct home *home, const struct digest *sha256,
                             const struct digest *list, uint32_t count, const char *name);

/* Reads the file from its begin and computes the list that it has, and the digest of the whole.
 * STORE_OK, STORE_ROTTEN where it is shorter than `size`, or why it could not be read. `go_on` (may
 * be NULL) is told the bytes of each chunk, and ends it with STORE_STOPPED by returning false. */
enum store_status list_compute(int fd, uint64_t size, uint64_t chunk_size, struct digest **list,
                               uint32_t *count, struct digest *whole,
                               bool (*go_on)(void *arg, uint64_t bytes), void *arg);

/* The digest of one chunk of a file. STORE_STOPPED once `stop` (may be NULL) is set. */
enum store_status list_chunk_digest(int fd, uint64_t at, uint64_t len, const atomic_bool *stop,
                                    struct digest *out);

#endif
