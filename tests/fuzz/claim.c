/* SPDX-License-Identifier: ISC */
/* The headers by which HTTP is signed, as anybody may send them. */
#include "src/challenge.h"

#include <string.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct keyring *keyring;
    struct seal *seal;
    struct challenge_server *server;
    struct challenge_client *client;
} here;

static void begin(void)
{
    const struct span key = {"key", 3};

    here.keyring = keyring_new(&key, 1, false);
    here.seal = seal_new(here.keyring);
    here.server = challenge_server_new();
    here.client = challenge_client_new("web1", "example.com");
}

/* No bytes that come from elsewhere can hold a nonce of this process. */
static void as_claim(struct span header)
{
    struct challenge_request request = {.method = span_of("GET"), .target = header};
    struct challenge_claim claim;
    size_t key;

    if (!challenge_claim_parse(header, &claim))
        return;
    MUST(node_name_ok(span_of(claim.node)) && *claim.domain && *claim.nonce && claim.nc > 0);
    MUST(challenge_check(here.server, here.seal, (mono_t){1}, &request, &claim, &key) ==
         CHALLENGE_STALE);
}

static void as_answer(struct span header)
{
    struct challenge_answer answer = {.status = 200};
    struct challenge_claim claim = {.nc = 1};

    MUST(!challenge_check_answer(here.seal, &answer, &claim, header));
}

/* A nonce that was learned must give an Authorization that is read back. */
static void as_challenge(struct span header)
{
    struct challenge_request request = {.method = span_of("GET"), .target = span_of("/")};
    struct challenge_claim claim, back;
    char memory[1024];
    struct text text = TEXT_OVER(memory);

    if (!challenge_learn(here.client, span_of("10.0.0.1:1"), header))
        return;
    MUST(challenge_authorize(here.client, here.seal, span_of("10.0.0.1:1"), &request, &claim,
                             &text));
    MUST(!text.full && challenge_claim_parse((struct span){text.at, text.len}, &back));
    MUST(strcmp(claim.nonce, back.nonce) == 0 && claim.nc == back.nc);
}

static void as_digest(struct span header)
{
    char memory[128];
    struct text text = TEXT_OVER(memory);
    struct digest digest, back;

    if (!challenge_digest_parse(header, &digest))
        return;
    challenge_digest_value(&digest, &text);
    MUST(!text.full && memmem(header.at, header.len, text.at, text.len));
    MUST(challenge_digest_parse((struct span){text.at, text.len}, &back));
    MUST(digest_same(&digest, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span header = {(const char *)data, size};

    if (!here.keyring)
        begin();
    as_claim(header);
    as_answer(header);
    as_challenge(header);
    as_digest(header);
    return 0;
}
