/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_FAILING_H
#define POND_TESTS_UNIT_FAILING_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/*
 * A disk that fails, or a process that dies, at a call that changes something on the disk. The
 * calls are those of this program: they stand before libc's for the libraries, too, LMDB among
 * them.
 */
static atomic_bool armed;
static atomic_int until_fault; /* calls that still succeed */
static atomic_int faults;
static atomic_int failed_syncs;
static atomic_int fault_errno;  /* 0: the process dies instead */
static atomic_bool fault_stays; /* all later calls fail as well */
static atomic_bool reads_fail;  /* and what reads, too */
static atomic_bool falls_short; /* what writes does half of it, and says so */

/* Is this the call that fails? */
static bool fails(void)
{
    if (!atomic_load(&armed))
        return false;
    if (atomic_fetch_sub(&until_fault, 1) > 0)
        return false;
    if (!fault_stays)
        atomic_store(&armed, false);
    atomic_fetch_add(&faults, 1);
    if (fault_errno == 0)
        raise(SIGKILL);
    errno = fault_errno;
    return true;
}

static bool sync_fails(void)
{
    bool failed = fails();

    atomic_fetch_add(&failed_syncs, failed);
    return failed;
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    return sync_fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd);
int fsync(int fd)
{
    return sync_fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd);
int syncfs(int fd)
{
    return sync_fails() ? -1 : (int)syscall(SYS_syncfs, fd);
}

/* What a write returns that fails: half of it may have been done. */
static ssize_t half_written(int fd, const void *bytes, size_t len, off_t at)
{
    return falls_short && len > 1 ? syscall(SYS_pwrite64, fd, bytes, len / 2, at) : -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    /* Who dies in a write may have written a part of it. */
    if (fault_errno == 0 && atomic_load(&armed) && atomic_load(&until_fault) == 0)
        syscall(SYS_pwrite64, fd, bytes, len / 2, at);
    return fails() ? half_written(fd, bytes, len, at) : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return fails() ? half_written(fd, bytes, len, at) : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t writev(int fd, const struct iovec *iov, int count);
ssize_t writev(int fd, const struct iovec *iov, int count)
{
    if (fails())
        return falls_short && count > 1 ? syscall(SYS_writev, fd, iov, count / 2) : -1;
    return syscall(SYS_writev, fd, iov, count);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t at);
ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
    return reads_fail && fails() ? -1 : syscall(SYS_pread64, fd, bytes, len, at);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to);
int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return fails() ? -1 : (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return fails() ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int ftruncate(int fd, off_t size);
int ftruncate(int fd, off_t size)
{
    return fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

#endif
