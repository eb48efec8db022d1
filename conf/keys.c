/* SPDX-License-Identifier: ISC */
#include "conf/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "conf/file.h"
#include "src/base/must.h"

/* Below this a key can be guessed by trying. */
enum { KEY_LEN_GOOD = 16, KEY_NEW_BYTES = 32 };

static bool holds_control(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
            return true;
    return false;
}

/* Is there a " #" in it? Whether that belongs to the key or begins a comment, nobody could tell. */
static bool holds_comment(struct span s)
{
    for (size_t i = 1; i < s.len; i++)
        if (s.at[i] == '#' && (s.at[i - 1] == ' ' || s.at[i - 1] == '\t'))
            return true;
    return false;
}

/* What is wrong with the key, or NULL. */
static const char *fault_of(struct span key)
{
    if (key.len > KEY_LEN_MAX)
        return "a key of more than 512 bytes: `pond key new` prints a good one";
    if (holds_comment(key))
        return "a # behind a key: comments stand on lines of their own";
    if (holds_control(key))
        return "a key with a control character in it: `pond key new` prints a good one";
    return NULL;
}

static void add_key(struct keys *keys, struct span key, const char *file, unsigned line,
                    struct report *report)
{
    for (size_t i = 0; i < keys->count; i++)
        if (span_same(keys->list[i], key)) {
            report_warn(report, file, line, "this key stands above already: leave one out");
            return;
        }
    if (keys->count == KEYS_LIST_MAX) {
        report_error(report, file, line,
                     "more than %d keys: take out those that no host signs with any more",
                     KEYS_LIST_MAX);
        return;
    }
    if (key.len < KEY_LEN_GOOD)
        report_warn(report, file, line,
                    "a key of %zu bytes can be guessed: `pond key new` prints a good one", key.len);
    keys->list[keys->count++] = key;
}

static void parse_line(struct keys *keys, struct span line, const char *file, unsigned number,
                       struct report *report)
{
    const char *fault;

    line = span_trim(line);
    if (line.len == 0 || *line.at == '#')
        return;
    if (span_is(line, "+ANY+")) {
        keys->any = true;
        report_warn(report, file, number,
                    "+ANY+ accepts messages without a good signature from everyone: take it out "
                    "once all hosts have keys");
        return;
    }
    fault = fault_of(line);
    if (fault)
        report_error(report, file, number, "%s", fault);
    else
        add_key(keys, line, file, number, report);
}

bool keys_parse(struct span text, const char *file, struct keys *out, struct report *report)
{
    size_t before = report_errors(report);
    unsigned number = 0;
    struct span line;

    *out = (struct keys){.size = text.len + 1, .memory = malloc(text.len + 1)};
    MUST(out->memory != NULL);
    span_copy(text, out->memory, out->size);
    text.at = out->memory;
    while (file_next_line(&text, &line, &number))
        parse_line(out, line, file, number, report);
    if (out->count == 0 && !out->any && report_errors(report) == before)
        report_error(report, file, 0, "holds no key: `pond key new` prints a good one");
    if (report_errors(report) == before)
        return true;
    keys_clear(out);
    return false;
}

bool keys_read(const char *path, struct keys *out, struct report *report)
{
    struct file file;
    bool good;

    *out = (struct keys){0};
    if (!file_load(path, KEYS_FILE_MAX, &file, report))
        return false;
    if (file.mode & (S_IWGRP | S_IXGRP | S_IRWXO)) { /* a group of its own may read it */
        report_error(report, path, 0,
                     "its mode is %04o, so that others can read or change it: chmod 600 %s",
                     (unsigned)file.mode & 07777, path);
        file_clear(&file);
        return false;
    }
    good = keys_parse(file.text, path, out, report);
    file_clear(&file);
    return good;
}

void keys_clear(struct keys *keys)
{
    if (keys->memory)
        explicit_bzero(keys->memory, keys->size);
    free(keys->memory);
    *keys = (struct keys){0};
}

bool key_new(char out[KEY_NEW_SIZE])
{
    struct text text = text_over(out, KEY_NEW_SIZE);
    unsigned char bytes[KEY_NEW_BYTES];
    ssize_t n;

    do
        n = getrandom(bytes, sizeof(bytes), 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(bytes))
        return false;
    text_hex(&text, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    return true;
}
