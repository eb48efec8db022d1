/* SPDX-License-Identifier: ISC */
#include "conf/match.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

static bool regex_fits(const char *match, const char *name)
{
    regex_t regex;
    bool fits;

    if (regcomp(&regex, match, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    fits = regexec(&regex, name, 0, NULL, 0) == 0;
    regfree(&regex);
    return fits;
}

bool match_fits(const char *match, const char *name)
{
    size_t first = strcspn(name, ".");

    if (*match == '^')
        return regex_fits(match, name);
    if (strchr(match, '.'))
        return strcmp(match, name) == 0;
    return strlen(match) == first && strncmp(match, name, first) == 0;
}

bool match_check(const char *match, char why[MATCH_WHY_SIZE])
{
    regex_t regex;
    int failed;

    if (*match == '\0' || strlen(match) > MATCH_MAX) {
        snprintf(why, MATCH_WHY_SIZE, "it is %s", *match ? "longer than any host's name" : "empty");
        return false;
    }
    if (*match != '^')
        return true;
    failed = regcomp(&regex, match, REG_EXTENDED | REG_NOSUB);
    if (failed)
        regerror(failed, &regex, why, MATCH_WHY_SIZE);
    else
        regfree(&regex);
    return failed == 0;
}
