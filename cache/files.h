/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_FILES_H
#define POND_CACHE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/store.h"
#include "src/base/digest.h"
#include "src/base/text.h"

/*
 * The folders below home, and everything that is done to files in them: opened, named and removed
 * relative to a folder's descriptor, so that a home that is moved while we run stays ours. errno
 * becomes a store_status here. Any thread.
 */
enum folder {
    FOLDER_HOME,
    FOLDER_MANIFESTS,
    FOLDER_CONTENT,
    FOLDER_CHUNKS,
    FOLDER_PARTIAL,
    FOLDER_TMP,
    FOLDER_COUNT
};

struct home {
    char *path;
    int fd[FOLDER_COUNT];
    int lock;
    wall_t born; /* not before it was made: what was written before that, it may not know */
};

/* Makes what is missing, and takes the lock: STORE_IN_USE where another process has it. On error
 * the reason has been logged. home_close is due in any case. */
enum store_status home_open(const char *path, struct home *home);
void home_close(struct home *home);

/* The file of a content or its chunk list below its folder: "ab/abcd...". In FOLDER_PARTIAL it is
 * "abcd..." alone. */
enum { FILE_NAME_SIZE = 80 };
const char *file_of_digest(enum folder folder, const struct digest *sha256,
                           char out[FILE_NAME_SIZE]);

/* What a failed call means: the status for errno, after logging "cannot WHAT HOME/FOLDER/NAME". */
enum store_status file_fault(const struct home *home, const char *what, enum folder folder,
                             const char *name);
enum store_status file_status(int error);

/* A descriptor, or -1 with errno. */
int file_open(const struct home *home, enum folder folder, const char *name, int flags);

/* Which file it is, whatever its name. */
bool file_inode(int fd, uint64_t *inode);

/* The file of this name: which one it is (`inode` may be NULL), and how long. False where there is
 * none that could be read. */
bool file_look(const struct home *home, enum folder folder, const char *name, uint64_t *inode,
               uint64_t *size);

bool file_remove(const struct home *home, enum folder folder, const char *name);

/* Renames over what may be there; nothing is synced. */
bool file_rename(const struct home *home, enum folder from, const char *name, enum folder to,
                 const char *new_name);

/* Each gets the other's name, at one stroke; nothing is synced. False with errno: EINVAL where the
 * file system cannot do that. */
bool file_exchange(const struct home *home, enum folder folder, const char *one, const char *other);

/* Syncs the file's bytes. False with errno. */
bool file_sync(const struct home *home, enum folder folder, const char *name);

/* Syncs the folder, or its subfolder `part` ("ab") where that is given. */
bool folder_sync(const struct home *home, enum folder folder, const char *part);

/* How many bytes could still be written, as far as the file system tells; INT64_MAX: it does not.
 */
uint64_t home_free(const struct home *home);

/* Syncs all that the file system has of anybody's. */
bool file_system_sync(const struct home *home);

/* All of it, or false with errno. */
bool file_write(int fd, const void *bytes, size_t len, uint64_t at);

/* Puts these bytes in the place of the file's, synced: a crash leaves the old ones or the new ones.
 * False with errno. One thread at a time for one name. */
bool file_renew(const struct home *home, enum folder folder, const char *name, struct span bytes);

/* Up to len bytes: fewer at the end of the file alone. -1 with errno. */
ssize_t file_read(int fd, void *bytes, size_t len, uint64_t at);

/* Calls `visit` for each file in the folder `name` of `folder` ("" for itself); without "." and
 * "..". Ends early where `visit` returns false. False with errno where it could not be read. */
bool folder_walk(const struct home *home, enum folder folder, const char *name,
                 bool (*visit)(void *arg, const char *name), void *arg);

/* Removes a folder below home with all the files in it (not with folders in it). */
void folder_remove(const struct home *home, const char *name);

#endif
