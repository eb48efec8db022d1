/* SPDX-License-Identifier: ISC */
#include "tools/pond/ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/base/must.h"

enum { LINE_MAX_BYTES = 64 * 1024, JSON_MAX_BYTES = 256 * 1024 * 1024 };

struct gathered {
    FILE *file;
    char *bytes;
    size_t len;
    size_t taken;
    const char *what;
};

static bool gather(void *arg, const struct answer *answer, const char *bytes, size_t len)
{
    struct gathered *gathered = arg;

    (void)answer;
    gathered->taken += len;
    if (gathered->taken > JSON_MAX_BYTES) {
        say("%s: the daemon's answer has no end", gathered->what);
        return false;
    }
    MUST(fwrite(bytes, 1, len, gathered->file) == len);
    return true;
}

enum pond_exit ask_json(struct pond *pond, const char *what, const char *target, json_t **out)
{
    return ask_json_by(pond, what, "GET", target, out);
}

enum pond_exit ask_json_by(struct pond *pond, const char *what, const char *method,
                           const char *target, json_t **out)
{
    struct gathered gathered = {.what = what};
    struct call call = {
        .method = method, .target = target, .sink = gather, .arg = &gathered, .most_s = ASK_MOST_S};
    struct answer answer;
    enum pond_exit status;
    json_error_t error;

    MUST((gathered.file = open_memstream(&gathered.bytes, &gathered.len)));
    status = pond_do(pond, what, &call, &answer);
    MUST(fclose(gathered.file) == 0);
    *out = NULL;
    if (status == POND_DONE) {
        *out = json_loadb(gathered.bytes, gathered.len, 0, &error);
        if (!json_is_object(*out)) {
            json_decref(*out);
            *out = NULL;
            status =
                say_exit(POND_FAILED, "%s: the daemon's answer is not JSON: is it carpond?", what);
        }
    }
    free(gathered.bytes);
    return status;
}

void ask_print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | ASK_JSON_FLAGS);
    putchar('\n');
}

struct liner {
    const char *what;
    bool (*line)(void *arg, char *line);
    void *arg;
    size_t len;
    char bytes[LINE_MAX_BYTES];
};

static bool cut_lines(void *arg, const struct answer *answer, const char *bytes, size_t len)
{
    struct liner *liner = arg;

    (void)answer;
    for (size_t i = 0; i < len; i++) {
        bool end = bytes[i] == '\n';
        if (liner->len == sizeof(liner->bytes) - 1) {
            say("%s: the daemon sent a line without an end", liner->what);
            return false;
        }
        liner->bytes[liner->len++] = end ? '\0' : bytes[i];
        if (!end)
            continue;
        liner->len = 0;
        if (!liner->line(liner->arg, liner->bytes))
            return false;
    }
    return true;
}

enum pond_exit ask_lines(struct pond *pond, const char *what, const char *method,
                         const char *target, bool (*line)(void *arg, char *line), void *arg)
{
    struct liner *liner = calloc(1, sizeof(*liner));
    struct call call = {.method = method, .target = target, .sink = cut_lines, .arg = liner};
    struct answer answer;
    enum pond_exit status;

    MUST(liner);
    liner->what = what;
    liner->line = line;
    liner->arg = arg;
    status = pond_do(pond, what, &call, &answer);
    free(liner);
    return status;
}
