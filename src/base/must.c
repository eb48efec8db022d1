/* SPDX-License-Identifier: ISC */
#include "src/base/must.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/base/log.h"

void must_failed(const char *file, int line, const char *function, const char *condition)
{
    log_rescue();
    fprintf(stderr, "carpond: this is a bug in carpond: %s:%d: %s: %s does not hold\n", file, line,
            function, condition);
    abort();
}
