/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_LONE_H
#define POND_SRC_LONE_H

#include <stdbool.h>

#include "election/view.h"
#include "src/base/time.h"

/*
 * Does a master stand alone, with no other candidate that could take over? Who runs the fleet wants
 * to read that once, not first when the master dies. Pure: the time comes in.
 *
 * It is said after the master has been alone for LONE_PATIENCE_NS, or its dead time where that is
 * longer: at a start, and while a backup is restarted, it is about to be heard. That it has a
 * backup (again) is said only where the first was. Whoever comes and goes makes a line each
 * LONE_GAP_NS at most. Zero it to begin.
 */
#define LONE_PATIENCE_NS MONO_S(5)
#define LONE_GAP_NS MONO_S(300)

enum lone_news {
    LONE_NOTHING,
    LONE_UNLISTED, /* the nets file names no other candidate */
    LONE_UNHEARD,  /* it does, and none is heard */
    LONE_BACKED    /* one is heard (again) */
};

struct lone {
    bool alone; /* since */
    bool said;
    bool spoke; /* ever, last at */
    mono_t since;
    mono_t last;
};

/* At each view of the tier that is published; a master's are at each advert. */
enum lone_news lone_judge(struct lone *lone, const struct view_tier *view, int64_t dead_time,
                          mono_t now);

/* Is it a master with nobody to take over, now? For pond status, and the metrics. */
bool lone_is(const struct view_tier *view);

#endif
