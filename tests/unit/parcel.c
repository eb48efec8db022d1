/* SPDX-License-Identifier: ISC */
#include "src/parcel.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/stats.h"
#include "tests/unit/unit.h"

enum { HEARERS = 2, PARCELS_MAX = 200 };

struct field {
    int speaker;
    int hearers[HEARERS];
    struct address addresses[HEARERS + 1]; /* the speaker's is the last */
    struct parcel parcels[PARCELS_MAX];
    size_t count;
};

static struct address at(const char *host)
{
    struct address address;

    assert_true(address_parse(span_of(host), 0, &address));
    return address;
}

/* At a port that is free. */
static int open_at(struct address *address)
{
    union sockaddr_any own;
    socklen_t len = address_to_socket(address, &own);
    int fd = socket(own.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 1 << 20;

    assert_true(fd >= 0 && bind(fd, &own.any, len) == 0);
    assert_true(getsockname(fd, &own.any, &len) == 0 && address_from_socket(&own.any, address));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return fd;
}

static int set_up(void **state)
{
    static struct field field;
    static const char *const hosts[] = {"127.47.0.1", "127.47.0.2", "127.47.0.3"};

    field.count = 0;
    for (int i = 0; i <= HEARERS; i++)
        field.addresses[i] = at(hosts[i]);
    for (int i = 0; i < HEARERS; i++)
        field.hearers[i] = open_at(&field.addresses[i]);
    field.speaker = open_at(&field.addresses[HEARERS]);
    *state = &field;
    return 0;
}

static int tear_down(void **state)
{
    struct field *field = *state;

    for (int i = 0; i < HEARERS; i++)
        close(field->hearers[i]);
    close(field->speaker);
    return 0;
}

static void add(struct field *field, int to, const char *bytes, size_t len)
{
    struct parcel *parcel = &field->parcels[field->count++];

    *parcel = (struct parcel){.fd = field->speaker, .to = field->addresses[to], .len = len};
    memcpy(parcel->bytes, bytes, len);
}

static void expect(struct field *field, int hearer, const char *bytes, size_t len)
{
    static char heard[UDP_PAYLOAD_MAX + 1];

    assert_int_equal(recv(field->hearers[hearer], heard, sizeof(heard), 0), len);
    assert_memory_equal(heard, bytes, len);
}

static void expect_nothing_more(struct field *field)
{
    char byte;

    for (int i = 0; i < HEARERS; i++)
        assert_true(recv(field->hearers[i], &byte, 1, MSG_DONTWAIT) < 0);
}

/* The i-th: of many lengths, often the same one several times, and now and then to the other. */
static int example(int i, char *bytes, size_t size)
{
    static const int lens[] = {3, 3, 3, 2, 3, 4, 4, 1, 1, 1, 5, 3, 3, 3};

    snprintf(bytes, size, "%0*d", lens[i % (int)(sizeof(lens) / sizeof(*lens))], i % 10);
    return i % 40 > 30;
}

static void send_examples(struct field *field)
{
    enum { COUNT = 150 };
    uint64_t before = stat_read(STAT_DATAGRAMS_OUT);
    char bytes[16];

    for (int i = 0; i < COUNT; i++) {
        int to = example(i, bytes, sizeof(bytes));
        add(field, to, bytes, strlen(bytes));
    }
    parcels_send(field->parcels, field->count);
    for (int i = 0; i < COUNT; i++) {
        int to = example(i, bytes, sizeof(bytes));
        expect(field, to, bytes, strlen(bytes));
    }
    expect_nothing_more(field);
    assert_int_equal(stat_read(STAT_DATAGRAMS_OUT) - before, COUNT);
}

static void what_goes_as_one_piece_comes_one_by_one(void **state)
{
    send_examples(*state);
}

/* The kernel does not cut up what it is to send without checksums. */
static void where_no_pieces_are_taken_they_go_one_by_one(void **state)
{
    struct field *field = *state;
    int on = 1;

    assert_int_equal(setsockopt(field->speaker, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
    send_examples(field);
}

static void own_addresses_are_spoken_from(void **state)
{
    struct field *field = *state;
    struct address any = at("0.0.0.0"), from, said;
    union sockaddr_any heard;
    socklen_t len;
    char byte;

    close(field->speaker);
    field->speaker = open_at(&any);
    for (int i = 0; i < 8; i++) {
        add(field, 0, "x", 1);
        field->parcels[i].has_source = true;
        field->parcels[i].source = at(i < 4 ? "127.47.0.8" : "127.47.0.9");
    }
    parcels_send(field->parcels, field->count);
    for (int i = 0; i < 8; i++) {
        len = sizeof(heard);
        assert_int_equal(recvfrom(field->hearers[0], &byte, 1, 0, &heard.any, &len), 1);
        said = field->parcels[i].source;
        assert_true(address_from_socket(&heard.any, &from) && address_same_host(&from, &said));
    }
}

/* More than fits a link, more than fits a piece, and nothing at all. */
static void long_and_empty_ones_come_too(void **state)
{
    static const size_t lens[] = {UDP_PAYLOAD_MAX, 1233, 1232, 1, 0};
    static char bytes[UDP_PAYLOAD_MAX];
    struct field *field = *state;

    memset(bytes, 'y', sizeof(bytes));
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        field->count = 0;
        for (int n = 0; n < 70; n++)
            add(field, 0, bytes, lens[i]);
        parcels_send(field->parcels, field->count);
        for (int n = 0; n < 70; n++)
            expect(field, 0, bytes, lens[i]);
    }
    expect_nothing_more(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_as_one_piece_comes_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_no_pieces_are_taken_they_go_one_by_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(own_addresses_are_spoken_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_and_empty_ones_come_too, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
