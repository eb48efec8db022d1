/* SPDX-License-Identifier: ISC */
#include "tests/unit/ballots.h"

#include <string.h>

#include "election/elect.h"
#include "src/advert.h"

/* A number up to `max`: its ends often, and each length of number as often as another. */
static uint64_t roll_number(struct rng *rng, uint64_t min, uint64_t max)
{
    uint64_t n = rng_next(rng) >> rng_below(rng, 64);

    switch (rng_below(rng, 8)) {
    case 0:
        return min;
    case 1:
        return max;
    default:
        return n < min || n > max ? min + n % (max - min + 1) : n;
    }
}

static void roll_bytes(struct rng *rng, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)rng_next(rng);
}

static void roll_address(struct rng *rng, struct address *out)
{
    static const uint8_t v4[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10};

    memset(out, 0, sizeof(*out));
    roll_bytes(rng, out->ip, sizeof(out->ip));
    if (rng_below(rng, 2))
        memcpy(out->ip, v4, sizeof(v4));
    else
        out->ip[0] = 0xfd;
}

static void roll_word(struct rng *rng, char *out, size_t size)
{
    static const char letters[] = "abcxyzABCXYZ0189-_.";
    size_t len = (size_t)roll_number(rng, 1, size - 1);

    for (size_t i = 0; i < len; i++)
        out[i] = letters[rng_below(rng, sizeof(letters) - 1)];
    out[len] = '\0';
}

static void roll_stand(struct rng *rng, struct ballot *out)
{
    bool advert = out->kind == BALLOT_ADVERT;

    out->pair.base_us = (uint32_t)roll_number(rng, ADVERT_BASE_MIN_US, ADVERT_BASE_MAX_US);
    out->pair.skew = (uint8_t)roll_number(rng, 0, UINT8_MAX);
    out->demotion = (uint16_t)roll_number(rng, 0, DEMOTION_MAX);
    out->epoch = roll_number(rng, advert ? 1 : 0, ELECT_EPOCH_MAX);
    out->head.store = roll_number(rng, 0, UINT64_MAX);
    out->head.sequence = roll_number(rng, 0, UINT64_MAX);
    roll_bytes(rng, out->head.digest.bytes, sizeof(out->head.digest.bytes));
    out->head.clock.ms = (int64_t)roll_number(rng, 0, UINT64_MAX >> 16);
    if (advert) {
        out->leaving = rng_below(rng, 2);
        if (rng_below(rng, 2))
            roll_address(rng, &out->successor);
        return;
    }
    out->role = rng_below(rng, 2) ? BALLOT_BACKUP : BALLOT_SLAVE;
    out->asks = rng_below(rng, 2);
    out->behind = rng_below(rng, 2);
    out->unconfirmed = (uint32_t)roll_number(rng, 0, UINT32_MAX);
}

void ballots_roll(struct rng *rng, enum ballot_kind kind, struct ballot *out)
{
    memset(out, 0, sizeof(*out));
    out->kind = kind;
    memcpy(out->tier, "paris", sizeof("paris"));
    roll_word(rng, out->node, sizeof(out->node));
    out->boot = roll_number(rng, 1, UINT64_MAX);
    out->counter = roll_number(rng, 0, UINT64_MAX);
    roll_address(rng, &out->address);
    out->address.port = (uint16_t)roll_number(rng, 1, UINT16_MAX);
    out->has_echo = rng_below(rng, 2);
    if (out->has_echo)
        roll_bytes(rng, out->echo.bytes, sizeof(out->echo.bytes));
    if (kind == BALLOT_SOLICIT)
        roll_bytes(rng, out->nonce.bytes, sizeof(out->nonce.bytes));
    else
        roll_stand(rng, out);
}

static bool same_sender(const struct ballot *a, const struct ballot *b)
{
    return a->kind == b->kind && strcmp(a->tier, b->tier) == 0 && strcmp(a->node, b->node) == 0 &&
           a->boot == b->boot && a->counter == b->counter &&
           address_same(&a->address, &b->address) && a->has_echo == b->has_echo &&
           memcmp(&a->echo, &b->echo, sizeof(a->echo)) == 0;
}

bool ballots_same(const struct ballot *a, const struct ballot *b)
{
    return same_sender(a, b) && a->pair.base_us == b->pair.base_us &&
           a->pair.skew == b->pair.skew && a->demotion == b->demotion && a->epoch == b->epoch &&
           a->head.store == b->head.store && a->head.sequence == b->head.sequence &&
           digest_same(&a->head.digest, &b->head.digest) && a->head.clock.ms == b->head.clock.ms &&
           a->leaving == b->leaving && address_same(&a->successor, &b->successor) &&
           a->role == b->role && a->asks == b->asks && a->behind == b->behind &&
           a->unconfirmed == b->unconfirmed && memcmp(&a->nonce, &b->nonce, sizeof(a->nonce)) == 0;
}
