/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

/*
 * ISconf hosts tell names and mtimes, and know neither versions nor catalogues. All who hear one
 * announce a file come for the file itself: not all of them at the same moment.
 */
static const int64_t SPREAD_NS = MONO_MS(500);

/* Who has spoken as a carpond node within this is one, whatever else comes from its address. */
static const int64_t CARPOND_NS = MONO_S(300);

/* Who was not heard for so long makes room for another, where there is none. */
static const int64_t FORGOTTEN_NS = MONO_S(600);

/* Looks for the one that can go at most once until there can be one: whoever speaks as many makes
 * us look as often as he is let in, and no oftener. */
static bool make_room(struct exchange *machine)
{
    const struct peer *oldest;
    struct address host;

    if (machine->peers.isconf < EXCHANGE_ISCONF_MAX && machine->peers.count < PEERS_MAX)
        return true;
    if (!mono_reached(machine->now, machine->isconf_room))
        return false;
    oldest = peers_oldest_isconf(&machine->peers);
    machine->isconf_room = mono_after(oldest ? oldest->heard : machine->now, FORGOTTEN_NS);
    if (!oldest || !mono_reached(machine->now, machine->isconf_room))
        return false;
    host = oldest->address;
    exchange_forget(machine, &host);
    return true;
}

/* It was asked for what it does not know: whatever it answered to that is nothing against it. */
static void becomes_isconf(struct exchange *machine, struct peer *peer)
{
    peers_set_isconf(&machine->peers, peer, true);
    peer->node[0] = '\0';
    peer->fault = PEER_FINE;
    peer->faults = 0;
    peer->avoid_until = (mono_t){0};
    exchange_read_forget(peer);
}

struct peer *exchange_isconf_note(struct exchange *machine, const struct exchange_event *event)
{
    struct peer *peer = peers_find(&machine->peers, &event->from);

    if (!peer && !make_room(machine))
        return NULL;
    if (!peer)
        peer = peers_learn(&machine->peers, &event->from, machine->now);
    exchange_relate(machine, peer, event->relations);
    if (peer->ever_heard && !peer->isconf && mono_between(peer->heard, machine->now) < CARPOND_NS)
        return peer;
    if (!peer->isconf)
        becomes_isconf(machine, peer);
    peer_speaks(peer, machine->now);
    peer->address = event->from;
    peer->ever_heard = true;
    peer->heard = machine->now;
    if (event->notice->port)
        peer->http_port = event->notice->port;
    return peer;
}

/* Later than what came of the name from such hosts, or what we have lost and somebody waits for.
 * Nothing else is known of it. */
static bool is_wanted(const struct exchange *machine, const struct exchange_event *event)
{
    const struct exchange_local *local = &event->local;
    const struct notice *notice = event->notice;

    if (!local->known)
        return true;
    if (!version_is_unverified(local->version))
        return false;
    if (version_same(notice->version, local->version))
        return !local->held && exchange_ask_waits(machine, notice->name);
    return version_newer(notice->version, local->version);
}

static void heard_ihave(struct exchange *machine, const struct exchange_event *event,
                        const struct address *http)
{
    const struct notice *notice = event->notice;
    struct learn_candidate candidate = {.http = *http, .version = notice->version, .isconf = true};
    mono_t due = exchange_within(machine, SPREAD_NS);

    if (exchange_ask_waits(machine, notice->name))
        due = machine->now;
    if (is_wanted(machine, event)) /* where there is no room, it is told again when it is asked */
        (void)exchange_learn_want(machine, notice->name, &candidate, due);
    else if (event->local.held && !event->local.deleted && event->local.mtime > notice->time)
        exchange_say_correction(machine, event);
}

void exchange_isconf_heard(struct exchange *machine, const struct exchange_event *event,
                           const struct peer *peer)
{
    const struct notice *notice = event->notice;
    struct exchange_source source = {.http = event->from, .version = notice->version, .held = true};

    if (notice->kind == NOTICE_WHOHAS) {
        exchange_say_asked(machine, event);
        return;
    }
    source.http.port = notice->port;
    exchange_ask_heard(machine, event, &source, false); /* no source of chunks */
    if (route_ask(event->relations) == ROUTE_ASK_NEVER ||
        (peer && !peer_credible(peer, machine->now)))
        return;
    heard_ihave(machine, event, &source.http);
}
