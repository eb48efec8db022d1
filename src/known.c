/* SPDX-License-Identifier: ISC */
#include "src/known.h"

#include <stdlib.h>

#include "src/base/must.h"
#include "src/lru.h"

/* One place for each hash. Who sends for names that fall together costs us the look-ups that he
 * would cost us with any other names. */
struct known {
    struct known_row {
        char name[KNOWN_NAME_MAX + 1]; /* empty: none */
        uint64_t edition;
        struct exchange_local local;
    } rows[KNOWN_ROWS];
};

struct known *known_new(void)
{
    struct known *known = calloc(1, sizeof(*known));

    MUST(known != NULL);
    return known;
}

void known_free(struct known *known)
{
    free(known);
}

static size_t row_of(struct span name)
{
    return lru_hash(name, 0) % KNOWN_ROWS;
}

void known_note(struct known *known, uint64_t edition, struct span name,
                const struct exchange_local *local)
{
    struct known_row *row = &known->rows[row_of(name)];

    if (name.len > KNOWN_NAME_MAX)
        return;
    MUST(span_copy(name, row->name, sizeof(row->name)));
    row->edition = edition;
    row->local = *local;
}

bool known_find(const struct known *known, uint64_t edition, struct span name,
                struct exchange_local *out)
{
    const struct known_row *row = &known->rows[row_of(name)];

    if (name.len == 0 || row->edition != edition || !span_is(name, row->name))
        return false;
    *out = row->local;
    return true;
}
