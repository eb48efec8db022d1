/* SPDX-License-Identifier: ISC */
/* The catalogue's records, given the right checksum, which random bytes would never have. */
#include "cache/record.h"

#include <string.h>
#include <xxhash.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct span key = {"key", 3};

static void comes_back(const struct record *record)
{
    char bytes[RECORD_MAX];
    struct record back;

    if (record->text.len > MESSAGE_MAX)
        return; /* longer than any that was written */
    MUST(record_decode(record_encode(record, key, bytes), key, &back));
    MUST(back.sequence == record->sequence && span_same(back.text, record->text));
    MUST(manifest_compare(&back.manifest, &record->manifest) == 0);
    MUST(strcmp(back.manifest.name, record->manifest.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char bytes[8 + 2 * RECORD_MAX];
    struct span whole = {bytes, size + 8};
    struct record record;
    struct holding holding;
    struct meta meta;
    uint64_t sum;

    if (size > 2 * RECORD_MAX)
        return 0;
    record_decode((struct span){(const char *)data, size}, key, &record);
    sum = XXH3_64bits_withSeed(data, size, XXH3_64bits(key.at, key.len));
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (char)(sum >> (8 * i) & 0xff);
    memcpy(bytes + 8, data, size);
    if (record_decode(whole, key, &record))
        comes_back(&record);
    holding_decode(whole, key, &holding);
    meta_decode(whole, key, &meta);
    return 0;
}
