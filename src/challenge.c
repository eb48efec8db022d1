/* SPDX-License-Identifier: ISC */
#include "src/challenge.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "src/base/must.h"
#include "src/challenge_inner.h"

const char *const challenge_request_headers[] = {
    "content-digest",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "cache-control",
    "pond-mtime",
    "pond-mode",
    "pond-copies",
    "pond-timeout",
    "via",
};
const size_t challenge_request_header_count =
    sizeof(challenge_request_headers) / sizeof(*challenge_request_headers);

const char *const challenge_answer_headers[] = {
    "content-digest", "content-range", "repr-digest", "etag",
    "last-modified",  "location",      "retry-after", "pond-version",
    "pond-epoch",     "pond-node",     "pond-store",  "pond-sequence",
    "pond-head",      "pond-last",     "pond-more",   "pond-touch",
};
const size_t challenge_answer_header_count =
    sizeof(challenge_answer_headers) / sizeof(*challenge_answer_headers);

/* ---- parameters ------------------------------------------------------------------------------ */

/* Takes the value off the front: a token, or a quoted string without escapes. */
static bool take_value(struct span *rest, struct span *value)
{
    if (rest->len == 0)
        return false;
    if (*rest->at != '"') {
        *value = span_trim(span_take(rest, ','));
        return value->len > 0 && !memchr(value->at, '"', value->len);
    }
    rest->at++, rest->len--;
    if (!rest->len || !memchr(rest->at, '"', rest->len))
        return false;
    *value = span_take(rest, '"');
    *rest = span_trim(*rest);
    if (rest->len && *rest->at != ',')
        return false;
    span_take(rest, ',');
    return !value->len || !memchr(value->at, '\\', value->len);
}

static bool put_param(struct challenge_param *params, size_t count, struct span name,
                      struct span value)
{
    for (size_t i = 0; i < count; i++) {
        if (!span_is(name, params[i].name))
            continue;
        if (params[i].value.at)
            return false;
        params[i].value = value;
    }
    return true;
}

bool challenge_params(struct span header, struct challenge_param *params, size_t count)
{
    struct span rest = span_trim(header), scheme = span_take(&rest, ' ');

    if (scheme.len != 4 || strncasecmp(scheme.at, "Pond", 4) != 0)
        return false;
    for (rest = span_trim(rest); rest.len; rest = span_trim(rest)) {
        struct span name = span_trim(span_take(&rest, '=')), value;
        rest = span_trim(rest);
        if (name.len == 0 || !take_value(&rest, &value) || !put_param(params, count, name, value))
            return false;
    }
    return true;
}

bool challenge_claim_parse(struct span authorization, struct challenge_claim *out)
{
    enum { NODE, DOMAIN, NONCE, NC, MAC, COUNT };
    struct challenge_param params[COUNT] = {
        {.name = "node"}, {.name = "domain"}, {.name = "nonce"}, {.name = "nc"}, {.name = "mac"}};

    memset(out, 0, sizeof(*out));
    if (!challenge_params(authorization, params, COUNT))
        return false;
    for (size_t i = 0; i < COUNT; i++) {
        if (params[i].value.len == 0)
            return false;
    }
    return node_name_ok(params[NODE].value) && span_is_plain_utf8(params[DOMAIN].value) &&
           span_is_plain_utf8(params[NONCE].value) &&
           span_copy(params[NODE].value, out->node, sizeof(out->node)) &&
           span_copy(params[DOMAIN].value, out->domain, sizeof(out->domain)) &&
           span_copy(params[NONCE].value, out->nonce, sizeof(out->nonce)) &&
           span_u64(params[NC].value, UINT64_MAX, &out->nc) && out->nc > 0 &&
           span_hex(params[MAC].value, out->mac, sizeof(out->mac));
}

/* ---- what is signed -------------------------------------------------------------------------- */

static void add_piece(struct challenge_text *text, struct span piece)
{
    MUST(text->count < CHALLENGE_PIECES_MAX);
    text->pieces[text->count++] = piece;
}

static void add_line(struct challenge_text *text, struct span line)
{
    text->broken |= line.len && memchr(line.at, '\n', line.len);
    add_piece(text, line);
    add_piece(text, (struct span){"\n", 1});
}

static void add_number(struct challenge_text *text, uint64_t number)
{
    struct text digits = TEXT_OVER(text->number);

    text_u64(&digits, number);
    add_line(text, (struct span){digits.at, digits.len});
}

static void add_headers(struct challenge_text *text, const char *const *names, size_t count,
                        const struct span *values)
{
    MUST(count <= CHALLENGE_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct span value = values[i].at ? span_trim(values[i]) : (struct span){"", 0};
        add_piece(text, span_of(names[i]));
        add_piece(text, (struct span){": ", 2});
        add_line(text, value);
    }
}

