/* SPDX-License-Identifier: ISC */
/* Addresses and networks as nets files and environments give them: whatever is taken must come back
 * from its own text. */
#include "src/base/address.h"

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void address_comes_back(struct span text)
{
    char written[ADDRESS_TEXT_SIZE];
    struct address a, back;

    if (!address_parse(text, 1, &a))
        return;
    MUST(address_parse(span_of(address_host_text(&a, written)), 1, &back));
    MUST(address_same(&a, &back));
}

static void network_comes_back(struct span text)
{
    char written[ADDRESS_TEXT_SIZE];
    struct network n, back;
    bool base_differs = false;

    if (!network_parse(text, &n, &base_differs))
        return;
    MUST(network_holds(&n, &n.base));
    MUST(network_parse(span_of(network_text(&n, written)), &back, &base_differs));
    MUST(address_same(&n.base, &back.base) && n.bits == back.bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};

    address_comes_back(text);
    network_comes_back(text);
    return 0;
}
