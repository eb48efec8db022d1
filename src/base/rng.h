/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_RNG_H
#define POND_BASE_RNG_H

#include <stdint.h>

/*
 * The dice of deciding code: a splitmix64 generator (Steele, Lea, Flood 2014) whose seed comes in
 * at init, so that a simulated run is repeated by its seed. For spreading things in time and for
 * choosing among equals; never for secrets, which come from OpenSSL.
 */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number from 0 to bound - 1; 0 where bound is 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return bound ? (uint64_t)(((unsigned __int128)rng_next(rng) * bound) >> 64) : 0;
}

#endif
