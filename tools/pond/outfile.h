/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_OUTFILE_H
#define POND_TOOLS_POND_OUTFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A file that appears under its name only when it is whole: it is written to a temporary one beside
 * it (".NAME.pond-XXXXXX"), which goes if anything fails or a signal comes, and is renamed at the
 * end. One at a time. What fails has been said.
 *
 * It is not synced: as with cp(1), a power cut soon after may lose it, and get fetches it again.
 */
struct outfile {
    const char *target; /* the caller's */
    char path[PATH_MAX];
    int fd;
};

/* With `force`, a file of that name may be there; never a folder, a device or the like. */
bool outfile_begin(struct outfile *out, const char *target, bool force);
bool outfile_write(struct outfile *out, const void *bytes, size_t len);
void outfile_drop(struct outfile *out);

/* Sets mode (negative: as the umask has it, else less what the umask takes away; never more than
 * 0777) and mtime (negative: now), and gives it its name. Without `force` that never replaces a
 * file, one that appeared meanwhile neither. Drops it on failure. */
bool outfile_end(struct outfile *out, bool force, int64_t mode, int64_t mtime_ns);

/* Writes all of it; false with errno. */
bool outfile_write_all(int fd, const void *bytes, size_t len);

#endif
