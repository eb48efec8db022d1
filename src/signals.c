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

bool signals_ask_to_end(void)
{
    sigset_t waiting;

    MUST(sigpending(&waiting) == 0);
    return sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1;
}
