/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_MANIFEST_H
#define POND_CACHE_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/message.h"
#include "cache/name.h"
#include "cache/version.h"
#include "src/base/digest.h"

/*
 * A manifest describes one version of one name: content, or a tombstone where it was deleted. Its
 * text is an fbp822 message of _type manifest, which travels and is stored byte for byte as its
 * author wrote it, so that headers of later versions survive us.
 */
enum { MANIFEST_KNEW_MAX = 16 };

/* In place of a node, of what came from an ISconf host: an unverified version (cache/version.h). */
#define MANIFEST_OF_ISCONF "isconf"

struct manifest {
    char name[NAME_SIZE];
    char node[NODE_SIZE]; /* where it was put in */
    struct version version;
    struct version replaces; /* the version that the author saw; none for a new name */
    /* Who wrote what this one is based on, one thing on the other: of each node its first and its
     * last version, between which it wrote nothing else, the node with the newest first; those with
     * the oldest are left out where there is no room. */
    struct manifest_knew {
        uint64_t node; /* manifest_node() of its name; 0: what was replaced by a manifest that did
                          not tell yet what that was based on */
        struct version first, last;
    } knew[MANIFEST_KNEW_MAX];
    bool deleted; /* a tombstone: all below is zero */
    uint64_t size;
    int64_t mtime_ns; /* since 1970 */
    uint32_t mode;    /* permission bits: 07777 */
    uint64_t chunk_size;
    struct digest sha256; /* of the content */
    struct digest chunks; /* of the chunk list */
};

/* The order that all nodes share: by version, then by content digest. <0, 0, >0 as strcmp. */
int manifest_compare(const struct manifest *a, const struct manifest *b);

/* Is it this version with this content? Versions of one moment differ by that alone. */
bool manifest_is(const struct manifest *m, struct version version, const struct digest *sha256);

/* What stands for a node's name where there is no room for it. */
uint64_t manifest_node(const char *name);

/* Says that `next`, whose node is given, replaces `old`, of which its author knows. */
void manifest_replace(struct manifest *next, const struct manifest *old);

/* The author's own last version among those that `next` is based on, or none. */
struct version manifest_own_last(const struct manifest *next);

/* The author wrote others since then, or may have, which nothing here is based on: of what it
 * wrote, only what `next` replaces is told. */
void manifest_forget_own(struct manifest *next);

/* Is the newer version based on the older one, at whatever remove? Where not, they are in conflict:
 * the newer one's author knew nothing of the other. */
enum manifest_descent {
    DESCENT_YES,
    DESCENT_NO,
    DESCENT_UNKNOWN /* the newer one does not tell: more than MANIFEST_KNEW_MAX nodes wrote what
                       came before it, or its author's carpond was too old to tell */
};
enum manifest_descent manifest_descent(const struct manifest *newer, const struct manifest *older);

/* Is the older one to be kept beside the newer one? Where the newer one's author did not know of
 * it; or cannot be said to, and the older is unconfirmed: no candidate above is known to hold it. A
 * removal is not, nor the same content, nor what is unverified. */
bool manifest_conflicts(const struct manifest *newer, const struct manifest *older,
                        bool unconfirmed);

/*
 * Reads and checks a manifest as it came from outside: every field in its bounds, the chunk size
 * the right one, a tombstone without content, the sum of the From line (SUM=, an XXH3 of what is
 * covered, against rot, not against forgers) the right one where it is given. The name is not yet
 * held against the domain.
 */
enum message_verdict manifest_read(struct span text, struct manifest *out);

/* The same for the next of several that follow one another; *one gets the text of this one. */
enum message_verdict manifest_read_next(struct span *rest, struct manifest *out, struct span *one);

/* Moves *rest behind the message at its front where that is whole and of another type: a later
 * version may write such among manifests, with a sum like theirs. False: it is none, or rotten. */
bool manifest_pass_over(struct span *rest);

/* The text, with its sum. The same manifest always gives the same bytes. */
void manifest_write(const struct manifest *manifest, struct text *out);

/* Is there a sum on the From line? Puts one there, where somebody wrote none. */
bool manifest_has_sum(struct span text);
void manifest_stamp(struct text *text);

#endif
