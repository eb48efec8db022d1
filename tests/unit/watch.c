/* SPDX-License-Identifier: ISC */
#include "src/watch.h"

#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/clock.h"
#include "tests/unit/unit.h"

/* A master and a backup on loopback addresses of one port, as two carponds on one host. No socket
 * gets that port by itself (ip_local_port_range). */
enum { PORT = 26128, MASTER = 0, BACKUP = 1, ENDS = 2 };

static const int64_t PATIENCE = MONO_S(60);

struct end {
    struct watch *watch;
    struct address address;
    bool open; /* may others watch it? */
    int gone;
    size_t gone_line;
    struct address gone_to;
};

struct net {
    struct ev_loop *loop;
    struct ev_timer beat; /* so that a turn of the loop ends */
    struct end ends[ENDS];
};

static bool on_may_watch(void *arg, const struct address *from)
{
    struct end *end = arg;

    (void)from;
    return end->open;
}

static void on_gone(void *arg, size_t line, const struct address *to)
{
    struct end *end = arg;

    end->gone++;
    end->gone_line = line;
    end->gone_to = *to;
}

static void begin(struct net *net, int i)
{
    struct end *end = &net->ends[i];
    struct watch_options options = {.loop = net->loop,
                                    .listen = &end->address,
                                    .listen_count = 1,
                                    .may_watch = on_may_watch,
                                    .gone = on_gone,
                                    .arg = end};

    end->watch = watch_new(&options);
    assert_non_null(end->watch);
}

static void on_beat(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
}

static int set_up(void **state)
{
    static struct net net;

    memset(&net, 0, sizeof(net));
    net.loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&net.beat, on_beat, 0.005, 0.005);
    ev_timer_start(net.loop, &net.beat);
    for (int i = 0; i < ENDS; i++) {
        char host[32];
        snprintf(host, sizeof(host), "127.46.1.%d", i + 1);
        assert_true(address_parse(span_of(host), PORT, &net.ends[i].address));
        net.ends[i].open = true;
        begin(&net, i);
    }
    *state = &net;
    return 0;
}

static int tear_down(void **state)
{
    struct net *net = *state;

    for (int i = 0; i < ENDS; i++)
        watch_free(net->ends[i].watch);
    ev_loop_destroy(net->loop);
    return 0;
}

static void turn(struct net *net, int times)
{
    while (times-- > 0)
        ev_run(net->loop, EVRUN_ONCE);
}

#define UNTIL(net, condition)                                                                      \
    do {                                                                                           \
        mono_t last_ = mono_after(clock_mono(), PATIENCE);                                         \
        bool met_;                                                                                 \
        while (!(met_ = (condition)) && !mono_reached(clock_mono(), last_))                        \
            turn(net, 1);                                                                          \
        assert_true(met_);                                                                         \
    } while (0)

static void hold(struct net *net, size_t line)
{
    watch_hold(net->ends[BACKUP].watch, line, &net->ends[MASTER].address,
               &net->ends[BACKUP].address);
}

static size_t served(const struct net *net)
{
    return watch_served(net->ends[MASTER].watch);
}

static void a_connection_is_held_until_it_is_let_go(void **state)
{
    struct net *net = *state;

    hold(net, 3);
    UNTIL(net, watch_holds(net->ends[BACKUP].watch, 3) && served(net) == 1);
    hold(net, 3);
    hold(net, 4);
    UNTIL(net, served(net) == 2);
    watch_hold(net->ends[BACKUP].watch, 3, NULL, NULL);
    UNTIL(net, served(net) == 1);
    assert_false(watch_holds(net->ends[BACKUP].watch, 3));
    assert_true(watch_holds(net->ends[BACKUP].watch, 4));
    assert_int_equal(net->ends[BACKUP].gone, 0);
}

static void the_end_of_a_process_is_told_once(void **state)
{
    struct net *net = *state;
    struct end *backup = &net->ends[BACKUP];

    hold(net, 5);
    UNTIL(net, served(net) == 1);
    watch_free(net->ends[MASTER].watch);
    net->ends[MASTER].watch = NULL;
    UNTIL(net, backup->gone == 1);
    assert_int_equal(backup->gone_line, 5);
    assert_true(address_same(&backup->gone_to, &net->ends[MASTER].address));
    turn(net, 200); /* in which it has tried again, and was refused again */
    assert_int_equal(backup->gone, 1);
}

