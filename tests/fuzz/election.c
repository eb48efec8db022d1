/* SPDX-License-Identifier: ISC */
/*
 * The election under any ballots in any order, through the real gate: validly signed ones with any
 * content, of candidates, a slave and strangers; the same with bytes changed behind the signing;
 * replays; answers to our nonces; between them time, lateness and all the driver's other events.
 *
 * What must hold: no edited or forged ballot passes the gate, what passed it once changes no role
 * the second time, the known epoch never goes back, nothing is sent under an epoch that is not on
 * disk, and the machine never wants to be woken without end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "election/elect.h"
#include "src/advert.h"
#include "src/advert_gate.h"
#include "src/base/must.h"

#define DOMAIN "example.com"
#define TIER "paris"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 2000, WAKES_MAX = 10, HOSTS = 6, CANDIDATES = 3, KEPT = 8 };

/* What outlives one input. */
static struct {
    struct keyring *keyring, *other;
    struct seal *seal, *other_seal;
    struct members *members;
    struct advert_gate *gate;
    struct elect_actions *actions;
} here;

struct kept {
    size_t host, len;
    char at[1024];
};

/* A tier of four candidates (ourselves the last) and a slave's network; hosts 3 and 4 are slaves,
 * host 5 is a stranger. */
struct run {
    const uint8_t *at;
    size_t left;
    mono_t now;
    struct elect *machine;
    struct elect_rules rules;
    struct elect_self self;
    uint64_t on_disk, asked, epoch;
    uint64_t counters[HOSTS];
    struct ballot_nonce nonces[HOSTS]; /* the last that we asked each with */
    bool has_nonce[HOSTS];
    struct kept kept[KEPT]; /* what passed the gate lately */
    size_t kept_count;
    bool over;
};

static uint8_t roll(struct run *run)
{
    if (!run->left)
        return 0;
    run->left--;
    return *run->at++;
}

static struct address host_address(size_t host)
{
    static const char *const texts[] = {"10.0.0.1",  "10.0.0.2",  "10.0.0.3",
                                        "10.0.0.77", "10.0.0.78", "10.9.9.9"};
    struct address a;

    MUST(address_parse(span_of(texts[host]), 65028, &a));
    return a;
}

static struct address own_address(void)
{
    struct address a;

    MUST(address_parse(span_of("10.0.0.4"), 65028, &a));
    return a;
}

static void add_member(struct member *member, const char *network, enum member_role role)
{
    bool differs;

    MUST(network_parse(span_of(network), &member->network, &differs));
    MUST(span_copy(span_of(TIER), member->tier, sizeof(member->tier)));
    member->role = role;
}

static void begin_once(void)
{
    const struct span key = {"key", 3}, other = {"other", 5};
    const struct address own = own_address();
    struct member list[5] = {0};

    add_member(&list[0], "10.0.0.1", MEMBER_CANDIDATE);
    add_member(&list[1], "10.0.0.2", MEMBER_CANDIDATE);
    add_member(&list[2], "10.0.0.3", MEMBER_CANDIDATE);
    add_member(&list[3], "10.0.0.4", MEMBER_CANDIDATE);
    add_member(&list[4], "10.0.0.0/24", MEMBER_SLAVE);
    here.keyring = keyring_new(&key, 1, false);
    here.other = keyring_new(&other, 1, false);
    here.seal = seal_new(here.keyring);
    here.other_seal = seal_new(here.other);
    here.members = members_new(&(struct members_options){.list = list,
                                                         .count = 5,
                                                         .own = &own,
                                                         .own_count = 1,
                                                         .nets_given = true,
                                                         .nobroadcast = true});
    here.gate = advert_gate_new(&(struct advert_gate_options){.members = here.members,
                                                              .keyring = here.keyring,
                                                              .domain = DOMAIN,
                                                              .node = "us",
                                                              .boot = 9,
                                                              .port = 65029});
    here.actions = calloc(1, sizeof(*here.actions));
    MUST(here.actions != NULL);
}

