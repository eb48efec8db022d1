/* SPDX-License-Identifier: ISC */
#include "src/envelope.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/seal.h"

enum { KEY = 32, NONCE = 12, SECRET_MAX = 512, HEAD = ENVELOPE_MORE - ENVELOPE_TAG };

static const uint8_t MARK[ENVELOPE_MARK] = {0x8f, 'P', 'G', 1}; /* no text begins with it */
static const char PURPOSE[] = "carpond heartbeat";

struct secret {
    size_t len;
    uint8_t bytes[SECRET_MAX];
};

/* The key of one sender's salt. */
struct sender {
    bool used;
    uint8_t salt[ENVELOPE_SALT];
    uint8_t key[KEY];
};

struct envelope {
    size_t count;
    struct secret secrets[ENVELOPE_SECRETS_MAX];
    EVP_KDF *kdf;
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *context;
    uint8_t salt[ENVELOPE_SALT]; /* ours */
    uint8_t key[KEY];
    uint64_t counter;
    mono_t second; /* in which so many strangers were tried: */
    unsigned tried;
    struct sender senders[ENVELOPE_SENDERS]; /* by their salts, which are as good as random */
};

/* ---- keys ------------------------------------------------------------------------------------ */

static void derive(const struct envelope *envelope, size_t secret,
                   const uint8_t salt[ENVELOPE_SALT], uint8_t key[KEY])
{
    /* The library wants them writable, and does not write. */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                          (void *)(uintptr_t)envelope->secrets[secret].bytes,
                                          envelope->secrets[secret].len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt,
                                          ENVELOPE_SALT),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)PURPOSE,
                                          sizeof(PURPOSE) - 1),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(envelope->kdf);

    MUST(context != NULL);
    MUST(EVP_KDF_derive(context, key, KEY, params) == 1);
    EVP_KDF_CTX_free(context);
}

static void put_secrets(struct envelope *envelope, const struct span *secrets, size_t count)
{
    MUST(count > 0 && count <= ENVELOPE_SECRETS_MAX);
    for (size_t i = 0; i < count; i++) {
        MUST(secrets[i].len > 0 && secrets[i].len <= SECRET_MAX);
        envelope->secrets[i].len = secrets[i].len;
        memcpy(envelope->secrets[i].bytes, secrets[i].at, secrets[i].len);
    }
    envelope->count = count;
}

struct envelope *envelope_new(const struct span *secrets, size_t count)
{
    struct envelope *envelope = calloc(1, sizeof(*envelope));

    MUST(envelope != NULL);
    put_secrets(envelope, secrets, count);
    envelope->kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    envelope->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    envelope->context = EVP_CIPHER_CTX_new();
    MUST(envelope->kdf && envelope->cipher && envelope->context);
    MUST(RAND_bytes(envelope->salt, sizeof(envelope->salt)) == 1);
    derive(envelope, 0, envelope->salt, envelope->key);
    return envelope;
}

void envelope_free(struct envelope *envelope)
{
    if (!envelope)
        return;
    EVP_CIPHER_CTX_free(envelope->context);
    EVP_CIPHER_free(envelope->cipher);
    EVP_KDF_free(envelope->kdf);
    OPENSSL_cleanse(envelope, sizeof(*envelope));
    free(envelope);
}

bool envelope_has(const struct envelope *envelope, const struct span *secrets, size_t count)
{
    bool same = envelope->count == count;

    for (size_t i = 0; same && i < count; i++)
        same = envelope->secrets[i].len == secrets[i].len &&
               seal_same(envelope->secrets[i].bytes, secrets[i].at, secrets[i].len);
    return same;
}

/* ---- closing --------------------------------------------------------------------------------- */

static void nonce_of(const uint8_t head[HEAD], uint8_t nonce[NONCE])
{
    memset(nonce, 0, NONCE - ENVELOPE_COUNTER);
    memcpy(nonce + NONCE - ENVELOPE_COUNTER, head + ENVELOPE_MARK + ENVELOPE_SALT,
           ENVELOPE_COUNTER);
}

static void write_head(struct envelope *envelope, uint8_t head[HEAD])
{
    uint8_t *counter = head + ENVELOPE_MARK + ENVELOPE_SALT;

    memcpy(head, MARK, ENVELOPE_MARK);
    memcpy(head + ENVELOPE_MARK, envelope->salt, ENVELOPE_SALT);
    envelope->counter++;
    for (size_t i = 0; i < ENVELOPE_COUNTER; i++)
        counter[i] = (uint8_t)(envelope->counter >> (56 - 8 * i));
}

