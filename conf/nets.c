/* SPDX-License-Identifier: ISC */
#include "conf/nets.h"

#include <stdlib.h>
#include <string.h>

#include "conf/file.h"
#include "src/base/log.h"
#include "src/base/must.h"

/* What one run over a nets file knows. */
struct reading {
    struct nets *nets;
    struct report *report;
    size_t room;
    unsigned line;
    unsigned with_role, without_role; /* the first line of each kind; 0: none yet */
};

static const char *const role_words[] = {"peer", "candidate", "slave"};

const char *nets_role_name(enum nets_role role)
{
    return role_words[role];
}

static struct span take_word(struct span *rest)
{
    struct span word;

    *rest = span_trim(*rest);
    word = *rest;
    for (word.len = 0; word.len < rest->len; word.len++)
        if (rest->at[word.len] == ' ' || rest->at[word.len] == '\t')
            break;
    rest->at += word.len;
    rest->len -= word.len;
    return word;
}

/* A word of the file as it may stand in a message. */
struct shown {
    char text[224];
};

static const char *show(struct span word, struct shown *out)
{
    struct text text = TEXT_OVER(out->text);

    log_quote(&text, word, 50);
    return out->text;
}

static void fault(struct reading *r, struct span word, const char *what)
{
    struct shown shown;

    report_error(r->report, r->nets->file, r->line, "%s %s", show(word, &shown), what);
}

/* Meant as an address or a network, and no host's name? */
static bool looks_numeric(struct span word)
{
    size_t digits = 0;

    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] == ':')
            return true;
        digits += strchr("0123456789./", word.at[i]) != NULL;
    }
    return digits == word.len;
}

/* Sorts out what is no address: bits behind the prefix, a name, an interface that is not here. */
static void fault_in_address(struct reading *r, struct span word, const struct network *cut,
                             bool base_differs)
{
    char network[ADDRESS_TEXT_SIZE];
    struct span host = word;
    struct shown shown, shown_host;

    host = span_take(&word, '/');
    word = (struct span){host.at, (size_t)(word.at + word.len - host.at)};
    if (base_differs)
        report_error(r->report, r->nets->file, r->line,
                     "%s has bits behind its prefix: write %s for the network, or %s for the host",
                     show(word, &shown), network_text(cut, network), show(host, &shown_host));
    else if (memchr(word.at, '%', word.len))
        fault(r, word, "is no IPv6 address with an interface of this host behind the %");
    else if (looks_numeric(word))
        fault(r, word, "is no address: write one, or a network as in 10.1.0.0/16 or fd00:1::/64");
    else
        fault(r, word,
              "is no address: no names are looked up, so write the host's IPv4 or IPv6 "
              "address");
}

static bool parse_address(struct reading *r, struct span word, struct network *out)
{
    bool base_differs;

    if (!network_parse(word, out, &base_differs)) {
        fault_in_address(r, word, out, base_differs);
        return false;
    }
    if (network_is_single(out) && address_is_any(&out->base)) {
        fault(r, word, "is nobody's address: write a host's, or 0.0.0.0/0 for everyone");
        return false;
    }
    if (address_is_multicast(&out->base)) {
        fault(r, word, "is a multicast group: members are hosts and networks of hosts");
        return false;
    }
    return true;
}

static bool parse_role(struct reading *r, struct span word, enum nets_role *out)
{
    if (word.len == 0)
        *out = NETS_PEER;
    else if (span_is(word, "master"))
        *out = NETS_CANDIDATE;
    else if (span_is(word, "slave"))
        *out = NETS_SLAVE;
    else {
        fault(r, word, "is no role: it is master, slave or nothing");
        return false;
    }
    return true;
}

static bool parse_scheme(struct reading *r, struct span word)
{
    if (span_is(word, "udp"))
        return true;
    if (span_is(word, "tcp"))
        fault(r, word,
              "members, reached by an outgoing TLS connection alone, are a later "
              "capability: leave the line out, or write udp where datagrams pass");
    else
        fault(r, word,
              "is no scheme: a line is `udp ADDRESS`, with the role master or slave "
              "behind it where the tier has roles");
    return false;
}

/* Either all members of a tier have roles, or none. */
static void check_mixture(struct reading *r, enum nets_role role)
{
    unsigned *mine = role == NETS_PEER ? &r->without_role : &r->with_role;
    unsigned other = role == NETS_PEER ? r->with_role : r->without_role;

    if (*mine)
        return;
    *mine = r->line;
    if (other)
        report_error(r->report, r->nets->file, r->line,
                     "has %s role, and line %u has %s: give all lines a role, or none",
                     role == NETS_PEER ? "no" : "a", other, role == NETS_PEER ? "one" : "none");
}

static void add_member(struct reading *r, const struct network *network, enum nets_role role)
{
    struct nets *nets = r->nets;

    if (nets->count == NETS_MEMBERS_MAX) {
        report_error(r->report, nets->file, 0, "has more than %d members: name networks instead",
                     NETS_MEMBERS_MAX);
        return;
    }
    if (nets->count == r->room) {
        r->room = r->room ? 2 * r->room : 16;
        nets->members = realloc(nets->members, r->room * sizeof(*nets->members));
        MUST(nets->members != NULL);
    }
    nets->members[nets->count++] = (struct nets_member){*network, role, r->line};
}

