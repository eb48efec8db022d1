/* SPDX-License-Identifier: ISC */
#include "src/members.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/lock.h"
#include "src/base/must.h"

enum { MEMBERS_MAGIC = 0x6d656d62, BITS_MAX = 128 };

/*
 * Members stand in one hash table under their prefix, of whatever length. A look-up tries the
 * lengths that occur, the longest first: a nets file has thousands of lines, but few lengths. A
 * table never changes once it is built.
 */
struct place {
    const char *tier; /* in the list */
    enum member_role role;
};

struct table {
    _Atomic unsigned users; /* who look up now, and the members while it is theirs */
    struct member *list;
    size_t count;
    uint32_t *slots; /* open addressing: index + 1 into list, or 0 */
    size_t slot_mask;
    uint8_t lengths[BITS_MAX + 1]; /* those that occur, longest first */
    size_t length_count;
    struct place places[MEMBERS_TIERS_MAX]; /* ours */
    size_t place_count;
    struct address *candidates; /* what members_candidates() lists */
    size_t candidate_count;
    struct address *own;
    size_t own_count;
    struct network *monitors;
    size_t monitors_count;
    bool nets_given;
    bool nobroadcast;
    bool have_loopback;
};

/*
 * The lock is held to take hold of the table or to put another one in place, never for a look-up,
 * however long: so the election's thread does not wait for who looks up, nor for who reloads. A
 * table goes with its last user.
 */
struct members {
    unsigned magic;
    pthread_mutex_t *lock; /* apart, since to readers the members are const; guards: */
    struct table *table;
    _Atomic uint64_t generation; /* written with the lock */
};

static void table_free(struct table *table)
{
    free(table->list);
    free(table->slots);
    free(table->candidates);
    free(table->own);
    free(table->monitors);
    free(table);
}

static struct table *enter(const struct members *members)
{
    struct table *table;

    MUST_BE(members, MEMBERS_MAGIC);
    pthread_mutex_lock(members->lock);
    table = members->table;
    atomic_fetch_add_explicit(&table->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(members->lock);
    return table;
}

static void leave(struct table *table)
{
    if (atomic_fetch_sub(&table->users, 1) == 1)
        table_free(table);
}

/* ---- the table ------------------------------------------------------------------------------- */

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

static size_t slot_of(const struct table *table, const uint8_t ip[16], unsigned bits)
{
    uint64_t high, low, mixed;

    memcpy(&high, ip, 8);
    memcpy(&low, ip + 8, 8);
    /* Addresses of one network differ in few bits, of which each must reach all of the slot. */
    mixed = (high ^ (low << 1 | low >> 63) ^ bits) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 32) & table->slot_mask;
}

/* The first member with just this prefix, of the tier if one is given, that holds the address. */
static const struct member *find_prefix(const struct table *table, const char *tier,
                                        const uint8_t ip[16], unsigned bits,
                                        const struct address *from)
{
    size_t slot = slot_of(table, ip, bits);

    for (; table->slots[slot]; slot = (slot + 1) & table->slot_mask) {
        const struct member *member = &table->list[table->slots[slot] - 1];
        if (member->network.bits == bits && network_holds(&member->network, from) &&
            (!tier || strcmp(member->tier, tier) == 0))
            return member;
    }
    return NULL;
}

static const struct member *find(const struct table *table, const char *tier,
                                 const struct address *from)
{
    const struct member *found = NULL;
    uint8_t ip[16];

    memcpy(ip, from->ip, sizeof(ip));
    for (size_t i = 0; i < table->length_count && !found; i++) {
        cut(ip, table->lengths[i]); /* ever shorter, so the same bytes can be cut further */
        found = find_prefix(table, tier, ip, table->lengths[i], from);
    }
    return found;
}

static bool is_own(const struct table *table, const struct address *address)
{
    for (size_t i = 0; i < table->own_count; i++) {
        if (address_same_host(&table->own[i], address))
            return true;
    }
    return false;
}

static void fill_slots(struct table *table)
{
    bool occurs[BITS_MAX + 1] = {false};
    size_t slots = 16;

    while (slots < 2 * table->count)
        slots *= 2;
    table->slots = calloc(slots, sizeof(*table->slots));
    MUST(table->slots != NULL);
    table->slot_mask = slots - 1;
    for (size_t i = 0; i < table->count; i++) {
        const struct network *network = &table->list[i].network;
        size_t slot = slot_of(table, network->base.ip, network->bits);
        while (table->slots[slot])
            slot = (slot + 1) & table->slot_mask;
        table->slots[slot] = (uint32_t)(i + 1);
        occurs[network->bits] = true;
        table->have_loopback |= address_is_loopback(&network->base);
    }
    for (int bits = BITS_MAX; bits >= 0; bits--) {
        if (occurs[bits])
            table->lengths[table->length_count++] = (uint8_t)bits;
    }
}

