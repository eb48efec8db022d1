/* SPDX-License-Identifier: ISC */
#include "src/udp.h"

#include <ev.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "tests/unit/unit.h"

/* Nodes on loopback addresses of one port, as several carponds on one host. */
/* PORT: no socket gets it by itself (ip_local_port_range). */
enum { NODES = 3, PORT = 26127, MANY = 500 };

#define MARK "all that was sent before has come"

struct node {
    struct udp *udp;
    struct address address;
    int heard;
    bool marked;
    int batches;
    char last[64];
    struct address last_from;
    bool to_group;
    uint8_t hops;
};

struct net {
    struct ev_loop *loop;
    struct address broadcast;
    struct node nodes[NODES];
};

static void on_take(void *arg, const struct udp_datagram *datagram)
{
    struct node *node = arg;

    if (span_is(datagram->bytes, MARK)) {
        node->marked = true;
        return;
    }
    node->heard++;
    node->last_from = datagram->from;
    node->to_group = datagram->to_group;
    node->hops = datagram->hops;
    span_copy(datagram->bytes, node->last, sizeof(node->last));
}

static void on_batch(void *arg)
{
    struct node *node = arg;

    node->batches++;
}

static struct address at(const char *host)
{
    struct address address;

    assert_true(address_parse(span_of(host), PORT, &address));
    return address;
}

static struct udp *listen_on(struct net *net, struct node *node, const char *host, bool broadcast)
{
    struct udp_options options = {.loop = net->loop,
                                  .listen = &node->address,
                                  .listen_count = 1,
                                  .setting = "port",
                                  .hops = UDP_HOPS,
                                  .broadcast = broadcast ? &net->broadcast : NULL,
                                  .take = on_take,
                                  .batch = on_batch,
                                  .arg = node};

    node->address = at(host);
    return udp_new(&options);
}

static int set_up(void **state)
{
    static struct net net;

    memset(&net, 0, sizeof(net));
    net.loop = ev_loop_new(EVFLAG_AUTO);
    net.broadcast = at("127.255.255.255");
    for (int i = 0; i < NODES; i++) {
        char host[32];
        snprintf(host, sizeof(host), "127.46.0.%d", i + 1);
        net.nodes[i].udp = listen_on(&net, &net.nodes[i], host, true);
        assert_non_null(net.nodes[i].udp);
    }
    *state = &net;
    return 0;
}

static int tear_down(void **state)
{
    struct net *net = *state;

    for (int i = 0; i < NODES; i++)
        udp_free(net->nodes[i].udp);
    ev_loop_destroy(net->loop);
    return 0;
}

static void send_mark(struct net *net, struct node *node)
{
    node->marked = false;
    udp_send(net->nodes[0].udp, &node->address, NULL, span_of(MARK));
    udp_flush(net->nodes[0].udp);
}

/* Loopback delivers in order, though on a busy machine not before sendmmsg returns: what comes
 * behind all else is waited for. It may get lost to an error of what was sent before. */
static void run(struct net *net)
{
    for (int i = 0; i < NODES; i++) {
        struct node *node = &net->nodes[i];
        node->marked = !node->udp;
        for (int turn = 0; !node->marked; turn++) {
            if (turn % 100 == 0)
                send_mark(net, node);
            ev_run(net->loop, EVRUN_NOWAIT);
            if (!node->marked)
                usleep(1000);
        }
    }
    for (int i = 0; i < 20; i++)
        ev_run(net->loop, EVRUN_NOWAIT);
}

static void a_datagram_comes_from_the_address_spoken_from(void **state)
{
    struct net *net = *state;

    udp_send(net->nodes[0].udp, &net->nodes[1].address, &net->nodes[0].address, span_of("hello"));
    udp_flush(net->nodes[0].udp);
    run(net);
    assert_int_equal(net->nodes[1].heard, 1);
    assert_string_equal(net->nodes[1].last, "hello");
    assert_true(address_same(&net->nodes[1].last_from, &net->nodes[0].address));
    assert_int_equal(net->nodes[2].heard, 0);
}

