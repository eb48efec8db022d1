/* SPDX-License-Identifier: ISC */
#include "src/base/must.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/log.h"

static volatile sig_atomic_t failed, lacked_memory;

bool must_lacked_memory(void)
{
    return lacked_memory;
}

bool must_has_failed(void)
{
    return failed;
}

void must_failed(const char *file, int line_number, const char *function, const char *condition)
{
    char line[1024];

    lacked_memory = errno == ENOMEM;
    failed = true;
    snprintf(line, sizeof(line), "carpond: %s: %s:%d: %s: %s does not hold\n",
             lacked_memory ? "no memory is left (or, if there is, this is a bug in carpond)"
                           : "this is a bug in carpond",
             file, line_number, function, condition);
    log_rescue(line);
    abort();
}
