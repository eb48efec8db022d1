/* SPDX-License-Identifier: ISC */
/* The text of HTTP requests: the first line "METHOD TARGET VERSION", then "Name: value" lines, as a
 * server in front would have cut them up, so that any bytes become some request. */
#include "src/request.h"

#include <string.h>

#include "src/base/must.h"

enum { HEADERS_MAX = 32 };

#define ETAG "\"9f86d081\""

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_head(struct span text, struct request_head *head, struct request_header *headers)
{
    struct span line = span_take(&text, '\n');

    head->method = span_take(&line, ' ');
    head->target = span_take(&line, ' ');
    head->version = line;
    head->headers = headers;
    for (head->count = 0; text.len && head->count < HEADERS_MAX; head->count++) {
        line = span_take(&text, '\n');
        headers[head->count].name = span_take(&line, ':');
        headers[head->count].value = span_trim(line);
    }
}

/* Whatever is let through has one length at most, one Host at most, and a path. */
static void shape_is_safe(const struct request_head *head)
{
    bool has_body = false;
    enum request_shape shape = request_shape(head, &has_body);

    MUST(request_shape_sentence(shape) && request_shape_http(shape) >= 200);
    if (shape != REQUEST_FINE)
        return;
    MUST(head->target.len && *head->target.at == '/');
    MUST(!request_find(head, "Content-Length").at || !request_find(head, "Transfer-Encoding").at);
    for (size_t i = 0; i < head->count; i++)
        MUST(head->headers[i].name.len &&
             !memchr(head->headers[i].name.at, ' ', head->headers[i].name.len));
}

static void range_lies_within(const struct request_head *head, uint64_t size)
{
    uint64_t from = 0, len = 0;

    if (request_range(head, ETAG, size, &from, &len) != RANGE_ONE)
        return;
    MUST(len > 0 && from < size && len <= size - from);
}

static void dates_come_back(const struct request_head *head)
{
    struct span text = request_find(head, "If-Modified-Since");
    char written[HTTP_DATE_SIZE];
    int64_t seconds, back;

    if (!text.at || !http_date_read(text, &seconds))
        return;
    MUST(http_date_read(span_of(http_date_write(seconds, written)), &back) && back == seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *const hosts[] = {"web1", "10.0.0.1", "::1"};
    struct request_header headers[HEADERS_MAX];
    struct request_head head;
    struct span query;
    char value[64];

    read_head((struct span){(const char *)data, size}, &head, headers);
    shape_is_safe(&head);
    range_lies_within(&head, 0);
    range_lies_within(&head, 1000);
    range_lies_within(&head, UINT64_MAX);
    dates_come_back(&head);
    (void)request_is_forwarded(&head, hosts, 3, 65028);
    (void)request_is_circle(&head, "web1");
    (void)request_conditions(&head, ETAG, 784111777);
    (void)request_may_change(&head, ETAG);
    (void)request_may_change(&head, NULL);
    query = head.target;
    span_take(&query, '?');
    if (request_query(query, "since", value, sizeof(value)))
        MUST(strlen(value) < sizeof(value));
    return 0;
}