/* Each is bound to one address, which by itself hears no broadcast; the speaker hears itself. */
static void a_broadcast_is_heard_by_all_on_the_host(void **state)
{
    struct net *net = *state;

    udp_broadcast(net->nodes[0].udp, span_of("anyone?"));
    udp_flush(net->nodes[0].udp);
    run(net);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(net->nodes[i].heard, 1);
        assert_true(address_same(&net->nodes[i].last_from, &net->nodes[0].address));
    }
}

static void where_broadcasts_go_can_be_changed(void **state)
{
    struct net *net = *state;
    struct udp *udp = net->nodes[0].udp;

    assert_true(udp_set_broadcast(udp, NULL));
    udp_broadcast(udp, span_of("anyone?"));
    udp_broadcast(net->nodes[1].udp, span_of("hello"));
    udp_flush(udp);
    udp_flush(net->nodes[1].udp);
    run(net);
    assert_int_equal(net->nodes[0].heard, 0);
    assert_int_equal(net->nodes[2].heard, 1);
    assert_string_equal(net->nodes[2].last, "hello");
    assert_true(udp_set_broadcast(udp, &net->broadcast));
    assert_false(udp_set_broadcast(udp, &net->nodes[2].address)); /* taken: nothing has changed */
    udp_broadcast(net->nodes[1].udp, span_of("again"));
    udp_flush(net->nodes[1].udp);
    run(net);
    assert_int_equal(net->nodes[0].heard, 1);
}

static void many_are_sent_and_read_in_few_calls(void **state)
{
    struct net *net = *state;

    for (int i = 0; i < MANY; i++)
        udp_send(net->nodes[0].udp, &net->nodes[1].address, NULL, span_of("one of many"));
    udp_flush(net->nodes[0].udp);
    run(net);
    assert_int_equal(net->nodes[1].heard, MANY);
    assert_true(net->nodes[1].batches <= MANY / 8); /* however they come in */
}

/* Nobody listens there: the kernel answers a later call with an error, which costs one datagram at
 * most, and the others go out. */
static void an_unreachable_one_does_not_stop_the_others(void **state)
{
    struct net *net = *state;
    struct address nobody = at("127.46.0.99");

    for (int i = 0; i < 10; i++) {
        udp_send(net->nodes[0].udp, &nobody, NULL, span_of("void"));
        udp_send(net->nodes[0].udp, &net->nodes[1].address, NULL, span_of("there"));
    }
    udp_flush(net->nodes[0].udp);
    run(net);
    assert_int_equal(net->nodes[1].heard, 10);
}

/* What is longer than a message comes with a length that says so, so that its form is refused. */
static void too_long_a_datagram_shows_as_such(void **state)
{
    struct net *net = *state;
    static char bytes[UDP_PAYLOAD_MAX + 100];

    memset(bytes, 'x', sizeof(bytes));
    udp_send(net->nodes[0].udp, &net->nodes[1].address, NULL, (struct span){bytes, sizeof(bytes)});
    udp_flush(net->nodes[0].udp);
    run(net);
    assert_int_equal(net->nodes[1].heard, 0);
}

static void an_address_in_use_is_an_error(void **state)
{
    struct net *net = *state;
    struct node again = {.heard = 0};

    assert_null(listen_on(net, &again, "127.46.0.1", false));
}

/* ---- groups --------------------------------------------------------------------------------- */

/* What node 0 sends to the group on the loopback interface. */
static void say_to_group(struct net *net, const struct address *group)
{
    udp_send_group(net->nodes[0].udp, group, if_nametoindex("lo"), &net->nodes[0].address,
                   span_of("to all"));
    udp_flush(net->nodes[0].udp);
    run(net);
}

