/* SPDX-License-Identifier: ISC */
/* Key files: whatever is in one, its keys lie within it, or it is refused with a reason. */
#include "conf/keys.h"

#include <stdint.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report *report = report_new();
    struct keys keys;
    bool good = keys_parse((struct span){(const char *)data, size}, "keys", &keys, report);

    MUST(good == (report_errors(report) == 0));
    MUST(!good || keys.count || keys.any);
    for (size_t i = 0; i < keys.count; i++) {
        MUST(keys.list[i].at >= keys.memory && keys.list[i].len);
        MUST(keys.list[i].at + keys.list[i].len <= keys.memory + keys.size);
    }
    keys_clear(&keys);
    report_free(report);
    return 0;
}
