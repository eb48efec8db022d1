/* SPDX-License-Identifier: ISC */
#include "src/discovery.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/envelope.h"
#include "src/gossip_gate.h"
#include "src/udp.h"
#include "src/workers.h"

enum { DISCOVERY_MAGIC = 0x64697363 };

static const double LOOK_EVERY = 10.0; /* seconds: for paths */

/* Which paths there are, asked on another thread. */
struct look {
    struct discovery *discovery;
    struct task task;
    struct letter letter;
    bool under_way, again;
    struct path_wish wishes[PATHS_MAX];
    size_t wish_count;
    struct address to;
    struct path found[PATHS_MAX];
    size_t count;
};

struct discovery {
    unsigned magic;
    struct discovery_options options;
    struct discovery_settings settings; /* without listen and secrets, which are their owner's */
    struct gossip *gossip;              /* NULL: off */
    struct gossip_gate *gate;
    struct seal *seal; /* NULL: no keys */
    struct envelope *envelope;
    struct udp *udp;   /* NULL: off */
    struct udp *ready; /* to take its place */
    uint64_t counter;
    struct path paths[PATHS_MAX];
    size_t path_count;
    bool joined[PATHS_MAX]; /* the group, by that path */
    bool pathless;          /* it was logged that there is none */
    bool unsaid;            /* our heartbeat was due while there was none */
    struct workers *looker;
    struct look look;
    struct ev_timer timer;
    struct ev_timer chores;
    struct log_flood twins;
};

/* ---- saying ---------------------------------------------------------------------------------- */

/* The address that it goes out from is the first, and is always told. */
static void set_addresses(struct heartbeat *beat, const struct heartbeat *own,
                          const struct address *source)
{
    beat->addresses[0] = *source;
    beat->address_count = 1;
    for (size_t i = 0; i < own->address_count && beat->address_count < HEARTBEAT_ADDRESSES_MAX;
         i++) {
        if (!address_same_host(&own->addresses[i], source))
            beat->addresses[beat->address_count++] = own->addresses[i];
    }
}

static void say_by(struct discovery *discovery, const struct path *path)
{
    char memory[UDP_PAYLOAD_MAX + 1], closed[UDP_PAYLOAD_MAX + 1];
    struct text text = TEXT_OVER(memory), sealed = TEXT_OVER(closed);
    struct heartbeat beat = discovery->settings.beat;
    wall_t wall = clock_wall();

    set_addresses(&beat, &discovery->settings.beat, &path->source);
    beat.boot = discovery->options.boot;
    beat.counter = ++discovery->counter;
    beat.clock = wall.ms > 0 ? wall : (wall_t){0};
    beat.interval_ms = (uint32_t)(discovery->settings.interval_ns / MONO_MS(1));
    heartbeat_write(&beat, wall, &text);
    if (discovery->seal && discovery->settings.sign)
        seal_message(discovery->seal, &text, false);
    if (discovery->envelope)
        envelope_close(discovery->envelope, (struct span){text.at, text.len}, &sealed);
    MUST(!text.full && !sealed.full);
    if (discovery->envelope)
        text = sealed;
    udp_send_group(discovery->udp, &discovery->settings.to, path->interface, &path->source,
                   (struct span){text.at, text.len});
    stat_add(STAT_HEARTBEATS_SENT, 1);
}

static void say(struct discovery *discovery)
{
    discovery->unsaid = discovery->path_count == 0;
    for (size_t i = 0; i < discovery->path_count; i++)
        say_by(discovery, &discovery->paths[i]);
    udp_flush(discovery->udp);
}

/* ---- deciding -------------------------------------------------------------------------------- */

static void arm(struct discovery *discovery, mono_t now, mono_t deadline)
{
    double seconds = (double)mono_between(now, deadline) / 1e9;

    ev_timer_stop(discovery->options.loop, &discovery->timer);
    ev_now_update(discovery->options.loop); /* timers count from the loop's cached time */
    ev_timer_set(&discovery->timer, seconds > 0 ? seconds : 0., 0.);
    ev_timer_start(discovery->options.loop, &discovery->timer);
}

static void step(struct discovery *discovery, struct gossip_event *event,
                 struct gossip_actions *actions)
{
    const struct discovery_options *options = &discovery->options;

