/* SPDX-License-Identifier: ISC */
#include "cache/chunk.h"

#include "src/base/must.h"

uint64_t chunk_size_for(uint64_t size)
{
    uint64_t chunk_size = CHUNK_SIZE_MIN;

    while ((size - (size > 0)) / chunk_size >= CHUNK_COUNT_MAX)
        chunk_size *= 2;
    return chunk_size;
}

uint32_t chunk_count(uint64_t size, uint64_t chunk_size)
{
    MUST(chunk_size > 0);
    uint64_t count = size ? (size - 1) / chunk_size + 1 : 1;

    MUST(count <= CHUNK_COUNT_MAX);
    return (uint32_t)count;
}

uint64_t chunk_at(uint32_t index, uint64_t chunk_size)
{
    return index * chunk_size;
}

uint64_t chunk_len(uint32_t index, uint64_t size, uint64_t chunk_size)
{
    uint64_t at = chunk_at(index, chunk_size);

    MUST(at <= size);
    return size - at < chunk_size ? size - at : chunk_size;
}

int chunk_size_fits(uint64_t size, uint64_t chunk_size)
{
    return chunk_size == chunk_size_for(size);
}
