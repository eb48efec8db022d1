/* SPDX-License-Identifier: ISC */
#include "conf/unsupported.h"

#include <string.h>

#include "conf/rows.h"
#include "conf/value.h"

/* Is a setting there that asks for more than its default? */
static bool asks(const struct conf_row *row, const void *field)
{
    if (row->type == CONF_TYPE_BOOL)
        return *(const bool *)field != (strcmp(row->preset, "true") == 0);
    return value_is_set(row, field);
}

static void unsupported_setting(const struct conf_row *row, const void *field,
                                struct conf_origin origin, struct report *report)
{
    if (!row->now && origin.file && asks(row, field))
        report_error(report, origin.file, origin.line,
                     "%s is not done by this version of carpond yet: leave it out", row->name);
}

void unsupported_settings(const struct conf *conf, struct report *report)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        const struct conf_row *row = &conf_rows[i];
        if (row->place != CONF_PLACE_GOSSIP)
            unsupported_setting(row, (const char *)conf + row->offset, conf->from[i], report);
        for (size_t j = 0; j < conf->tiers.count && row->place == CONF_PLACE_TIER; j++) {
            const struct conf_tier *tier = &conf->tiers.list[j];
            unsupported_setting(row, (const char *)tier + row->tier_offset, tier->from[i], report);
        }
    }
}
