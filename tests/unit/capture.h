/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_CAPTURE_H
#define POND_TESTS_UNIT_CAPTURE_H

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* Standard error goes into a file from here to capture_end(), which reads it. */
static int capture_before;
static FILE *capture_file;

static inline void capture_begin(void)
{
    fflush(stderr);
    capture_file = tmpfile();
    assert_non_null(capture_file);
    capture_before = dup(STDERR_FILENO);
    dup2(fileno(capture_file), STDERR_FILENO);
}

static inline void capture_end(char *out, size_t cap)
{
    size_t len;

    dup2(capture_before, STDERR_FILENO);
    close(capture_before);
    rewind(capture_file);
    len = fread(out, 1, cap - 1, capture_file);
    out[len] = '\0';
    fclose(capture_file);
}

#endif
