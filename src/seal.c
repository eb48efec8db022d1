/* SPDX-License-Identifier: ISC */
#include "src/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

static const char HMAC256[] = "hmac256";

/* ---- the keyring ----------------------------------------------------------------------------- */

struct key {
    size_t len;
    uint8_t bytes[KEY_MAX_LEN];
};

struct keyring {
    pthread_rwlock_t lock_memory;
    pthread_rwlock_t *lock; /* guards count and keys; whoever only reads them takes it too */
    size_t count;
    struct key keys[KEYS_MAX];
    _Atomic bool any;
    _Atomic uint64_t generation; /* grows when the keys are replaced, so that seals notice */
};

static void put_keys(struct keyring *keyring, const struct span *keys, size_t count, bool any)
{
    MUST(count > 0 && count <= KEYS_MAX);
    OPENSSL_cleanse(keyring->keys, sizeof(keyring->keys));
    for (size_t i = 0; i < count; i++) {
        MUST(keys[i].len > 0 && keys[i].len <= KEY_MAX_LEN);
        keyring->keys[i].len = keys[i].len;
        memcpy(keyring->keys[i].bytes, keys[i].at, keys[i].len);
    }
    keyring->count = count;
    atomic_store(&keyring->any, any);
    atomic_fetch_add(&keyring->generation, 1);
}

struct keyring *keyring_new(const struct span *keys, size_t count, bool any)
{
    struct keyring *keyring = calloc(1, sizeof(*keyring));

    MUST(keyring != NULL);
    MUST(pthread_rwlock_init(&keyring->lock_memory, NULL) == 0);
    keyring->lock = &keyring->lock_memory;
    put_keys(keyring, keys, count, any);
    return keyring;
}

static bool has_keys(const struct keyring *keyring, const struct span *keys, size_t count, bool any)
{
    if (keyring->count != count || keyring->any != any)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct key *key = &keyring->keys[i];
        if (key->len != keys[i].len || !seal_same(key->bytes, keys[i].at, key->len))
            return false;
    }
    return true;
}

bool keyring_replace(struct keyring *keyring, const struct span *keys, size_t count, bool any)
{
    bool others;

    pthread_rwlock_wrlock(keyring->lock);
    others = !has_keys(keyring, keys, count, any);
    if (others)
        put_keys(keyring, keys, count, any);
    pthread_rwlock_unlock(keyring->lock);
    return others;
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    pthread_rwlock_destroy(keyring->lock);
    OPENSSL_cleanse(keyring, sizeof(*keyring));
    free(keyring);
}

size_t keyring_count(const struct keyring *keyring)
{
    size_t count;

    pthread_rwlock_rdlock(keyring->lock);
    count = keyring->count;
    pthread_rwlock_unlock(keyring->lock);
    return count;
}

bool keyring_any(const struct keyring *keyring)
{
    return atomic_load(&keyring->any);
}

uint64_t keyring_generation(const struct keyring *keyring)
{
    return atomic_load(&keyring->generation);
}

/* ---- the working contexts -------------------------------------------------------------------- */

/* A context for each key, with the key worked in: starting over with it costs nothing more. */
struct contexts {
    EVP_MAC_CTX *sha256;
    EVP_MAC_CTX *sha1;
};

struct seal {
    const struct keyring *keyring;
    EVP_MAC *hmac;
    uint64_t generation; /* of the keys that the contexts were made of */
    size_t count;
    struct contexts of[KEYS_MAX];
};

static EVP_MAC_CTX *make_context(EVP_MAC *hmac, const struct key *key, const char *digest)
{
    /* The library wants it writable, and does not write. */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);

    MUST(context != NULL);
    MUST(EVP_MAC_init(context, key->bytes, key->len, params) == 1);
    return context;
}

static void drop_contexts(struct seal *seal)
{
    for (size_t i = 0; i < seal->count; i++) {
        EVP_MAC_CTX_free(seal->of[i].sha256);
        EVP_MAC_CTX_free(seal->of[i].sha1);
    }
    seal->count = 0;
}

static void make_contexts(struct seal *seal)
{
    const struct keyring *keyring = seal->keyring;

    drop_contexts(seal);
    pthread_rwlock_rdlock(keyring->lock);
    for (size_t i = 0; i < keyring->count; i++) {
        seal->of[i].sha256 = make_context(seal->hmac, &keyring->keys[i], "SHA256");
        seal->of[i].sha1 = make_context(seal->hmac, &keyring->keys[i], "SHA1");
    }
    seal->count = keyring->count;
    seal->generation = atomic_load(&keyring->generation);
    pthread_rwlock_unlock(keyring->lock);
}

static void keep_up(struct seal *seal)
{
    if (seal->generation != atomic_load_explicit(&seal->keyring->generation, memory_order_acquire))
        make_contexts(seal);
}

struct seal *seal_new(const struct keyring *keyring)
{
    struct seal *seal = calloc(1, sizeof(*seal));

    MUST(seal != NULL && keyring != NULL);
    seal->keyring = keyring;
    seal->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    MUST(seal->hmac != NULL);
    make_contexts(seal);
    return seal;
}

void seal_free(struct seal *seal)
{
    if (!seal)
        return;
    drop_contexts(seal);
    EVP_MAC_free(seal->hmac);
    free(seal);
}

