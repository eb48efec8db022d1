/* SPDX-License-Identifier: ISC */
#include "cache/sum.h"

#include <string.h>

static void write_number(uint64_t n, uint8_t out[8])
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(n >> (8 * (7 - i)));
}

static uint64_t read_number(const uint8_t bytes[8])
{
    uint64_t n = 0;

    for (size_t i = 0; i < 8; i++)
        n = n << 8 | bytes[i];
    return n;
}

static void entry_digest(const struct manifest *m, uint64_t lanes[SUM_LANES])
{
    uint8_t bytes[NAME_SIZE + 8 + 32];
    size_t len = strlen(m->name) + 1;
    struct digest digest;

    memcpy(bytes, m->name, len);
    write_number(m->version.bits, bytes + len);
    memcpy(bytes + len + 8, m->sha256.bytes, 32);
    digest_of(bytes, len + 8 + 32, &digest);
    for (size_t i = 0; i < SUM_LANES; i++)
        lanes[i] = read_number(digest.bytes + 8 * i);
}

/* Adding each lane modulo 2^64 gives the same sum in any order, and can be undone. */
void sum_add(uint64_t lanes[SUM_LANES], const struct manifest *m)
{
    uint64_t one[SUM_LANES];

    entry_digest(m, one);
    for (size_t i = 0; i < SUM_LANES; i++)
        lanes[i] += one[i];
}

void sum_subtract(uint64_t lanes[SUM_LANES], const struct manifest *m)
{
    uint64_t one[SUM_LANES];

    entry_digest(m, one);
    for (size_t i = 0; i < SUM_LANES; i++)
        lanes[i] -= one[i];
}

struct digest sum_digest(const uint64_t lanes[SUM_LANES])
{
    struct digest digest;

    for (size_t i = 0; i < SUM_LANES; i++)
        write_number(lanes[i], digest.bytes + 8 * i);
    return digest;
}