static void parse_line(struct reading *r, struct span line)
{
    struct span rest = span_take(&line, '#');
    struct span scheme = take_word(&rest), address = take_word(&rest), role = take_word(&rest);
    struct network network;
    enum nets_role parsed;

    if (scheme.len == 0 || !parse_scheme(r, scheme))
        return;
    if (address.len == 0) {
        fault(r, scheme, "stands alone: an address or a network belongs behind it");
        return;
    }
    rest = span_trim(rest);
    if (rest.len)
        fault(r, rest, "is too much: a line is a scheme, an address and a role");
    if (!parse_address(r, address, &network) || !parse_role(r, role, &parsed))
        return;
    check_mixture(r, parsed);
    if (parsed == NETS_CANDIDATE && !network_is_single(&network))
        fault(r, address,
              "is a network, and a master is a single address: write one line for "
              "each candidate");
    add_member(r, &network, parsed);
}

static int by_network(const void *a, const void *b)
{
    const struct nets_member *m = *(const struct nets_member *const *)a;
    const struct nets_member *n = *(const struct nets_member *const *)b;
    int order = address_compare(&m->network.base, &n->network.base);

    if (order == 0)
        order = (m->network.bits > n->network.bits) - (m->network.bits < n->network.bits);
    return order ? order : (m->line > n->line) - (m->line < n->line);
}

static void check_same(struct reading *r, const struct nets_member *first,
                       const struct nets_member *again)
{
    char network[ADDRESS_TEXT_SIZE];

    if (address_compare(&first->network.base, &again->network.base) != 0 ||
        first->network.bits != again->network.bits)
        return;
    network_text(&first->network, network);
    if (first->role == again->role)
        report_error(r->report, r->nets->file, again->line, "%s stands on line %u already", network,
                     first->line);
    else
        report_error(r->report, r->nets->file, again->line,
                     "%s stands on line %u already, as %s: it can have one role only", network,
                     first->line, nets_role_name(first->role));
}

static void check_doubles(struct reading *r)
{
    const struct nets_member **sorted = calloc(r->nets->count + 1, sizeof(*sorted));

    MUST(sorted != NULL);
    for (size_t i = 0; i < r->nets->count; i++)
        sorted[i] = &r->nets->members[i];
    qsort(sorted, r->nets->count, sizeof(*sorted), by_network);
    for (size_t i = 1; i < r->nets->count; i++)
        check_same(r, sorted[i - 1], sorted[i]);
    free(sorted);
}

/* What one tier can elect among, and a slave can follow. */
static void check_candidates(struct reading *r)
{
    size_t count = 0;

    for (size_t i = 0; i < r->nets->count; i++) {
        const struct nets_member *member = &r->nets->members[i];
        count += member->role == NETS_CANDIDATE;
        if (member->role == NETS_CANDIDATE && count == NETS_CANDIDATES_MAX + 1)
            report_error(r->report, r->nets->file, member->line,
                         "is one master more than the %d that a tier can have: make some of them "
                         "slaves",
                         NETS_CANDIDATES_MAX);
    }
    if (r->with_role && count == 0)
        report_warn(r->report, r->nets->file, r->with_role,
                    "the tier has slaves and no master that they could follow: add a line `udp "
                    "ADDRESS master`");
}

static void check_tier(struct reading *r)
{
    const char *tier = r->nets->tier;

    /* It goes over the wire as a header's value, which begins with no blank. */
    if (*tier == '\0' || *tier == ' ' || strlen(tier) > TIER_NAME_MAX ||
        !span_is_plain_utf8(span_of(tier)))
        report_error(
            r->report, r->nets->file, 0,
            "gives its tier a name that is empty, longer than %d bytes, not plain text, or "
            "begins with a blank: rename the file",
            TIER_NAME_MAX);
    if (r->nets->count == 0 && !report_has_error(r->report, r->nets->file, 0))
        report_error(r->report, r->nets->file, 0,
                     "holds no member: write one a line, as in `udp 10.1.2.3`");
    check_candidates(r);
}

struct nets *nets_parse(struct span text, const char *file, struct report *report)
{
    struct nets *nets = calloc(1, sizeof(*nets));
    struct reading r = {.nets = nets, .report = report};
    size_t before = report_errors(report);
    struct span line;

    MUST(nets != NULL);
    nets->file = strdup(file);
    nets->tier = strdup(file_base_name(file));
    MUST(nets->file != NULL && nets->tier != NULL);
    while (file_next_line(&text, &line, &r.line))
        parse_line(&r, line);
    if (report_errors(report) == before)
        check_tier(&r);
    check_doubles(&r);
    nets->roles = r.with_role != 0;
    if (report_errors(report) == before)
        return nets;
    nets_free(nets);
    return NULL;
}

struct nets *nets_read(const char *path, struct report *report)
{
    struct nets *nets;
    struct file file;

    if (!file_load(path, NETS_FILE_MAX, &file, report))
        return NULL;
    nets = nets_parse(file.text, path, report);
    file_clear(&file);
    return nets;
}

void nets_free(struct nets *nets)
{
    if (!nets)
        return;
    free(nets->file);
    free(nets->tier);
    free(nets->members);
    free(nets);
}

const struct nets_member *nets_find(const struct nets *nets, const struct address *address)
{
    const struct nets_member *best = NULL;

    for (size_t i = 0; i < nets->count; i++) {
        const struct nets_member *m = &nets->members[i];
        if (network_holds(&m->network, address) && (!best || m->network.bits > best->network.bits))
            best = m;
    }
    return best;
}

const struct nets_member *nets_find_own(const struct nets *nets, const struct address *addresses,
                                        size_t count, size_t *own)
{
    const struct nets_member *best = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct nets_member *m = nets_find(nets, &addresses[i]);
        if (m && (!best || m->network.bits > best->network.bits)) {
            best = m;
            *own = i;
        }
    }
    return best;
}