void challenge_text_of_request(struct challenge_text *text, const struct challenge_request *request,
                               const struct challenge_claim *claim)
{
    text->count = 0;
    text->broken = false;
    add_line(text, span_of("pond-request"));
    add_line(text, request->method);
    add_line(text, request->target);
    add_line(text, span_of(claim->node));
    add_line(text, span_of(claim->domain));
    add_line(text, span_of(claim->nonce));
    add_number(text, claim->nc);
    add_headers(text, challenge_request_headers, challenge_request_header_count, request->values);
}

enum { MAC_HEX_SIZE = 2 * MAC256_LEN + 1 };

/* `request_mac` becomes the request's mac as text, which the pieces point to. */
static void text_of_answer(struct challenge_text *text, const struct challenge_answer *answer,
                           const struct challenge_claim *claim, struct span nextnonce,
                           char request_mac[MAC_HEX_SIZE])
{
    struct text hex = text_over(request_mac, MAC_HEX_SIZE);

    text_hex(&hex, claim->mac, sizeof(claim->mac));
    text->count = 0;
    text->broken = false;
    add_line(text, span_of("pond-answer"));
    add_number(text, answer->status);
    add_line(text, (struct span){hex.at, hex.len});
    add_line(text, nextnonce);
    add_headers(text, challenge_answer_headers, challenge_answer_header_count, answer->values);
}

void challenge_sign_answer(struct seal *seal, const struct challenge_answer *answer,
                           const struct challenge_claim *claim, const char *nextnonce,
                           struct text *out)
{
    struct challenge_text text;
    char request_mac[MAC_HEX_SIZE];
    uint8_t mac[MAC256_LEN];

    text_of_answer(&text, answer, claim, span_of(nextnonce), request_mac);
    MUST(!text.broken);
    seal_mac256(seal, text.pieces, text.count, mac);
    text_puts(out, "Pond nc=");
    text_u64(out, claim->nc);
    text_puts(out, ", mac=\"");
    text_hex(out, mac, sizeof(mac));
    text_puts(out, "\"");
    if (*nextnonce) {
        text_puts(out, ", nextnonce=\"");
        text_puts(out, nextnonce);
        text_puts(out, "\"");
    }
}

bool challenge_check_answer(struct seal *seal, const struct challenge_answer *answer,
                            const struct challenge_claim *claim, struct span authentication_info)
{
    enum { NC, MAC, NEXTNONCE, COUNT };
    struct challenge_param params[COUNT] = {{.name = "nc"}, {.name = "mac"}, {.name = "nextnonce"}};
    struct challenge_text text;
    char request_mac[MAC_HEX_SIZE];
    uint8_t mac[MAC256_LEN];
    uint64_t nc;
    size_t key;

    if (!challenge_params(authentication_info, params, COUNT) ||
        !span_u64(params[NC].value, UINT64_MAX, &nc) || nc != claim->nc ||
        !span_hex(params[MAC].value, mac, sizeof(mac)))
        return false;
    text_of_answer(&text, answer, claim, params[NEXTNONCE].value, request_mac);
    return !text.broken && seal_check256(seal, text.pieces, text.count, mac, &key);
}

/* ---- RFC 9530 -------------------------------------------------------------------------------- */

enum { BASE64_LEN = 44 }; /* of 32 bytes */

static const char SHA_256[] = "sha-256=:";

static void encode(const struct digest *digest, char out[BASE64_LEN + 1])
{
    int len = EVP_EncodeBlock((unsigned char *)out, digest->bytes, sizeof(digest->bytes));

    MUST(len == BASE64_LEN);
}

void challenge_digest_value(const struct digest *digest, struct text *out)
{
    char base64[BASE64_LEN + 1];

    encode(digest, base64);
    text_puts(out, SHA_256);
    text_puts(out, base64);
    text_putc(out, ':');
}

/* Strict: just the text that encoding gives. */
static bool decode(struct span base64, struct digest *out)
{
    unsigned char bytes[BASE64_LEN / 4 * 3];
    char again[BASE64_LEN + 1];

    if (base64.len != BASE64_LEN ||
        EVP_DecodeBlock(bytes, (const unsigned char *)base64.at, BASE64_LEN) != sizeof(bytes))
        return false;
    memcpy(out->bytes, bytes, sizeof(out->bytes));
    encode(out, again);
    return memcmp(again, base64.at, BASE64_LEN) == 0;
}

/* It may stand among digests of other algorithms: "sha-512=:...:, sha-256=:...:". */
bool challenge_digest_parse(struct span value, struct digest *out)
{
    bool found = false;

    while (value.len) {
        struct span one = span_trim(span_take(&value, ','));
        if (!span_begins(one, SHA_256))
            continue;
        one.at += sizeof(SHA_256) - 1;
        one.len -= sizeof(SHA_256) - 1;
        if (found || one.len == 0 || one.at[one.len - 1] != ':')
            return false;
        found = decode((struct span){one.at, one.len - 1}, out);
        if (!found)
            return false;
    }
    return found;
}
