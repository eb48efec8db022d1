/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/manifest.h"
#include "cache/store.h"
#include "src/base/must.h"
#include "src/clock.h"

/*
 * Makes a catalogue large, for tools/bench/catchup: writes COUNT names into a store of which no
 * daemon runs, each in the version of the millisecond SINCE, which replaces that of BEFORE (0:
 * none). Their contents are those of the manifests on standard input, in turn from the one with the
 * number FIRST on.
 *
 *     names HOME COUNT SINCE BEFORE FIRST < manifests
 */
struct versions {
    struct version is, replaces;
};

enum { INPUT_MAX = 1 << 20, MODELS_MAX = 1000, AT_ONCE = 1000 };

static struct manifest models[MODELS_MAX];
static size_t model_count;

static void read_models(void)
{
    static char input[INPUT_MAX];
    struct span rest = {input, fread(input, 1, sizeof(input), stdin)}, one;

    while (rest.len > 0 && model_count < MODELS_MAX)
        MUST(manifest_read_next(&rest, &models[model_count++], &one) == MESSAGE_OK);
    MUST(model_count > 0 && rest.len == 0);
}

static void done(struct store_job *job)
{
    _Atomic size_t *left = job->owner;

    MUST(job->status == STORE_OK);
    --*left;
}

/* The names first..first+count-1. */
static void write_names(struct store *store, size_t first, size_t count,
                        const struct versions *versions, size_t from)
{
    static struct store_job jobs[AT_ONCE];
    static char texts[AT_ONCE][MESSAGE_MAX];
    _Atomic size_t left = count;

    for (size_t i = 0; i < count; i++) {
        struct manifest manifest = models[(first + i + from) % model_count];
        struct text text = TEXT_OVER(texts[i]);

        manifest.version = versions->is;
        manifest.replaces = versions->replaces;
        snprintf(strrchr(manifest.name, '/'), 40, "/%03zu/%06zu", (first + i) / 1000, first + i);
        manifest_write(&manifest, &text);
        MUST(!text.full);
        jobs[i] = (struct store_job){
            .kind = STORE_ADOPT, .text = {text.at, text.len}, .done = done, .owner = &left};
        store_submit(store, &jobs[i]);
    }
    while (left > 0)
        usleep(1000);
}

static struct version version_arg(const char *ms)
{
    return (struct version){strtoull(ms, NULL, 10) << 16};
}

int main(int argc, char **argv)
{
    struct store_options options = {.node = "names", .wall = clock_wall, .mono = clock_mono};
    struct versions versions;
    struct store *store;
    size_t count;

    if (argc != 6) {
        fprintf(stderr, "usage: names HOME COUNT SINCE BEFORE FIRST < manifests\n");
        return 2;
    }
    read_models();
    options.home = argv[1];
    count = strtoul(argv[2], NULL, 10);
    versions = (struct versions){version_arg(argv[3]), version_arg(argv[4])};
    MUST(store_open(&options, &store) == STORE_OK);
    store_set_policy(store, &(struct store_policy){.keep_all = true, .nobody_confirms = true});
    for (size_t first = 0; first < count; first += AT_ONCE)
        write_names(store, first, count - first < AT_ONCE ? count - first : AT_ONCE, &versions,
                    strtoul(argv[5], NULL, 10));
    store_close(store);
    return 0;
}
