/* SPDX-License-Identifier: ISC */
#include "src/base/lock.h"

#include "src/base/must.h"

/* A kernel without priority inheritance (ENOTSUP) gives a plain one, which holds as well. */
void lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t how;

    MUST(pthread_mutexattr_init(&how) == 0);
    MUST(pthread_mutexattr_setprotocol(&how, PTHREAD_PRIO_INHERIT) == 0);
    if (pthread_mutex_init(lock, &how) != 0)
        MUST(pthread_mutex_init(lock, NULL) == 0);
    pthread_mutexattr_destroy(&how);
}
