/* SPDX-License-Identifier: ISC */
#include "election/reason.h"

static const struct {
    const char *name;
    const char *sentence;
} reasons[REASON_COUNT] = {
#define REASON_ROW(id, name, sentence) {name, sentence},
    REASON_CHANGES(REASON_ROW) REASON_REFUSALS(REASON_ROW) REASON_WAITS(REASON_ROW)
#undef REASON_ROW
};

const char *reason_name(enum reason reason)
{
    return reasons[reason].name;
}

const char *reason_sentence(enum reason reason)
{
    return reasons[reason].sentence;
}
