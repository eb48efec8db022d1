/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_CHUNK_H
#define POND_CACHE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/digest.h"

/*
 * Content is cut into chunks of one size, the last one shorter, each with its own SHA-256. The
 * chunk list is those digests one after another, 32 bytes each; the manifest vouches for the list
 * by its SHA-256. Content of one chunk needs no list of its own: it is the content's digest.
 */
enum { CHUNK_SIZE_MIN = 256 * 1024, CHUNK_COUNT_MAX = 65536 };

/* 256 KiB, doubled until at most CHUNK_COUNT_MAX suffice. */
uint64_t chunk_size_for(uint64_t size);

/* Empty content has one chunk, an empty one. */
uint32_t chunk_count(uint64_t size, uint64_t chunk_size);

/* Where chunk `index` begins, and how long it is. */
uint64_t chunk_at(uint32_t index, uint64_t chunk_size);
uint64_t chunk_len(uint32_t index, uint64_t size, uint64_t chunk_size);

/* Is chunk_size one that chunk_size_for could give for a content of this size? */
int chunk_size_fits(uint64_t size, uint64_t chunk_size);

#endif
