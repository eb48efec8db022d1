/* SPDX-License-Identifier: ISC */
/* The journal's reader on anything at all: it comes to an end, each manifest that it gives stands
 * where it says, and there are not more than fit. */
#include "cache/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    const uint8_t *data;
    uint64_t end;
};

static bool see(void *arg, const struct manifest *m, struct span text, struct journal_place behind)
{
    struct seen *seen = arg;

    (void)m;
    MUST(behind.segment == 1 && behind.offset >= seen->end + text.len);
    MUST(span_same(text,
                   (struct span){(const char *)seen->data + behind.offset - text.len, text.len}));
    seen->end = behind.offset;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/pond-fuzz-XXXXXX";
    struct home home = {.path = folder};
    struct journal_place begin = {0};
    struct journal_reading reading;
    struct seen seen = {data, 0};
    int fd;

    MUST(mkdtemp(folder) != NULL);
    home.fd[FOLDER_MANIFESTS] = open(folder, O_RDONLY | O_DIRECTORY);
    fd = file_open(&home, FOLDER_MANIFESTS, "00000001", O_WRONLY | O_CREAT);
    MUST(fd >= 0 && file_write(fd, data, size, 0));
    close(fd);
    MUST(journal_read(&home, begin, 0, see, &seen, &reading) == STORE_OK);
    MUST(reading.bytes <= size && reading.rotten <= size);
    file_remove(&home, FOLDER_MANIFESTS, "00000001");
    close(home.fd[FOLDER_MANIFESTS]);
    rmdir(folder);
    return 0;
}
