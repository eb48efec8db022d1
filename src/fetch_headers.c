/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <strings.h>

#include "src/base/must.h"
#include "src/fetch_inner.h"

/* The headers that we send and that decide; the rest is curl's. */
struct outgoing {
    char range[64];
    char etag[FETCH_ETAG_SIZE];
    char via[FETCH_VIA_SIZE + NODE_SIZE + 32];
    const char *cache_control;
};

static struct span outgoing_value(const struct outgoing *outgoing, const char *name)
{
    if (strcasecmp(name, "range") == 0)
        return span_of(outgoing->range);
    if (strcasecmp(name, "if-match") == 0)
        return span_of(outgoing->etag);
    if (strcasecmp(name, "cache-control") == 0)
        return span_of(outgoing->cache_control);
    if (strcasecmp(name, "via") == 0)
        return span_of(outgoing->via);
    return (struct span){"", 0};
}

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
    char memory[2048];
    struct text line = TEXT_OVER(memory);
    struct curl_slist *longer;

    if (value[0] == '\0')
        return;
    text_printf(&line, "%s: %s", name, value);
    MUST(!line.full);
    longer = curl_slist_append(transfer->headers, line.at);
    MUST(longer != NULL);
    transfer->headers = longer;
}

/* Where no nonce of the server's is known, one that is nobody's asks for one: the answer is 401
 * with a nonce, from those too who would serve us unsigned, and could then not sign. */
static void ask_for_nonce(const struct fetch *fetch, struct text *value)
{
    static const uint8_t no_mac[MAC256_LEN];

    text_printf(value, "Pond node=\"%s\", domain=\"%s\", nonce=\"none\", nc=1, mac=\"",
                fetch->options.node, fetch->options.domain);
    text_hex(value, no_mac, sizeof(no_mac));
    text_puts(value, "\"");
}

static void authorize(struct transfer *transfer, const struct outgoing *outgoing)
{
    struct fetch *fetch = transfer->fetch;
    struct challenge_request signed_part = {.method = span_of("GET"),
                                            .target = span_of(transfer->request->target)};
    char server[ADDRESS_TEXT_SIZE], memory[1536];
    struct text value = TEXT_OVER(memory);

    transfer->was_signed = false;
    if (!fetch->seal || !fetch->sign)
        return;
    for (size_t i = 0; i < challenge_request_header_count; i++)
        signed_part.values[i] = outgoing_value(outgoing, challenge_request_headers[i]);
    address_text(&transfer->request->answered, server);
    transfer->was_signed = challenge_authorize(fetch->challenges, fetch->seal, span_of(server),
                                               &signed_part, &transfer->claim, &value);
    if (!transfer->was_signed)
        ask_for_nonce(fetch, &value);
    MUST(!value.full);
    add_header(transfer, "Authorization", value.at);
}

/* So that a circle of hosts that fetch for each other ends where it began: RFC 9110, 7.6.3. */
static void write_via(const struct transfer *transfer, struct outgoing *outgoing)
{
    struct text via = TEXT_OVER(outgoing->via);
    const char *before = transfer->request->via;

    text_printf(&via, "%s%s1.1 %s (carpond)", before, *before ? ", " : "",
                transfer->fetch->options.node);
    MUST(!via.full);
}

void transfer_write_headers(struct transfer *transfer)
{
    const struct fetch_request *request = transfer->request;
    struct outgoing outgoing = {.cache_control =
                                    transfer->ask == ROUTE_ASK_ANY ? "" : "only-if-cached"};
    struct text range = TEXT_OVER(outgoing.range);

    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    if (request->challenge[0])
        return;
    if (request->range)
        text_printf(&range, "bytes=%" PRIu64 "-%" PRIu64, request->from, request->to);
    MUST(span_copy(span_of(request->etag), outgoing.etag, sizeof(outgoing.etag)));
    write_via(transfer, &outgoing);
    add_header(transfer, "Range", outgoing.range);
    add_header(transfer, "If-Match", outgoing.etag);
    add_header(transfer, "Cache-Control", outgoing.cache_control);
    add_header(transfer, "Via", outgoing.via);
    authorize(transfer, &outgoing);
}
