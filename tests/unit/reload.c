/* SPDX-License-Identifier: ISC */
#include "src/reload.h"

#include <ev.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"

/* A folder of its own for each test, which is the working folder too. */
static char folder[64];

enum { ASKS = 8 };

struct place {
    struct ev_loop *loop;
    struct mailbox *mailbox;
    struct reload *reload;
    struct conf *first;
    struct reload_ask asks[ASKS];
    int answered;
    int wanted; /* answers, for run() */
    int applied;
    int told;              /* begins and ends */
    uint64_t cache_size;   /* of what was applied last */
    const char *complaint; /* of apply; NULL: it applies */
    bool keys;
};

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    assert_int_equal(chmod(name, 0600), 0);
}

static bool on_apply(void *arg, struct conf *old, struct conf *fresh, bool *keys,
                     struct text *complaint)
{
    struct place *p = arg;

    assert_ptr_not_equal(old, fresh);
    if (p->complaint) {
        text_puts(complaint, p->complaint);
        return false;
    }
    p->applied++;
    p->cache_size = fresh->cache_size;
    *keys = p->keys;
    return true;
}

static void on_tell(void *arg, bool begins)
{
    struct place *p = arg;

    assert_int_equal(p->told % 2, begins ? 0 : 1); /* never two at a time */
    p->told++;
}

static int set_up(void **state)
{
    static struct place place;
    struct report *report = report_new();

    log_set_level(LEVEL_ERROR);
    snprintf(folder, sizeof(folder), "/tmp/pond-reload-XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    put("main.cf", "defaults = { cache_size = 1; };");
    place = (struct place){.loop = ev_loop_new(EVFLAG_AUTO)};
    place.mailbox = mailbox_new(place.loop);
    place.first = conf_load("main.cf", "web1", report);
    report_free(report);
    place.reload = reload_new(&(struct reload_options){.mailbox = place.mailbox,
                                                       .conf = place.first,
                                                       .apply = on_apply,
                                                       .tell = on_tell,
                                                       .arg = &place});
    *state = &place;
    return place.first ? 0 : -1;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    reload_stop(p->reload);
    mailbox_free(p->mailbox);
    reload_free(p->reload);
    conf_free(p->first);
    ev_loop_destroy(p->loop);
    for (int i = 0; i < ASKS; i++)
        free(p->asks[i].json);
    unlink("main.cf");
    unlink("mesh");
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void on_done(struct reload_ask *ask)
{
    struct place *p = ask->owner;

    if (++p->answered == p->wanted)
        ev_break(p->loop, EVBREAK_ALL);
}

static void ask(struct place *p, int i)
{
    p->asks[i] = (struct reload_ask){.done = on_done, .owner = p};
    reload_ask(p->reload, &p->asks[i]);
}

/* Until so many have been answered in all. */
static void run(struct place *p, int answers)
{
    p->wanted = answers;
    ev_run(p->loop, 0);
    assert_int_equal(p->answered, answers);
}

static json_t *outcome(const struct place *p, int i)
{
    json_t *json = json_loads(p->asks[i].json, 0, NULL);

    assert_non_null(json);
    return json;
}

static void expect_result(const struct place *p, int i, const char *result)
{
    json_t *json = outcome(p, i);

    assert_string_equal(json_string_value(json_object_get(json, "result")), result);
    json_decref(json);
}

static void what_has_changed_is_applied_and_told(void **state)
{
    struct place *p = *state;
    json_t *json;

    put("main.cf", "defaults = { cache_size = 2; port = 7; };");
    ask(p, 0);
    run(p, 1);
    assert_int_equal(p->cache_size, 2);
    assert_int_equal(p->told, 2);
    json = outcome(p, 0);
    assert_string_equal(json_string_value(json_object_get(json, "result")), "applied");
    assert_int_equal(json_array_size(json_object_get(json, "settings")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "restart"), 0)),
                        "port");
    json_decref(json);
    ask(p, 1);
    run(p, 2);
    expect_result(p, 1, "unchanged");
}

static void a_faulty_file_changes_nothing(void **state)
{
    struct place *p = *state;
    json_t *json;

    put("mesh", "udp 127.0.0.1\nudp nonsense\n");
    put("main.cf", "defaults = { cache_size = 2; nets = \"mesh\"; };");
    ask(p, 0);
    run(p, 1);
    assert_int_equal(p->applied, 0);
    expect_result(p, 0, "faulty");
    json = outcome(p, 0);
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(json, "errors"), 0)), "mesh:2: "));
    json_decref(json);
    put("mesh", "udp 127.0.0.1\n");
    ask(p, 1);
    run(p, 2);
    expect_result(p, 1, "applied");
}

static void what_cannot_be_applied_changes_nothing(void **state)
{
    struct place *p = *state;

    put("main.cf", "defaults = { cache_size = 2; };");
    p->complaint = "main.cf: no such luck";
    ask(p, 0);
    run(p, 1);
    expect_result(p, 0, "faulty");
    assert_non_null(strstr(p->asks[0].json, "no such luck"));
    p->complaint = NULL;
    ask(p, 1);
    run(p, 2);
    expect_result(p, 1, "applied"); /* the difference to what is in force is still there */
}

static void other_keys_alone_are_a_change(void **state)
{
    struct place *p = *state;

    p->keys = true;
    ask(p, 0);
    run(p, 1);
    expect_result(p, 0, "applied");
}

/* Who asks while one runs gets one that begins later: what it reads is what was there when asked.
 */
static void those_who_come_meanwhile_share_the_next_one(void **state)
{
    struct place *p = *state;

    ask(p, 0);
    mailbox_read(p->mailbox); /* it runs now */
    put("main.cf", "defaults = { cache_size = 3; };");
    for (int i = 1; i < ASKS; i++)
        ask(p, i);
    reload_want(p->reload);
    run(p, ASKS);
    assert_in_range(p->applied, 2, 3); /* 3: the first was through before the last one asked */
    assert_int_equal(p->cache_size, 3);
}

static void who_waits_when_it_stops_is_answered(void **state)
{
    struct place *p = *state;

    ask(p, 0);
    ask(p, 1);
    mailbox_read(p->mailbox); /* both at once: before the run for the first one can be through */
    ask(p, 2);                /* lies in the mailbox */
    reload_stop(p->reload);
    mailbox_read(p->mailbox);
    assert_int_equal(p->answered, 3);
    for (int i = 0; i < 3; i++)
        assert_null(p->asks[i].json);
    assert_int_equal(p->applied, 0);
    mailbox_free(p->mailbox);
    reload_free(p->reload);
    p->mailbox = mailbox_new(p->loop);
    p->reload = reload_new(&(struct reload_options){.mailbox = p->mailbox, .conf = p->first});
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_has_changed_is_applied_and_told),
        CASE(a_faulty_file_changes_nothing),
        CASE(what_cannot_be_applied_changes_nothing),
        CASE(other_keys_alone_are_a_change),
        CASE(those_who_come_meanwhile_share_the_next_one),
        CASE(who_waits_when_it_stops_is_answered),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
