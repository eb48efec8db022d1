/* SPDX-License-Identifier: ISC */
#include "cache/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"

static const char *const folder_names[FOLDER_COUNT] = {
    [FOLDER_HOME] = ".",        [FOLDER_MANIFESTS] = "manifests", [FOLDER_CONTENT] = "content",
    [FOLDER_CHUNKS] = "chunks", [FOLDER_PARTIAL] = "partial",     [FOLDER_TMP] = "tmp",
};

enum store_status file_status(int error)
{
    switch (error) {
    case 0:
        return STORE_OK;
    case ENOSPC:
    case EDQUOT:
        return STORE_FULL;
    case EROFS:
    case EACCES:
    case EPERM:
        return STORE_READ_ONLY;
    default:
        return STORE_FAILED;
    }
}

enum store_status file_fault(const struct home *home, const char *what, enum folder folder,
                             const char *name)
{
    int error = errno;

    log_error("store: cannot %s %s/%s/%s: %s", what, home->path, folder_names[folder], name,
              strerror(error));
    return file_status(error);
}

/* Opens the folder `name` of `at`, made where it is missing. */
static int folder_open(int at, const char *name)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Makes the folders "00" to "ff" at once, so that no put has to make and sync one. */
static bool make_parts(int at)
{
    char name[3];
    struct stat st;

    if (fstatat(at, "ff", &st, 0) == 0) /* the last one: all were made */
        return true;
    for (unsigned i = 0; i < 256; i++) {
        snprintf(name, sizeof(name), "%02x", i);
        if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
            return false;
    }
    return fsync(at) == 0;
}

static bool open_folders(struct home *home)
{
    for (int i = FOLDER_HOME + 1; i < FOLDER_COUNT; i++) {
        home->fd[i] = folder_open(home->fd[FOLDER_HOME], folder_names[i]);
        if (home->fd[i] < 0)
            return false;
    }
    return make_parts(home->fd[FOLDER_CONTENT]) && make_parts(home->fd[FOLDER_CHUNKS]) &&
           fsync(home->fd[FOLDER_HOME]) == 0;
}

static enum store_status home_fault(const struct home *home, const char *what)
{
    int error = errno;

    log_error("store: cannot %s %s: %s", what, home->path, strerror(error));
    return file_status(error);
}

static enum store_status home_unusable(const struct home *home)
{
    int error = errno;
    const char *remedy = error == ENOENT    ? ": make the folder that it is to stand in"
                         : error == EACCES  ? ": give it to the user that carpond runs as"
                         : error == ENOTDIR ? ": name a folder"
                                            : "";

    log_error("store: cannot open the home folder %s: %s%s", home->path, strerror(error), remedy);
    return file_status(error);
}

enum store_status home_open(const char *path, struct home *home)
{
    struct stat st;

