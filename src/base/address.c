/* SPDX-License-Identifier: ISC */
#include "src/base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "src/base/must.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_v4(const struct address *a)
{
    return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

bool address_is_loopback(const struct address *a)
{
    return address_is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, &in6addr_loopback, 16) == 0;
}

bool address_is_any(const struct address *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip + 12, zero, 4) == 0 && (address_is_v4(a) || memcmp(a->ip, zero, 12) == 0);
}

bool address_is_multicast(const struct address *a)
{
    return address_is_v4(a) ? a->ip[12] >> 4 == 14 : a->ip[0] == 0xff;
}

void address_told_over(struct address *a, uint32_t scope)
{
    if (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80)
        a->scope = scope;
}

bool address_same_host(const struct address *a, const struct address *b)
{
    return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && a->scope == b->scope;
}

bool address_same(const struct address *a, const struct address *b)
{
    return address_same_host(a, b) && a->port == b->port;
}

int address_compare(const struct address *a, const struct address *b)
{
    int order = memcmp(a->ip, b->ip, sizeof(a->ip));

    if (order)
        return order;
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    return (a->port > b->port) - (a->port < b->port);
}

bool address_plain_parse(struct span text, struct address *out)
{
    char host[INET6_ADDRSTRLEN];
    struct address a = {.port = 0};

    if (memchr(text.at, '\0', text.len) || !span_copy(text, host, sizeof(host)))
        return false;
    memcpy(a.ip, mapped, sizeof(mapped));
    if (inet_pton(AF_INET, host, a.ip + 12) != 1 && inet_pton(AF_INET6, host, a.ip) != 1)
        return false;
    *out = a;
    return true;
}

bool address_parse(struct span text, uint16_t port, struct address *out)
{
    const char *sign = memchr(text.at, '%', text.len);
    char zone[IF_NAMESIZE];
    struct span plain = text;
    struct address a;
    uint32_t scope = 0;

    if (sign) {
        size_t before = (size_t)(sign - text.at);
        struct span rest = {sign + 1, text.len - before - 1};
        if (memchr(rest.at, '\0', rest.len) || !span_copy(rest, zone, sizeof(zone)))
            return false;
        scope = if_nametoindex(zone);
        plain.len = before;
    }
    if (!address_plain_parse(plain, &a) || (sign && (scope == 0 || address_is_v4(&a))))
        return false;
    a.port = port;
    a.scope = scope;
    *out = a;
    return true;
}

/* Clears what stands behind the first `bits`; true where there was nothing to clear. */
static bool clear_behind(uint8_t ip[16], unsigned bits)
{
    bool clean = true;

    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits >= 8 * (i + 1) ? 8 : bits <= 8 * i ? 0 : bits - 8 * i;
        uint8_t mask = (uint8_t)(0xff00u >> kept);
        clean = clean && (ip[i] & ~mask) == 0;
        ip[i] &= mask;
    }
    return clean;
}

bool network_parse(struct span text, struct network *out, bool *base_differs)
{
    struct span host = span_take(&text, '/');
    uint64_t bits = 0, most;
    struct network n;
    bool v4;

    *base_differs = false;
    if (!address_parse(host, 0, &n.base))
        return false;
    v4 = address_is_v4(&n.base);
    most = v4 ? 32 : 128;
    if (text.at == host.at + host.len) /* there was no slash */
        bits = most;
    else if (!span_u64(text, most, &bits))
        return false;
    n.bits = (uint8_t)(bits + (v4 ? 96 : 0));
    *base_differs = !clear_behind(n.base.ip, n.bits);
    *out = n;
    return !*base_differs;
}

bool network_holds(const struct network *n, const struct address *a)
{
    struct address cut = *a;

    if (n->base.scope && n->base.scope != a->scope)
        return false;
    if (address_is_v4(&n->base) != address_is_v4(a))
        return false; /* ::/0 is every IPv6 host, not IPv4's in their mapped form too */
    clear_behind(cut.ip, n->bits);
    return memcmp(cut.ip, n->base.ip, sizeof(cut.ip)) == 0;
}

bool network_is_single(const struct network *n)
{
    return n->bits == 128;
}

const char *address_plain_text(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    struct text text = text_over(out, ADDRESS_TEXT_SIZE);

    if (!address_is_v4(a)) {
        MUST(inet_ntop(AF_INET6, a->ip, out, ADDRESS_TEXT_SIZE));
        return out;
    }
    for (size_t i = 12; i < sizeof(a->ip); i++) {
        if (i > 12)
            text_putc(&text, '.');
        text_u64(&text, a->ip[i]);
    }
    return out;
}

const char *address_host_text(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    char interface[IF_NAMESIZE];

    (void)address_plain_text(a, out);
    if (!address_is_v4(a) && a->scope && if_indextoname(a->scope, interface)) {
        size_t len = strlen(out);
        struct text text = text_over(out + len, ADDRESS_TEXT_SIZE - len);
        text_putc(&text, '%');
        text_puts(&text, interface);
    }
    return out;
}

const char *address_text(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    char host[ADDRESS_TEXT_SIZE];
    struct text text = text_over(out, ADDRESS_TEXT_SIZE);

    text_printf(&text, address_is_v4(a) ? "%s:%u" : "[%s]:%u", address_host_text(a, host), a->port);
    return out;
}

bool address_parse_text(struct span text, struct address *out)
{
    struct span host;
    uint64_t port;

    if (span_begins(text, "[")) {
        text.at++, text.len--;
        host = span_take(&text, ']');
        if (!span_begins(text, ":"))
            return false;
        text.at++, text.len--;
    } else {
        host = span_take(&text, ':');
    }
    return span_u64(text, UINT16_MAX, &port) && port > 0 &&
           address_parse(host, (uint16_t)port, out);
}

const char *network_text(const struct network *n, char out[ADDRESS_TEXT_SIZE])
{
    char host[ADDRESS_TEXT_SIZE];
    struct text text = text_over(out, ADDRESS_TEXT_SIZE);

    text_puts(&text, address_host_text(&n->base, host));
    if (!network_is_single(n))
        text_printf(&text, "/%d", address_is_v4(&n->base) ? n->bits - 96 : n->bits);
    return out;
}

socklen_t address_to_socket(const struct address *a, union sockaddr_any *out)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    memset(out, 0, sizeof(*out));
    if (address_is_v4(a)) {
        v4.sin_port = htons(a->port);
        memcpy(&v4.sin_addr, a->ip + 12, 4);
        memcpy(&out->storage, &v4, sizeof(v4));
        return sizeof(v4);
    }
    v6.sin6_port = htons(a->port);
    v6.sin6_scope_id = a->scope;
    memcpy(&v6.sin6_addr, a->ip, 16);
    memcpy(&out->storage, &v6, sizeof(v6));
    return sizeof(v6);
}

bool address_from_socket(const struct sockaddr *sa, struct address *out)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    memset(out, 0, sizeof(*out));
    if (sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof(v4));
        memcpy(out->ip, mapped, sizeof(mapped));
        memcpy(out->ip + 12, &v4.sin_addr, 4);
        out->port = ntohs(v4.sin_port);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        memcpy(&v6, sa, sizeof(v6));
        memcpy(out->ip, &v6.sin6_addr, 16);
        out->port = ntohs(v6.sin6_port);
        out->scope = v6.sin6_scope_id;
        return true;
    }
    return false;
}