static bool has_place(const struct table *table, const char *tier)
{
    for (size_t i = table->place_count; i-- > 0;) { /* most lines are of the tier read last */
        if (strcmp(table->places[i].tier, tier) == 0)
            return true;
    }
    return false;
}

/* What we are in each of our tiers. */
static void fill_places(struct table *table)
{
    for (size_t i = 0; i < table->count && table->place_count < MEMBERS_TIERS_MAX; i++) {
        const struct member *line = &table->list[i], *own;
        if (!line->has_own || has_place(table, line->tier))
            continue;
        own = find(table, line->tier, &line->own);
        if (own)
            table->places[table->place_count++] = (struct place){line->tier, own->role};
    }
}

/* The first line that makes just this address a candidate. */
static const struct member *find_candidate(const struct table *table, const struct address *base)
{
    size_t slot = slot_of(table, base->ip, BITS_MAX);

    for (; table->slots[slot]; slot = (slot + 1) & table->slot_mask) {
        const struct member *member = &table->list[table->slots[slot] - 1];
        if (member->role == MEMBER_CANDIDATE && network_is_single(&member->network) &&
            address_same_host(&member->network.base, base))
            return member;
    }
    return NULL;
}

static void fill_candidates(struct table *table)
{
    table->candidates = calloc(table->count + 1, sizeof(*table->candidates));
    MUST(table->candidates != NULL);
    for (size_t i = 0; i < table->count; i++) {
        const struct address *base = &table->list[i].network.base;
        if (find_candidate(table, base) == &table->list[i] && !is_own(table, base))
            table->candidates[table->candidate_count++] = *base;
    }
}

static struct table *table_new(const struct members_options *options)
{
    struct table *table = calloc(1, sizeof(*table));

    MUST(table != NULL && options->count < UINT32_MAX);
    *table = (struct table){
        .users = 1,
        .list = copy_of(options->list, options->count, sizeof(*options->list)),
        .count = options->count,
        .own = copy_of(options->own, options->own_count, sizeof(*options->own)),
        .own_count = options->own_count,
        .monitors = copy_of(options->monitors, options->monitors_count, sizeof(struct network)),
        .monitors_count = options->monitors_count,
        .nets_given = options->nets_given,
        .nobroadcast = options->nobroadcast,
    };
    fill_slots(table);
    fill_places(table);
    fill_candidates(table);
    return table;
}

/* ---- begin, change, end ---------------------------------------------------------------------- */

struct members *members_new(const struct members_options *options)
{
    struct members *members = calloc(1, sizeof(*members));

    MUST(members != NULL);
    members->magic = MEMBERS_MAGIC;
    members->lock = calloc(1, sizeof(*members->lock));
    MUST(members->lock != NULL);
    lock_init(members->lock);
    members->table = table_new(options);
    return members;
}

void members_free(struct members *members)
{
    if (!members)
        return;
    MUST_BE(members, MEMBERS_MAGIC);
    members->magic = 0;
    pthread_mutex_destroy(members->lock);
    free(members->lock);
    leave(members->table);
    free(members);
}

void members_replace(struct members *members, const struct members_options *options)
{
    struct table *fresh = table_new(options), *old;

    MUST_BE(members, MEMBERS_MAGIC);
    pthread_mutex_lock(members->lock);
    old = members->table;
    members->table = fresh;
    atomic_fetch_add(&members->generation, 1);
    pthread_mutex_unlock(members->lock);
    leave(old);
}

uint64_t members_generation(const struct members *members)
{
    MUST_BE(members, MEMBERS_MAGIC);
    return atomic_load(&members->generation);
}

/* ---- look-ups -------------------------------------------------------------------------------- */

static bool find_out(const struct members *members, const char *tier, const struct address *from,
                     struct member *out)
{
    struct table *table = enter(members);
    const struct member *found = find(table, tier, from);

    if (found)
        *out = *found;
    leave(table);
    return found != NULL;
}

bool members_find(const struct members *members, const struct address *from, struct member *out)
{
    return find_out(members, NULL, from, out);
}

bool members_find_in(const struct members *members, const char *tier, const struct address *from,
                     struct member *out)
{
    return find_out(members, tier, from, out);
}

