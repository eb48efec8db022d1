/* SPDX-License-Identifier: ISC */
#include "tools/pond/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/name.h"
#include "src/base/text.h"
#include "tools/pond/say.h"
#include "tools/pond/undo.h"

enum { PERMISSIONS = 0777, PERMISSIONS_DEFAULT = 0666 };

static const char suffix[] = ".pond-XXXXXX";

static bool complain(const char *target, int error)
{
    const char *remedy = "";

    if (error == ENOSPC || error == EDQUOT)
        remedy = ": free some space, or name another place with -o";
    else if (error == EACCES || error == EROFS || error == ENOENT || error == ENOTDIR ||
             error == ENAMETOOLONG)
        remedy = ": name another place with -o";
    say("cannot write %s: %s%s", target, strerror(error), remedy);
    return false;
}

static bool complain_exists(const char *target)
{
    say("%s is there already: -f overwrites it, -o names another file", target);
    return false;
}

/* Said early, before anything is fetched; outfile_end looks again. */
static bool target_free(const char *target, bool force)
{
    struct stat there;

    if (lstat(target, &there) != 0)
        return errno == ENOENT || complain(target, errno);
    if (S_ISDIR(there.st_mode)) {
        say("%s is a folder: name the file in it with -o", target);
        return false;
    }
    if (!S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode)) {
        say("%s is not a plain file: write there with -o - and a redirection", target);
        return false;
    }
    return force || complain_exists(target);
}

/* ".NAME.pond-XXXXXX" in the target's folder; a long NAME is cut, at a character's start, where the
 * whole would be longer than a file name may be. */
static bool temporary_path(const char *target, struct text *out)
{
    struct span base = name_base(span_of(target));
    size_t most = NAME_MAX - sizeof(suffix);

    text_add(out, target, (size_t)(base.at - target));
    if (base.len > most) {
        base.len = most;
        while (base.len && ((unsigned char)base.at[base.len] & 0xc0) == 0x80)
            base.len--;
    }
    text_putc(out, '.');
    text_add(out, base.at, base.len);
    text_puts(out, suffix);
    return !out->full;
}

bool outfile_begin(struct outfile *out, const char *target, bool force)
{
    struct text path = TEXT_OVER(out->path);

    out->target = target;
    out->fd = -1;
    if (!target_free(target, force))
        return false;
    if (!temporary_path(target, &path))
        return complain(target, ENAMETOOLONG);
    out->fd = undo_make_file(out->path);
    return out->fd >= 0 || complain(target, errno);
}

bool outfile_write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool outfile_write(struct outfile *out, const void *bytes, size_t len)
{
    return outfile_write_all(out->fd, bytes, len) || complain(out->target, errno);
}

void outfile_drop(struct outfile *out)
{
    if (out->fd >= 0) {
        close(out->fd);
        undo_remove();
    }
    out->fd = -1;
}

static mode_t umask_now(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return mask;
}

/* Mode, time, and the close that may report a late write error (NFS, quotas). Returns an errno. */
static int finish(struct outfile *out, int64_t mode, int64_t mtime_ns)
{
    mode_t bits = (mode < 0 ? PERMISSIONS_DEFAULT : (mode_t)mode & PERMISSIONS) & ~umask_now();
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    int error = 0;

    if (mtime_ns >= 0)
        times[1] = (struct timespec){mtime_ns / 1000000000, mtime_ns % 1000000000};
    if (fchmod(out->fd, bits) != 0 || futimens(out->fd, times) != 0)
        error = errno;
    if (close(out->fd) != 0 && !error)
        error = errno;
    out->fd = -1;
    return error;
}

/* renameat2 does it in one step; where the file system cannot, a link does. Returns an errno. */
static int rename_to_free(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (link(from, to) != 0)
        return errno;
    unlink(from);
    return 0;
}

bool outfile_end(struct outfile *out, bool force, int64_t mode, int64_t mtime_ns)
{
    int error = finish(out, mode, mtime_ns);

    if (!error && force)
        error = rename(out->path, out->target) == 0 ? 0 : errno;
    else if (!error)
        error = rename_to_free(out->path, out->target);
    if (!error) {
        undo_keep();
        return true;
    }
    undo_remove();
    return error == EEXIST ? complain_exists(out->target) : complain(out->target, error);
}