static void begin(struct run *run)
{
    struct elect_options options = {.tier = TIER,
                                    .node = "us",
                                    .boot = 9,
                                    .seed = {roll(run)},
                                    .standing_ns = ELECT_STANDING_NS};

    run->now = (mono_t){MONO_S(1000)};
    run->rules = (struct elect_rules){.candidate = roll(run) % 4 != 0,
                                      .address = own_address(),
                                      .pair = {.base_us = 1000000, .skew = roll(run)},
                                      .preempt = true,
                                      .preempt_delay_ns = -1,
                                      .dead_ratio_milli = 3000,
                                      .candidate_count = CANDIDATES + 1};
    for (size_t i = 0; i < CANDIDATES; i++)
        run->rules.candidates[i] = host_address(i);
    run->rules.candidates[CANDIDATES] = own_address();
    options.rules = run->rules;
    run->machine = calloc(1, elect_size());
    MUST(run->machine != NULL);
    elect_init(run->machine, &options);
}

/* ---- what the machine says ------------------------------------------------------------------- */

static void take_sent(struct run *run, const struct elect_action *action)
{
    const struct ballot *ballot = &action->ballot;

    if (ballot->kind == BALLOT_ADVERT)
        MUST(ballot->epoch > 0 && ballot->epoch <= run->on_disk);
    MUST(ballot->demotion <= DEMOTION_MAX && ballot->epoch <= ELECT_EPOCH_MAX);
    MUST(ballot->kind != BALLOT_STANDING || ballot->role != BALLOT_MASTER);
    for (size_t host = 0; host < HOSTS && ballot->kind == BALLOT_SOLICIT; host++) {
        struct address address = host_address(host);
        if (!address_same_host(&address, &action->to))
            continue;
        run->nonces[host] = ballot->nonce;
        run->has_nonce[host] = true;
    }
}

/* Returns whether the role changed. */
static bool take(struct run *run)
{
    struct view_tier view;
    bool changed = false;

    MUST(here.actions->count <= ELECT_ACTIONS_MAX);
    for (size_t i = 0; i < here.actions->count; i++) {
        const struct elect_action *action = &here.actions->list[i];
        if (action->kind == ELECT_PERSIST)
            run->asked = action->reserved;
        if (action->kind == ELECT_SEND || action->kind == ELECT_TO_ALL)
            take_sent(run, action);
        changed |= action->kind == ELECT_ROLE && !action->again;
    }
    elect_view(run->machine, run->now, &view);
    MUST(view.epoch >= run->epoch && view.epoch <= ELECT_EPOCH_MAX);
    MUST((view.role == BALLOT_MASTER) == (elect_state(run->machine) == ELECT_MASTER));
    run->epoch = view.epoch;
    return changed;
}

static bool step(struct run *run, struct elect_event *event)
{
    event->now = run->now;
    elect_step(run->machine, event, here.actions);
    return take(run);
}

/* What is due until then is done when it is due, and does not stay due. */
static void pass(struct run *run, int64_t ns)
{
    mono_t then = mono_after(run->now, ns);
    int wakes = 0;

    while (mono_reached(then, here.actions->deadline)) {
        if (!mono_reached(run->now, here.actions->deadline)) {
            run->now = here.actions->deadline;
            wakes = 0;
        }
        MUST(wakes++ < WAKES_MAX);
        step(run, &(struct elect_event){.kind = ELECT_WAKE});
    }
    run->now = then;
}

/* ---- what it hears --------------------------------------------------------------------------- */

