/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_SEAL_H
#define POND_SRC_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/message.h"
#include "src/base/text.h"

/*
 * Signing and checking with the cluster's keys: HMAC-SHA-256 (`hmac256`, and the signatures of
 * HTTP) and ISconf's HMAC-SHA-1. The first key signs, any of them is accepted. OpenSSL's codes stop
 * here.
 *
 * A `struct keyring` is shared by all threads and can be given other keys while they work; a
 * `struct seal` holds the working contexts of one thread, and notices by itself.
 */
enum { KEYS_MAX = 16, KEY_MAX_LEN = 512, MAC256_LEN = 32, MAC1_LEN = 20 };

struct keyring;

/*
 * Copies the keys (without "+ANY+"): 1 to KEYS_MAX, each of 1 to KEY_MAX_LEN bytes; who has none
 * has no keyring. any: "+ANY+" stood there too, everything is accepted. Never NULL.
 */
struct keyring *keyring_new(const struct span *keys, size_t count, bool any);
/* False: they are those that it has. */
bool keyring_replace(struct keyring *keyring, const struct span *keys, size_t count, bool any);
void keyring_free(struct keyring *keyring);
size_t keyring_count(const struct keyring *keyring);
bool keyring_any(const struct keyring *keyring);
uint64_t keyring_generation(const struct keyring *keyring); /* grows when they are replaced */

struct seal;
struct seal *seal_new(const struct keyring *keyring); /* keyring must outlive it */
void seal_free(struct seal *seal);

/* Of the given pieces, one after another, with the first key. */
void seal_mac256(struct seal *seal, const struct span *pieces, size_t count,
                 uint8_t mac[MAC256_LEN]);

/* Does any key give this mac? In constant time for each key. *key gets its index. */
bool seal_check256(struct seal *seal, const struct span *pieces, size_t count,
                   const uint8_t mac[MAC256_LEN], size_t *key);

void seal_mac1(struct seal *seal, struct span bytes, uint8_t mac[MAC1_LEN]);
bool seal_check1(struct seal *seal, struct span bytes, const uint8_t mac[MAC1_LEN], size_t *key);

/* Are the two macs, or other secrets, the same? The time it takes does not tell where they differ.
 */
bool seal_same(const void *a, const void *b, size_t len);

/*
 * Messages. seal_message adds the `hmac256` header to a finished message, as its last header, over
 * all that stands below the From line; with `isconf` it stamps HMAC= into the From line too.
 */
void seal_message(struct seal *seal, struct text *message, bool isconf);

enum seal_verdict {
    SEAL_OK,
    SEAL_UNSIGNED, /* no hmac256 (and where isconf is taken, no HMAC=) */
    SEAL_WRONG     /* signed, and with none of our keys, or changed since */
};
/* `isconf`: a good HMAC= is enough. *key: which of our keys it was. */
enum seal_verdict seal_check_message(struct seal *seal, const struct message *message, bool isconf,
                                     size_t *key);

#endif
