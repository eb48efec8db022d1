/* SPDX-License-Identifier: ISC */
#include "src/challenge.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/address.h"
#include "src/base/must.h"
#include "src/challenge_inner.h"
#include "src/lru.h"

enum { CLIENT_MAGIC = 0x6368636c };

/* What a server gave us, and how often we used it. */
struct given_nonce {
    char server[ADDRESS_TEXT_SIZE];
    char nonce[NONCE_SIZE];
    uint64_t nc;
};

struct challenge_client {
    unsigned magic;
    char node[NODE_SIZE];
    char domain[NODE_SIZE];
    struct lru *lru;
    struct given_nonce given[CHALLENGE_SERVERS_MAX];
};

struct challenge_client *challenge_client_new(const char *node, const char *domain)
{
    struct challenge_client *client = calloc(1, sizeof(*client));

    MUST(client != NULL);
    client->magic = CLIENT_MAGIC;
    MUST(node_name_ok(span_of(node)) && !strpbrk(domain, "\"\\\n"));
    MUST(span_copy(span_of(node), client->node, sizeof(client->node)));
    MUST(span_copy(span_of(domain), client->domain, sizeof(client->domain)));
    client->lru = lru_new(CHALLENGE_SERVERS_MAX);
    return client;
}

void challenge_client_free(struct challenge_client *client)
{
    if (!client)
        return;
    MUST_BE(client, CLIENT_MAGIC);
    client->magic = 0;
    lru_free(client->lru);
    free(client);
}

static struct given_nonce *find(struct challenge_client *client, struct span server)
{
    int row = lru_first(client->lru, lru_hash(server, 0));

    while (row != LRU_NONE && !span_is(server, client->given[row].server))
        row = lru_next(client->lru, row);
    if (row == LRU_NONE)
        return NULL;
    lru_use(client->lru, row);
    return &client->given[row];
}

static struct given_nonce *add(struct challenge_client *client, struct span server)
{
    bool taken_over;
    int row = lru_take(client->lru, lru_hash(server, 0), &taken_over);
    struct given_nonce *given = &client->given[row];

    MUST(span_copy(server, given->server, sizeof(given->server)));
    *given->nonce = '\0';
    return given;
}

bool challenge_authorize(struct challenge_client *client, struct seal *seal, struct span server,
                         const struct challenge_request *request, struct challenge_claim *claim,
                         struct text *out)
{
    struct given_nonce *given = find(client, server);
    struct challenge_text text;

    MUST_BE(client, CLIENT_MAGIC);
    if (!given)
        return false;
    memset(claim, 0, sizeof(*claim));
    memcpy(claim->node, client->node, sizeof(claim->node));
    memcpy(claim->domain, client->domain, sizeof(claim->domain));
    memcpy(claim->nonce, given->nonce, sizeof(claim->nonce));
    claim->nc = ++given->nc;
    challenge_text_of_request(&text, request, claim);
    MUST(!text.broken);
    seal_mac256(seal, text.pieces, text.count, claim->mac);
    text_printf(out, "Pond node=\"%s\", domain=\"%s\", nonce=\"%s\", nc=%llu, mac=\"", claim->node,
                claim->domain, claim->nonce, (unsigned long long)claim->nc);
    text_hex(out, claim->mac, sizeof(claim->mac));
    text_putc(out, '"');
    return true;
}

/* Characters that may stand in a quoted string as they are. */
static bool nonce_ok(struct span nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.at[i] <= ' ' || nonce.at[i] > '~' || strchr("\"\\", nonce.at[i]))
            return false;
    }
    return nonce.len > 0 && nonce.len <= NONCE_MAX_LEN;
}

bool challenge_learn(struct challenge_client *client, struct span server, struct span value)
{
    struct challenge_param params[] = {{.name = "nonce"}, {.name = "nextnonce"}};
    struct given_nonce *given;
    struct span nonce;

    MUST_BE(client, CLIENT_MAGIC);
    if (!challenge_params(value, params, 2))
        return false;
    nonce = params[0].value.at ? params[0].value : params[1].value;
    if (!nonce_ok(nonce))
        return false;
    given = find(client, server);
    if (!given)
        given = add(client, server);
    if (!span_is(nonce, given->nonce)) { /* of a nonce that we know already, counts go on */
        MUST(span_copy(nonce, given->nonce, sizeof(given->nonce)));
        given->nc = 0;
    }
    return true;
}
