/* SPDX-License-Identifier: ISC */
/* Names as people and HTTP targets give them: whatever is taken is a valid name, and comes back
 * from its own target. */
#include "cache/name.h"

#include <string.h>

#include "src/base/must.h"

#define DOMAIN "example.com"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void comes_back(const char *name)
{
    char encoded[3 * NAME_MAX_LEN + 2], back[NAME_SIZE];
    struct text target = TEXT_OVER(encoded);

    MUST(name_check(span_of(name), DOMAIN) == NAME_OK);
    MUST(name_below(span_of(name), span_of(DOMAIN)));
    MUST(name_base(span_of(name)).len > 0);
    name_to_target(span_of(name), &target);
    MUST(!target.full);
    MUST(name_from_target((struct span){target.at, target.len}, DOMAIN, back) == NAME_OK);
    MUST(strcmp(name, back) == 0);
    MUST(name_complete(span_of(name), DOMAIN, back) == NAME_OK);
    MUST(strcmp(name, back) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    char name[NAME_SIZE];

    if (name_from_target(text, DOMAIN, name) == NAME_OK)
        comes_back(name);
    if (name_complete(text, DOMAIN, name) == NAME_OK)
        comes_back(name);
    if (name_check(text, DOMAIN) == NAME_OK && span_copy(text, name, sizeof(name)))
        comes_back(name);
    return 0;
}
