/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_FIGURE_H
#define POND_TOOLS_POND_FIGURE_H

#include <stdint.h>

#include "src/base/text.h"

/* Figures for people. */

void figure_count(struct text *out, uint64_t n);                                 /* "12,381" */
void figure_of(struct text *out, uint64_t n, const char *one, const char *many); /* "1 object" */

/* Part of a whole, in the unit of the whole: "41.2 of 100 GiB". */
void figure_part(struct text *out, uint64_t part, uint64_t whole);

/* "98.2 %", rounded down, so that only what is complete reads "100 %". */
void figure_percent(struct text *out, uint64_t part, uint64_t whole);

/* A point in time in the local zone: "2026-11-22 12:00:01". */
void figure_time(struct text *out, int64_t seconds);

#endif
