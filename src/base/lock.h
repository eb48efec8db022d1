/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_LOCK_H
#define POND_BASE_LOCK_H

#include <pthread.h>

/*
 * A mutex that an urgent thread takes too, as the election's, which runs before all ordinary ones:
 * who holds it runs as urgently as who waits for it (PTHREAD_PRIO_INHERIT), so that on a busy host
 * nobody who has no part in it keeps the urgent one waiting. Hold it for a moment only.
 */
void lock_init(pthread_mutex_t *lock);

#endif
