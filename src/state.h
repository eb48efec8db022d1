/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_STATE_H
#define POND_SRC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/time.h"

/*
 * What a node must not forget: its incarnation ("boot"), which orders the lives of its counters.
 * HOME/state holds the last one that was used; a start uses the next, and only after that is on the
 * disk, so that no pair of boot and counter is ever said twice. Counters themselves need no place
 * on the disk: they begin anew under each boot.
 *
 * A boot is never below the wall clock's milliseconds, so that a node whose home was lost or was
 * restored from an older copy still goes on above what others heard of it, and two nodes that were
 * given one name by mistake are told apart; and always above the last one, so that a clock that was
 * stepped back strands nobody.
 *
 * And it is no boot of before, where both are wrong: of a home that was put back, and a clock that
 * stands where it stood then, the numbers would be the same. So a random part of a minute is added.
 *
 * False, and the reason logged, where the file cannot be written. A file that is malformed is
 * reported, and counts as lost.
 */
bool state_open(const char *home, wall_t now, uint64_t *boot);

#endif