    home->lock = -1;
    for (int i = 0; i < FOLDER_COUNT; i++)
        home->fd[i] = -1;
    home->path = strdup(path);
    MUST(home->path != NULL);
    home->fd[FOLDER_HOME] = folder_open(AT_FDCWD, path);
    if (home->fd[FOLDER_HOME] < 0)
        return home_unusable(home);
    home->lock = openat(home->fd[FOLDER_HOME], "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (home->lock < 0)
        return home_fault(home, "make the lock file in");
    if (fstat(home->lock, &st) != 0)
        return home_fault(home, "look at the lock file in");
    home->born.ms = (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000;
    if (flock(home->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return home_fault(home, "lock");
        log_error("store: another carpond runs in %s: stop it, or give this one a home of its own",
                  path);
        return STORE_IN_USE;
    }
    if (!open_folders(home))
        return home_fault(home, "make the folders in");
    return STORE_OK;
}

void home_close(struct home *home)
{
    for (int i = 0; i < FOLDER_COUNT; i++) {
        if (home->fd[i] >= 0)
            close(home->fd[i]);
    }
    if (home->lock >= 0)
        close(home->lock);
    free(home->path);
}

const char *file_of_digest(enum folder folder, const struct digest *sha256,
                           char out[FILE_NAME_SIZE])
{
    char hex[DIGEST_HEX_SIZE];

    digest_hex(sha256, hex);
    if (folder == FOLDER_CONTENT || folder == FOLDER_CHUNKS)
        snprintf(out, FILE_NAME_SIZE, "%.2s/%s", hex, hex);
    else
        snprintf(out, FILE_NAME_SIZE, "%s", hex);
    return out;
}

int file_open(const struct home *home, enum folder folder, const char *name, int flags)
{
    return openat(home->fd[folder], name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

bool file_inode(int fd, uint64_t *inode)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    *inode = st.st_ino;
    return true;
}

bool file_look(const struct home *home, enum folder folder, const char *name, uint64_t *inode,
               uint64_t *size)
{
    struct stat st;

    if (fstatat(home->fd[folder], name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return false;
    if (inode)
        *inode = st.st_ino;
    *size = (uint64_t)st.st_size;
    return true;
}

bool file_remove(const struct home *home, enum folder folder, const char *name)
{
    return unlinkat(home->fd[folder], name, 0) == 0 || errno == ENOENT;
}

bool file_rename(const struct home *home, enum folder from, const char *name, enum folder to,
                 const char *new_name)
{
    return renameat(home->fd[from], name, home->fd[to], new_name) == 0;
}

bool file_exchange(const struct home *home, enum folder folder, const char *one, const char *other)
{
    return renameat2(home->fd[folder], one, home->fd[folder], other, RENAME_EXCHANGE) == 0;
}

/* With the error of the first thing that failed. */
static bool write_new(const struct home *home, enum folder folder, const char *name,
                      struct span bytes)
{
    int fd = file_open(home, folder, name, O_WRONLY | O_CREAT | O_TRUNC);
    bool done = fd >= 0 && file_write(fd, bytes.at, bytes.len, 0) && fdatasync(fd) == 0;
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return done;
}

bool file_renew(const struct home *home, enum folder folder, const char *name, struct span bytes)
{
    char new_name[FILE_NAME_SIZE];

    MUST(snprintf(new_name, sizeof(new_name), "%s.new", name) < FILE_NAME_SIZE);
    return write_new(home, folder, new_name, bytes) &&
           file_rename(home, folder, new_name, folder, name) && folder_sync(home, folder, ".");
}

bool file_sync(const struct home *home, enum folder folder, const char *name)
{
    int fd = file_open(home, folder, name, O_RDONLY);
    int error;

    if (fd < 0)
        return false;
    error = fdatasync(fd) == 0 ? 0 : errno;
    close(fd);
    errno = error;
    return error == 0;
}

bool folder_sync(const struct home *home, enum folder folder, const char *part)
{
    int fd = openat(home->fd[folder], part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return false;
    error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    errno = error;
    return error == 0;
}

uint64_t home_free(const struct home *home)
{
    struct statvfs told;

    if (fstatvfs(home->fd[FOLDER_HOME], &told) != 0 || told.f_blocks == 0)
        return INT64_MAX;
    return (uint64_t)told.f_bavail * told.f_frsize;
}

bool file_system_sync(const struct home *home)
{
    return syncfs(home->fd[FOLDER_HOME]) == 0;
}

bool file_write(int fd, const void *bytes, size_t len, uint64_t at)
{
    const char *p = bytes;

    while (len) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : ENOSPC;
            return false;
        }
        p += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

ssize_t file_read(int fd, void *bytes, size_t len, uint64_t at)
{
    char *p = bytes;
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, p + got, len - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

bool folder_walk(const struct home *home, enum folder folder, const char *name,
                 bool (*visit)(void *arg, const char *name), void *arg)
{
    int fd = openat(home->fd[folder], *name ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!visit(arg, entry->d_name))
            break;
    }
    closedir(dir);
    return true;
}

struct emptying {
    const struct home *home;
    const char *folder;
};

static bool remove_one(void *arg, const char *name)
{
    const struct emptying *emptying = arg;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", emptying->folder, name);
    file_remove(emptying->home, FOLDER_HOME, path);
    return true;
}

void folder_remove(const struct home *home, const char *name)
{
    struct emptying emptying = {home, name};

    folder_walk(home, FOLDER_HOME, name, remove_one, &emptying);
    unlinkat(home->fd[FOLDER_HOME], name, AT_REMOVEDIR);
}
