/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "election/elect_inner.h"
#include "src/base/must.h"

/*
 * The table of members: rows without gaps, so that they can be listed, and an index over their
 * addresses (open addressing, linear probing) whose hash is seeded, so that nobody can choose
 * addresses that collide.
 */
static size_t home_of(const struct elect *m, const struct address *address)
{
    uint64_t word[2], hash;

    memcpy(word, address->ip, sizeof(word));
    memcpy(&hash, m->seed, sizeof(hash));
    for (size_t i = 0; i < 2; i++) {
        hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    hash = (hash ^ address->scope) * 0xbf58476d1ce4e5b9u;
    return (size_t)(hash >> 32) % ELECT_INDEX_SIZE;
}

/* The place in the index that names the row of this address, or a free one. */
static size_t place_of(const struct elect *m, const struct address *address)
{
    size_t at = home_of(m, address);

    while (m->index[at] && !address_same_host(&m->members[m->index[at] - 1].address, address))
        at = (at + 1) % ELECT_INDEX_SIZE;
    return at;
}

int elect_find(const struct elect *m, const struct address *address)
{
    return (int)m->index[place_of(m, address)] - 1;
}

int elect_add(struct elect *m, const struct address *address)
{
    size_t at = place_of(m, address);
    size_t row = m->count;

    MUST(!m->index[at]);
    if (row == ELECT_MEMBERS_MAX)
        return ELECT_NOBODY;
    m->members[row] = (struct elect_member){.address = *address, .heard = MONO_NEVER};
    m->senders[row] = (struct sender){.seen = m->now,
                                      .advert = ELECT_LONG_AGO,
                                      .asking = ELECT_LONG_AGO,
                                      .solicited = ELECT_LONG_AGO,
                                      .answered = ELECT_LONG_AGO,
                                      .answered_others = ELECT_LONG_AGO};
    m->index[at] = (uint16_t)(row + 1);
    m->count++;
    m->roster++;
    return (int)row;
}

/* Frees a place, and moves up those behind it that stand where they do because it was taken. */
static void index_free(struct elect *m, size_t at)
{
    for (size_t next = (at + 1) % ELECT_INDEX_SIZE; m->index[next];
         next = (next + 1) % ELECT_INDEX_SIZE) {
        size_t home = home_of(m, &m->members[m->index[next] - 1].address);

        if ((next - home) % ELECT_INDEX_SIZE < (next - at) % ELECT_INDEX_SIZE)
            continue;
        m->index[at] = m->index[next];
        at = next;
    }
    m->index[at] = 0;
}

static void swap_rows(struct elect *m, size_t a, size_t b)
{
    size_t place_a = place_of(m, &m->members[a].address);
    size_t place_b = place_of(m, &m->members[b].address);
    struct elect_member member = m->members[a];
    struct sender sender = m->senders[a];

    m->members[a] = m->members[b];
    m->senders[a] = m->senders[b];
    m->members[b] = member;
    m->senders[b] = sender;
    m->index[place_a] = (uint16_t)(b + 1);
    m->index[place_b] = (uint16_t)(a + 1);
    if (m->master == (int)a)
        m->master = (int)b;
    else if (m->master == (int)b)
        m->master = (int)a;
}

void elect_remove(struct elect *m, int row)
{
    size_t last = m->count - 1;

    MUST(row >= 0 && (size_t)row >= m->peers && (size_t)row <= last && row != m->master);
    elect_set_proven(m, row, false);
    if ((size_t)row != last)
        swap_rows(m, (size_t)row, last);
    index_free(m, place_of(m, &m->members[last].address));
    m->count--;
    m->roster++;
}

void elect_set_proven(struct elect *m, int row, bool proven)
{
    struct elect_member *member = &m->members[row];

    if (member->proven == proven)
        return;
    member->proven = proven;
    m->proven += proven ? 1 : (uint32_t)-1;
    m->unconfirmed -= proven ? 0 : member->unconfirmed;
    if (!proven)
        member->unconfirmed = 0;
    m->roster++;
    m->dirty = true;
}

/* Where the table is full, somebody who is no candidate makes room for one. */
static void make_room(struct elect *m)
{
    int row = (int)m->count - 1;

    while (m->members[row].candidate)
        row--;
    elect_remove(m, row);
}

static size_t candidate_row(struct elect *m, const struct address *address)
{
    int row = elect_find(m, address);

    if (row == ELECT_NOBODY && m->count == ELECT_MEMBERS_MAX)
        make_room(m);
    return (size_t)(row == ELECT_NOBODY ? elect_add(m, address) : row);
}

void elect_arrange(struct elect *m)
{
    m->peers = 0;
    for (size_t i = 0; i < m->rules.candidate_count; i++) {
        const struct address *address = &m->rules.candidates[i];
        size_t row;

        if (address_same_host(address, &m->rules.address))
            continue;
        row = candidate_row(m, address);
        if (row < m->peers)
            continue;
        if (row != m->peers)
            swap_rows(m, row, m->peers);
        m->members[m->peers++].candidate = true;
    }
    for (size_t row = m->count; row-- > m->peers;) {
        m->members[row].candidate = false;
        if (!m->members[row].proven ||
            address_same_host(&m->members[row].address, &m->rules.address))
            elect_remove(m, (int)row);
    }
}

void elect_scan(struct elect *m)
{
    int64_t life = elect_memory_ns(m);

    for (size_t row = m->count; row-- > 0;) {
        if (m->members[row].proven && !elect_is_believed(m, (int)row) &&
            mono_between(m->members[row].heard, m->now) > life)
            elect_set_proven(m, (int)row, false);
        if (row >= m->peers && !m->members[row].proven &&
            mono_between(m->senders[row].seen, m->now) > life)
            elect_remove(m, (int)row);
    }
}
