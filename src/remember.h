/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_REMEMBER_H
#define POND_SRC_REMEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "election/elect.h"
#include "src/base/time.h"

/*
 * What elections must not forget, in HOME/election: of each tier the epochs, the candidates' last
 * counters, and whether somebody demoted this node there. A thread of its own writes it (beside the
 * old file, synced, renamed, folder synced), so that the election never waits for the disk; what
 * is posted while it writes is written together next time.
 *
 * A file that is malformed or was lost is reported and begun anew: counters are then learned by
 * nonces (election/elect.h), and epochs from the others.
 */
struct remember;

/* Reads the file. Logs what failed; NULL where the folder cannot be used. */
struct remember *remember_open(const char *home);

/* Writes what was posted, then ends the thread. */
void remember_close(struct remember *remember);

/* What is known of a tier: all zero where nothing is. Any thread. */
void remember_memory(struct remember *remember, const char *tier, struct elect_memory *out);

/* To disk, in its own time. Called back on its thread once it is there: `reserved` of this memory
 * is safe. Where the disk does not take it, it is logged, tried again, and not called back until
 * then. Any thread; never waits for the disk. */
struct remember_post {
    char tier[TIER_SIZE];
    struct elect_memory memory;
    void (*kept)(void *arg, const char *tier, uint64_t reserved);
    void *arg;
};
void remember_post(struct remember *remember, const struct remember_post *post);

/* Nobody is called back with `arg` any more once this has returned; what was posted is still
 * written. For who ends before this does. Any thread, but not in a callback. */
void remember_hush(struct remember *remember, const void *arg);

/* False while the last write failed. Any thread. */
bool remember_is_sound(const struct remember *remember);

/* Demotion by hand. `until`: when it ends by itself; 0 ms: never. Waits for the disk; false where
 * it did not take it (then nothing is changed). Not on the election's thread. */
struct remember_hand {
    bool demoted;
    wall_t until;
    wall_t since;
};
bool remember_set_hand(struct remember *remember, const char *tier,
                       const struct remember_hand *hand);
void remember_hand(struct remember *remember, const char *tier, struct remember_hand *out);

/* This demotion is over, unless another one was set meanwhile: at once here, on disk in its own
 * time. Any thread; never waits for the disk. */
void remember_hand_over(struct remember *remember, const char *tier,
                        const struct remember_hand *hand);

#endif
