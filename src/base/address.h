/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_ADDRESS_H
#define POND_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "src/base/text.h"

/*
 * An IPv4 or IPv6 address with a port. IPv4 is kept in its mapped form (::ffff:a.b.c.d, RFC 4291),
 * so that both compare, hash and match as 16 bytes. `scope` is the interface of a link-local one.
 */
struct address {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port;
};

/* A network: the first `bits` (0 to 128; IPv4's count from 96) of `ip`. */
struct network {
    struct address base;
    uint8_t bits;
};

enum { ADDRESS_TEXT_SIZE = 80 };

/* Room for either family's socket address. */
union sockaddr_any {
    struct sockaddr any;
    struct sockaddr_storage storage;
};

bool address_is_v4(const struct address *a);
bool address_is_loopback(const struct address *a); /* 127.0.0.0/8, ::1 */
bool address_is_any(const struct address *a);      /* 0.0.0.0, :: */
bool address_is_multicast(const struct address *a);

/* It was told over this interface: a link-local one (fe80::/10: RFC 4291, 2.5.6) is a host there.
 */
void address_told_over(struct address *a, uint32_t scope);

/* The same host, whatever the port? The same port too? */
bool address_same_host(const struct address *a, const struct address *b);
bool address_same(const struct address *a, const struct address *b);

/* Orders by the 16 bytes, then scope, then port. */
int address_compare(const struct address *a, const struct address *b);

/* "10.1.2.3", "fd00::1", "fe80::1%eth0"; no names, no port. The port becomes `port`. */
bool address_parse(struct span text, uint16_t port, struct address *out);

/* "10.0.0.0/8", "fd00::/64", or a single address. Bits behind the prefix must be zero: where they
 * are not, false, with *base_differs set. */
bool network_parse(struct span text, struct network *out, bool *base_differs);

/* The same without port or zone; the system's interfaces are not asked. */
bool address_plain_parse(struct span text, struct address *out);
const char *address_plain_text(const struct address *a, char out[ADDRESS_TEXT_SIZE]);

bool network_holds(const struct network *n, const struct address *a);
bool network_is_single(const struct network *n);

/* Without port: "10.1.2.3". With: "10.1.2.3:80", "[fd00::1]:80". Both return `out`. */
const char *address_host_text(const struct address *a, char out[ADDRESS_TEXT_SIZE]);
const char *address_text(const struct address *a, char out[ADDRESS_TEXT_SIZE]);
const char *network_text(const struct network *n, char out[ADDRESS_TEXT_SIZE]);

/* What address_text writes, with a port above 0. */
bool address_parse_text(struct span text, struct address *out);

/* To and from what the kernel takes. address_to_socket returns the length that is used. */
socklen_t address_to_socket(const struct address *a, union sockaddr_any *out);
bool address_from_socket(const struct sockaddr *sa, struct address *out);

#endif
