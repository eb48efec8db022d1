/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_TWIN_H
#define POND_TOOLS_SIM_TWIN_H

#include "cache/manifest.h"

/*
 * Stands in for the store: a catalogue in memory with the same rules, of names that are numbers.
 * Texts are kept as they came.
 */
enum { TWIN_PAGE = 3 }; /* manifests a page: few, so that there are many pages */

enum { TWIN_CHUNKS_MAX = 12 };

/* A version that stands in conflict with the newest one of its name. */
struct twin_rival {
    uint64_t node; /* manifest_node() of who wrote it */
    struct version version;
    struct digest sha256;
    bool held;
};

struct twin_entry {
    bool known;
    bool held;
    bool wanted;
    unsigned tries; /* to get the content */
    uint64_t sequence;
    struct version version;
    struct digest sha256;
    uint64_t size;
    uint64_t had;                     /* of its content, not held: a bit for each chunk; */
    bool listed;                      /* and its chunk list */
    uint64_t chunks[TWIN_CHUNKS_MAX]; /* as they lie on the disk */
    bool deleted;
    bool unconfirmed;    /* nobody above has said that it holds it: */
    mono_t again;        /* when it is told once more, */
    int64_t again_ns;    /* and how long after that again */
    struct version read; /* that a client of the node has seen */
    struct twin_rival *rivals;
    size_t rival_count;
    char text[1024];
    size_t len;
};

struct twin {
    uint64_t store_id;
    uint64_t sequence;
    struct digest digest; /* over all names and versions */
    struct version_clock clock;
    wall_t born;
    bool keeps_all; /* what is held was kept for the sake of the place alone */
    size_t count;
    struct twin_entry *entries; /* by the number of the name */
    int *order;                 /* these numbers, as the names stand in a catalogue */
};

enum twin_status { TWIN_TAKEN, TWIN_NOT_NEWER, TWIN_AHEAD };

void twin_begin(struct twin *twin, uint64_t store_id, size_t count, wall_t born);
void twin_free(struct twin *twin);

/* As if filled anew from a journal: what was wanted, or unconfirmed, is not known any more. */
void twin_rebuild(struct twin *twin, uint64_t store_id);
bool twin_is_by(const struct twin *twin, int name, const char *node);

/* A new version by `node`: of content made up from it, or a tombstone. */
void twin_put(struct twin *twin, int name, const char *whole_name, const char *node, wall_t wall,
              bool deleted);

/* What a planted one takes that should be refused; what it keeps of conflicts; and whether what is
 * had of one version counts for the next. */
struct twin_mistakes {
    bool older, ahead;
    bool no_rivals, all_rivals;
    bool old_chunks;
};
enum twin_status twin_adopt(struct twin *twin, int name, const struct manifest *manifest,
                            struct span text, wall_t wall, const struct twin_mistakes *mistakes);

/* It stands in conflict here; or NULL. */
const struct twin_rival *twin_rival(const struct twin *twin, int name, struct version version,
                                    const struct digest *sha256);

/* The number that stands for the bytes of a chunk of this content. */
uint64_t twin_chunk(const struct digest *sha256, uint32_t chunk);

/* The entry that is next behind `since`, or -1. */
int twin_next(const struct twin *twin, uint64_t since);

#endif
