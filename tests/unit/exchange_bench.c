/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

static const wall_t WALL = {1795348800000};
static const mono_t BEGIN = {MONO_S(1000)};

const struct route_place PLACE_SLAVE = {.follows = true, .above = true};
const struct route_place PLACE_GATEWAY = {
    .follows = true, .above = true, .leads = true, .candidate = true};
const struct route_place PLACE_TOP_MASTER = {.leads = true, .candidate = true, .top = true};
const struct route_place PLACE_TOP_BACKUP = {.follows = true, .candidate = true, .top = true};

struct version version_of(uint64_t n)
{
    return (struct version){((uint64_t)WALL.ms << 16) + n};
}

struct digest content_of(uint64_t n)
{
    struct digest d = {{0}};

    memcpy(d.bytes, &n, sizeof(n));
    return d;
}

struct address host(uint8_t n)
{
    struct address a = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, n}, .port = 65027};

    return a;
}

static int set_up_with(void **state, bool broadcast)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct exchange_options options = {.seed = 1,
                                       .node = "here",
                                       .domain = "example.com",
                                       .http_port = 65028,
                                       .compare_ns = MONO_S(30)};

    options.broadcast = broadcast;
    bench->machine = calloc(1, exchange_size());
    bench->relations = ROUTE_MESH;
    bench->now = options.now = BEGIN;
    exchange_init(bench->machine, &options);
    *state = bench;
    return 0;
}

int set_up(void **state)
{
    return set_up_with(state, true);
}

int set_up_alone(void **state)
{
    return set_up_with(state, false);
}

int tear_down(void **state)
{
    struct bench *bench = *state;

    free(bench->machine);
    free(bench);
    return 0;
}

wall_t wall_of(const struct bench *bench, int64_t ahead_ms)
{
    int64_t passed_ms = mono_between(BEGIN, bench->now) / MONO_MS(1);

    return (wall_t){WALL.ms + passed_ms + bench->clock_set_ms + ahead_ms};
}

void step(struct bench *bench, struct exchange_event event)
{
    event.now = bench->now;
    event.wall = wall_of(bench, 0);
    if (!event.relations)
        event.relations = bench->relations;
    exchange_step(bench->machine, &event, &bench->actions);
}

void wait_ms(struct bench *bench, int64_t ms)
{
    bench->now = mono_after(bench->now, MONO_MS(ms));
    step(bench, (struct exchange_event){.kind = EXCHANGE_WAKE});
}

const struct exchange_action *await(struct bench *bench, enum exchange_action_kind kind, int64_t ms)
{
    mono_t end = mono_after(bench->now, MONO_MS(ms));

    for (;;) {
        for (size_t i = 0; i < bench->actions.count; i++)
            if (bench->actions.list[i].kind == kind)
                return &bench->actions.list[i];
        if (bench->now.ns >= end.ns)
            return NULL;
        bench->now = mono_earlier(end, bench->actions.deadline);
        step(bench, (struct exchange_event){.kind = EXCHANGE_WAKE});
    }
}

const struct exchange_action *only(const struct bench *bench, enum exchange_action_kind kind)
{
    const struct exchange_action *found = NULL;

    for (size_t i = 0; i < bench->actions.count; i++) {
        if (bench->actions.list[i].kind == kind) {
            assert_null(found);
            found = &bench->actions.list[i];
        }
    }
    return found;
}

struct exchange_local nothing(void)
{
    return (struct exchange_local){.known = false};
}

struct exchange_local knows(uint64_t n, bool held)
{
    return (struct exchange_local){.known = true,
                                   .held = held,
                                   .version = version_of(n),
                                   .sha256 = content_of(n),
                                   .size = 5,
                                   .mtime = 7};
}

void ask(struct bench *bench, uint64_t ticket, enum exchange_ask what, struct exchange_local local)
{
    step(bench, (struct exchange_event){.kind = EXCHANGE_ASKED,
                                        .ticket = ticket,
                                        .ask = what,
                                        .name = span_of(NAME),
                                        .local = local});
}

struct notice ihave(uint64_t n, bool held)
{
    struct notice notice = {.kind = NOTICE_IHAVE,
                            .name = NAME,
                            .version = version_of(n),
                            .sha256 = content_of(n),
                            .port = 8080,
                            .held = held,
                            .kept = held};

    return notice;
}

struct notice whohas(uint64_t n, bool content)
{
    struct notice notice = {
        .kind = NOTICE_WHOHAS, .name = NAME, .tuid = "1.77@there", .content = content};

    notice.version = n ? version_of(n) : VERSION_NONE;
    return notice;
}

void hear(struct bench *bench, uint8_t from, struct notice notice, struct exchange_local local)
{
    snprintf(notice.sender.node, sizeof(notice.sender.node), "node%u", from);
    if (address_is_any(&notice.sender.address))
        notice.sender.address = host(from);
    notice.sender.boot = 1;
    notice.sender.counter = ++bench->counter;
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_HEARD, .from = host(from), .notice = &notice, .local = local});
}

void hear_answer(struct bench *bench, uint8_t from, const char *tuid, uint64_t n, bool held,
                 struct exchange_local local)
{
    struct notice notice = ihave(n, held);

    snprintf(notice.tuid, sizeof(notice.tuid), "%s", tuid);
    hear(bench, from, notice, local);
}

void hear_as(struct bench *bench, uint8_t from, unsigned relations, struct notice notice,
             struct exchange_local local)
{
    unsigned before = bench->relations;

    bench->relations = relations;
    hear(bench, from, notice, local);
    bench->relations = before;
}

void stand(struct bench *bench, struct route_place place)
{
    step(bench, (struct exchange_event){.kind = EXCHANGE_PLACE, .place = place});
}

void learned(struct bench *bench, uint8_t from, enum exchange_result result, enum peer_fault fault,
             struct exchange_local local)
{
    struct address http = host(from);

    http.port = 8080;
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEARNED,
                                        .from = http,
                                        .name = span_of(NAME),
                                        .result = result,
                                        .fault = fault,
                                        .local = local});
}

void landed(struct bench *bench, uint8_t from, unsigned relations, struct exchange_local local)
{
    step(bench, (struct exchange_event){.kind = EXCHANGE_LANDED,
                                        .name = span_of(NAME),
                                        .local = local,
                                        .from = host(from),
                                        .relations = relations});
}
