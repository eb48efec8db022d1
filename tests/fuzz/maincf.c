/* SPDX-License-Identifier: ISC */
/*
 * main.cf: whatever is in one, it is refused with a reason, or every section gives settings within
 * their limits. The scan, libconfig and the walk over its tree are all behind this; no other file
 * is read, but by @include, which is kept out.
 */
#include <stdint.h>
#include <string.h>

#include "conf/compose.h"
#include "conf/layer.h"
#include "conf/settle.h"
#include "src/base/must.h"

enum { SIZE_MAX_HERE = 4096 }; /* libconfig takes a time that grows with the square of it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig forgets the text that it holds when it meets a syntax error: a few bytes, not ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

static void check_limits(const struct conf *conf)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        const struct conf_row *row = &conf_rows[i];
        const char *base =
            (const char *)(row->place == CONF_PLACE_GOSSIP ? (const void *)&conf->gossip
                                                           : (const void *)conf);
        if (row->type == CONF_TYPE_INT) {
            int n;
            memcpy(&n, base + row->offset, sizeof(n));
            MUST(n >= row->min && n <= row->max);
        }
    }
}

static void try_section(const struct tree *tree, size_t section)
{
    struct report *report = report_new();
    struct conf *conf = layer_defaults("main.cf", report);

    MUST(report_errors(report) == 0);
    tree_lay_defaults(tree, conf, report);
    if (section < tree_sections(tree))
        tree_lay_section(tree, section, conf, report);
    layer_settle_tiers(conf);
    settle_checks(conf, report);
    settle_by_keys(conf, false, report);
    MUST(conf->address.count > 0);
    check_limits(conf);
    conf_free(conf);
    report_free(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report *report = report_new();
    struct tree *tree = NULL;

    if (size <= SIZE_MAX_HERE && !memchr(data, '@', size) && !memchr(data, '\0', size))
        tree = tree_parse((struct span){(const char *)data, size}, "main.cf", span_of(""), report);
    if (tree) {
        size_t sections = tree_sections(tree);
        for (size_t i = 0; i <= sections && i < 8; i++)
            try_section(tree, i);
    }
    tree_free(tree);
    report_free(report);
    return 0;
}
