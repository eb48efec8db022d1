/* SPDX-License-Identifier: ISC */
#include <inttypes.h>

#include "src/clock.h"
#include "src/flights_inner.h"

/* What of a flight is worth a line; on the fetch thread. */

enum { LOG_NAME_MAX = 200, LOG_NAME_SIZE = 4 * LOG_NAME_MAX + 4 };

static const char *name_of(const struct flying *flying, char memory[LOG_NAME_SIZE])
{
    struct text text = text_over(memory, LOG_NAME_SIZE);

    log_quote(&text, span_of(flying->manifest.name), LOG_NAME_MAX);
    return memory;
}

/* What is small has come before anybody has read that it will. */
static enum log_level level_of(const struct flying *flying)
{
    return partial_is_small(&flying->manifest) ? LEVEL_DEBUG : LEVEL_INFO;
}

void flying_log_landed(const struct flying *flying)
{
    char name[LOG_NAME_SIZE], size[64], took[64], rate[64];
    struct text size_text = TEXT_OVER(size), took_text = TEXT_OVER(took),
                rate_text = TEXT_OVER(rate);
    int64_t ns = mono_between(flying->began, clock_mono());

    if (level_of(flying) > log_level())
        return;
    text_bytes(&size_text, flying->brought);
    text_seconds(&took_text, ns);
    text_bytes(&rate_text, (uint64_t)((double)flying->brought * 1e9 / (double)(ns ? ns : 1)));
    log_at(level_of(flying), "fetched %s: %s in %s (%s/s)", name_of(flying, name), size, took,
           rate);
}

void flying_log_passed_on(const struct flying *flying, const char *why)
{
    char name[LOG_NAME_SIZE], size[64];
    struct text size_text = TEXT_OVER(size);

    text_bytes(&size_text, flying->brought);
    log_at(level_of(flying), "fetched %s of %s for who read it, and kept nothing: %s", size,
           name_of(flying, name), why);
}

/* What is wanted for later, and nobody has, is tried again and again: no news for a person. */
void flying_log_given_up(struct flying *flying, bool gone, const char *why)
{
    char name[LOG_NAME_SIZE];
    uint64_t missed;
    uint32_t kept = gone || flying_is_passing(flying) ? 0 : flying->machine.had_count;

    if (!log_flood_pass(&flying->flights->given_up, clock_mono(), &missed))
        return;
    if (missed)
        log_warn("%" PRIu64 " more fetches were given up", missed);
    log_at(flying->readers ? LEVEL_WARN : LEVEL_INFO,
           "gave up fetching %s: %s; %u of %u chunks are kept", name_of(flying, name), why, kept,
           flying->machine.count);
}

void flying_log_begin(struct flying *flying, const struct address *server)
{
    char name[LOG_NAME_SIZE], from[ADDRESS_TEXT_SIZE], size[64];
    struct text size_text = TEXT_OVER(size);

    if (flying->told || level_of(flying) > log_level())
        return;
    flying->told = true;
    text_bytes(&size_text, flying->manifest.size);
    log_at(level_of(flying), "fetching %s (%s) from %s: %u of %u chunks are here",
           name_of(flying, name), size, address_text(server, from), flying->machine.had_count,
           flying->machine.count);
}
