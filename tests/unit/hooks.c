/* SPDX-License-Identifier: ISC */
#include "src/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/hook_env.h"
#include "src/hook_run.h"
#include "tests/unit/home.h"
#include "tests/unit/unit.h"

enum { TEXT_MAX = 256 * 1024, STARTS = 20, PATIENCE_S = 60, LIMIT_S = 2 };

/* ---- a folder in which hooks leave their traces, and the log, which is read back --------------
 */

static char folder[] = "/tmp/carpond-hooks.XXXXXX";
static char there[64]; /* the folder as it was made */
static int real_stderr;

static const char *in_folder(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", there, name);
    return path;
}

static const char *contents(const char *name)
{
    static char text[TEXT_MAX];
    FILE *file = fopen(in_folder(name), "r");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    text[n] = '\0';
    if (file)
        fclose(file);
    return text;
}

/* Hooks work in the folder, and the log goes into a file there. */
static int begin_in_folder(void **state)
{
    int log;

    (void)state;
    memcpy(there, folder, sizeof(folder));
    if (!mkdtemp(there) || setenv("HOOKS_FOLDER", there, 1) != 0)
        return -1;
    log = open(in_folder("log"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    return log < 0 || dup2(log, STDERR_FILENO) < 0 || close(log) < 0 ? -1 : 0;
}

static void remove_folder(void)
{
    DIR *dir = opendir(there);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlink(in_folder(entry->d_name));
    if (dir)
        closedir(dir);
    rmdir(there);
}

/* What is said there is shown when a case fails: cmocka says it on standard error too. */
static int end_in_folder(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    if (strstr(contents("log"), "[  ERROR   ]") || strstr(contents("log"), "error:"))
        fputs(contents("log"), stderr);
    remove_folder();
    return 0;
}

static void await_text(const char *file, const char *text)
{
    mono_t until = mono_after(clock_mono(), MONO_S(PATIENCE_S));

    while (!strstr(contents(file), text)) {
        if (mono_reached(clock_mono(), until))
            fail_msg("%s: no \"%s\" in \"%s\"", file, text, contents(file));
        usleep(1000);
    }
}

/* ---- hooks, and their end ---------------------------------------------------------------------
 */

struct site {
    struct roles *roles;
    struct hooks *hooks;
};

static struct site site_new(const struct hooks_tier *tiers, size_t count, int64_t limit_ns)
{
    struct site site = {.roles = roles_new()};
    struct hooks_options options = {.roles = site.roles,
                                    .node = "gw1.paris.example.com",
                                    .limit_ns = limit_ns,
                                    .tiers = tiers,
                                    .count = count};

    site.hooks = hooks_new(&options);
    return site;
}

static void site_free(struct site *site)
{
    roles_free(site->roles);
    hooks_free(site->hooks);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    assert_int_equal(errno, ECHILD);
}

static void post(struct site *site, const char *tier, enum roles_queue queue, uint64_t epoch)
{
    struct role_change change = {.queue = queue, .epoch = epoch, .reason = REASON_SILENCE};

    assert_true(span_copy(span_of(tier), change.tier, sizeof(change.tier)));
    roles_post(site->roles, &change);
}

static void post_end(struct site *site, const char *tier, enum roles_queue queue)
{
    struct role_change change = {.queue = queue, .ended = true, .reason = REASON_STOPPING};

    assert_true(span_copy(span_of(tier), change.tier, sizeof(change.tier)));
    roles_post(site->roles, &change);
}

#define TRACE "echo $POND_TIER $POND_ROLE $POND_EPOCH >>$HOOKS_FOLDER/trace"

/* ---- the cases ------------------------------------------------------------------------------- */

static void a_hook_is_told_what_has_changed(void **state)
{
    struct hooks_tier tier = {"paris", {"env | grep ^POND_ | sort >$HOOKS_FOLDER/env"}};
    struct site site = site_new(&tier, 1, HOOKS_LIMIT);
    struct role_change change = {.queue = ROLES_MASTER,
                                 .tier = "paris",
                                 .epoch = 14,
                                 .again = true,
                                 .master = "gw1.paris.example.com",
                                 .reason = REASON_CONFLICT};

    (void)state;
    setenv("POND_STALE", "from whoever started the daemon", 1);
    assert_true(address_parse(span_of("10.27.4.1"), 65028, &change.master_address));
    assert_true(address_parse(span_of("fd00::1"), 65029, &change.address));
    roles_post(site.roles, &change);
    site_free(&site);
    assert_string_equal(contents("env"), "POND_ADDRESS=10.27.4.1\n"
                                         "POND_AGAIN=1\n"
                                         "POND_ENDED=0\n"
                                         "POND_EPOCH=14\n"
                                         "POND_MASTER=gw1.paris.example.com\n"
                                         "POND_NODE=gw1.paris.example.com\n"
                                         "POND_OWN_ADDRESS=fd00::1\n"
                                         "POND_REASON=conflict\n"
                                         "POND_ROLE=master\n"
                                         "POND_TIER=paris\n");
    unsetenv("POND_STALE");
}

static void an_unknown_master_is_empty_and_the_manager_is_left_out(void **state)
{
    char *daemon[] = {(char[]){"PATH=/bin"},          (char[]){"NOTIFY_SOCKET=/run/x"},
                      (char[]){"JOURNAL_STREAM=8:9"}, (char[]){"LISTEN_FDS=1"},
                      (char[]){"WATCHDOG_USEC=1"},    NULL};
    struct role_change change = {.queue = ROLES_BACKUP, .tier = "paris"};
    char **env = hook_env_new(daemon, "gw2", &change);
    bool path = false, master = false;

    (void)state;
    for (char **variable = env; *variable; variable++) {
        path |= strcmp(*variable, "PATH=/bin") == 0;
        master |= strcmp(*variable, "POND_MASTER=") == 0;
        assert_false(strncmp(*variable, "NOTIFY_SOCKET", 13) == 0);
        assert_false(strncmp(*variable, "JOURNAL_STREAM", 14) == 0);
        assert_false(strncmp(*variable, "LISTEN_", 7) == 0);
        assert_false(strncmp(*variable, "WATCHDOG_", 9) == 0);
    }
    assert_true(path && master);
    hook_env_free(env);
}

/* Its own group, every signal as it is by default (but 32 and 33, which are glibc's own), nothing
 * to read, and no descriptor of ours. */
static void a_hook_inherits_nothing_else(void **state)
{
    struct hooks_tier tier = {"paris",
                              {"exec >$HOOKS_FOLDER/out; "
                               "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr 18 00; "
                               "read x; echo read: $?; "
                               "ls /proc/$$/fd; "
                               "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo own group"}};
    struct site site;
    int ours = dup(STDOUT_FILENO); /* without FD_CLOEXEC */

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    site = site_new(&tier, 1, HOOKS_LIMIT);
    post(&site, "paris", ROLES_MASTER, 1);
    site_free(&site);
    close(ours);
    assert_string_equal(contents("out"), "SigBlk:\t0000000000000000\n"
                                         "SigIgn:\t0000000000000000\n"
                                         "read: 1\n"
                                         "0\n1\n2\nown group\n");
}

/* A path and plain words: our own child, without a shell between. What cannot be run that way is
 * the shell's to name. */
static void a_plain_command_needs_no_shell(void **state)
{
    struct hooks_tier tiers[] = {{"paris", {"/bin/cat  /proc/self/stat"}},
                                 {"core", {"/no/such/program eth0"}}};
    struct site site = site_new(tiers, 2, HOOKS_LIMIT);
    char child[64];

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    post(&site, "core", ROLES_MASTER, 1);
    site_free(&site);
    snprintf(child, sizeof(child), "(cat) R %d ", (int)getpid());
    assert_non_null(strstr(contents("log"), child));
    assert_non_null(strstr(contents("log"), "/no/such/program: not found"));
}

static void hooks_run_in_the_order_of_the_changes(void **state)
{
    struct hooks_tier tiers[] = {{"paris", {TRACE, TRACE, TRACE}}, {"core", {NULL, NULL, TRACE}}};
    struct site site = site_new(tiers, 2, HOOKS_LIMIT);

    (void)state;
    post(&site, "paris", ROLES_BACKUP, 1);
    await_text("trace", "paris backup 1\n");
    post(&site, "paris", ROLES_MASTER, 2);
    await_text("trace", "paris master 2\n");
    post(&site, "core", ROLES_SLAVE, 3);
    await_text("trace", "core slave 3\n");
    post(&site, "core", ROLES_MASTER, 4); /* no command for that */
    post(&site, "lyon", ROLES_MASTER, 4); /* no such tier */
    post(&site, "paris", ROLES_BACKUP, 5);
    site_free(&site);
    assert_string_equal(contents("trace"), "paris backup 1\n"
                                           "paris master 2\n"
                                           "core slave 3\n"
                                           "paris backup 5\n");
}

/* While a hook runs only the latest change waits; other tiers do not wait at all. */
static void the_last_state_wins(void **state)
{
    struct hooks_tier tiers[] = {
        {"paris", {TRACE "; until [ -e $HOOKS_FOLDER/go ]; do sleep 0.01; done", TRACE}},
        {"core", {TRACE}}};
    struct site site = site_new(tiers, 2, HOOKS_LIMIT);
    uint64_t skipped = stat_read(STAT_HOOKS_SKIPPED);
    int go;

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    await_text("trace", "paris master 1\n");
    post(&site, "paris", ROLES_BACKUP, 2);
    post(&site, "paris", ROLES_MASTER, 3);
    post(&site, "paris", ROLES_BACKUP, 4);
    post(&site, "core", ROLES_MASTER, 5);
    await_text("trace", "core master 5\n");
    assert_null(strstr(contents("trace"), "paris backup"));
    go = open(in_folder("go"), O_CREAT | O_WRONLY, 0600);
    close(go);
    site_free(&site);
    assert_string_equal(contents("trace"), "paris master 1\n"
                                           "core master 5\n"
                                           "paris backup 4\n");
    assert_int_equal(stat_read(STAT_HOOKS_SKIPPED), skipped + 2);
    assert_non_null(strstr(contents("log"), "paris: on_master is passed over"));
}

static bool is_there(pid_t pid)
{
    char path[64], stat[256] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (!fgets(stat, sizeof(stat), file))
        stat[0] = '\0';
    fclose(file);
    return stat[0] && !strstr(stat, ") Z "); /* dead, and not waited for by who adopted it */
}

static void one_that_hangs_is_killed_with_all_that_it_began(void **state)
{
    struct hooks_tier tier = {"paris",
                              {"trap '' TERM INT HUP; (sleep 1000 & echo $! >$HOOKS_FOLDER/pids; "
                               "wait) & sleep 1000",
                               TRACE}};
    struct site site = site_new(&tier, 1, MONO_S(LIMIT_S));
    uint64_t killed = stat_read(STAT_HOOKS_KILLED);
    uint64_t grandchild;
    struct span pid;

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    await_text("pids", "\n");
    pid = span_trim(span_of(contents("pids")));
    pid.len--;
    assert_true(span_u64(pid, INT32_MAX, &grandchild));
    assert_true(is_there((pid_t)grandchild));
    post(&site, "paris", ROLES_BACKUP, 2);
    await_text("trace", "paris backup 2\n");
    assert_int_equal(stat_read(STAT_HOOKS_KILLED), killed + 1);
    assert_non_null(strstr(contents("log"), "paris: on_master did not end within 2 s"));
    for (int i = 0; i < PATIENCE_S * 1000 && is_there((pid_t)grandchild); i++)
        usleep(1000);
    assert_false(is_there((pid_t)grandchild));
    site_free(&site);
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* A flood of output is logged up to a bound and thrown away beyond: it ends, is not blocked, and
 * the processor has time for others. */
static void a_flood_of_output_is_cut(void **state)
{
    struct hooks_tier tiers[] = {{"paris", {"yes", "yes | head -c 2000000; " TRACE}}};
    struct site site = site_new(tiers, 1, MONO_S(LIMIT_S));
    uint64_t cut = stat_read(STAT_HOOKS_CUT);

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    await_text("log", "did not end within");
    assert_int_equal(count_of(contents("log"), "paris: on_master says: y\n"), HOOK_LINES_MAX);
    site_free(&site);
    assert_true(stat_read(STAT_HOOKS_CUT) > cut);
    assert_non_null(strstr(contents("log"), "bytes more, which are not logged"));

    site = site_new(tiers, 1, HOOKS_LIMIT);
    cut = stat_read(STAT_HOOKS_CUT);
    post(&site, "paris", ROLES_BACKUP, 2);
    site_free(&site);
    assert_string_equal(contents("trace"), "paris backup 2\n");
    assert_int_equal(stat_read(STAT_HOOKS_CUT), cut + 2000000 - 2 * HOOK_LINES_MAX);
}

static void what_it_says_is_logged_as_text(void **state)
{
    struct hooks_tier tier = {"paris", {"printf 'one\\ntwo\\033[31m\\n'; printf three >&2"}};
    struct site site = site_new(&tier, 1, HOOKS_LIMIT);

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    site_free(&site);
    assert_non_null(strstr(contents("log"), "paris: on_master says: one\n"));
    assert_non_null(strstr(contents("log"), "paris: on_master says: two\\x1b[31m\n"));
    assert_non_null(strstr(contents("log"), "paris: on_master says: three\n"));
    assert_non_null(strstr(contents("log"), "paris: on_master is done, in "));
}

static void how_it_failed_is_logged(void **state)
{
    struct hooks_tier tiers[] = {
        {"a", {"exit 7"}}, {"b", {"/no/such/program"}}, {"c", {"kill -USR1 $$"}}};
    struct site site = site_new(tiers, 3, HOOKS_LIMIT);
    uint64_t failed = stat_read(STAT_HOOKS_FAILED);

    (void)state;
    post(&site, "a", ROLES_MASTER, 1);
    post(&site, "b", ROLES_MASTER, 1);
    post(&site, "c", ROLES_MASTER, 1);
    site_free(&site);
    assert_int_equal(stat_read(STAT_HOOKS_FAILED), failed + 3);
    assert_non_null(strstr(contents("log"), ": exit status 7\n"));
    assert_non_null(strstr(contents("log"), ": exit status 127\n"));
    assert_non_null(strstr(contents("log"), "b: on_master says: "));
    assert_non_null(strstr(contents("log"), "it died of signal 10 ("));
}

/* What a hook leaves in the background is not waited for. */
static void a_hook_may_begin_what_goes_on_without_it(void **state)
{
    struct hooks_tier tier = {
        "paris", {"(until [ -e $HOOKS_FOLDER/go ]; do sleep 0.01; done; " TRACE ") & echo begun"}};
    struct site site = site_new(&tier, 1, HOOKS_LIMIT);
    int go;

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    site_free(&site);
    assert_string_equal(contents("trace"), "");
    go = open(in_folder("go"), O_CREAT | O_WRONLY, 0600);
    close(go);
    await_text("trace", "paris master 1\n");
}

/* The end of each tier still gives up what its master held, also behind a hook that hangs. */
static void the_last_change_has_its_hook_before_the_end(void **state)
{
    struct hooks_tier tiers[] = {{"paris", {"sleep 1000", TRACE}},
                                 {"lyon", {NULL, TRACE "; sleep 1000"}},
                                 {"core", {NULL, NULL, TRACE}}};
    struct site site = site_new(tiers, 3, MONO_S(LIMIT_S));
    mono_t began;

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    post_end(&site, "paris", ROLES_BACKUP);
    post_end(&site, "lyon", ROLES_BACKUP);
    post_end(&site, "core", ROLES_SLAVE); /* it does not become a slave by that */
    began = clock_mono();
    site_free(&site);
    assert_true(mono_between(began, clock_mono()) < MONO_S(PATIENCE_S));
    assert_non_null(strstr(contents("trace"), "paris backup 0\n"));
    assert_non_null(strstr(contents("trace"), "lyon backup 0\n"));
    assert_null(strstr(contents("trace"), "core"));
}

static void a_reload_counts_from_the_next_change(void **state)
{
    struct hooks_tier before[] = {{"paris", {TRACE, "echo gave up >>$HOOKS_FOLDER/trace"}},
                                  {"lyon", {TRACE}}};
    struct hooks_tier after[] = {{"lyon", {"echo other >>$HOOKS_FOLDER/trace"}}, {"core", {TRACE}}};
    struct site site = site_new(before, 2, HOOKS_LIMIT);

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    await_text("trace", "paris master 1\n");
    hooks_reload(site.hooks, after, 2);
    post_end(&site, "paris", ROLES_BACKUP); /* its commands count until then */
    await_text("trace", "gave up\n");
    post(&site, "paris", ROLES_MASTER, 2);
    post(&site, "lyon", ROLES_MASTER, 3);
    await_text("trace", "other\n");
    post(&site, "core", ROLES_MASTER, 4);
    site_free(&site);
    assert_string_equal(contents("trace"), "paris master 1\n"
                                           "gave up\n"
                                           "other\n"
                                           "core master 4\n");
}

/* A reload can make a candidate a slave, and its master gives up what it holds all the same. */
static void a_master_that_becomes_slave_gives_up_first(void **state)
{
    struct hooks_tier tiers[] = {{"paris", {TRACE, TRACE, TRACE}}, {"lyon", {TRACE, NULL, TRACE}}};
    struct site site = site_new(tiers, 2, HOOKS_LIMIT);

    (void)state;
    post(&site, "paris", ROLES_MASTER, 1);
    post(&site, "paris", ROLES_SLAVE, 2);
    post(&site, "lyon", ROLES_MASTER, 3);
    await_text("trace", "paris slave 2\n");
    await_text("trace", "lyon master 3\n");
    assert_non_null(strstr(contents("trace"), "paris backup 2\n"));
    post(&site, "paris", ROLES_BACKUP, 4);
    await_text("trace", "paris backup 4\n");
    post(&site, "paris", ROLES_SLAVE, 5);
    post(&site, "lyon", ROLES_SLAVE, 6);
    site_free(&site);
    assert_null(strstr(contents("trace"), "paris backup 5\n"));
    assert_non_null(strstr(contents("trace"), "paris slave 5\n"));
    assert_non_null(strstr(contents("trace"), "lyon slave 6\n"));
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Told, not judged: how long after the post the shell of a hook is at work. */
static void how_soon_a_hook_runs(void **state)
{
    struct hooks_tier tier = {"paris", {"echo >$HOOKS_FOLDER/pipe"}};
    int64_t took[STARTS];
    struct site site;
    int pipe;

    (void)state;
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    pipe = open(in_folder("pipe"), O_RDWR | O_CLOEXEC);
    site = site_new(&tier, 1, HOOKS_LIMIT);
    for (int i = 0; i < STARTS; i++) {
        mono_t began = clock_mono();
        char byte;
        post(&site, "paris", ROLES_MASTER, (uint64_t)i);
        assert_int_equal(read(pipe, &byte, 1), 1);
        took[i] = mono_between(began, clock_mono());
    }
    site_free(&site);
    close(pipe);
    qsort(took, STARTS, sizeof(*took), by_value);
    printf("# from the change to the hook's first command: median %.2f ms, most %.2f ms\n",
           (double)took[STARTS / 2] / 1e6, (double)took[STARTS - 1] / 1e6);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin_in_folder, end_in_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_hook_is_told_what_has_changed),
        IN_FOLDER(an_unknown_master_is_empty_and_the_manager_is_left_out),
        IN_FOLDER(a_hook_inherits_nothing_else),
        IN_FOLDER(a_plain_command_needs_no_shell),
        IN_FOLDER(hooks_run_in_the_order_of_the_changes),
        IN_FOLDER(the_last_state_wins),
        IN_FOLDER(one_that_hangs_is_killed_with_all_that_it_began),
        IN_FOLDER(a_flood_of_output_is_cut),
        IN_FOLDER(what_it_says_is_logged_as_text),
        IN_FOLDER(how_it_failed_is_logged),
        IN_FOLDER(a_hook_may_begin_what_goes_on_without_it),
        IN_FOLDER(the_last_change_has_its_hook_before_the_end),
        IN_FOLDER(a_reload_counts_from_the_next_change),
        IN_FOLDER(a_master_that_becomes_slave_gives_up_first),
        IN_FOLDER(how_soon_a_hook_runs),
    };

    return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