static void compute(EVP_MAC_CTX *context, const struct span *pieces, size_t count, uint8_t *mac,
                    size_t mac_len)
{
    size_t len;

    MUST(EVP_MAC_init(context, NULL, 0, NULL) == 1);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len)
            MUST(EVP_MAC_update(context, (const unsigned char *)pieces[i].at, pieces[i].len) == 1);
    }
    MUST(EVP_MAC_final(context, mac, &len, mac_len) == 1 && len == mac_len);
}

void seal_mac256(struct seal *seal, const struct span *pieces, size_t count,
                 uint8_t mac[MAC256_LEN])
{
    keep_up(seal);
    compute(seal->of[0].sha256, pieces, count, mac, MAC256_LEN);
}

bool seal_check256(struct seal *seal, const struct span *pieces, size_t count,
                   const uint8_t mac[MAC256_LEN], size_t *key)
{
    uint8_t ours[MAC256_LEN];

    keep_up(seal);
    for (*key = 0; *key < seal->count; ++*key) {
        compute(seal->of[*key].sha256, pieces, count, ours, sizeof(ours));
        if (seal_same(ours, mac, sizeof(ours)))
            return true;
    }
    *key = 0;
    return false;
}

void seal_mac1(struct seal *seal, struct span bytes, uint8_t mac[MAC1_LEN])
{
    keep_up(seal);
    compute(seal->of[0].sha1, &bytes, 1, mac, MAC1_LEN);
}

bool seal_check1(struct seal *seal, struct span bytes, const uint8_t mac[MAC1_LEN], size_t *key)
{
    uint8_t ours[MAC1_LEN];

    keep_up(seal);
    for (*key = 0; *key < seal->count; ++*key) {
        compute(seal->of[*key].sha1, &bytes, 1, ours, sizeof(ours));
        if (seal_same(ours, mac, sizeof(ours)))
            return true;
    }
    *key = 0;
    return false;
}

bool seal_same(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void stamp(struct seal *seal, struct text *message)
{
    uint8_t mac[MAC1_LEN];
    char memory[2 * MAC1_LEN + sizeof("HMAC=")];
    struct text token = TEXT_OVER(memory);

    seal_mac1(seal, message_covered(message), mac);
    text_puts(&token, "HMAC=");
    text_hex(&token, mac, sizeof(mac));
    message_stamp(message, memory);
}

/* Puts `line` behind the last header: before the empty line. */
static void insert_header(struct text *message, const struct text *line)
{
    struct span rest = message_covered(message);
    size_t at;

    while (span_take(&rest, '\n').len > 0)
        ;
    MUST(rest.at[-1] == '\n' && rest.at[-2] == '\n');
    at = (size_t)(rest.at - 1 - message->at);
    if (line->len >= message->cap - message->len) {
        message->full = true;
        return;
    }
    memmove(message->at + at + line->len, message->at + at, message->len - at + 1);
    memcpy(message->at + at, line->at, line->len);
    message->len += line->len;
}

void seal_message(struct seal *seal, struct text *message, bool isconf)
{
    char memory[sizeof(HMAC256) + 2 * MAC256_LEN + sizeof(": \n")];
    struct text line = TEXT_OVER(memory);
    struct span covered;
    uint8_t mac[MAC256_LEN];

    if (message->full)
        return;
    covered = message_covered(message);
    seal_mac256(seal, &covered, 1, mac);
    text_puts(&line, HMAC256);
    text_puts(&line, ": ");
    text_hex(&line, mac, sizeof(mac));
    text_putc(&line, '\n');
    MUST(!line.full);
    insert_header(message, &line);
    if (isconf && !message->full)
        stamp(seal, message);
}

/* From behind: there it stands in what carpond wrote. */
static const struct message_header *find_hmac256(const struct message *message)
{
    for (size_t i = message->count; i > 0; i--) {
        if (span_is(message->headers[i - 1].name, HMAC256))
            return &message->headers[i - 1];
    }
    return NULL;
}

/* In lower case alone, as we write it: the header is not covered, and no bit of it may be free. */
static bool read_mac(struct span hex, uint8_t mac[MAC256_LEN])
{
    for (size_t i = 0; i < hex.len; i++) {
        if (hex.at[i] >= 'A' && hex.at[i] <= 'F')
            return false;
    }
    return span_hex(hex, mac, MAC256_LEN);
}

/* Against all that is covered but for the header's own line. */
static enum seal_verdict check_header(struct seal *seal, const struct message *message,
                                      const struct message_header *header, size_t *key)
{
    const char *line = header->name.at, *behind = header->value.at + header->value.len + 1;
    const char *end = message->covered.at + message->covered.len;
    struct span pieces[] = {
        {message->covered.at, (size_t)(line - message->covered.at)},
        {behind, (size_t)(end - behind)},
    };
    uint8_t mac[MAC256_LEN];

    if (!read_mac(header->value, mac))
        return SEAL_WRONG;
    return seal_check256(seal, pieces, 2, mac, key) ? SEAL_OK : SEAL_WRONG;
}

enum seal_verdict seal_check_message(struct seal *seal, const struct message *message, bool isconf,
                                     size_t *key)
{
    const struct message_header *header = find_hmac256(message);
    uint8_t mac[MAC1_LEN];

    *key = 0;
    if (header)
        return check_header(seal, message, header, key);
    if (!isconf || message->from_mac.len == 0)
        return SEAL_UNSIGNED;
    if (!span_hex(message->from_mac, mac, sizeof(mac)))
        return SEAL_WRONG;
    return seal_check1(seal, message->covered, mac, key) ? SEAL_OK : SEAL_WRONG;
}
