/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "src/fetch_inner.h"
#include "src/request.h"

/* The head of an ISconf 4.2.8 host's answer: it shows by X-HMAC that it has a key, and tells the
 * time of the file. Both are Python's: "None" stands for no answer, "-0000" for GMT. */

static struct fetch_verdict wrong(enum peer_fault fault, const char *why)
{
    return (struct fetch_verdict){FETCH_FAULT, fault, why};
}

static const struct fetch_verdict FINE = {FETCH_OK, PEER_FINE, ""};

static struct fetch_verdict judge_response(const struct transfer *transfer)
{
    const struct fetch *fetch = transfer->fetch;
    struct span value;
    uint8_t mac[MAC1_LEN];
    size_t key;

    if (!fetch_answer_header(&transfer->answer, "x-hmac", &value))
        return wrong(PEER_WRONG_ANSWER, "X-HMAC is there twice");
    if (!fetch->seal || keyring_any(fetch->options.keyring))
        return FINE;
    if (value.at == NULL || span_is(value, "None"))
        return fetch_wants_signature(fetch)
                   ? wrong(PEER_UNSIGNED_ANSWER, "it does not answer our challenge")
                   : FINE;
    if (!span_hex(value, mac, sizeof(mac)) ||
        !seal_check1(fetch->seal, span_of(transfer->request->challenge), mac, &key))
        return wrong(PEER_UNSIGNED_ANSWER, "it answers our challenge with none of our keys");
    return FINE;
}

/* "Sun, 22 Nov 2026 12:00:00 -0000" */
static bool read_date(struct span value, int64_t *seconds)
{
    static const char *const zones[] = {"GMT", "UTC", "-0000", "+0000"};
    char memory[HTTP_DATE_SIZE];
    struct text date = TEXT_OVER(memory);

    for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
        size_t len = strlen(zones[i]);
        if (value.len < len || !span_is((struct span){value.at + value.len - len, len}, zones[i]))
            continue;
        text_add(&date, value.at, value.len - len);
        text_puts(&date, "GMT");
        return !date.full && http_date_read(span_of(memory), seconds);
    }
    return false;
}

static struct fetch_verdict judge_time(const struct fetch_answer *answer,
                                       struct fetch_request *request)
{
    struct span value;

    if (!fetch_answer_header(answer, "last-modified", &value) || value.at == NULL ||
        !read_date(value, &request->modified) || request->modified < 0 ||
        request->modified > VERSION_MTIME_MAX)
        return wrong(PEER_WRONG_ANSWER, "Last-Modified is missing, or no date");
    return FINE;
}

static struct fetch_verdict judge_length(const struct transfer *transfer)
{
    transfer->request->length = transfer->length;
    if (transfer->length == UINT64_MAX)
        return wrong(PEER_WRONG_ANSWER, "it does not tell the length of its body");
    return FINE;
}

struct fetch_verdict fetch_isconf_judge(struct transfer *transfer)
{
    struct fetch_answer *answer = &transfer->answer;
    struct fetch_verdict verdict;

    if (answer->status == 401)
        return wrong(PEER_REFUSES, "it wants a signature: ISconf hosts cannot check any");
    verdict = fetch_answer_judge(answer, transfer->request, &transfer->length);
    if (verdict.result == FETCH_OK)
        verdict = judge_length(transfer);
    if (verdict.result == FETCH_OK)
        verdict = judge_response(transfer);
    if (verdict.result == FETCH_OK)
        verdict = judge_time(answer, transfer->request);
    return verdict;
}