    event->now = clock_mono();
    event->wall = clock_wall();
    gossip_step(discovery->gossip, event, actions);
    for (size_t i = 0; i < actions->gone_count; i++)
        options->gone(options->arg, &actions->gone[i]);
    if (actions->met)
        options->met(options->arg, actions->node);
    if (actions->say)
        say(discovery);
    arm(discovery, event->now, actions->deadline);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct discovery *discovery = timer->data;
    struct gossip_event event = {.kind = GOSSIP_WAKE};
    struct gossip_actions actions;

    (void)loop, (void)events;
    MUST_BE(discovery, DISCOVERY_MAGIC);
    step(discovery, &event, &actions);
}

/* ---- hearing --------------------------------------------------------------------------------- */

static enum gate_verdict verdict_of(enum gossip_verdict verdict)
{
    switch (verdict) {
    case GOSSIP_TAKEN:
        return GATE_PASS;
    case GOSSIP_REPLAYED:
        return GATE_REPLAYED;
    case GOSSIP_STALE:
        return GATE_STALE;
    case GOSSIP_CROWDED:
        return GATE_MANY_NAMES;
    }
    return GATE_PASS;
}

static void log_twin(struct discovery *discovery, mono_t now, const struct gossip_node *known,
                     const struct address *from)
{
    char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
    uint64_t missed;

    if (log_flood_pass(&discovery->twins, now, &missed))
        log_warn("two nodes use the name %s, at %s and at %s: give one of them another (carpond "
                 "-n NAME)",
                 known->beat.node, address_host_text(&known->from, one),
                 address_host_text(from, other));
}

static bool is_member(const struct discovery *discovery, const struct heartbeat *beat)
{
    for (size_t i = 0; i < beat->address_count; i++) {
        if (members_hold(discovery->options.members, &beat->addresses[i]))
            return true;
    }
    return false;
}

static void note_taken(struct discovery *discovery, const struct gossip_datagram *datagram)
{
    stat_add(STAT_HEARTBEATS_HEARD, 1);
    if (discovery->options.signers)
        signers_note(discovery->options.signers, &datagram->from, datagram->is_signed,
                     datagram->key);
}

/* What the gate let in: is it news? */
static enum gate_verdict hear(struct discovery *discovery, const struct gossip_datagram *datagram,
                              const struct heartbeat *beat)
{
    struct gossip_event event = {.kind = GOSSIP_HEARD,
                                 .beat = beat,
                                 .from = datagram->from,
                                 .member = is_member(discovery, beat),
                                 .vouched = datagram->is_signed || datagram->is_closed};
    struct gossip_actions actions;

    step(discovery, &event, &actions);
    if (actions.verdict == GOSSIP_TAKEN)
        note_taken(discovery, datagram);
    else if (actions.node)
        log_twin(discovery, event.now, actions.node, &datagram->from);
    gossip_gate_count(verdict_of(actions.verdict));
    return verdict_of(actions.verdict);
}

static void on_datagram(void *arg, const struct udp_datagram *heard)
{
    struct discovery *discovery = arg;
    struct gossip_datagram datagram = {.from = heard->from};
    struct heartbeat beat;
    enum gate_verdict verdict;
    mono_t now = clock_mono();

    MUST_BE(discovery, DISCOVERY_MAGIC);
    verdict = gossip_gate_judge(discovery->gate, now, heard->bytes, &datagram, &beat);
    if (verdict == GATE_PASS)
        verdict = hear(discovery, &datagram, &beat);
    if (verdict != GATE_PASS || datagram.ruled)
        gossip_gate_log(discovery->gate, now, verdict, &datagram, &beat);
}

static void on_batch(void *arg)
{
    (void)arg; /* nobody is answered */
}

/* ---- paths ----------------------------------------------------------------------------------- */

static void leave_all(struct discovery *discovery)
{
    for (size_t i = 0; i < discovery->path_count; i++) {
        if (discovery->joined[i])
            udp_leave(discovery->udp, &discovery->settings.to, discovery->paths[i].interface);
        discovery->joined[i] = false;
    }
    discovery->path_count = 0;
}

static bool same_paths(const struct discovery *discovery, const struct path *paths, size_t count)
{
    bool same = discovery->path_count == count;

    for (size_t i = 0; same && i < count; i++)
        same = discovery->paths[i].interface == paths[i].interface &&
               address_same_host(&discovery->paths[i].source, &paths[i].source) &&
               (discovery->joined[i] || discovery->settings.broadcasts);
    return same;
}

