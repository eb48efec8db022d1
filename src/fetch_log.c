/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "src/clock.h"
#include "src/fetch_inner.h"

enum { LOG_TARGET_MAX = 200 };

/* What is told once as long as it lasts; whatever else is wrong is news each time. */
static bool is_lasting(enum peer_fault fault)
{
    return fault == PEER_UNREACHABLE || fault == PEER_SILENT || fault == PEER_REFUSES;
}

static void log_fault(struct transfer *transfer, struct fetch_verdict verdict)
{
    char server[ADDRESS_TEXT_SIZE], memory[LOG_TARGET_MAX * 4 + 4];
    struct span asked = span_of(transfer->request->target);
    struct text target = TEXT_OVER(memory);
    struct fetch *fetch = transfer->fetch;
    mono_t now = clock_mono();
    uint64_t missed;

    if (verdict.fault == PEER_FINE ||
        (is_lasting(verdict.fault) &&
         !told_fault(&fetch->told, &transfer->request->answered, verdict.fault, now)) ||
        !log_flood_pass(&fetch->flood, now, &missed))
        return;
    if (missed)
        log_warn("fetch: %" PRIu64 " more faults were not logged", missed);
    asked.len = strcspn(asked.at, "?"); /* positions and digests tell nobody anything */
    log_quote(&target, asked, LOG_TARGET_MAX);
    log_warn("fetch: %s: %s (asked for %s: %s)", address_text(&transfer->request->answered, server),
             peer_fault_sentence(verdict.fault), target.at, verdict.why);
}

static void log_end(struct transfer *transfer)
{
    char server[ADDRESS_TEXT_SIZE];

    if (told_end(&transfer->fetch->told, &transfer->request->answered))
        log_info("fetch: %s answers again", address_text(&transfer->request->answered, server));
}

void fetch_log(struct transfer *transfer, struct fetch_verdict verdict)
{
    if (verdict.result == FETCH_FAULT && !transfer->told)
        log_fault(transfer, verdict);
    else if (verdict.result == FETCH_OK)
        log_end(transfer);
}
