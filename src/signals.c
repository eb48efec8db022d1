/* SPDX-License-Identifier: ISC */
#include "src/signals.h"

#include <stddef.h>

#include "cache/guard.h"
#include "src/base/must.h"

void signals_block(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    guard_spare(&all);
    MUST(pthread_sigmask(SIG_SETMASK, &all, before) == 0);
}

void signals_restore(const sigset_t *before)
{
    MUST(pthread_sigmask(SIG_SETMASK, before, NULL) == 0);
}