static void those_who_have_joined_a_group_hear_it(void **state)
{
    struct net *net = *state;
    struct address group = at("239.255.46.1"), other = at("239.255.46.2");
    unsigned lo = if_nametoindex("lo");

    assert_true(udp_join(net->nodes[1].udp, &group, lo));
    assert_true(udp_join(net->nodes[2].udp, &other, lo));
    say_to_group(net, &group);
    assert_int_equal(net->nodes[1].heard, 1);
    assert_true(net->nodes[1].to_group);
    assert_int_equal(net->nodes[1].hops, UDP_HOPS);
    assert_true(address_same(&net->nodes[1].last_from, &net->nodes[0].address));
    assert_int_equal(net->nodes[2].heard, 0);
    udp_send(net->nodes[0].udp, &net->nodes[1].address, NULL, span_of("to one"));
    udp_flush(net->nodes[0].udp);
    run(net);
    assert_int_equal(net->nodes[1].heard, 2);
    assert_false(net->nodes[1].to_group);
}

static void a_group_is_left_when_its_last_user_leaves(void **state)
{
    struct net *net = *state;
    struct address group = at("239.255.46.1");
    unsigned lo = if_nametoindex("lo");

    assert_true(udp_join(net->nodes[1].udp, &group, lo));
    assert_true(udp_join(net->nodes[1].udp, &group, lo));
    say_to_group(net, &group);
    assert_int_equal(net->nodes[1].heard, 1);
    udp_leave(net->nodes[1].udp, &group, lo);
    say_to_group(net, &group);
    assert_int_equal(net->nodes[1].heard, 2);
    udp_leave(net->nodes[1].udp, &group, lo);
    say_to_group(net, &group);
    assert_int_equal(net->nodes[1].heard, 2);
    assert_true(udp_join(net->nodes[1].udp, &group, lo));
    say_to_group(net, &group);
    assert_int_equal(net->nodes[1].heard, 3);
}

/* Both families, on sockets that are bound to every address, which the groups' must stand beside.
 */
static void who_listens_on_every_address_hears_groups(void **state)
{
    struct net *net = *state;
    struct node *node = &net->nodes[0];
    struct address group = at("239.255.46.1");
    unsigned lo = if_nametoindex("lo");

    for (int i = 0; i < NODES; i++) {
        udp_free(net->nodes[i].udp);
        net->nodes[i].udp = NULL;
    }
    node->udp = listen_on(net, node, "0.0.0.0", false);
    assert_non_null(node->udp);
    assert_true(udp_join(node->udp, &group, lo));
    udp_send_group(node->udp, &group, lo, NULL, span_of("to all"));
    udp_flush(node->udp);
    run(net);
    assert_int_equal(node->heard, 1);
    assert_true(node->to_group);
    assert_int_equal(node->hops, UDP_HOPS);
}

static void a_group_on_no_interface_is_not_joined(void **state)
{
    struct net *net = *state;
    struct address group = at("239.255.46.1");

    assert_false(udp_join(net->nodes[1].udp, &group, 4000000));
    assert_false(udp_join(net->nodes[1].udp, &net->nodes[2].address, if_nametoindex("lo")));
}

static void draining_takes_all_without_the_loop(void **state)
{
    struct net *net = *state;

    for (int i = 0; i < MANY; i++)
        udp_send(net->nodes[0].udp, &net->nodes[1].address, NULL, span_of("one of many"));
    udp_flush(net->nodes[0].udp);
    udp_drain(net->nodes[1].udp, clock_mono());
    assert_int_equal(net->nodes[1].heard, 0);
    send_mark(net, &net->nodes[1]);
    while (!net->nodes[1].marked)
        udp_drain(net->nodes[1].udp, MONO_NEVER);
    assert_int_equal(net->nodes[1].heard, MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_datagram_comes_from_the_address_spoken_from, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_broadcast_is_heard_by_all_on_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_broadcasts_go_can_be_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_are_sent_and_read_in_few_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unreachable_one_does_not_stop_the_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(too_long_a_datagram_shows_as_such, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_who_have_joined_a_group_hear_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_is_left_when_its_last_user_leaves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_listens_on_every_address_hears_groups, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_group_on_no_interface_is_not_joined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(draining_takes_all_without_the_loop, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
