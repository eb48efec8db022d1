/* SPDX-License-Identifier: ISC */
/* HOME/election, as it is and with a sum that fits: what is read says the same once it is written
 * and read again. */
#include "src/remember_inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct copy {
    struct text text;
    size_t tiers;
};

static bool take(void *arg, const struct remembered *one)
{
    struct copy *copy = arg;

    MUST(one->memory.count <= ELECT_CANDIDATES_MAX && *one->tier);
    remembered_add(&copy->text, one);
    copy->tiers++;
    return copy->tiers < REMEMBERED_TIERS_MAX;
}

static struct copy copy_of(struct span text, bool *good)
{
    size_t room = 4 * text.len + REMEMBERED_MAX;
    struct copy copy = {.text = text_over(malloc(room), room)};

    MUST(copy.text.at != NULL);
    remembered_begin(&copy.text);
    *good = remembered_read(text, take, &copy);
    remembered_end(&copy.text);
    return copy;
}

static void check(struct span text)
{
    bool good;
    struct copy once = copy_of(text, &good), twice;

    if (good) {
        twice = copy_of((struct span){once.text.at, once.text.len}, &good);
        MUST(good && once.tiers == twice.tiers);
        MUST(strcmp(once.text.at, twice.text.at) == 0);
        free(twice.text.at);
    }
    free(once.text.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = text_over(malloc(size + 64), size + 64);

    MUST(text.at != NULL);
    check((struct span){(const char *)data, size});
    text_add(&text, (const char *)data, size);
    remembered_end(&text);
    check((struct span){text.at, text.len});
    free(text.at);
    return 0;
}
