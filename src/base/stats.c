/* SPDX-License-Identifier: ISC */
#include "src/base/stats.h"

const struct stat_row stat_rows[STAT_COUNT] = {
#define STATS_ROW(id, name, help) [id] = {"pond_" name, help},
    STATS_ROWS(STATS_ROW)
#undef STATS_ROW
};

_Atomic uint64_t stat_values[STAT_COUNT];
