/* SPDX-License-Identifier: ISC */
#include "tests/unit/site_file.h"

#include <string.h>

#include "tests/unit/unit.h"

struct site site;

int start(void **state)
{
    (void)state;
    site_start(&site, &(struct site_options){.limits = {.head_ns = MONO_S(5)}});
    site_put(&site, NAME, BODY, strlen(BODY));
    return 0;
}

int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

void get(const char *target, const char *headers, unsigned status, const char *body)
{
    struct answer a;

    ask_tcp(&site, "GET", target, headers, &a);
    expect(&a, status, body);
    answer_free(&a);
}
