/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CHALLENGE_H
#define POND_SRC_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/name.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/base/time.h"
#include "src/seal.h"

/*
 * HTTP between nodes, signed by challenge after the manner of RFC 7616 (Digest), with HMAC-SHA-256
 * and the cluster's keys in the place of passwords. The server hands out nonces; a request signs
 * method, target, deciding headers, body digest, nonce and a count that is used once; the answer
 * signs its status, deciding headers, the request's nonce and count, and the body's digest.
 *
 *     WWW-Authenticate: Pond nonce="N"[, stale=true]                       (with 401)
 *     Authorization: Pond node="web1", domain="example.com", nonce="N", nc=7, mac="HEX"
 *     Authentication-Info: Pond nc=7, mac="HEX"[, nextnonce="N2"]          (with any answer)
 *     Content-Digest: sha-256=:BASE64:                                     (RFC 9530; signed)
 *
 * Nonces carry their own proof (an HMAC under a secret that is made at start), so that asking for
 * them costs the server nothing to remember; only nonces that a key holder has used are kept, each
 * with a window of the counts that were used, in a bounded table. Once the table drops one, it and
 * every nonce made before it are stale: a count is never taken twice. A nonce is good for
 * NONCE_LIFETIME; requests that use it may overtake one another.
 *
 * What the macs cover, each line ended by LF, absent headers with an empty value:
 *
 *     pond-request            pond-answer
 *     METHOD                  STATUS
 *     TARGET                  MAC of the request, as in its Authorization
 *     NODE                    NEXTNONCE, or nothing
 *     DOMAIN                  name: value     (challenge_answer_headers, in their order)
 *     NONCE                   ...
 *     NC
 *     name: value     (challenge_request_headers, in their order)
 *     ...
 *
 * The host is not among them: a nonce is taken by the one process that made it. Nor are lengths and
 * codings: what stands on the way may change them, and the digest of the body tells if it did. Nor
 * is content in an answer, which its manifest vouches for.
 */
enum {
    NONCE_MAX_LEN = 96,
    NONCE_SIZE = NONCE_MAX_LEN + 1,
    NONCES_MAX = 4096,           /* that a server keeps windows for */
    CHALLENGE_SERVERS_MAX = 4096 /* that a client keeps a nonce of */
};

#define NONCE_LIFETIME MONO_S(600)

/* The headers that decide, in the order in which they are signed; absent ones count as empty. */
enum { CHALLENGE_HEADERS_MAX = 16 };
extern const char *const challenge_request_headers[];
extern const size_t challenge_request_header_count;
extern const char *const challenge_answer_headers[];
extern const size_t challenge_answer_header_count;

/* What is signed of a request. values[i] belongs to challenge_request_headers[i]. */
struct challenge_request {
    struct span method;
    struct span target; /* as on the wire, query included */
    struct span values[CHALLENGE_HEADERS_MAX];
};

/* What is signed of an answer. values[i] belongs to challenge_answer_headers[i]. */
struct challenge_answer {
    unsigned status;
    struct span values[CHALLENGE_HEADERS_MAX];
};

/* What Authorization says. */
struct challenge_claim {
    char node[NODE_SIZE];
    char domain[NODE_SIZE];
    char nonce[NONCE_SIZE];
    uint64_t nc;
    uint8_t mac[MAC256_LEN];
};

/* False where the value is not of the form above. Takes anything at all. */
bool challenge_claim_parse(struct span authorization, struct challenge_claim *out);

/* ---- the server's side: any thread, each with its own seal ---------------------------------- */

struct challenge_server;
struct challenge_server *challenge_server_new(void); /* with a fresh secret from OpenSSL */
void challenge_server_free(struct challenge_server *server);

/* A fresh nonce; for 401, and now and then as nextnonce. */
void challenge_issue(struct challenge_server *server, mono_t now, char out[NONCE_SIZE]);

enum challenge_verdict {
    CHALLENGE_OK,
    CHALLENGE_STALE,    /* the nonce is not (or no longer) good: 401 with a new one */
    CHALLENGE_REPLAYED, /* this count was used before */
    CHALLENGE_WRONG     /* signed with none of our keys, or changed since */
};
enum challenge_verdict challenge_check(struct challenge_server *server, struct seal *seal,
                                       mono_t now, const struct challenge_request *request,
                                       const struct challenge_claim *claim, size_t *key);

/* `nextnonce` for the answer to a request that was found good: a fresh one past half of the life of
 * the nonce that it used, so that a client which goes on asking is never told 401; else empty. */
void challenge_next(struct challenge_server *server, mono_t now,
                    const struct challenge_claim *claim, char out[NONCE_SIZE]);

/* The value of Authentication-Info for the answer to a request that was found good; `nextnonce` may
 * be empty. */
void challenge_sign_answer(struct seal *seal, const struct challenge_answer *answer,
                           const struct challenge_claim *claim, const char *nextnonce,
                           struct text *out);

/* ---- the client's side: one thread ---------------------------------------------------------- */

/* The nonces that servers gave us, by server; bounded, the longest unused goes first. */
struct challenge_client;
struct challenge_client *challenge_client_new(const char *node, const char *domain);
void challenge_client_free(struct challenge_client *client);

/* The value of Authorization for a request to `server` ("10.0.0.1:65028"), and the claim for the
 * check of its answer. False where no nonce of that server is known: send unsigned, and be told. */
bool challenge_authorize(struct challenge_client *client, struct seal *seal, struct span server,
                         const struct challenge_request *request, struct challenge_claim *claim,
                         struct text *out);

/* Takes the nonce of a WWW-Authenticate or an Authentication-Info with nextnonce. Returns false
 * where the value is not ours ("Pond ..."). */
bool challenge_learn(struct challenge_client *client, struct span server, struct span value);

/* Is the answer signed rightly, for this very request? */
bool challenge_check_answer(struct seal *seal, const struct challenge_answer *answer,
                            const struct challenge_claim *claim, struct span authentication_info);

/* RFC 9530's form of a SHA-256: "sha-256=:BASE64:". */
void challenge_digest_value(const struct digest *digest, struct text *out);
bool challenge_digest_parse(struct span value, struct digest *out);

#endif
