/* SPDX-License-Identifier: ISC */
#include "src/base/must.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/base/log.h"

void must_failed(const char *file, int line_number, const char *function, const char *condition)
{
    char line[1024];

    snprintf(line, sizeof(line), "carpond: this is a bug in carpond: %s:%d: %s: %s does not hold\n",
             file, line_number, function, condition);
    log_rescue(line);
    abort();
}
