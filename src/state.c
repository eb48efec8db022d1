/* SPDX-License-Identifier: ISC */
#include "src/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/text.h"

enum { STATE_SIZE_MAX = 256, STATE_SPREAD = 65536 };

static const char head[] = "carpond state 1\nboot: ";

/* A sound file holds the head, a number and a newline. Whole lines behind that are of a later
 * version, and passed over. */
static bool parse(struct span text, uint64_t *boot)
{
    if (!span_begins(text, head) || text.at[text.len - 1] != '\n')
        return false;
    text.at += sizeof(head) - 1;
    text.len -= sizeof(head) - 1;
    return span_u64(span_take(&text, '\n'), UINT64_MAX - 1 - STATE_SPREAD, boot);
}

/* The last boot that was used; 0 where nothing is known of one. */
static uint64_t read_last(int folder, const char *home)
{
    char bytes[STATE_SIZE_MAX];
    int fd = openat(folder, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t boot = 0;
    ssize_t len;

    if (fd < 0) {
        if (errno != ENOENT)
            log_warn("cannot read %s/state: %s: going by the clock", home, strerror(errno));
        return 0;
    }
    len = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (len <= 0 || !parse((struct span){bytes, (size_t)len}, &boot)) {
        log_warn("%s/state is malformed: taken for lost, going by the clock", home);
        return 0;
    }
    return boot;
}

static bool write_all(int fd, struct span text)
{
    return write(fd, text.at, text.len) == (ssize_t)text.len && fsync(fd) == 0;
}

/* Beside the old one, synced, then in its place, and the folder synced. */
static bool write_new(int folder, uint64_t boot)
{
    char memory[STATE_SIZE_MAX];
    struct text text = TEXT_OVER(memory);
    int fd = openat(folder, "state.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR);
    bool good;

    if (fd < 0)
        return false;
    text_puts(&text, head);
    text_u64(&text, boot);
    text_putc(&text, '\n');
    good = write_all(fd, (struct span){text.at, text.len});
    return close(fd) == 0 && good && renameat(folder, "state.new", folder, "state") == 0 &&
           fsync(folder) == 0;
}

static uint64_t some_of_the_spread(void)
{
    uint16_t random;

    MUST(getrandom(&random, sizeof(random), 0) == sizeof(random));
    return random % STATE_SPREAD;
}

bool state_open(const char *home, wall_t now, uint64_t *boot)
{
    int folder = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t last, clock = now.ms > 0 ? (uint64_t)now.ms : 0;
    bool good = false;

    if (folder >= 0) {
        last = read_last(folder, home);
        *boot = (last >= clock ? last + 1 : clock) + some_of_the_spread();
        good = write_new(folder, *boot);
    }
    if (!good)
        log_error("cannot write %s/state: %s: a node that cannot remember its incarnation would be "
                  "refused by the others; make the folder writable",
                  home, strerror(errno));
    if (folder >= 0)
        close(folder);
    return good;
}
