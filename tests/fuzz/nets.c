/* SPDX-License-Identifier: ISC */
/* Nets files: whatever is in one, it is refused with a reason, or each member finds itself. */
#include "conf/nets.h"

#include <stdint.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report *report = report_new();
    struct nets *nets = nets_parse((struct span){(const char *)data, size}, "nets", report);

    MUST((nets != NULL) == (report_errors(report) == 0));
    for (size_t i = 0; nets && i < nets->count; i++) {
        const struct nets_member *member = &nets->members[i];
        const struct nets_member *found = nets_find(nets, &member->network.base);
        MUST(found != NULL && found->network.bits >= member->network.bits);
        MUST((member->role != NETS_PEER) == nets->roles);
    }
    nets_free(nets);
    report_free(report);
    return 0;
}
