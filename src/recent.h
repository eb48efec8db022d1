/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_RECENT_H
#define POND_SRC_RECENT_H

#include <stddef.h>

#include "src/base/time.h"

/*
 * What happened last, for pond status: a short ring of sentences with their time. Any thread.
 */
enum { RECENT_MAX = 16, RECENT_LEN = 200 };

struct recent_item {
    wall_t at;
    char what[RECENT_LEN];
};

struct recent;
struct recent *recent_new(void);
void recent_free(struct recent *recent);

/* UTF-8; a sentence that is too long is cut between two characters. */
void recent_add(struct recent *recent, wall_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The latest first; returns how many. */
size_t recent_list(struct recent *recent, struct recent_item out[RECENT_MAX]);

#endif
