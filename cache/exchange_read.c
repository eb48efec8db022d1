/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

/* One peer's catalogue is read, page by page: what both kinds of comparison have in common. */

enum { PAGES_MAX = 1024 }; /* of one peer at a stretch: then it is another's turn */

void exchange_read_forget(struct peer *peer)
{
    peer->store_id = 0;
    peer->position = 0;
    peer->ahead = false;
}

/* What was passed over because it lay in the future is looked for again after this, by comparing
 * the whole: until then its catalogue is followed as if it had been taken. */
static const int64_t AHEAD_NS = MONO_S(30);

void exchange_read_begin(const struct exchange *machine, struct reading *reading, struct peer *peer)
{
    if (peer->ahead && mono_between(peer->ahead_since, machine->now) >= AHEAD_NS)
        exchange_read_forget(peer);
    *reading = (struct reading){.run = true, .host = peer->address};
}

void exchange_read_ask(struct exchange *machine, struct reading *reading, const struct peer *peer,
                       struct exchange_action *action)
{
    reading->in_flight = true;
    reading->store_id = peer->store_id;
    reading->since = peer->position;
    action->to = exchange_http(machine, peer);
    action->store_id = peer->store_id;
    action->since = peer->position;
}

/* Where the page begins: at its beginning, if it is another store's than we asked for. */
static uint64_t page_since(const struct reading *reading, const struct exchange_page *page)
{
    return page->store_id == reading->store_id ? reading->since : 0;
}

/* Is it a page that may follow what we asked for? */
static bool page_sound(const struct reading *reading, const struct exchange_page *page)
{
    uint64_t since = page_since(reading, page);

    if (!page->store_id)
        return false; /* that stands for none that was read */
    return page->more ? page->last > since : page->last >= since;
}

static void note_position(const struct exchange *machine, struct peer *peer,
                          const struct exchange_page *page)
{
    if (peer->store_id != page->store_id)
        peer->ahead = false;
    if (page->ahead && !peer->ahead) {
        peer->ahead = true;
        peer->ahead_since = machine->now;
    }
    peer->store_id = page->store_id;
    peer->position = page->last;
}

enum reading_state exchange_read_take(struct exchange *machine, struct reading *reading,
                                      const struct exchange_event *event)
{
    struct peer *peer = peers_find(&machine->peers, &event->from);
    bool taken = event->result == EXCHANGE_DONE || event->result == EXCHANGE_AHEAD;

    reading->in_flight = false;
    exchange_judge(machine, event);
    if (!peer || !taken || !page_sound(reading, &event->page)) {
        if (taken)
            exchange_blame(machine, &event->from, PEER_WRONG_ANSWER);
        reading->run = false;
        return READING_FAILED;
    }
    note_position(machine, peer, &event->page);
    peer->compared = machine->now;
    peer->ever_compared = true;
    reading->run = event->page.more && ++reading->pages < PAGES_MAX;
    return reading->run ? READING_ON : READING_ENDED;
}
