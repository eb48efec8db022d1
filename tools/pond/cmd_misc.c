/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/keys.h"
#include "src/base/log.h"
#include "tools/pond/ask.h"
#include "tools/pond/figure.h"
#include "tools/pond/progress.h"

enum { LEVEL_MOST_S = 30 };

/* ---- verify and rebuild: long work that the daemon tells of in lines of JSON ----------------- */

struct work {
    const char *what;
    struct progress progress;
    json_t *last; /* the line with the "result" */
};

static bool work_line(void *arg, char *line)
{
    struct work *work = arg;
    json_t *json = json_loads(line, 0, NULL);

    if (!json_is_object(json)) {
        json_decref(json);
        say("%s: the daemon sent a line that is not JSON: is it carpond?", work->what);
        return false;
    }
    progress_at(&work->progress, field_count(json, "bytes"), 0);
    if (field_text(json, "result", NULL)) {
        json_decref(work->last);
        work->last = json;
    } else {
        json_decref(json);
    }
    return true;
}

/* Runs it to its end; work->last is then the daemon's account, to be freed. */
static enum pond_exit work_run(struct pond *pond, struct work *work, const char *what,
                               const char *target)
{
    enum pond_exit status;
    const char *result;

    *work = (struct work){.what = what};
    progress_begin(&work->progress, what);
    status = ask_lines(pond, what, "POST", target, work_line, work);
    progress_end(&work->progress);
    if (status == POND_DONE && !work->last)
        status = say_exit(POND_FAILED, "%s: the daemon stopped before the end: see its log", what);
    result = field_text(work->last, "result", "done");
    if (status == POND_DONE && strcmp(result, "done") != 0)
        status = say_exit(POND_FAILED, "%s: %s", what, result);
    return status;
}

int cmd_verify(struct pond *pond)
{
    char shown[256];
    struct text text = TEXT_OVER(shown);
    struct work work;
    enum pond_exit status = work_run(pond, &work, "verify", "/.pond/verify");

    if (status == POND_DONE) {
        figure_of(&text, field_count(work.last, "objects"), "object, ", "objects, ");
        text_bytes(&text, field_count(work.last, "bytes"));
        text_puts(&text, " read: ");
        figure_of(&text, field_count(work.last, "rotten"), "rotten, ", "rotten, ");
        figure_of(&text, field_count(work.last, "mended"), "mended", "mended");
        puts(shown);
    }
    if (status == POND_DONE && field_count(work.last, "rotten"))
        status = say_exit(POND_FAILED, "verify: what is rotten was set aside, and is fetched anew "
                                       "from whoever has it: see the daemon's log");
    json_decref(work.last);
    return status;
}

int cmd_rebuild(struct pond *pond)
{
    char shown[256];
    struct text text = TEXT_OVER(shown);
    struct work work;
    enum pond_exit status = work_run(pond, &work, "rebuild", "/.pond/rebuild");

    if (status == POND_DONE) {
        text_puts(&text, "the catalogue was rebuilt: ");
        figure_of(&text, field_count(work.last, "recovered"), "name, ", "names, ");
        figure_of(&text, field_count(work.last, "rotten"), "rotten record", "rotten records");
        puts(shown);
    }
    json_decref(work.last);
    return status;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool event_line(void *arg, char *line)
{
    (void)arg;
    return puts(line) >= 0 && fflush(stdout) == 0;
}

int cmd_events(struct pond *pond)
{
    enum pond_exit status = ask_lines(pond, "events", "GET", "/.pond/events", event_line, NULL);

    if (status == POND_DONE) /* it has no end of its own */
        status = say_exit(POND_FAILED, "events: the daemon is stopping: no more will come");
    return status;
}

int cmd_check(struct pond *pond)
{
    const struct args *args = pond->args;
    const char *file = args->count ? args->words[0] : args->value[OPTION_CONFIG];

    return check_run(file, args->value[OPTION_HOST], stdout, stderr) == 0 ? POND_DONE : POND_FAILED;
}

int cmd_log_level(struct pond *pond)
{
    char target[TARGET_SIZE];
    struct text text = TEXT_OVER(target);
    struct call call = {.method = "POST", .target = target, .most_s = LEVEL_MOST_S};
    const char *word = pond->args->words[0];
    enum log_level level;
    struct answer answer;

    if (!log_level_parse(span_of(word), &level))
        return say_exit(POND_USAGE, "%s is no log level: one of error, warn, info, debug", word);
    text_puts(&text, "/.pond/log-level?");
    pond_query(&text, "level", log_level_name(level));
    return pond_do(pond, "log-level", &call, &answer);
}

int cmd_key(struct pond *pond)
{
    char key[KEY_NEW_SIZE];

    if (strcmp(pond->args->words[0], "new") != 0)
        return say_exit(POND_USAGE, "key: %s is not something that it does: pond key new",
                        pond->args->words[0]);
    if (!key_new(key))
        return say_exit(POND_FAILED, "key: the system gives no random bytes");
    puts(key);
    return POND_DONE;
}
