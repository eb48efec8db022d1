/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/pond/ask.h"

enum { TIME_MOST_S = 3650 * 24 * 3600 };

/* "90s", "15m", "2h", "1d", in seconds. */
static bool read_time(const char *word, uint64_t *seconds)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 24 * 3600}};
    struct span digits = span_of(word);
    uint64_t number;

    for (size_t i = 0; digits.len > 1 && i < sizeof(units) / sizeof(*units); i++) {
        if (digits.at[digits.len - 1] != units[i].letter)
            continue;
        digits.len--;
        if (!span_u64(digits, TIME_MOST_S / units[i].seconds, &number) || number == 0)
            return false;
        *seconds = number * units[i].seconds;
        return true;
    }
    return false;
}

/* What it did, the daemon says in a line. */
static bool print_line(void *arg, char *line)
{
    (void)arg;
    say_clean(line);
    return puts(line) >= 0;
}

static enum pond_exit post(struct pond *pond, const char *what, const char *target)
{
    return ask_lines(pond, what, "POST", target, print_line, NULL);
}

int cmd_demote(struct pond *pond)
{
    const char *time = pond->args->value[OPTION_FOR];
    char target[TARGET_SIZE];
    struct text text = TEXT_OVER(target);
    uint64_t seconds;

    text_puts(&text, "/.pond/demote?");
    pond_query(&text, "tier", pond->args->words[0]);
    if (args_given(pond->args, OPTION_FOR)) {
        if (!read_time(time, &seconds))
            return say_exit(POND_USAGE,
                            "--for %s is no time: give a number with s, m, h or d behind it, as in "
                            "90s, 15m, 2h or 1d, and no more than ten years",
                            time);
        text_printf(&text, "&for=%" PRIu64, seconds);
    }
    return text.full ? say_exit(POND_USAGE, "demote: no tier has so long a name")
                     : post(pond, "demote", target);
}

int cmd_restore(struct pond *pond)
{
    char target[TARGET_SIZE];
    struct text text = TEXT_OVER(target);

    text_puts(&text, "/.pond/restore?");
    pond_query(&text, "tier", pond->args->words[0]);
    return text.full ? say_exit(POND_USAGE, "restore: no tier has so long a name")
                     : post(pond, "restore", target);
}
