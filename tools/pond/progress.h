/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_PROGRESS_H
#define POND_TOOLS_POND_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/text.h"
#include "src/base/time.h"

/*
 * A bar on standard error for what takes long: none in the first half second, none where standard
 * error is no terminal. It is erased at the end, so that only results stay.
 */
struct progress {
    const char *label; /* the caller's */
    bool terminal;
    bool drawn;
    mono_t begun;
    mono_t shown; /* when it was drawn last */
};

void progress_begin(struct progress *progress, const char *label);
void progress_at(struct progress *progress, uint64_t done, uint64_t whole); /* whole 0: unknown */
void progress_end(struct progress *progress);

/* The line itself, for a terminal of `columns`: label, bar, part, rate, time left. */
void progress_line(struct text *out, size_t columns, const char *label, uint64_t done,
                   uint64_t whole, int64_t elapsed_ns);

#endif
