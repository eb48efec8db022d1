/* SPDX-License-Identifier: ISC */
#include "src/role_news.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "src/base/must.h"

/* NULL (null in JSON) where there is none. */
static const char *host_text(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    return address_is_any(a) ? NULL : address_host_text(a, out);
}

char *role_news_json(const struct role_change *change)
{
    char address[ADDRESS_TEXT_SIZE], own[ADDRESS_TEXT_SIZE];
    json_t *json =
        json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:s?, s:s?, s:s?, s:I, s:s}", "event", "role",
                  "time_ms", (json_int_t)change->wall.ms, "tier", change->tier, "role",
                  roles_name(change->queue), "again", (int)change->again, "ended",
                  (int)change->ended, "master", *change->master ? change->master : NULL, "address",
                  host_text(&change->master_address, address), "own_address",
                  host_text(&change->address, own), "epoch", (json_int_t)change->epoch, "reason",
                  reason_name(change->reason));
    char *line;

    MUST(json != NULL);
    line = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    MUST(line != NULL);
    json_decref(json);
    return line;
}

void role_news_sentence(const struct role_change *change, struct text *out)
{
    text_printf(out, "%s: this node ", change->tier);
    if (change->ended)
        text_puts(out, "has left the election");
    else if (change->again && change->queue != ROLES_MASTER)
        text_printf(out, "follows %s (epoch %" PRIu64 ")", change->master, change->epoch);
    else
        text_printf(out,
                    change->again ? "is still %s (epoch %" PRIu64 ")"
                                  : "is %s now (epoch %" PRIu64 ")",
                    roles_name(change->queue), change->epoch);
    text_printf(out, ": %s", reason_sentence(change->reason));
}

void role_news_take(struct role_news *news, const struct role_change *change)
{
    size_t i = 0;

    while (i < news->count && strcmp(news->tiers[i].tier, change->tier) != 0)
        i++;
    if (change->ended && i < news->count) {
        news->count--;
        memmove(&news->tiers[i], &news->tiers[i + 1], (news->count - i) * sizeof(*news->tiers));
    } else if (!change->ended && i < VIEW_TIERS_MAX) {
        MUST(span_copy(span_of(change->tier), news->tiers[i].tier, sizeof(news->tiers[i].tier)));
        news->tiers[i].role = change->queue;
        news->count += i == news->count;
    }
}

void role_news_summary(const struct role_news *news, struct text *out)
{
    for (size_t i = 0; i < news->count; i++)
        text_printf(out, "%s%s %s %s", i ? ", " : "", roles_name(news->tiers[i].role),
                    news->tiers[i].role == ROLES_MASTER ? "of" : "in", news->tiers[i].tier);
}