/* Said once, and again once there was one between. */
static void log_paths(struct discovery *discovery)
{
    char to[ADDRESS_TEXT_SIZE];
    bool pathless = discovery->path_count == 0;

    address_text(&discovery->settings.to, to);
    if (pathless && !discovery->pathless)
        log_error("gossip: there is no interface by which heartbeats could go to %s: see "
                  "`multicast_if` and `if_addr` in main.cf",
                  to);
    else if (!pathless && discovery->pathless)
        log_info("gossip: heartbeats go to %s again", to);
    discovery->pathless = pathless;
}

static void take_paths(struct discovery *discovery, const struct path *paths, size_t count)
{
    if (!same_paths(discovery, paths, count)) {
        leave_all(discovery);
        for (size_t i = 0; i < count; i++) {
            bool joined = !discovery->settings.broadcasts &&
                          udp_join(discovery->udp, &discovery->settings.to, paths[i].interface);
            if (!joined && !discovery->settings.broadcasts)
                continue;
            discovery->joined[discovery->path_count] = joined;
            discovery->paths[discovery->path_count++] = paths[i];
        }
    }
    log_paths(discovery);
    if (discovery->unsaid && discovery->path_count > 0)
        say(discovery);
}

/* On the other thread. */
static void look(struct task *task)
{
    struct look *look = TASK_OWNER(task, struct look, task);

    look->count = paths_find(look->wishes, look->wish_count, &look->to, look->found);
    mailbox_post(look->discovery->options.mailbox, &look->letter);
}

static void look_for_paths(struct discovery *discovery);

static void read_look(struct letter *letter)
{
    struct look *look = LETTER_OWNER(letter, struct look, letter);
    struct discovery *discovery = look->discovery;

    MUST_BE(discovery, DISCOVERY_MAGIC);
    look->under_way = false;
    if (discovery->udp && !look->again)
        take_paths(discovery, look->found, look->count);
    if (look->again)
        look_for_paths(discovery);
}

static void look_for_paths(struct discovery *discovery)
{
    struct look *look_for = &discovery->look;

    look_for->again = look_for->under_way;
    if (look_for->under_way || !discovery->looker || !discovery->udp)
        return;
    memcpy(look_for->wishes, discovery->settings.wishes, sizeof(look_for->wishes));
    look_for->wish_count = discovery->settings.wish_count;
    look_for->to = discovery->settings.to;
    look_for->under_way = true;
    workers_post(discovery->looker, &look_for->task);
}

static void on_chores(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct discovery *discovery = timer->data;

    (void)loop, (void)events;
    MUST_BE(discovery, DISCOVERY_MAGIC);
    look_for_paths(discovery);
}

/* ---- begin, change, end ---------------------------------------------------------------------- */

struct discovery *discovery_new(const struct discovery_options *options)
{
    struct discovery *discovery = calloc(1, sizeof(*discovery));
    struct gossip_gate_options gate = {.members = options->members,
                                       .keyring = options->keyring,
                                       .rules = options->rules,
                                       .domain = options->domain,
                                       .node = options->node,
                                       .boot = options->boot};

    MUST(discovery != NULL);
    discovery->magic = DISCOVERY_MAGIC;
    discovery->options = *options;
    discovery->gate = gossip_gate_new(&gate);
    discovery->seal = options->keyring ? seal_new(options->keyring) : NULL;
    discovery->look.discovery = discovery;
    discovery->look.task.work = look;
    discovery->look.letter.read = read_look;
    ev_timer_init(&discovery->timer, on_deadline, 0., 0.);
    discovery->timer.data = discovery;
    ev_timer_init(&discovery->chores, on_chores, LOOK_EVERY, LOOK_EVERY);
    discovery->chores.data = discovery;
    return discovery;
}

