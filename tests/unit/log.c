/* SPDX-License-Identifier: ISC */
#include "src/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/must.h"

#include "tests/unit/unit.h"

enum { LINES_MAX = 20000, ENOUGH = 16 * 1024 * 1024 };

/* Standard error is a pipe that nobody reads, until read_all() does. */
struct pipe {
    int kept; /* standard error as it was */
    int out;
};

static struct pipe pipe_begin(void)
{
    struct pipe pipe_ends;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pipe_ends.kept = dup(STDERR_FILENO);
    pipe_ends.out = ends[0];
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    return pipe_ends;
}

static void pipe_end_kept(const struct pipe *pipe_ends)
{
    assert_true(dup2(pipe_ends->kept, STDERR_FILENO) >= 0);
    close(pipe_ends->kept);
}

static void pipe_end(const struct pipe *pipe_ends)
{
    pipe_end_kept(pipe_ends);
    close(pipe_ends->out);
}

/* Reads until `last` has come. */
static char *read_until(const struct pipe *pipe_ends, const char *last)
{
    char *text = calloc(1, ENOUGH + 1);
    size_t len = 0;

    assert_non_null(text);
    while (!strstr(text, last)) {
        ssize_t got = read(pipe_ends->out, text + len, ENOUGH - len);
        assert_true(got > 0);
        len += (size_t)got;
    }
    return text;
}

static void a_thread_writes_all_lines_in_order(void **state)
{
    struct pipe pipe_ends = pipe_begin();
    char *text, *at, line[32];

    (void)state;
    log_begin_thread();
    for (int i = 0; i < 100; i++)
        log_info("line %d.", i);
    log_end_thread();
    log_info("the end.");
    text = at = read_until(&pipe_ends, "the end.\n");
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "line %d.\n", i);
        at = strstr(at, line);
        assert_non_null(at);
    }
    free(text);
    pipe_end(&pipe_ends);
}

static void *read_to_the_end(void *arg)
{
    return read_until(arg, "the end.\n");
}

/* The sum of what the lines say that tell of lost ones. */
static int sum_of_lost(const char *text)
{
    unsigned long long lost;
    int sum = 0;

    for (const char *at = text; (at = strstr(at, " warn ")) != NULL; at++) {
        assert_int_equal(sscanf(at, " warn %llu lines of this log are lost here", &lost), 1);
        sum += (int)lost;
    }
    return sum;
}

static void nobody_waits_for_a_full_pipe_and_what_is_lost_is_counted(void **state)
{
    struct pipe pipe_ends = pipe_begin();
    pthread_t reader;
    void *text;
    int written = 0;

    (void)state;
    log_begin_thread();
    for (int i = 0; i < LINES_MAX; i++) /* would stand still here, after some 1,000 of them */
        log_info("a line that is meant to fill the pipe, and the ring behind it: %d", i);
    assert_int_equal(pthread_create(&reader, NULL, read_to_the_end, &pipe_ends), 0);
    log_end_thread();
    log_info("the end.");
    assert_int_equal(pthread_join(reader, &text), 0);
    for (const char *at = text; (at = strstr(at, "meant to fill")) != NULL; at++)
        written++;
    assert_true(written > 1000 && written < LINES_MAX);
    assert_int_equal(written + sum_of_lost(text), LINES_MAX);
    free(text);
    pipe_end(&pipe_ends);
}

static void ending_does_not_wait_for_ever(void **state)
{
    struct pipe pipe_ends = pipe_begin();
    char *text;

    (void)state;
    log_begin_thread();
    for (int i = 0; i < LINES_MAX; i++)
        log_info("a line that is meant to fill the pipe, and the ring behind it: %d", i);
    log_end_thread(); /* returns though nothing can be written */
    text = read_until(&pipe_ends, "lost here");
    free(text);
    log_end_thread(); /* and now it has all gone out */
    pipe_end(&pipe_ends);
}

/* In a process of its own, whose standard error is full. */
static void who_must_die_dies_though_nobody_reads_its_log(void **state)
{
    struct pipe pipe_ends;
    pid_t child;
    int status = 0;

    (void)state;
    pipe_ends = pipe_begin();
    child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        log_begin_thread();
        for (int i = 0; i < LINES_MAX; i++)
            log_info("a line that is meant to fill the pipe, and the ring behind it: %d", i);
        MUST(child != 0);
    }
    pipe_end_kept(&pipe_ends);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    close(pipe_ends.out);
}

static void who_lacks_memory_says_so(void **state)
{
    struct pipe pipe_ends;
    pid_t child;
    char *text;

    (void)state;
    pipe_ends = pipe_begin();
    child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        errno = ENOMEM;
        MUST(child != 0);
    }
    pipe_end_kept(&pipe_ends);
    text = read_until(&pipe_ends, "no memory is left");
    free(text);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(pipe_ends.out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_writes_all_lines_in_order),
        cmocka_unit_test(nobody_waits_for_a_full_pipe_and_what_is_lost_is_counted),
        cmocka_unit_test(ending_does_not_wait_for_ever),
        cmocka_unit_test(who_must_die_dies_though_nobody_reads_its_log),
        cmocka_unit_test(who_lacks_memory_says_so),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does: a thread may write when nobody reads */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
