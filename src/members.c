/* SPDX-License-Identifier: ISC */
#include "src/members.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum { MEMBERS_MAGIC = 0x6d656d62, BITS_MAX = 128 };

/*
 * Members stand in one hash table under their prefix, of whatever length. A look-up tries the
 * lengths that occur, the longest first: a nets file has thousands of lines, but few lengths.
 */
struct members {
    unsigned magic;
    struct member *list;
    size_t count;
    uint32_t *slots; /* open addressing: index + 1 into list, or 0 */
    size_t slot_mask;
    uint8_t lengths[BITS_MAX + 1]; /* those that occur, longest first */
    size_t length_count;
    struct address *singles;
    size_t single_count;
    struct address *own;
    size_t own_count;
    struct network *monitors;
    size_t monitors_count;
    bool nets_given;
    bool nobroadcast;
    bool have_loopback;
};

static void *copy_of(const void *list, size_t count, size_t size)
{
    void *copy = calloc(count ? count : 1, size);

    MUST(copy != NULL);
    if (count)
        memcpy(copy, list, count * size);
    return copy;
}

/* The first `bits` of the address. */
static void cut(uint8_t ip[16], unsigned bits)
{
    unsigned whole = bits / 8;

    if (whole == 16)
        return;
    ip[whole] &= (uint8_t)(0xff00u >> bits % 8);
    memset(ip + whole + 1, 0, 15 - whole);
}

static size_t slot_of(const struct members *members, const uint8_t ip[16], unsigned bits)
{
    uint64_t high, low, mixed;

    memcpy(&high, ip, 8);
    memcpy(&low, ip + 8, 8);
    mixed = (high ^ (low << 1 | low >> 63) ^ bits) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 32) & members->slot_mask;
}

/* The first member with just this prefix that holds the address. */
static const struct member *find_prefix(const struct members *members, const uint8_t ip[16],
                                        unsigned bits, const struct address *from)
{
    size_t slot = slot_of(members, ip, bits);

    for (; members->slots[slot]; slot = (slot + 1) & members->slot_mask) {
        const struct member *member = &members->list[members->slots[slot] - 1];
        if (member->network.bits == bits && network_holds(&member->network, from))
            return member;
    }
    return NULL;
}

const struct member *members_find(const struct members *members, const struct address *from)
{
    const struct member *found = NULL;
    uint8_t ip[16];

    memcpy(ip, from->ip, sizeof(ip));
    for (size_t i = 0; i < members->length_count && !found; i++) {
        cut(ip, members->lengths[i]); /* ever shorter, so the same bytes can be cut further */
        found = find_prefix(members, ip, members->lengths[i], from);
    }
    return found;
}

const struct address *members_own_for(const struct members *members, const struct address *to)
{
    const struct member *member = members_find(members, to);

    if (member)
        return member->own;
    /* Several nodes of one host are told apart by their loopback addresses, of which the kernel
     * would take the first for all. */
    for (size_t i = 0; address_is_loopback(to) && i < members->own_count; i++) {
        const struct address *own = &members->own[i];
        if (address_is_loopback(own) && address_is_v4(own) == address_is_v4(to))
            return own;
    }
    return NULL;
}

static void make_table(struct members *members)
{
    bool occurs[BITS_MAX + 1] = {false};
    size_t slots = 16;

    while (slots < 2 * members->count)
        slots *= 2;
    members->slots = calloc(slots, sizeof(*members->slots));
    MUST(members->slots != NULL);
    members->slot_mask = slots - 1;
    for (size_t i = 0; i < members->count; i++) {
        const struct network *network = &members->list[i].network;
        size_t slot = slot_of(members, network->base.ip, network->bits);
        while (members->slots[slot])
            slot = (slot + 1) & members->slot_mask;
        members->slots[slot] = (uint32_t)(i + 1);
        occurs[network->bits] = true;
    }
    for (int bits = BITS_MAX; bits >= 0; bits--) {
        if (occurs[bits])
            members->lengths[members->length_count++] = (uint8_t)bits;
    }
}

static void list_singles(struct members *members)
{
    members->singles = calloc(members->count + 1, sizeof(*members->singles));
    MUST(members->singles != NULL);
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        const struct address *base = &member->network.base;
        members->have_loopback |= address_is_loopback(base);
        /* One who is in two tiers is found by the first and listed once. */
        if (network_is_single(&member->network) && !members_is_own(members, base) &&
            members_find(members, base) == member)
            members->singles[members->single_count++] = *base;
    }
}

struct members *members_new(const struct members_options *options)
{
    struct members *members = calloc(1, sizeof(*members));

    MUST(members != NULL && options->count < UINT32_MAX);
    *members = (struct members){
        .magic = MEMBERS_MAGIC,
        .list = copy_of(options->list, options->count, sizeof(*options->list)),
        .count = options->count,
        .own = copy_of(options->own, options->own_count, sizeof(*options->own)),
        .own_count = options->own_count,
        .monitors = copy_of(options->monitors, options->monitors_count, sizeof(struct network)),
        .monitors_count = options->monitors_count,
        .nets_given = options->nets_given,
        .nobroadcast = options->nobroadcast,
    };
    make_table(members);
    list_singles(members);
    return members;
}

void members_free(struct members *members)
{
    if (!members)
        return;
    MUST_BE(members, MEMBERS_MAGIC);
    members->magic = 0;
    free(members->list);
    free(members->slots);
    free(members->singles);
    free(members->own);
    free(members->monitors);
    free(members);
}

/* Section 3's table: both columns are the same in every row. */
static bool taken_from(const struct members *members, const struct address *from)
{
    if (!members->nobroadcast)
        return true;
    if (members->nets_given)
        return members_find(members, from) != NULL;
    return members_is_own(members, from) || address_is_loopback(from);
}

bool members_take_datagram(const struct members *members, const struct address *from)
{
    return taken_from(members, from);
}

bool members_take_request(const struct members *members, const struct address *from)
{
    return taken_from(members, from);
}

bool members_admit_plain(const struct members *members, const struct address *from)
{
    return members->nets_given ? members_find(members, from) != NULL : taken_from(members, from);
}

bool members_is_own(const struct members *members, const struct address *address)
{
    for (size_t i = 0; i < members->own_count; i++) {
        if (address_same_host(&members->own[i], address))
            return true;
    }
    return false;
}

bool members_is_monitor(const struct members *members, const struct address *from)
{
    for (size_t i = 0; i < members->monitors_count; i++) {
        if (network_holds(&members->monitors[i], from))
            return true;
    }
    return false;
}

bool members_have_loopback(const struct members *members)
{
    return members->have_loopback;
}

bool members_broadcast(const struct members *members)
{
    return !members->nobroadcast;
}

size_t members_singles(const struct members *members, const struct address **list)
{
    *list = members->singles;
    return members->single_count;
}