bool discovery_ready(struct discovery *discovery, const struct discovery_settings *settings)
{
    struct udp_options udp = {.loop = discovery->options.loop,
                              .listen = settings->listen,
                              .listen_count = settings->listen_count,
                              .setting = "gossip.port",
                              .broadcast = settings->broadcasts ? &settings->to : NULL,
                              .shared = true,
                              .hops = settings->hops,
                              .take = on_datagram,
                              .batch = on_batch,
                              .arg = discovery};

    MUST_BE(discovery, DISCOVERY_MAGIC);
    udp_free(discovery->ready);
    discovery->ready = settings->on ? udp_new(&udp) : NULL;
    return !settings->on || discovery->ready;
}

static void switch_off(struct discovery *discovery)
{
    ev_timer_stop(discovery->options.loop, &discovery->timer);
    ev_timer_stop(discovery->options.loop, &discovery->chores);
    free(discovery->gossip);
    discovery->gossip = NULL;
}

static void switch_on(struct discovery *discovery, int64_t interval_ns)
{
    struct gossip_options options = {
        .seed = discovery->options.seed, .interval_ns = interval_ns, .now = clock_mono()};

    discovery->gossip = calloc(1, gossip_size());
    MUST(discovery->gossip != NULL);
    gossip_init(discovery->gossip, &options);
    ev_timer_start(discovery->options.loop, &discovery->chores);
}

static void take_secrets(struct discovery *discovery, const struct discovery_settings *settings)
{
    if (discovery->envelope && settings->secret_count > 0 &&
        envelope_has(discovery->envelope, settings->secrets, settings->secret_count))
        return;
    envelope_free(discovery->envelope);
    discovery->envelope =
        settings->secret_count > 0 ? envelope_new(settings->secrets, settings->secret_count) : NULL;
}

static void take_settings(struct discovery *discovery, const struct discovery_settings *settings)
{
    struct gossip_event event = {.kind = GOSSIP_WAKE};
    struct gossip_actions actions;
    bool other_pace = discovery->settings.interval_ns != settings->interval_ns;

    discovery->settings = *settings;
    discovery->settings.listen = NULL;
    discovery->settings.secrets = NULL;
    if (!discovery->gossip)
        switch_on(discovery, settings->interval_ns);
    else if (other_pace)
        gossip_set_interval(discovery->gossip, clock_mono(), settings->interval_ns);
    step(discovery, &event, &actions); /* arms the timer */
}

void discovery_apply(struct discovery *discovery, const struct discovery_settings *settings)
{
    MUST_BE(discovery, DISCOVERY_MAGIC);
    MUST(!settings->on == !discovery->ready);
    if (discovery->udp)
        leave_all(discovery);
    udp_free(discovery->udp);
    discovery->udp = discovery->ready;
    discovery->ready = NULL;
    if (!settings->on) {
        switch_off(discovery);
        return;
    }
    take_secrets(discovery, settings);
    gossip_gate_change(discovery->gate, settings->auth, settings->to.port, discovery->envelope);
    if (!discovery->looker) { /* at the start nobody waits for this thread yet */
        struct path paths[PATHS_MAX];
        size_t count = paths_find(settings->wishes, settings->wish_count, &settings->to, paths);
        discovery->looker = workers_new(1);
        discovery->settings.to = settings->to;
        discovery->settings.broadcasts = settings->broadcasts;
        take_paths(discovery, paths, count);
    }
    take_settings(discovery, settings);
    look_for_paths(discovery);
}

void discovery_recheck(struct discovery *discovery)
{
    MUST_BE(discovery, DISCOVERY_MAGIC);
    for (size_t i = 0; discovery->gossip && i < gossip_count(discovery->gossip); i++) {
        const struct gossip_node *node = gossip_node_at(discovery->gossip, i);
        if (!node->lost)
            discovery->options.met(discovery->options.arg, node);
    }
}

const struct gossip *discovery_gossip(const struct discovery *discovery)
{
    MUST_BE(discovery, DISCOVERY_MAGIC);
    return discovery->gossip;
}

void discovery_free(struct discovery *discovery)
{
    if (!discovery)
        return;
    MUST_BE(discovery, DISCOVERY_MAGIC);
    switch_off(discovery);
    workers_free(discovery->looker);
    discovery->looker = NULL;
    mailbox_read(discovery->options.mailbox); /* its last letter */
    udp_free(discovery->udp);
    udp_free(discovery->ready);
    seal_free(discovery->seal);
    envelope_free(discovery->envelope);
    gossip_gate_free(discovery->gate);
    discovery->magic = 0;
    free(discovery);
}
