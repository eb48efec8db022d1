/* SPDX-License-Identifier: ISC */
#include "src/skew.h"

#include <inttypes.h>

#include "src/base/log.h"
#include "src/base/must.h"

/* "93 s ahead of"; never "0 s". */
static void add_offset(struct text *out, int64_t ahead_ms)
{
    uint64_t off_ms = (uint64_t)(ahead_ms < 0 ? -ahead_ms : ahead_ms);

    text_printf(out, "%" PRIu64 " s %s", (off_ms + 999) / 1000,
                ahead_ms < 0 ? "behind" : "ahead of");
}

static void log_doubt(const struct exchange_clock *clock)
{
    char memory[64];
    struct text offset = TEXT_OVER(memory);

    add_offset(&offset, clock->ahead_ms);
    log_warn("this node's clock is %s that of the only other node that is heard; one of the two is "
             "wrong: mend its NTP",
             memory);
}

static void log_change(const struct skew *skew, const struct exchange_clock *clock)
{
    char sentence[SKEW_SENTENCE_SIZE];

    if (skew_sentence(skew, sentence))
        log_error("%s (it hears %zu)", sentence, clock->heard);
    else
        log_info("this node's clock is not known to be off any more: put and rm are taken again");
}

bool skew_judge(struct skew *skew, const struct exchange_clock *clock)
{
    int64_t before = atomic_load(&skew->off_ms);
    bool doubted = clock->differs && !clock->off;

    atomic_store(&skew->off_ms, clock->off ? clock->ahead_ms : 0);
    if (doubted && !skew->doubted)
        log_doubt(clock);
    skew->doubted = doubted;
    if (clock->off == (before != 0))
        return false;
    log_change(skew, clock);
    return true;
}

bool skew_sentence(const struct skew *skew, char out[SKEW_SENTENCE_SIZE])
{
    int64_t off_ms = atomic_load(&skew->off_ms);
    struct text text = text_over(out, SKEW_SENTENCE_SIZE);

    if (off_ms == 0)
        return false;
    text_puts(&text, "this node's clock is ");
    add_offset(&text, off_ms);
    text_puts(&text,
              " the median of those that it hears: put and rm are refused until it is right; "
              "mend its NTP");
    MUST(!text.full);
    return true;
}
