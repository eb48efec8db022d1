/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_FIELDS_H
#define POND_CACHE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/message.h"
#include "src/base/address.h"

/*
 * Typed reading of a decoded message, header by header. The verdict sticks: once something was
 * missing or wrong, what follows gives empty texts, zeros and false, so that it is checked once, at
 * the end. Headers are found at once where they are read in the order in which they stand.
 */
struct fields {
    const struct message *message;
    size_t next; /* where the next one is looked for first */
    enum message_verdict verdict;
};

struct fields fields_of(const struct message *message);

/* Is it there? false too once the verdict is settled. */
bool fields_has(struct fields *fields, const char *name);

/* What must be there: MESSAGE_MISSING else. A number or flag of another type than its mark says, or
 * out of its bounds, is MESSAGE_BAD_VALUE. */
struct span fields_text(struct fields *fields, const char *name);
uint64_t fields_u64(struct fields *fields, const char *name, uint64_t min, uint64_t max);
int64_t fields_i64(struct fields *fields, const char *name);
bool fields_flag(struct fields *fields, const char *name);

/* One that a host can have: without port or zone. */
struct address fields_address(struct fields *fields, const char *name);

/* Where the condition does not hold, the verdict is MESSAGE_BAD_VALUE, or as given. */
void fields_demand(struct fields *fields, bool condition);
void fields_settle(struct fields *fields, enum message_verdict verdict);

#endif
