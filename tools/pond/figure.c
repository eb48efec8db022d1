/* SPDX-License-Identifier: ISC */
#include "tools/pond/figure.h"

#include <inttypes.h>
#include <time.h>

void figure_count(struct text *out, uint64_t n)
{
    uint64_t unit = 1;

    while (n / unit >= 1000)
        unit *= 1000;
    text_u64(out, n / unit);
    for (unit /= 1000; unit; unit /= 1000)
        text_printf(out, ",%03" PRIu64, n / unit % 1000);
}

void figure_of(struct text *out, uint64_t n, const char *one, const char *many)
{
    figure_count(out, n);
    text_printf(out, " %s", n == 1 ? one : many);
}

/* With one decimal, and without it where that is nought. */
static void short_decimal(struct text *out, double value)
{
    char digits[32];
    struct text text = TEXT_OVER(digits);

    text_printf(&text, "%.1f", value);
    if (text.len > 2 && digits[text.len - 1] == '0')
        text.len -= 2;
    text_add(out, digits, text.len);
}

void figure_part(struct text *out, uint64_t part, uint64_t whole)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double divisor = 1;
    size_t unit = 0;

    for (; (double)whole / divisor >= 1024; unit++)
        divisor *= 1024;
    if (part && (double)part / divisor < 0.1) /* which would be shown as nothing */
        text_bytes(out, part);
    else
        short_decimal(out, (double)part / divisor);
    text_puts(out, " of ");
    short_decimal(out, (double)whole / divisor);
    text_printf(out, " %s", units[unit]);
}

void figure_percent(struct text *out, uint64_t part, uint64_t whole)
{
    unsigned __int128 tenths = whole ? (unsigned __int128)part * 1000 / whole : 1000;

    text_u64(out, (uint64_t)(tenths / 10));
    if (tenths % 10)
        text_printf(out, ".%u", (unsigned)(tenths % 10));
    text_puts(out, " %");
}

void figure_time(struct text *out, int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm local;
    char shown[64];

    if (localtime_r(&t, &local) && strftime(shown, sizeof(shown), "%Y-%m-%d %H:%M:%S", &local))
        text_puts(out, shown);
    else
        text_puts(out, "-");
}
