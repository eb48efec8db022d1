/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_KEYS_H
#define POND_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/report.h"
#include "src/base/text.h"

/*
 * The key file: one key a line, the first signs, any of them is accepted. Lines that begin with #
 * are comments. "+ANY+" is no key: it says that everything is accepted. The file must not be open
 * to anyone but its owner, and a group that may read it.
 */
enum { KEYS_LIST_MAX = 16, KEY_LEN_MAX = 512, KEYS_FILE_MAX = 64 * 1024 };

struct keys {
    size_t count; /* without "+ANY+" */
    struct span list[KEYS_LIST_MAX];
    bool any;     /* "+ANY+" stands there */
    char *memory; /* what the spans point into; ours, `size` bytes */
    size_t size;
};

/* False, with errors in the report and *out empty, where the file cannot be read or is no good. A
 * file that holds nothing but "+ANY+" is good, and has no keys. */
bool keys_read(const char *path, struct keys *out, struct report *report);

/* The same from memory, which is copied. `file` is the name for the report. */
bool keys_parse(struct span text, const char *file, struct keys *out, struct report *report);

/* Overwrites the keys, and frees them. */
void keys_clear(struct keys *keys);

/* A good new key as a line of text: 256 random bits in hexadecimal. False where the system gives no
 * random bytes. */
enum { KEY_NEW_SIZE = 65 };
bool key_new(char out[KEY_NEW_SIZE]);

#endif
