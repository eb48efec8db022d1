/* SPDX-License-Identifier: ISC */
#include "src/challenge.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/challenge_inner.h"
#include "src/lru.h"
#include "src/replay.h"

enum { SERVER_MAGIC = 0x63687376, SECRET_LEN = 32, PROOF_LEN = 16 };

/* A nonce as bytes; as text it is their hexadecimal. The random bytes keep two processes that
 * were started with one secret (there are none, unless the dice are broken) apart. */
struct nonce {
    uint64_t sequence; /* grows with each that is made */
    int64_t made_ns;
    uint8_t random[8];
    uint8_t proof[PROOF_LEN]; /* the front of an HMAC of what stands above */
};

_Static_assert(sizeof(struct nonce) == 40, "no padding");
_Static_assert(2 * sizeof(struct nonce) <= NONCE_MAX_LEN, "fits");

struct used_nonce {
    uint64_t sequence;
    struct replay_window counts;
};

struct challenge_server {
    unsigned magic;
    struct keyring *secret;
    _Atomic uint64_t next;
    pthread_mutex_t lock; /* guards all below, and the proofs' seal */
    struct seal *seal;
    struct lru *lru;
    uint64_t floor; /* nonces before this one are stale */
    struct used_nonce used[NONCES_MAX];
};

struct challenge_server *challenge_server_new(void)
{
    struct challenge_server *server = calloc(1, sizeof(*server));
    uint8_t secret[SECRET_LEN];
    struct span key = {(const char *)secret, sizeof(secret)};

    MUST(server != NULL);
    server->magic = SERVER_MAGIC;
    MUST(RAND_bytes(secret, sizeof(secret)) == 1);
    server->secret = keyring_new(&key, 1, false);
    OPENSSL_cleanse(secret, sizeof(secret));
    server->seal = seal_new(server->secret);
    server->lru = lru_new(NONCES_MAX);
    MUST(pthread_mutex_init(&server->lock, NULL) == 0);
    return server;
}

void challenge_server_free(struct challenge_server *server)
{
    if (!server)
        return;
    MUST_BE(server, SERVER_MAGIC);
    server->magic = 0;
    seal_free(server->seal);
    keyring_free(server->secret);
    lru_free(server->lru);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

static void prove(struct challenge_server *server, const struct nonce *nonce,
                  uint8_t proof[PROOF_LEN])
{
    struct span stated = {(const char *)nonce, offsetof(struct nonce, proof)};
    uint8_t mac[MAC256_LEN];

    pthread_mutex_lock(&server->lock);
    seal_mac256(server->seal, &stated, 1, mac);
    pthread_mutex_unlock(&server->lock);
    memcpy(proof, mac, PROOF_LEN);
}

void challenge_issue(struct challenge_server *server, mono_t now, char out[NONCE_SIZE])
{
    struct nonce nonce = {.made_ns = now.ns};
    struct text text = text_over(out, NONCE_SIZE);

    MUST_BE(server, SERVER_MAGIC);
    nonce.sequence = atomic_fetch_add(&server->next, 1);
    MUST(RAND_bytes(nonce.random, sizeof(nonce.random)) == 1);
    prove(server, &nonce, nonce.proof);
    text_hex(&text, &nonce, sizeof(nonce));
    MUST(!text.full);
}

/* Did this process make it, and not too long ago? */
static bool is_ours(struct challenge_server *server, mono_t now, const char *text,
                    struct nonce *nonce)
{
    uint8_t proof[PROOF_LEN];

    if (!span_hex(span_of(text), nonce, sizeof(*nonce)))
        return false;
    prove(server, nonce, proof);
    return seal_same(proof, nonce->proof, sizeof(proof)) &&
           mono_between((mono_t){nonce->made_ns}, now) < NONCE_LIFETIME;
}

void challenge_next(struct challenge_server *server, mono_t now,
                    const struct challenge_claim *claim, char out[NONCE_SIZE])
{
    struct nonce nonce;

    MUST_BE(server, SERVER_MAGIC);
    *out = '\0';
    if (span_hex(span_of(claim->nonce), &nonce, sizeof(nonce)) &&
        mono_between((mono_t){nonce.made_ns}, now) > NONCE_LIFETIME / 2)
        challenge_issue(server, now, out);
}

static struct used_nonce *find_used(struct challenge_server *server, uint64_t sequence,
                                    uint64_t hash)
{
    int row = lru_first(server->lru, hash);

    while (row != LRU_NONE && server->used[row].sequence != sequence)
        row = lru_next(server->lru, row);
    return row == LRU_NONE ? NULL : &server->used[row];
}

/*
 * The table is never told that a row was used again, so that the nonce that goes is the one that
 * came in first, nearly the oldest: the floor then rises past few that are still in use.
 */
static struct used_nonce *add_used(struct challenge_server *server, uint64_t sequence,
                                   uint64_t hash)
{
    bool taken_over;
    struct used_nonce *used = &server->used[lru_take(server->lru, hash, &taken_over)];

    if (taken_over && server->floor <= used->sequence)
        server->floor = used->sequence + 1;
    *used = (struct used_nonce){.sequence = sequence};
    return used;
}

/* Takes the count of a nonce that a key holder used; the lock is held. */
static enum challenge_verdict take_count(struct challenge_server *server, uint64_t sequence,
                                         uint64_t nc)
{
    struct span bytes = {(const char *)&sequence, sizeof(sequence)};
    uint64_t hash = lru_hash(bytes, 0);
    struct used_nonce *used;

    if (sequence < server->floor)
        return CHALLENGE_STALE;
    used = find_used(server, sequence, hash);
    if (!used)
        used = add_used(server, sequence, hash);
    if (sequence < server->floor)
        return CHALLENGE_STALE; /* it was older than the one that made room for it */
    return replay_window_take(&used->counts, nc) ? CHALLENGE_OK : CHALLENGE_REPLAYED;
}

enum challenge_verdict challenge_check(struct challenge_server *server, struct seal *seal,
                                       mono_t now, const struct challenge_request *request,
                                       const struct challenge_claim *claim, size_t *key)
{
    struct challenge_text text;
    enum challenge_verdict verdict;
    struct nonce nonce;

    MUST_BE(server, SERVER_MAGIC);
    *key = 0;
    if (!is_ours(server, now, claim->nonce, &nonce))
        return CHALLENGE_STALE;
    challenge_text_of_request(&text, request, claim);
    if (text.broken || !seal_check256(seal, text.pieces, text.count, claim->mac, key))
        return CHALLENGE_WRONG;
    pthread_mutex_lock(&server->lock);
    verdict = take_count(server, nonce.sequence, claim->nc);
    pthread_mutex_unlock(&server->lock);
    return verdict;
}
