/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "election/elect_inner.h"
#include "src/base/must.h"

enum elect_state elect_state(const struct elect *machine)
{
    MUST_BE(machine, ELECT_MAGIC);
    return machine->state;
}

static void view_self(const struct elect *m, struct view_tier *out)
{
    int successor = elect_successor(m);

    out->role = BALLOT_MASTER;
    out->has_master = true;
    memcpy(out->master, m->node, NODE_SIZE);
    out->master_address = m->rules.address;
    out->demotion = elect_demotion(m);
    out->head = m->self.head;
    out->last_advert = m->last_advert;
    if (successor != ELECT_NOBODY)
        out->successor = m->members[successor].address;
}

static void view_master(const struct elect *m, struct view_tier *out)
{
    const struct elect_member *master = &m->members[m->master];

    out->has_master = true;
    memcpy(out->master, master->node, NODE_SIZE);
    out->master_address = master->address;
    out->pair = master->pair;
    out->demotion = master->demotion;
    out->head = m->senders[m->master].head;
    out->last_advert = m->senders[m->master].advert;
    out->successor = m->senders[m->master].successor;
}

static uint32_t count_believed(const struct elect *m)
{
    uint32_t believed = 0;

    for (size_t i = 0; i < m->peers; i++)
        believed += elect_is_believed(m, (int)i);
    return believed;
}

void elect_view(const struct elect *machine, mono_t now, struct view_tier *out)
{
    const struct elect *m = machine;

    MUST_BE(m, ELECT_MAGIC);
    memset(out, 0, sizeof(*out));
    memcpy(out->tier, m->tier, TIER_SIZE);
    out->role = m->state == ELECT_BACKUP || (m->state == ELECT_OFF && m->rules.candidate)
                    ? BALLOT_BACKUP
                    : BALLOT_SLAVE;
    out->address = m->rules.address;
    out->pair = m->rules.pair;
    out->own_demotion = elect_demotion(m);
    out->epoch = m->epoch;
    out->last_advert = MONO_NEVER;
    out->since = m->since;
    out->good_until = mono_after(now, elect_dead(m));
    out->reason = m->reason;
    out->members = m->proven;
    out->others = (uint32_t)m->peers;
    out->others_heard = count_believed(m);
    out->unconfirmed = m->unconfirmed;
    if (m->state == ELECT_MASTER)
        view_self(m, out);
    else if (m->master != ELECT_NOBODY)
        view_master(m, out);
}

void elect_memory(const struct elect *machine, struct elect_memory *out)
{
    const struct elect *m = machine;

    MUST_BE(m, ELECT_MAGIC);
    memset(out, 0, sizeof(*out));
    out->epoch = m->epoch;
    out->reserved = m->asked;
    for (size_t row = 0; row < m->peers; row++) {
        const struct elect_member *member = &m->members[row];
        struct elect_known *known = &out->known[out->count];

        if (member->boot == 0)
            continue;
        known->address = member->address;
        memcpy(known->node, member->node, NODE_SIZE);
        known->boot = member->boot;
        known->counter = member->counter;
        out->count++;
    }
}

uint64_t elect_roster(const struct elect *machine)
{
    MUST_BE(machine, ELECT_MAGIC);
    return machine->roster;
}

size_t elect_members(const struct elect *machine, const struct elect_member **list)
{
    MUST_BE(machine, ELECT_MAGIC);
    *list = machine->members;
    return machine->count;
}

uint64_t elect_count(const struct elect *machine, enum reason reason)
{
    MUST_BE(machine, ELECT_MAGIC);
    MUST(reason < REASON_COUNT);
    return machine->counts[reason];
}
