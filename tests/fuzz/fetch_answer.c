/* SPDX-License-Identifier: ISC */
/* The head of another node's answer, line by line: whatever comes, there is a verdict, and a good
 * one only for a body that was asked for. */
#include "src/fetch_answer.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_head(struct fetch_answer *answer, struct span head)
{
    while (head.len > 0 && !answer->whole) {
        const char *end = memchr(head.at, '\n', head.len);
        size_t len = end ? (size_t)(end - head.at) + 1 : head.len;
        if (!fetch_answer_line(answer, (struct span){head.at, len}))
            return false;
        head.at += len;
        head.len -= len;
    }
    return answer->whole;
}

static void judge(const struct fetch_answer *answer, bool range)
{
    struct fetch_request request = {.range = range, .from = 2, .to = 5, .total = 10, .most = 4};
    struct challenge_answer signed_part;
    struct fetch_verdict verdict;
    uint64_t length;

    memcpy(request.etag, "\"abc\"", 6);
    fetch_answer_signed_part(answer, &signed_part);
    verdict = fetch_answer_judge(answer, &request, &length);
    MUST((verdict.result == FETCH_FAULT) == (verdict.fault != PEER_FINE));
    if (verdict.result != FETCH_OK)
        return;
    MUST(answer->status == (range ? 206 : 200));
    MUST(length == UINT64_MAX || (range ? length == 4 : length <= 4));
    MUST(fetch_answer_needs_signature(answer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_answer *answer = malloc(sizeof(*answer));

    MUST(answer != NULL);
    fetch_answer_begin(answer);
    if (read_head(answer, (struct span){(const char *)data, size})) {
        MUST(answer->status >= 200 && answer->used <= FETCH_HEAD_MAX);
        judge(answer, false);
        judge(answer, true);
    }
    free(answer);
    return 0;
}
