/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CLOCK_H
#define POND_SRC_CLOCK_H

#include "src/base/time.h"

/* The two clocks of the host. The only places in the daemon that read them; any thread. */
mono_t clock_mono(void);
wall_t clock_wall(void);

#endif
