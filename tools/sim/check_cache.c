/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

static uint64_t notice_id(const struct notice *notice)
{
    const struct notice_sender *sender = &notice->sender;
    uint64_t numbers[] = {sim_hash(sender->node, strlen(sender->node), 1), sender->boot,
                          sender->counter};

    return sim_hash(numbers, sizeof(numbers), 1);
}

/* Of all that decides anything. */
static uint64_t notice_hash(const struct notice *notice)
{
    uint64_t numbers[] = {(uint64_t)notice->kind, notice->version.bits, (uint64_t)notice->time,
                          notice->port,           notice->spread_ms,    notice->content,
                          notice->held,           notice->deleted,      notice->size};
    uint64_t hash = notice_id(notice);

    hash = sim_hash(notice->name, strlen(notice->name), hash);
    hash = sim_hash(notice->tuid, strlen(notice->tuid), hash);
    hash = sim_hash(notice->sha256.bytes, sizeof(notice->sha256.bytes), hash);
    return sim_hash(numbers, sizeof(numbers), hash);
}

void check_said(struct sim *sim, const struct notice *notice)
{
    sim_set_add(&sim->said, notice_hash(notice));
}

/* Once a node was not heard for a while, what it said under an earlier boot may be let in once more
 * (src/replay.h): it decides nothing. */
static bool is_of_an_earlier_life(const struct sim *sim, const struct notice *notice)
{
    for (int i = 0; i < sim->node_count; i++)
        if (strcmp(sim->nodes[i].name, notice->sender.node) == 0)
            return sim->nodes[i].boot_fell || sim->nodes[i].boot != notice->sender.boot;
    return false;
}

bool check_boots_fell(const struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].boot_fell)
            return true;
    return false;
}

void check_let_in(struct sim *sim, struct sim_node *node, const struct notice *notice)
{
    if (sim_set_add(&sim->said, notice_hash(notice)))
        sim_fail(sim, "n%d let in what %s never said", node->index, notice->sender.node);
    else if (!sim_set_add(&node->passed, notice_id(notice)) && !is_of_an_earlier_life(sim, notice))
        sim_fail(sim, "n%d let %s's message %llu in twice", node->index, notice->sender.node,
                 (unsigned long long)notice->sender.counter);
}

/* Of what its sum covers: the From line says nothing that counts. */
static uint64_t text_hash(const struct twin_entry *entry)
{
    struct span text = {entry->text, entry->len};

    span_take(&text, '\n');
    return sim_hash(text.at, text.len, 2);
}

void check_made(struct sim *sim, const struct twin_entry *entry)
{
    sim_set_add(&sim->manifests, text_hash(entry));
}

/* As strcmp: the newer one is the greater. */
int check_order(const struct twin_entry *a, const struct twin_entry *b)
{
    if (version_same(a->version, b->version))
        return digest_compare(&a->sha256, &b->sha256);
    return version_newer(a->version, b->version) ? 1 : -1;
}

void check_newer(struct sim *sim, struct sim_node *node, const struct twin_entry *before,
                 const struct twin_entry *after)
{
    if (before->known && check_order(after, before) <= 0)
        sim_fail(sim, "n%d went back to an older version", node->index);
}

void check_adopted(struct sim *sim, struct sim_node *node, const struct twin_entry *before,
                   const struct twin_entry *after)
{
    check_newer(sim, node, before, after);
    if (sim_set_add(&sim->manifests, text_hash(after)))
        sim_fail(sim, "n%d adopted a manifest that nobody made", node->index);
    if (version_is_ahead(after->version, sim_node_wall(sim, node)))
        sim_fail(sim, "n%d took a version from the future", node->index);
}

void check_figures(struct sim *sim, const struct sim_node *node)
{
    struct exchange_figures figures;

    exchange_figures(node->machine, &figures);
    if (figures.questions > EXCHANGE_QUESTIONS_MAX || figures.tickets > EXCHANGE_TICKETS_MAX ||
        figures.replies > EXCHANGE_REPLIES_MAX || figures.learns > EXCHANGE_LEARNS_MAX ||
        figures.announcements > EXCHANGE_ANNOUNCEMENTS_MAX ||
        figures.learns_in_flight > EXCHANGE_LEARNS_IN_FLIGHT ||
        node->actions->count > EXCHANGE_ACTIONS_MAX)
        sim_fail(sim, "n%d: a table holds more than it may", node->index);
    if (node->actions->deadline.ns <= sim_node_mono(sim, node).ns && !node->actions->more)
        sim_fail(sim, "n%d wants to be woken at once, again and again", node->index);
}

/* Two seconds for the question, or the time that it was given; ten for a manifest that is on its
 * way, and some for the driver. */
static bool is_overdue(const struct sim *sim, const struct sim_node *node,
                       const struct sim_ticket *ticket)
{
    int64_t most = ticket->patience_ns + MONO_MS(12500);

    return mono_between(ticket->asked, sim->now) > most &&
           mono_between(node->resumed, sim->now) > most;
}

void check_tickets(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];

        for (size_t t = 0; node->up && !node->paused && t < node->ticket_count; t++)
            if (is_overdue(sim, node, &node->tickets[t]))
                sim_fail(sim, "n%d was not answered when it asked for f%d", i,
                         node->tickets[t].name);
    }
}

static bool same_entry(const struct twin_entry *a, const struct twin_entry *b)
{
    return a->known == b->known && version_same(a->version, b->version) &&
           digest_same(&a->sha256, &b->sha256) && a->deleted == b->deleted;
}

/* One who keeps it. */
bool check_somebody_holds(const struct sim *sim, int name)
{
    for (int i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].twin.entries[name].held && check_must_keep(sim, &sim->nodes[i], name))
            return true;
    return false;
}

bool check_agreed(const struct sim *sim, char *why, size_t cap)
{
    for (int name = 0; name < sim->names; name++) {
        const struct twin_entry *first = &sim->nodes[0].twin.entries[name];
        bool can_be_had = check_somebody_holds(sim, name);

        for (int i = 0; i < sim->node_count; i++) {
            const struct twin_entry *entry = &sim->nodes[i].twin.entries[name];

            if (!same_entry(entry, first)) {
                snprintf(why, cap, "n0 and n%d know different versions of f%d", i, name);
                return false;
            }
            if (entry->wanted && can_be_had) {
                snprintf(why, cap, "n%d still wants f%d, which others hold", i, name);
                return false;
            }
        }
    }
    return true;
}