/* False: it is not in that tier. */
static bool pair_in(const struct table *table, const struct place *place,
                    const struct address *host, struct members_pair *out)
{
    const struct member *its = host ? find(table, place->tier, host) : NULL;

    if (host && !its)
        return false;
    *out = (struct members_pair){.own = place->role, .its = its ? its->role : place->role};
    MUST(span_copy(span_of(place->tier), out->tier, sizeof(out->tier)));
    return true;
}

size_t members_shared(const struct members *members, const struct address *host,
                      struct members_pair out[MEMBERS_TIERS_MAX])
{
    struct table *table = enter(members);
    size_t count = 0;

    if (!host || !is_own(table, host)) {
        for (size_t i = 0; i < table->place_count; i++)
            count += pair_in(table, &table->places[i], host, &out[count]);
    }
    leave(table);
    return count;
}

bool members_hold(const struct members *members, const struct address *from)
{
    struct table *table = enter(members);
    bool found = find(table, NULL, from) != NULL;

    leave(table);
    return found;
}

/* Several nodes of one host are told apart by their loopback addresses, of which the kernel would
 * take the first for all. */
static const struct address *own_loopback(const struct table *table, bool v4)
{
    for (size_t i = 0; i < table->own_count; i++) {
        if (address_is_loopback(&table->own[i]) && address_is_v4(&table->own[i]) == v4)
            return &table->own[i];
    }
    return NULL;
}

static const struct address *own_for(const struct table *table, const struct address *to)
{
    const struct member *member = find(table, NULL, to);

    /* One that a nets file names by IPv6 is not spoken to from the IPv4 address of its tier. */
    if (member)
        return member->has_own && address_is_v4(&member->own) == address_is_v4(to) ? &member->own
                                                                                   : NULL;
    return address_is_loopback(to) ? own_loopback(table, address_is_v4(to)) : NULL;
}

bool members_own_for(const struct members *members, const struct address *to, struct address *out)
{
    struct table *table = enter(members);
    const struct address *own = own_for(table, to);

    if (own)
        *out = *own;
    leave(table);
    return own != NULL;
}

/* Section 3's table: both columns are the same in every row. */
static bool taken_from(const struct table *table, const struct address *from)
{
    if (!table->nobroadcast)
        return true;
    if (table->nets_given)
        return find(table, NULL, from) != NULL;
    return is_own(table, from) || address_is_loopback(from);
}

bool members_take_datagram(const struct members *members, const struct address *from)
{
    struct table *table = enter(members);
    bool taken = taken_from(table, from);

    leave(table);
    return taken;
}

bool members_take_request(const struct members *members, const struct address *from)
{
    return members_take_datagram(members, from);
}

bool members_admit_plain(const struct members *members, const struct address *from)
{
    struct table *table = enter(members);
    bool admitted = table->nets_given ? find(table, NULL, from) != NULL : taken_from(table, from);

    leave(table);
    return admitted;
}

bool members_is_own(const struct members *members, const struct address *address)
{
    struct table *table = enter(members);
    bool own = is_own(table, address);

    leave(table);
    return own;
}

bool members_is_monitor(const struct members *members, const struct address *from)
{
    struct table *table = enter(members);
    bool is_monitor = false;

    for (size_t i = 0; i < table->monitors_count && !is_monitor; i++)
        is_monitor = network_holds(&table->monitors[i], from);
    leave(table);
    return is_monitor;
}

bool members_have_loopback(const struct members *members)
{
    struct table *table = enter(members);
    bool have = table->have_loopback;

    leave(table);
    return have;
}

bool members_broadcast(const struct members *members)
{
    struct table *table = enter(members);
    bool broadcast = !table->nobroadcast;

    leave(table);
    return broadcast;
}

/* One who is there twice is found by the first, and so listed once. */
static bool is_listed(const struct table *table, const char *tier, const struct member *member)
{
    const struct address *base = &member->network.base;

    return network_is_single(&member->network) && (!tier || strcmp(member->tier, tier) == 0) &&
           !is_own(table, base) && find(table, tier, base) == member;
}

size_t members_singles(const struct members *members, const char *tier, struct address **list)
{
    struct table *table = enter(members);
    size_t count = 0;

    *list = calloc(table->count + 1, sizeof(**list));
    MUST(*list != NULL);
    for (size_t i = 0; i < table->count; i++) {
        if (is_listed(table, tier, &table->list[i]))
            (*list)[count++] = table->list[i].network.base;
    }
    leave(table);
    return count;
}

size_t members_candidates(const struct members *members, struct address **list)
{
    struct table *table = enter(members);
    size_t count = table->candidate_count;

    *list = copy_of(table->candidates, count, sizeof(**list));
    leave(table);
    return count;
}