static void one_that_is_back_is_watched_again(void **state)
{
    struct net *net = *state;

    hold(net, 0);
    UNTIL(net, served(net) == 1);
    watch_free(net->ends[MASTER].watch);
    net->ends[MASTER].watch = NULL;
    UNTIL(net, net->ends[BACKUP].gone == 1);
    begin(net, MASTER);
    UNTIL(net, watch_holds(net->ends[BACKUP].watch, 0) && served(net) == 1);
    watch_free(net->ends[MASTER].watch);
    net->ends[MASTER].watch = NULL;
    UNTIL(net, net->ends[BACKUP].gone == 2);
}

/* It may be one who is not started yet: silence decides, as ever. */
static void who_never_had_a_connection_concludes_nothing(void **state)
{
    struct net *net = *state;

    watch_free(net->ends[MASTER].watch);
    net->ends[MASTER].watch = NULL;
    hold(net, 0);
    turn(net, 200);
    assert_int_equal(net->ends[BACKUP].gone, 0);
    begin(net, MASTER);
    UNTIL(net, watch_holds(net->ends[BACKUP].watch, 0));
    assert_int_equal(net->ends[BACKUP].gone, 0);
}

/* ---- a server of the test's own ------------------------------------------------------------- */

static int socket_at(const struct address *address)
{
    union sockaddr_any where = {0};
    socklen_t len = address_to_socket(address, &where);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, &where.any, len), 0);
    return fd;
}

/* The connection breaks, as by a firewall that forgets it; the process listens on. */
static void one_that_can_be_made_anew_means_nothing(void **state)
{
    struct net *net = *state;
    struct linger reset = {.l_onoff = 1};
    int listening, fd = -1;

    watch_free(net->ends[MASTER].watch);
    net->ends[MASTER].watch = NULL;
    listening = socket_at(&net->ends[MASTER].address);
    assert_int_equal(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(listen(listening, 8), 0);
    hold(net, 0);
    for (int i = 0; i < 3; i++) {
        UNTIL(net, (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0);
        UNTIL(net, watch_holds(net->ends[BACKUP].watch, 0));
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        close(fd);
    }
    assert_int_equal(net->ends[BACKUP].gone, 0);
    close(listening);
    UNTIL(net, net->ends[BACKUP].gone == 1);
}

/* ---- the other end -------------------------------------------------------------------------- */

static int connect_to_master(struct net *net, const char *from)
{
    struct address own;
    union sockaddr_any where = {0};
    socklen_t len = address_to_socket(&net->ends[MASTER].address, &where);
    int fd;

    assert_true(address_parse(span_of(from), 0, &own));
    fd = socket_at(&own);
    assert_int_equal(connect(fd, &where.any, len), 0);
    return fd;
}

static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void strangers_are_not_served(void **state)
{
    struct net *net = *state;
    int fd;

    net->ends[MASTER].open = false;
    fd = connect_to_master(net, "127.46.1.9");
    UNTIL(net, is_closed(fd));
    assert_int_equal(served(net), 0);
    close(fd);
}

static void who_says_something_loses_it(void **state)
{
    struct net *net = *state;
    int fd = connect_to_master(net, "127.46.1.9");

    UNTIL(net, served(net) == 1);
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    UNTIL(net, served(net) == 0);
    close(fd);
}

static void one_host_has_a_bounded_number(void **state)
{
    struct net *net = *state;
    int fds[WATCH_HOST_MAX + 1], other;

    for (size_t i = 0; i < WATCH_HOST_MAX; i++)
        fds[i] = connect_to_master(net, "127.46.1.9");
    UNTIL(net, served(net) == WATCH_HOST_MAX);
    fds[WATCH_HOST_MAX] = connect_to_master(net, "127.46.1.9");
    UNTIL(net, is_closed(fds[WATCH_HOST_MAX]));
    other = connect_to_master(net, "127.46.1.10");
    UNTIL(net, served(net) == WATCH_HOST_MAX + 1);
    for (size_t i = 0; i <= WATCH_HOST_MAX; i++)
        close(fds[i]);
    UNTIL(net, served(net) == 1);
    close(other);
}

static void a_port_in_use_is_an_error(void **state)
{
    struct net *net = *state;
    struct watch_options options = {
        .loop = net->loop, .listen = &net->ends[MASTER].address, .listen_count = 1};

    assert_null(watch_new(&options));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_is_held_until_it_is_let_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_a_process_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_back_is_watched_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_never_had_a_connection_concludes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_can_be_made_anew_means_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_are_not_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_says_something_loses_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_host_has_a_bounded_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