static void roll_stand(struct run *run, struct ballot *out)
{
    static const uint64_t far[] = {0, 1, 2, 3, ELECT_EPOCH_MAX - 1, ELECT_EPOCH_MAX};
    uint8_t flags = roll(run);

    out->pair.base_us = flags & 1 ? 1000000 : ADVERT_BASE_MIN_US + roll(run) * 10000u;
    out->pair.skew = roll(run);
    out->demotion = flags & 2 ? roll(run) : 0;
    out->epoch = flags & 4 ? far[roll(run) % 6] : run->epoch + roll(run) % 4;
    if (out->epoch > ELECT_EPOCH_MAX)
        out->epoch = ELECT_EPOCH_MAX;
    if (out->epoch == 0 && out->kind == BALLOT_ADVERT)
        out->epoch = 1;
    out->head.sequence = roll(run);
    out->leaving = (flags & 0x18) == 0x18;
    if (flags & 0x20)
        out->successor = roll(run) % 2 ? own_address() : host_address(roll(run) % HOSTS);
    out->role = flags & 0x40 ? BALLOT_BACKUP : BALLOT_SLAVE;
    out->asks = flags & 0x80;
    out->behind = (flags & 0x18) == 0x08;
}

static void roll_ballot(struct run *run, size_t host, struct ballot *out)
{
    uint8_t flags = roll(run);

    memset(out, 0, sizeof(*out));
    out->kind = (enum ballot_kind)(flags % 3);
    memcpy(out->tier, TIER, sizeof(TIER));
    snprintf(out->node, sizeof(out->node), "host%zu%s", host, flags & 0x80 ? "twin" : "");
    out->boot = 1 + (flags >> 5 & 1);
    if (!(flags & 0x10))
        run->counters[host] += 1 + flags / 128;
    out->counter = run->counters[host];
    out->address = host_address(flags & 0x40 ? roll(run) % HOSTS : host);
    out->has_echo = run->has_nonce[host] && !(flags & 8);
    if (out->has_echo)
        out->echo = run->nonces[host];
    if (out->kind == BALLOT_SOLICIT)
        out->nonce.bytes[0] = roll(run);
    else
        roll_stand(run, out);
}

static enum gate_verdict judge(size_t host, struct span bytes, struct advert_datagram *datagram,
                               struct ballot *out)
{
    *datagram = (struct advert_datagram){.from = host_address(host)};
    return advert_gate_judge(here.gate, bytes, datagram, out);
}

static bool hear(struct run *run, size_t host, struct span bytes)
{
    struct advert_datagram datagram;
    struct ballot ballot;

    if (judge(host, bytes, &datagram, &ballot) != GATE_PASS)
        return false;
    MUST(datagram.is_signed && datagram.candidate == (host < CANDIDATES));
    return step(run, &(struct elect_event){.kind = ELECT_HEARD,
                                           .ballot = &ballot,
                                           .from = datagram.from,
                                           .from_candidate = datagram.candidate});
}

static void keep(struct run *run, size_t host, const struct text *text)
{
    struct kept *kept = &run->kept[run->kept_count++ % KEPT];

    MUST(text->len <= sizeof(kept->at));
    kept->host = host;
    kept->len = text->len;
    memcpy(kept->at, text->at, text->len);
}

/* One that is signed rightly. Said again at once, it must change no role. */
static void say(struct run *run, size_t host)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct span bytes;
    struct ballot ballot;

    roll_ballot(run, host, &ballot);
    advert_write(&ballot, DOMAIN, (wall_t){0}, &text);
    seal_message(here.seal, &text, false);
    MUST(!text.full);
    bytes = (struct span){text.at, text.len};
    hear(run, host, bytes);
    keep(run, host, &text);
    MUST(!hear(run, host, bytes));
}

/* Changed behind the signing, or signed with another key: never let in. */
static void forge(struct run *run, size_t host)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct advert_datagram datagram;
    struct ballot ballot;
    uint8_t how = roll(run);
    size_t below, at;

    roll_ballot(run, host, &ballot);
    advert_write(&ballot, DOMAIN, (wall_t){0}, &text);
    below = text.len - message_covered(&text).len;
    if (how % 4)
        seal_message(how & 4 ? here.other_seal : here.seal, &text, false);
    at = below + (size_t)(roll(run) * 256 + roll(run)) % (text.len - below);
    if (how % 4 && !(how & 4))
        text.at[at] ^= (char)(1 << (how >> 5));
    MUST(judge(host, (struct span){text.at, text.len}, &datagram, &ballot) != GATE_PASS);
}

