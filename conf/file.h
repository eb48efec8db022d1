/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_FILE_H
#define POND_CONF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "conf/report.h"
#include "src/base/text.h"

/* A small text file, read whole. */
struct file {
    struct span text;
    mode_t mode;
    char *memory; /* ours, `size` bytes */
    size_t size;
};

/* False, with an error in the report, where it cannot be read, is no file, is longer than `most`,
 * or holds a NUL byte (behind which other readers would see nothing). */
bool file_load(const char *path, size_t most, struct file *out, struct report *report);

/* Overwrites what was read, and frees it. */
void file_clear(struct file *file);

/* Takes the next line off *rest, without its end (LF or CR LF), and counts it. False at the end. */
bool file_next_line(struct span *rest, struct span *line, unsigned *number);

/* The last part of a path. */
const char *file_base_name(const char *path);

#endif
