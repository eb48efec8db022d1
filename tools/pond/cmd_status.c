/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/base/must.h"
#include "tools/pond/ask.h"
#include "tools/pond/status_text.h"
#include "tools/pond/undo.h"

enum { WATCH_MS = 1000, ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80 };

static const char clear_screen[] = "\033[2J";
static const char go_home[] = "\033[H";
static const char clear_line_rest[] = "\033[K";
static const char clear_below[] = "\033[J";

static void print_one(const json_t *status, bool json, FILE *out)
{
    if (json) {
        json_dumpf(status, out, JSON_COMPACT | ASK_JSON_FLAGS);
        fputc('\n', out);
    } else {
        status_text(status, out);
    }
}

/* In a pipe: a block each second, or with --json a line, until the daemon is gone. */
static enum pond_exit watch_in_pipe(struct pond *pond)
{
    bool json = args_given(pond->args, OPTION_JSON);

    for (;;) {
        json_t *status;
        enum pond_exit result = ask_json(pond, "status", "/.pond/status", &status);
        if (result != POND_DONE)
            return result;
        print_one(status, json, stdout);
        json_decref(status);
        if (!json)
            putchar('\n');
        if (fflush(stdout) != 0)
            return POND_FAILED;
        poll(NULL, 0, WATCH_MS);
    }
}

static struct winsize terminal_size(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
        size = (struct winsize){.ws_row = ROWS_DEFAULT, .ws_col = COLUMNS_DEFAULT};
    return size;
}

/* One line, no longer than the terminal is wide, so that lines on the screen are our lines. */
static void draw_line(const char *line, size_t len, size_t columns, FILE *out)
{
    size_t bytes = 0, width = 0;

    while (bytes < len) {
        bool starts = ((unsigned char)line[bytes] & 0xc0) != 0x80;
        if (starts && width == columns)
            break;
        width += starts;
        bytes++;
    }
    fwrite(line, 1, bytes, out);
    if (width < columns)
        fputs(clear_line_rest, out);
}

/* Over what stands there, line by line, all in one write: nothing flickers. */
static void draw(const char *block)
{
    struct winsize size = terminal_size();
    char *bytes;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);

    MUST(out);
    fputs(go_home, out);
    for (unsigned row = 0; *block && row + 1 < size.ws_row; row++) {
        size_t line = strcspn(block, "\n");
        draw_line(block, line, size.ws_col, out);
        fputc('\n', out);
        block += line + (block[line] == '\n');
    }
    fputs(clear_below, out);
    MUST(fclose(out) == 0);
    fwrite(bytes, 1, len, stdout);
    fflush(stdout);
    free(bytes);
}

/* Waits for the next second. True: a key asked for the end, or the terminal is gone. */
static bool asked_to_end(void)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;

    if (poll(&keys, 1, WATCH_MS) <= 0)
        return false;
    return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

static void draw_status(const json_t *status)
{
    char *block;
    size_t len;
    FILE *out = open_memstream(&block, &len);

    MUST(out);
    status_text(status, out);
    MUST(fclose(out) == 0);
    draw(block);
    free(block);
}

/* Ends with q or Ctrl-C, or with the daemon. */
static enum pond_exit watch_on_terminal(struct pond *pond)
{
    enum pond_exit result;
    json_t *status;

    fputs(clear_screen, stdout);
    do {
        result = ask_json(pond, "status", "/.pond/status", &status);
        if (result != POND_DONE)
            break;
        draw_status(status);
        json_decref(status);
    } while (!asked_to_end());
    undo_terminal();
    return result;
}

int cmd_status(struct pond *pond)
{
    bool json = args_given(pond->args, OPTION_JSON);
    enum pond_exit result;
    json_t *status;

    if (args_given(pond->args, OPTION_WATCH)) {
        if (!json && isatty(STDOUT_FILENO) && undo_set_terminal())
            return watch_on_terminal(pond);
        return watch_in_pipe(pond);
    }
    result = ask_json(pond, "status", "/.pond/status", &status);
    if (result != POND_DONE)
        return result;
    if (json)
        ask_print_json(status);
    else
        status_text(status, stdout);
    json_decref(status);
    return POND_DONE;
}
