/* SPDX-License-Identifier: ISC */
/*
 * For LD_PRELOAD: memory that runs out in one process, when its test says so. SCARCE names a file
 * of three numbers of eight bytes each, in the host's byte order: after how many more allocations
 * one fails (none while it is negative), whether all later ones fail too, and how many have failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct scarce {
    _Atomic int64_t until, stays, failed;
};

static struct scarce *scarce;

__attribute__((constructor)) static void open_scarce(void)
{
    const char *path = getenv("SCARCE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof(*scarce), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map != MAP_FAILED)
        scarce = map;
    if (fd >= 0)
        close(fd);
}

/* One step, whatever other threads do: no two of them take the same turn. */
static int fails(void)
{
    int64_t until, next;

    if (!scarce)
        return 0;
    until = scarce->until;
    do {
        if (until < 0)
            return 0;
        next = until > 0 ? until - 1 : scarce->stays ? 0 : -1;
    } while (!atomic_compare_exchange_weak(&scarce->until, &until, next));
    if (until > 0)
        return 0;
    scarce->failed++;
    errno = ENOMEM;
    return 1;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return size && fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *made = fails() ? NULL : __libc_memalign(alignment, size);

    if (made)
        *out = made;
    return made ? 0 : ENOMEM;
}
