/* SPDX-License-Identifier: ISC */
#include "src/base/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

struct digester {
    EVP_MD_CTX *context;
};

int digest_compare(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool digest_same(const struct digest *a, const struct digest *b)
{
    return digest_compare(a, b) == 0;
}

bool digest_is_zero(const struct digest *d)
{
    static const struct digest zero;

    return digest_same(d, &zero);
}

const char *digest_hex(const struct digest *d, char out[DIGEST_HEX_SIZE])
{
    struct text text = text_over(out, DIGEST_HEX_SIZE);

    text_hex(&text, d->bytes, sizeof(d->bytes));
    return out;
}

bool digest_parse(struct span hex, struct digest *out)
{
    return span_hex(hex, out->bytes, sizeof(out->bytes));
}

void digest_of(const void *bytes, size_t len, struct digest *out)
{
    MUST(SHA256(bytes, len, out->bytes) != NULL);
}

struct digester *digester_begin(void)
{
    struct digester *d = malloc(sizeof(*d));

    MUST(d != NULL);
    d->context = EVP_MD_CTX_new();
    MUST(d->context != NULL);
    MUST(EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) == 1);
    return d;
}

void digester_add(struct digester *d, const void *bytes, size_t len)
{
    MUST(EVP_DigestUpdate(d->context, bytes, len) == 1);
}

void digester_cut(struct digester *d, struct digest *out)
{
    MUST(EVP_DigestFinal_ex(d->context, out->bytes, NULL) == 1);
    MUST(EVP_DigestInit_ex(d->context, NULL, NULL) == 1);
}

void digester_end(struct digester *d, struct digest *out)
{
    digester_cut(d, out);
    digester_drop(d);
}

void digester_drop(struct digester *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->context);
    free(d);
}
