/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_RELOAD_NEWS_H
#define POND_SRC_RELOAD_NEWS_H

#include <jansson.h>

#include "conf/conf.h"

/*
 * What a reload changes, gathered for its outcome (src/reload.h has the format) and for the log.
 * One thread at a time.
 */
struct reload_news;

struct reload_news *reload_news_new(void);
void reload_news_free(struct reload_news *news);

void reload_news_compare(struct reload_news *news, const struct conf *old, const struct conf *new);
void reload_news_restart(struct reload_news *news, const char *settings); /* "port, home" */
void reload_news_keys(struct reload_news *news);                          /* they are others */
bool reload_news_empty(const struct reload_news *news); /* nothing changes, with these reported */

/* For people: "cache_size, 2 members added; port waits for a restart". */
void reload_news_sentence(const struct reload_news *news, struct text *out);

/* The outcome; free() it. `complaint`: one more error; may be empty. */
struct reload_times {
    double read_ms, applied_ms;
};
char *reload_news_json(const struct reload_news *news, const char *result,
                       const struct report *report, const char *complaint,
                       struct reload_times times);

#endif
