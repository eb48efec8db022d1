/* SPDX-License-Identifier: ISC */
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/must.h"

/* Reads until the end or until `size` bytes are there; negative where reading fails. */
static ssize_t read_all(int fd, char *memory, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, memory + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static bool read_open(int fd, const char *path, size_t most, struct file *out,
                      struct report *report)
{
    struct stat st;
    ssize_t len;
    const char *nul;

    if (fstat(fd, &st) != 0 || (S_ISDIR(st.st_mode) ? (errno = EISDIR) : 0)) {
        report_error(report, path, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    len = read_all(fd, out->memory, out->size);
    if (len < 0) {
        report_error(report, path, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    out->text = (struct span){out->memory, (size_t)len};
    if ((size_t)len > most) {
        report_error(report, path, 0, "is longer than the %zu bytes that such a file may have",
                     most);
        return false;
    }
    nul = len ? memchr(out->memory, '\0', (size_t)len) : NULL;
    if (nul) {
        report_error(report, path, 0, "holds a NUL byte at offset %td: this is no text file",
                     nul - out->memory);
        return false;
    }
    out->mode = st.st_mode;
    return true;
}

static const char *remedy(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ": make it, or name one that is there";
    case EACCES:
        return ": chown it to the user that carpond runs as, and check as that user or as root";
    default:
        return "";
    }
}

bool file_load(const char *path, size_t most, struct file *out, struct report *report)
{
    /* O_NONBLOCK: a FIFO without a writer must not hold the daemon. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good;

    *out = (struct file){.size = most + 1};
    if (fd < 0) {
        report_error(report, path, 0, "cannot be opened: %s%s", strerror(errno), remedy(errno));
        return false;
    }
    out->memory = malloc(out->size);
    MUST(out->memory != NULL);
    good = read_open(fd, path, most, out, report);
    close(fd);
    if (!good)
        file_clear(out);
    return good;
}

void file_clear(struct file *file)
{
    if (file->memory)
        explicit_bzero(file->memory, file->text.len);
    free(file->memory);
    *file = (struct file){0};
}

bool file_next_line(struct span *rest, struct span *line, unsigned *number)
{
    if (rest->len == 0)
        return false;
    *line = span_take(rest, '\n');
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    ++*number;
    return true;
}

const char *file_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