/* Text of any kind below a good signature: what stands behind the keys meets it too. */
static void garble(struct run *run, size_t host)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct ballot ballot;
    uint8_t count = roll(run) % 4;
    struct message m;

    roll_ballot(run, host, &ballot);
    advert_write(&ballot, DOMAIN, (wall_t){0}, &text);
    for (uint8_t i = 0; i <= count; i++)
        text.at[(size_t)(roll(run) * 256 + roll(run)) % text.len] = (char)roll(run);
    if (message_decode((struct span){text.at, text.len}, &m) != MESSAGE_OK)
        return;
    seal_message(here.seal, &text, false);
    if (!text.full)
        hear(run, host, (struct span){text.at, text.len});
}

/* What was said before, from whoever said it or from another. */
static void replay(struct run *run)
{
    const struct kept *kept = &run->kept[roll(run) % KEPT];
    size_t host = roll(run) % 4 ? kept->host : roll(run) % HOSTS;

    if (kept->len)
        MUST(!hear(run, host, (struct span){kept->at, kept->len}));
}

/* ---- what else happens ----------------------------------------------------------------------- */

static void wait(struct run *run)
{
    uint8_t how = roll(run);
    int64_t ns = how < 128 ? MONO_MS(how) : MONO_MS((how - 127) * 100);

    pass(run, ns);
    if (roll(run) % 8 == 0)
        step(run, &(struct elect_event){.kind = ELECT_WAKE, .late = ns});
}

static void change_self(struct run *run)
{
    uint8_t how = roll(run);

    run->self.demotion = how & 1 ? DEMOTION_HAND : how & 2 ? DEMOTION_STORE : 0;
    run->self.behind = how & 4;
    run->self.head.sequence = how;
    step(run, &(struct elect_event){.kind = ELECT_SELF, .self = &run->self});
}

static void change_rules(struct run *run)
{
    uint8_t how = roll(run);

    run->rules.candidate = how % 8 != 0;
    run->rules.pair.skew = roll(run);
    run->rules.preempt = how & 8;
    run->rules.candidate_count = CANDIDATES + (how & 16 ? 1 : 0);
    if (run->rules.candidate)
        run->rules.candidate_count = CANDIDATES + 1;
    step(run, &(struct elect_event){.kind = ELECT_RULES, .rules = &run->rules});
}

static void happen(struct run *run)
{
    uint8_t kind = roll(run);
    size_t host = kind / 16 % HOSTS;

    switch (kind % 16) {
    case 0:
    case 1:
        wait(run);
        return;
    case 2:
        run->on_disk = run->asked;
        step(run, &(struct elect_event){.kind = ELECT_PERSISTED, .reserved = run->asked});
        return;
    case 3:
        forge(run, host);
        return;
    case 4:
        garble(run, host);
        return;
    case 5:
    case 6:
        replay(run);
        return;
    case 7:
        change_self(run);
        return;
    case 8:
        step(run, &(struct elect_event){.kind = ELECT_WATCH_REFUSED, .from = host_address(host)});
        return;
    case 9:
        change_rules(run);
        return;
    case 10:
        run->over = host == 0;
        if (run->over)
            step(run, &(struct elect_event){.kind = ELECT_END});
        return;
    default:
        say(run, host);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *run = calloc(1, sizeof(*run));

    MUST(run != NULL);
    if (!here.keyring)
        begin_once();
    run->at = data;
    run->left = size;
    begin(run);
    step(run, &(struct elect_event){.kind = ELECT_BEGIN});
    for (int i = 0; i < EVENTS_MAX && run->left; i++)
        happen(run);
    free(run->machine);
    free(run);
    return 0;
}
