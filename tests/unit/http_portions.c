/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/acceptor.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * What one host, or all that are no members, may have of a node: of its connections, and of its
 * memory for answers. We are the master of a tier, and the network 127.0.0.0/24 is its slaves.
 */
enum {
    MOST = 64,
    EACH = MOST / ACCEPTOR_HOST_PART, /* connections of one host */
    ANSWER = 2 << 20                  /* bytes; one host has room for two */
};

static struct site site;

static int start(void **state)
{
    const struct member tier[] = {
        site_member("127.0.0.1", MEMBER_CANDIDATE, "paris"),
        site_member("127.0.0.0/24", MEMBER_SLAVE, "paris"),
    };

    (void)state;
    site_start(&site, &(struct site_options){
                          .members = tier,
                          .member_count = 2,
                          .nobroadcast = true,
                          .max_connections = MOST,
                          .reply_memory = 8 * ANSWER,
                          .metrics_len = ANSWER,
                          .limits = {.head_ns = MONO_S(600),
                                     .window_ns = MONO_S(600)}, /* nobody is slow */
                      });
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    site_put(&site, "example.com/a", "hello", 5);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

static void until_connections(unsigned n)
{
    struct http_figures figures;

    do {
        usleep(1000);
        http_figures(site.http, &figures);
    } while (figures.connections != n);
}

static void expect_from(const char *host, const char *target, unsigned status)
{
    struct answer a;

    ask_from(&site, host, "GET", target, "", &a);
    expect(&a, status, NULL);
    answer_free(&a);
}

/* Those that are no members have the places of one, all together. */
static void one_host_leaves_connections_for_others(void **state)
{
    static const char target[] = "/example.com/a";
    int members[EACH], strangers[EACH];

    (void)state;
    for (unsigned i = 0; i < EACH; i++) {
        members[i] = site_connect_from(&site, "127.0.0.7");
        strangers[i] = site_connect_from(&site, i % 2 ? "127.9.9.7" : "127.9.9.8");
    }
    expect_from("127.0.0.7", target, 503);
    expect_from("127.9.9.9", target, 503);
    expect_from("127.0.0.8", target, 200);
    expect_from("127.0.0.1", target, 200);
    close(members[0]);
    close(strangers[0]);
    until_connections(2 * EACH - 2);
    expect_from("127.0.0.7", target, 200);
    expect_from("127.9.9.9", target, 403);
    for (unsigned i = 1; i < EACH; i++) {
        close(members[i]);
        close(strangers[i]);
    }
}

static int begin_to_read(const char *host)
{
    int fd = site_connect_narrow(&site, host);
    char first;

    send_text(fd, "GET /.pond/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1);
    return fd;
}

static void who_reads_no_answer_leaves_memory_for_others(void **state)
{
    static const char target[] = "/.pond/metrics";
    int fds[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        fds[i] = begin_to_read("127.0.0.7");
    expect_from("127.0.0.7", target, 503);
    expect_from("127.0.0.8", target, 200);
    expect_from("127.0.0.1", target, 200);
    for (size_t i = 0; i < 2; i++)
        close(fds[i]);
    until_connections(0);
    expect_from("127.0.0.7", target, 200);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(one_host_leaves_connections_for_others),
        CASE(who_reads_no_answer_leaves_memory_for_others),
    };
    return cmocka_run_group_tests_name("http_portions", tests, NULL, NULL);
}