/* Key and nonce, and what is covered without being hidden. */
static void begin(struct envelope *envelope, bool closes, const uint8_t key[KEY],
                  const uint8_t head[HEAD])
{
    uint8_t nonce[NONCE];
    int len;

    nonce_of(head, nonce);
    MUST(EVP_CipherInit_ex2(envelope->context, envelope->cipher, key, nonce, closes, NULL) == 1);
    MUST(EVP_CipherUpdate(envelope->context, NULL, &len, head, HEAD) == 1);
}

void envelope_close(struct envelope *envelope, struct span inside, struct text *out)
{
    uint8_t *at = (uint8_t *)out->at + out->len;
    int len = 0, rest = 0;

    if (out->cap - out->len < inside.len + ENVELOPE_MORE + 1) {
        out->full = true;
        return;
    }
    write_head(envelope, at);
    begin(envelope, true, envelope->key, at);
    MUST(EVP_CipherUpdate(envelope->context, at + HEAD, &len, (const uint8_t *)inside.at,
                          (int)inside.len) == 1);
    MUST((size_t)len == inside.len); /* GCM is a stream */
    MUST(EVP_CipherFinal_ex(envelope->context, at + HEAD + len, &rest) == 1);
    MUST(EVP_CIPHER_CTX_ctrl(envelope->context, EVP_CTRL_AEAD_GET_TAG, ENVELOPE_TAG,
                             at + HEAD + len) == 1);
    out->len += inside.len + ENVELOPE_MORE;
    out->at[out->len] = '\0';
}

/* ---- opening --------------------------------------------------------------------------------- */

bool envelope_is(struct span bytes)
{
    return bytes.len > ENVELOPE_MORE && memcmp(bytes.at, MARK, ENVELOPE_MARK) == 0;
}

static bool open_with(struct envelope *envelope, const uint8_t key[KEY], struct span bytes,
                      struct text *out)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    size_t inside = bytes.len - ENVELOPE_MORE;
    int len = 0, rest = 0;

    begin(envelope, false, key, at);
    MUST(EVP_CipherUpdate(envelope->context, (uint8_t *)out->at + out->len, &len, at + HEAD,
                          (int)inside) == 1);
    /* The library wants the tag writable, and does not write. */
    MUST(EVP_CIPHER_CTX_ctrl(envelope->context, EVP_CTRL_AEAD_SET_TAG, ENVELOPE_TAG,
                             (void *)(uintptr_t)(at + HEAD + inside)) == 1);
    if (EVP_CipherFinal_ex(envelope->context, (uint8_t *)out->at + out->len + len, &rest) != 1) {
        out->at[out->len] = '\0';
        return false;
    }
    out->len += inside;
    out->at[out->len] = '\0';
    return true;
}

/* Random salts spread by any of their bits; ones that were chosen to meet push only their own kind
 * out, and what is pushed out is derived again. */
static struct sender *sender_of(struct envelope *envelope, const uint8_t salt[ENVELOPE_SALT])
{
    uint32_t hash;

    memcpy(&hash, salt, sizeof(hash));
    return &envelope->senders[hash % ENVELOPE_SENDERS];
}

static bool may_try(struct envelope *envelope, mono_t now)
{
    if (mono_between(envelope->second, now) >= MONO_S(1)) {
        envelope->second = now;
        envelope->tried = 0;
    }
    return envelope->tried++ < ENVELOPE_STRANGERS;
}

static enum envelope_verdict open_stranger(struct envelope *envelope, struct span bytes,
                                           const uint8_t salt[ENVELOPE_SALT], struct text *out)
{
    struct sender *sender = sender_of(envelope, salt);
    uint8_t key[KEY];

    for (size_t i = 0; i < envelope->count; i++) {
        derive(envelope, i, salt, key);
        if (!open_with(envelope, key, bytes, out))
            continue;
        sender->used = true;
        memcpy(sender->salt, salt, ENVELOPE_SALT);
        memcpy(sender->key, key, KEY);
        return ENVELOPE_OPENED;
    }
    return ENVELOPE_OTHER;
}

enum envelope_verdict envelope_open(struct envelope *envelope, mono_t now, struct span bytes,
                                    struct text *out)
{
    const uint8_t *salt = (const uint8_t *)bytes.at + ENVELOPE_MARK;
    const struct sender *sender;

    if (!envelope_is(bytes) || out->cap - out->len < bytes.len - ENVELOPE_MORE + 1)
        return ENVELOPE_OTHER;
    sender = sender_of(envelope, salt);
    if (sender->used && memcmp(sender->salt, salt, ENVELOPE_SALT) == 0)
        return open_with(envelope, sender->key, bytes, out) ? ENVELOPE_OPENED : ENVELOPE_OTHER;
    if (!may_try(envelope, now))
        return ENVELOPE_UNTRIED;
    return open_stranger(envelope, bytes, salt, out);
}
