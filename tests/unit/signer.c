/* SPDX-License-Identifier: ISC */
#include "tests/unit/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/unit/unit.h"

struct signer {
    struct keyring *keyring;
    struct seal *seal;
    struct challenge_client *client;
};

struct signer *signer_new(const char *key, const char *node)
{
    struct signer *signer = calloc(1, sizeof(*signer));
    struct span span = span_of(key);

    assert_non_null(signer);
    signer->keyring = keyring_new(&span, 1, false);
    signer->seal = seal_new(signer->keyring);
    signer->client = challenge_client_new(node, SITE_DOMAIN);
    return signer;
}

void signer_free(struct signer *signer)
{
    challenge_client_free(signer->client);
    seal_free(signer->seal);
    keyring_free(signer->keyring);
    free(signer);
}

void signer_learn(struct signer *signer, const struct answer *answer)
{
    assert_int_equal(answer->status, 401);
    assert_true(challenge_learn(signer->client, span_of("site"),
                                span_of(answer_header(answer, "WWW-Authenticate"))));
}

/* The value of a line "Name: value\r\n" among the headers, for the signature. */
static struct span value_in(const char *headers, const char *name)
{
    struct span rest = span_of(headers);

    while (rest.len) {
        struct span line = span_take(&rest, '\n');
        struct span title = span_take(&line, ':');
        if (title.len == strlen(name) && strncasecmp(title.at, name, title.len) == 0)
            return span_trim((struct span){line.at, line.len ? line.len - 1 : 0});
    }
    return span_of("");
}

char *signer_sign(struct signer *signer, const char *method, const char *target,
                  const char *headers, struct challenge_claim *claim)
{
    struct challenge_request request = {span_of(method), span_of(target), {{0}}};
    char memory[1024], *all;
    struct text value = TEXT_OVER(memory);

    for (size_t i = 0; i < challenge_request_header_count; i++)
        request.values[i] = value_in(headers, challenge_request_headers[i]);
    assert_true(challenge_authorize(signer->client, signer->seal, span_of("site"), &request, claim,
                                    &value));
    assert_true(asprintf(&all, "%sAuthorization: %s\r\n", headers, memory) > 0);
    return all;
}

bool signer_checks(struct signer *signer, const struct answer *a,
                   const struct challenge_claim *claim)
{
    struct challenge_answer answer = {.status = a->status};
    char values[CHALLENGE_HEADERS_MAX][8192];
    const char *info;

    for (size_t i = 0; i < challenge_answer_header_count; i++) {
        const char *value = answer_header(a, challenge_answer_headers[i]);
        snprintf(values[i], sizeof(values[i]), "%s", value ? value : "");
        answer.values[i] = span_of(values[i]);
    }
    info = answer_header(a, "Authentication-Info");
    return info && challenge_check_answer(signer->seal, &answer, claim, span_of(info));
}
