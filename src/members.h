/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_MEMBERS_H
#define POND_SRC_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/address.h"
#include "src/base/node.h"

/*
 * Who is in which tier, as the nets files say, and the table of section 3: where datagrams go, and
 * from whom they and sendme are taken. A reload replaces all of it at once. Any thread may read at
 * any time, and waits for nothing but the exchange of a pointer; what is found is copied out.
 */
enum member_role { MEMBER_PEER, MEMBER_CANDIDATE, MEMBER_SLAVE };

struct member {
    struct network network;
    enum member_role role;
    char tier[TIER_SIZE];
    struct address own; /* ours in that tier, which speaks to it */
    bool has_own;
};

struct members_options {
    const struct member *list;
    size_t count;
    const struct address *own; /* our own addresses */
    size_t own_count;
    const struct network *monitors;
    size_t monitors_count;
    bool nets_given;
    bool nobroadcast;
};

struct members;
struct members *members_new(const struct members_options *options); /* copies */
void members_free(struct members *members);

/* What they are from now on; any thread. */
void members_replace(struct members *members, const struct members_options *options);

/* Rises when they are replaced: what was made from them is worth keeping while it stands. */
uint64_t members_generation(const struct members *members);

/* The member with the longest prefix that holds the address: of all tiers, or of one. */
bool members_find(const struct members *members, const struct address *from, struct member *out);
bool members_find_in(const struct members *members, const char *tier, const struct address *from,
                     struct member *out);

/* What we and another host are in a tier that both of us are in. */
struct members_pair {
    char tier[TIER_SIZE];
    enum member_role own, its;
};
enum { MEMBERS_TIERS_MAX = 64 }; /* tiers beyond are not looked at */

/* The tiers that we share with the host; or, with NULL, all of ours (`its` is ours too). None with
 * ourselves. In the order of `nets`. */
size_t members_shared(const struct members *members, const struct address *host,
                      struct members_pair out[MEMBERS_TIERS_MAX]);

/* Does any tier hold the address? */
bool members_hold(const struct members *members, const struct address *from);

/* The own address to speak from to `to`: ours in its tier. False: the kernel's choice. */
bool members_own_for(const struct members *members, const struct address *to, struct address *out);

/* Section 3, the columns "are taken from" and "sendme is taken from". */
bool members_take_datagram(const struct members *members, const struct address *from);
bool members_take_request(const struct members *members, const struct address *from);

/* May it be taken for a member without showing a key: does a nets file name it? Where there are no
 * nets files, whoever is taken at all. For plain_get. */
bool members_admit_plain(const struct members *members, const struct address *from);

bool members_is_own(const struct members *members, const struct address *address);
bool members_is_monitor(const struct members *members, const struct address *from);
bool members_have_loopback(const struct members *members); /* is any member on loopback? */
bool members_broadcast(const struct members *members);     /* do datagrams go to the broadcast? */

/* The members with a single address that are not ourselves, in the order of the nets files: of one
 * tier, or of all (NULL), where each is listed once. free() the list. */
size_t members_singles(const struct members *members, const char *tier, struct address **list);

/* Of all tiers, those of them that are candidates of any: few where there are thousands. */
size_t members_candidates(const struct members *members, struct address **list);

#endif
