/* SPDX-License-Identifier: ISC */
#include "tools/pond/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/clock.h"
#include "tools/pond/figure.h"
#include "tools/pond/say.h"
#include "tools/pond/table.h"

enum { COLUMNS_DEFAULT = 80, LINE_MAX_BYTES = 1024, LABEL_MOST = 40, BAR_MOST = 30, BAR_LEAST = 8 };

static const int64_t QUIET_NS = MONO_MS(500);
static const int64_t REDRAW_NS = MONO_MS(100);

static size_t terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS_DEFAULT;
}

static void add_bar(struct text *out, size_t cells, uint64_t done, uint64_t whole)
{
    size_t full = (size_t)((double)cells * ((double)done / (double)whole));

    text_putc(out, '[');
    for (size_t i = 0; i < cells; i++)
        text_putc(out, i < full ? '=' : i == full ? '>' : ' ');
    text_puts(out, "] ");
}

/* Nanoseconds that the rest takes at the rate so far. */
static int64_t time_left(uint64_t done, uint64_t whole, int64_t elapsed_ns)
{
    double left = (double)(whole - done) / (double)done * (double)elapsed_ns;

    return left < 9e18 ? (int64_t)left : INT64_MAX;
}

static void add_figures(struct text *out, uint64_t done, uint64_t whole, int64_t elapsed_ns)
{
    if (whole) {
        figure_percent(out, done, whole);
        text_puts(out, "  ");
        figure_part(out, done, whole);
    } else {
        text_bytes(out, done);
    }
    if (elapsed_ns <= 0 || done == 0)
        return;
    text_puts(out, "  ");
    text_bytes(out, (uint64_t)((double)done / (double)elapsed_ns * 1e9));
    text_puts(out, "/s");
    if (done < whole) {
        text_puts(out, "  ");
        text_seconds(out, time_left(done, whole, elapsed_ns));
        text_puts(out, " left");
    }
}

void progress_line(struct text *out, size_t columns, const char *label, uint64_t done,
                   uint64_t whole, int64_t elapsed_ns)
{
    char figures[200];
    struct text tail = TEXT_OVER(figures);
    size_t shown = table_width_of(label), spare, used;

    if (done > whole && whole)
        done = whole;
    add_figures(&tail, done, whole, elapsed_ns);
    used = tail.len + strlen("[]  ");
    if (shown <= LABEL_MOST && shown + used < columns) {
        text_printf(out, "%s  ", label);
        used += shown + 2;
    }
    spare = used + 1 < columns ? columns - used - 1 : 0;
    if (whole && spare >= BAR_LEAST)
        add_bar(out, spare < BAR_MOST ? spare : BAR_MOST, done, whole);
    text_add(out, figures, tail.len < columns ? tail.len : columns);
}

void progress_begin(struct progress *progress, const char *label)
{
    *progress = (struct progress){.label = label, .terminal = isatty(STDERR_FILENO) == 1};
    progress->begun = clock_mono();
}

void progress_at(struct progress *progress, uint64_t done, uint64_t whole)
{
    char line[LINE_MAX_BYTES];
    struct text text = TEXT_OVER(line);
    int64_t elapsed;
    mono_t t;

    if (!progress->terminal)
        return;
    t = clock_mono();
    elapsed = mono_between(progress->begun, t);
    if (elapsed < QUIET_NS || (progress->drawn && mono_between(progress->shown, t) < REDRAW_NS))
        return;
    progress_line(&text, terminal_columns(), progress->label, done, whole, elapsed);
    say_clean(line);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    progress->drawn = true;
    progress->shown = t;
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
