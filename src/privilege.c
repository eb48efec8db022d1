/* SPDX-License-Identifier: ISC */
#include "src/privilege.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/base/log.h"

enum { NICE = -10 };

void privilege_ask(const char *thread)
{
    static const struct sched_param ordinary = {.sched_priority = 0};
    struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_RR)};
    const char *got = "none";

    (void)pthread_setname_np(pthread_self(), thread);
    if (pthread_setschedparam(pthread_self(), SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0)
        got = "real-time";
    else if (pthread_setschedparam(pthread_self(), SCHED_OTHER | SCHED_RESET_ON_FORK, &ordinary) ==
                 0 &&
             setpriority(PRIO_PROCESS, (id_t)gettid(), NICE) == 0)
        got = "nice -10";
    log_debug("%s: scheduling privilege of its thread: %s", thread, got);
}
