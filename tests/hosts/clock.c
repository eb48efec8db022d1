/* SPDX-License-Identifier: ISC */
/*
 * For LD_PRELOAD: the wall clock of one process, off by what stands in a file that the test may
 * change at any moment. CLOCK_SHIFT names it: eight bytes, nanoseconds, in the host's byte order.
 * Time namespaces shift the other clocks alone.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;
static volatile const int64_t *shift;

__attribute__((constructor)) static void open_shift(void)
{
    const char *path = getenv("CLOCK_SHIFT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);

    if (map != MAP_FAILED)
        shift = map;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int64_t ns;

    if (syscall(SYS_clock_gettime, clock, t) != 0)
        return -1;
    if (shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ns = (int64_t)t->tv_sec * SECOND + t->tv_nsec + *shift;
        t->tv_sec = ns / SECOND;
        t->tv_nsec = ns % SECOND;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec t;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    tv->tv_sec = t.tv_sec;
    tv->tv_usec = t.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}
