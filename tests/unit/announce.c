/* SPDX-License-Identifier: ISC */
#include "tools/vip/announce.h"

#include <string.h>

#include "tests/unit/unit.h"

static const uint8_t mac[NETLINK_MAC_SIZE] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};

static struct address address_of(const char *text)
{
    struct address address;

    assert_true(address_parse(span_of(text), 0, &address));
    return address;
}

static void an_arp_announcement_asks_for_itself(void **state)
{
    static const uint8_t expected[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x08, 0x06,
        0,    1,    0x08, 0x00, 6,    4,    0,    1,    0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
        10,   27,   4,    100,  0,    0,    0,    0,    0,    0,    10,   27,   4,    100};
    struct address address = address_of("10.27.4.100");
    uint8_t frame[ANNOUNCE_FRAME_MAX];

    (void)state;
    assert_int_equal(announce_arp(frame, ANNOUNCE_REQUEST, &address, mac), sizeof(expected));
    assert_memory_equal(frame, expected, sizeof(expected));
}

/* Linux takes a gratuitous reply at once only where the target's hardware address is the sender's.
 */
static void an_arp_reply_names_the_new_owner_twice(void **state)
{
    struct address address = address_of("10.27.4.100");
    uint8_t frame[ANNOUNCE_FRAME_MAX];

    (void)state;
    assert_int_equal(announce_arp(frame, ANNOUNCE_REPLY, &address, mac), 42);
    assert_int_equal(frame[20] << 8 | frame[21], 2);
    assert_memory_equal(frame + 22, mac, sizeof(mac));
    assert_memory_equal(frame + 32, mac, sizeof(mac));
    assert_memory_equal(frame + 28, frame + 38, 4);
}

/* What RFC 4443, section 2.3, sums up; with a right checksum in it, it is all ones. */
static unsigned sum_of(const uint8_t *packet, size_t len)
{
    uint32_t sum = (uint32_t)(len - 40) + packet[6];

    for (size_t i = 8; i < len; i += 2)
        sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void a_neighbour_advertisement_overrides(void **state)
{
    static const uint8_t head[] = {0x33, 0x33, 0,    0,    0, 1, 0x02, 0xaa, 0xbb, 0xcc, 0xdd,
                                   0xee, 0x86, 0xdd, 0x60, 0, 0, 0,    0,    32,   58,   255};
    static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    static const char *const texts[] = {"fd00:27:4::100", "fe80::1", "2001:db8:ffff:ffff::ffff"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct address address = address_of(texts[i]);
        uint8_t frame[ANNOUNCE_FRAME_MAX];
        assert_int_equal(announce_neighbour(frame, &address, mac, false), 14 + 40 + 32);
        assert_memory_equal(frame, head, sizeof(head));
        assert_memory_equal(frame + 22, address.ip, 16);
        assert_memory_equal(frame + 38, all_nodes, 16);
        assert_int_equal(frame[54], 136);
        assert_int_equal(frame[58], 0x20); /* override; neither router nor solicited */
        assert_memory_equal(frame + 62, address.ip, 16);
        assert_int_equal(frame[78], 2);
        assert_int_equal(frame[79], 1);
        assert_memory_equal(frame + 80, mac, sizeof(mac));
        assert_int_equal(sum_of(frame + 14, 72), 0xffff);

        announce_neighbour(frame, &address, mac, true);
        assert_int_equal(frame[58], 0xa0); /* router too */
        assert_int_equal(sum_of(frame + 14, 72), 0xffff);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arp_announcement_asks_for_itself),
        cmocka_unit_test(an_arp_reply_names_the_new_owner_twice),
        cmocka_unit_test(a_neighbour_advertisement_overrides),
    };

    return cmocka_run_group_tests_name("announce", tests, NULL, NULL);
}
