/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

/* What ISconf hosts ask and say, of NAME, at a time in seconds. */

static void hear_isconf(struct bench *bench, uint8_t from, enum notice_kind kind, int64_t time,
                        struct exchange_local local)
{
    struct notice notice = {
        .kind = kind, .isconf = true, .name = NAME, .time = time, .port = kind ? 8080 : 0};

    if (kind == NOTICE_IHAVE)
        notice.version = version_of_mtime(time);
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_HEARD, .from = host(from), .notice = &notice, .local = local});
}

/* What came from such a host at that time. */
static struct exchange_local unverified(int64_t time, bool held)
{
    struct exchange_local local = knows(1, held);

    local.version = version_of_mtime(time);
    local.mtime = time;
    return local;
}

static const struct peer *peer_of(const struct bench *bench)
{
    return &exchange_peers(bench->machine)->list[0];
}

static void one_is_answered_where_our_content_is_later(void **state)
{
    static const struct {
        int64_t newer;
        bool held, answered;
    } rows[] = {{0, true, true}, {0, false, false}, {6, true, true}, {7, true, false}};
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct exchange_action *answer;

        hear_isconf(bench, 2, NOTICE_WHOHAS, rows[i].newer, knows(5, rows[i].held));
        answer = only(bench, EXCHANGE_SEND);
        assert_int_equal(answer != NULL, rows[i].answered);
        if (answer)
            assert_string_equal(answer->notice.tuid, ""); /* its own would not be heard */
    }
}

static void what_it_has_is_learned_where_nothing_is_known_or_what_is_older(void **state)
{
    struct bench *bench = *state;
    const struct {
        struct exchange_local local;
        bool learned;
    } rows[] = {
        {nothing(), true},
        {unverified(99, true), true},
        {unverified(99, false), true},
        {unverified(100, true), false},
        {unverified(100, false), false},
        {unverified(101, true), false},
        {knows(5, true), false},
        {knows(5, false), false},
        {{.known = true, .deleted = true, .version = version_of(5)}, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct exchange_action *learn;

        bench->actions.count = 0;
        hear_isconf(bench, 2, NOTICE_IHAVE, 100, rows[i].local);
        learn = await(bench, EXCHANGE_LEARN, 600);
        assert_int_equal(learn != NULL, rows[i].learned);
        if (!learn)
            continue;
        assert_true(learn->isconf);
        assert_string_equal(learn->name, NAME);
        assert_int_equal(learn->to.port, 8080);
        learned(bench, 2, EXCHANGE_DONE, PEER_FINE, unverified(100, true));
    }
}

static void what_is_asked_for_is_learned_at_once(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *answer;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    hear_isconf(bench, 2, NOTICE_IHAVE, 100, nothing());
    assert_non_null(only(bench, EXCHANGE_LEARN));
    wait_ms(bench, 2500); /* the question waits for it */
    assert_null(only(bench, EXCHANGE_ANSWER));
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, unverified(100, true));
    answer = only(bench, EXCHANGE_ANSWER);
    assert_true(answer && answer->found);
}

/* Its content is gone here: who has it is asked by the time before it, and is asked for it. */
static void what_was_dropped_is_had_again(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *asks, *answer;

    ask(bench, 1, EXCHANGE_ASK_CONTENT, unverified(100, false));
    asks = only(bench, EXCHANGE_SEND);
    assert_non_null(asks);
    assert_int_equal(asks->notice.time, 99);
    hear_isconf(bench, 2, NOTICE_IHAVE, 100, unverified(100, false));
    assert_non_null(only(bench, EXCHANGE_LEARN));
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, unverified(100, true));
    answer = only(bench, EXCHANGE_ANSWER);
    assert_true(answer && answer->found);
}

static void one_that_has_what_is_older_is_told(void **state)
{
    struct bench *bench = *state;

    hear_isconf(bench, 2, NOTICE_IHAVE, 6, knows(5, true));
    assert_int_equal(only(bench, EXCHANGE_SEND)->notice.time, 7);
    hear_isconf(bench, 2, NOTICE_IHAVE, 6, knows(5, true)); /* not again and again */
    assert_null(only(bench, EXCHANGE_SEND));
    hear_isconf(bench, 3, NOTICE_IHAVE, 7, knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
    hear_isconf(bench, 3, NOTICE_IHAVE, 6, knows(5, false));
    assert_null(only(bench, EXCHANGE_SEND));
}

/* It would answer nothing that makes sense, and be set aside for that. */
static void its_catalogue_is_not_asked_for(void **state)
{
    struct bench *bench = *state;

    step(bench, (struct exchange_event){.kind = EXCHANGE_MEMBER, .from = host(2)});
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_BLAMED, .from = host(2), .fault = PEER_UNSIGNED_ANSWER});
    assert_false(peer_usable(peer_of(bench), bench->now));
    hear_isconf(bench, 2, NOTICE_WHOHAS, 0, nothing());
    assert_true(peer_of(bench)->isconf && peer_usable(peer_of(bench), bench->now));
    assert_null(await(bench, EXCHANGE_COMPARE, 120000));
    hear(bench, 2, ihave(5, true), knows(5, true)); /* carpond runs there by now */
    assert_false(peer_of(bench)->isconf);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 60000));
}

static void nobody_makes_an_isconf_host_of_a_node(void **state)
{
    struct bench *bench = *state;

    hear(bench, 2, ihave(5, true), knows(5, true));
    hear_isconf(bench, 2, NOTICE_WHOHAS, 0, nothing());
    assert_false(peer_of(bench)->isconf);
    assert_string_equal(peer_of(bench)->node, "node2");
}

/* Of names with these numbers. */
static void hear_names(struct bench *bench, struct address from, int first, int end)
{
    struct notice notice = {.kind = NOTICE_IHAVE,
                            .isconf = true,
                            .time = 100,
                            .version = version_of_mtime(100),
                            .port = 8080};

    for (int i = first; i < end; i++) {
        snprintf(notice.name, sizeof(notice.name), NAME "%d", i);
        step(bench,
             (struct exchange_event){.kind = EXCHANGE_HEARD, .from = from, .notice = &notice});
    }
}

static struct exchange_figures figures_of(const struct bench *bench)
{
    struct exchange_figures figures;

    exchange_figures(bench->machine, &figures);
    return figures;
}

static void only_so_many_contents_come_at_a_time(void **state)
{
    struct bench *bench = *state;

    hear_names(bench, host(2), 0, 40);
    wait_ms(bench, 2000);
    assert_int_equal(figures_of(bench).learns_in_flight, EXCHANGE_ISCONF_HOST_IN_FLIGHT);
    hear_names(bench, host(4), 40, 80);
    hear_names(bench, host(5), 80, 120);
    wait_ms(bench, 2000);
    assert_int_equal(figures_of(bench).learns_in_flight, EXCHANGE_ISCONF_IN_FLIGHT);
    hear(bench, 3, ihave(6, true), knows(5, true)); /* what nodes tell has places left */
    assert_non_null(await(bench, EXCHANGE_LEARN, 1000));
}

/* The end of one of a host's lets the next of it come. */
static void a_host_has_its_places_back(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *learn;

    hear_names(bench, host(2), 0, 40);
    for (int i = 0; i < 40; i++) {
        learn = await(bench, EXCHANGE_LEARN, 2000);
        assert_non_null(learn);
        step(bench, (struct exchange_event){.kind = EXCHANGE_LEARNED,
                                            .from = learn->to,
                                            .name = span_of(learn->name),
                                            .local = unverified(100, true)});
    }
    assert_int_equal(figures_of(bench).learns, 0);
}

static void what_they_have_leaves_room_for_what_nodes_have(void **state)
{
    struct bench *bench = *state;
    int most = EXCHANGE_LEARNS_MAX;

    hear_names(bench, host(2), 0, most);
    assert_int_equal(figures_of(bench).learns, EXCHANGE_ISCONF_HOST_LEARNS);
    for (uint8_t i = 3; i < 20; i++)
        hear_names(bench, host(i), i * most, (i + 1) * most);
    assert_int_equal(figures_of(bench).learns, EXCHANGE_ISCONF_LEARNS_MAX);
    hear(bench, 30, ihave(6, true), knows(5, true));
    assert_non_null(await(bench, EXCHANGE_LEARN, 1000));
}

/* ---- as many as one who has recorded a datagram can speak as --------------------------------- */

static struct address made_up(size_t n)
{
    struct address a = host(0);

    a.ip[13] = (uint8_t)(1 + n / 250);
    a.ip[15] = (uint8_t)(1 + n % 250);
    return a;
}

static void hear_question(struct bench *bench, struct address from)
{
    struct notice notice = {.kind = NOTICE_WHOHAS, .isconf = true, .name = NAME};

    step(bench, (struct exchange_event){.kind = EXCHANGE_HEARD, .from = from, .notice = &notice});
}

static bool knows_host(const struct bench *bench, struct address a)
{
    const struct peers *peers = exchange_peers(bench->machine);

    for (size_t i = 0; i < peers->count; i++)
        if (address_same_host(&peers->list[i].address, &a))
            return true;
    return false;
}

static void only_who_was_not_heard_for_long_makes_room(void **state)
{
    struct bench *bench = *state;

    step(bench, (struct exchange_event){.kind = EXCHANGE_MEMBER, .from = host(2)});
    hear_question(bench, host(2));
    for (size_t i = 1; i < EXCHANGE_ISCONF_MAX; i++)
        hear_question(bench, made_up(i));
    hear_question(bench, host(3));
    assert_false(knows_host(bench, host(3)));
    wait_ms(bench, 599000);
    hear_question(bench, made_up(1)); /* it is there still */
    hear_question(bench, host(3));
    assert_false(knows_host(bench, host(3)));
    wait_ms(bench, 1000);
    hear_question(bench, host(3));
    assert_true(knows_host(bench, host(3)));
    assert_true(knows_host(bench, host(2)));
    assert_true(knows_host(bench, made_up(1)));
    assert_int_equal(exchange_peers(bench->machine)->count, EXCHANGE_ISCONF_MAX);
    for (size_t i = 2000; i < 2000 + EXCHANGE_ISCONF_MAX; i++)
        hear_question(bench, made_up(i));
    assert_int_equal(exchange_peers(bench->machine)->count, EXCHANGE_ISCONF_MAX);
    assert_true(knows_host(bench, host(2)) && knows_host(bench, host(3)));
}

/* One that turns out to be a node is none of them. */
static void a_node_leaves_its_place(void **state)
{
    struct bench *bench = *state;

    hear_question(bench, host(2));
    for (size_t i = 1; i < EXCHANGE_ISCONF_MAX; i++)
        hear_question(bench, made_up(i));
    hear(bench, 2, ihave(5, true), knows(5, true));
    hear_question(bench, host(3));
    hear_question(bench, host(4));
    assert_true(knows_host(bench, host(3)));
    assert_false(knows_host(bench, host(4)));
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEFT, .from = host(3)});
    hear_question(bench, host(4));
    assert_true(knows_host(bench, host(4)));
}

static void one_that_we_lead_has_its_question_relayed_once(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *asks;

    stand(bench, PLACE_GATEWAY);
    bench->relations = ROUTE_LED;
    hear_isconf(bench, 2, NOTICE_WHOHAS, 0, nothing());
    asks = only(bench, EXCHANGE_SEND);
    assert_non_null(asks);
    assert_int_equal(asks->audiences, AUDIENCE_UP);
    assert_string_not_equal(asks->notice.tuid, "");
    hear_isconf(bench, 2, NOTICE_WHOHAS, 0, nothing());
    assert_null(only(bench, EXCHANGE_SEND));
    learned(bench, 3, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    assert_int_equal(only(bench, EXCHANGE_SEND)->notice.kind, NOTICE_IHAVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_is_answered_where_our_content_is_later),
        CASE(what_it_has_is_learned_where_nothing_is_known_or_what_is_older),
        CASE(what_is_asked_for_is_learned_at_once),
        CASE(what_was_dropped_is_had_again),
        CASE(one_that_has_what_is_older_is_told),
        CASE(its_catalogue_is_not_asked_for),
        CASE(nobody_makes_an_isconf_host_of_a_node),
        CASE(only_so_many_contents_come_at_a_time),
        CASE(a_host_has_its_places_back),
        CASE(what_they_have_leaves_room_for_what_nodes_have),
        CASE(only_who_was_not_heard_for_long_makes_room),
        CASE(a_node_leaves_its_place),
        CASE(one_that_we_lead_has_its_question_relayed_once),
    };
    return cmocka_run_group_tests_name("exchange_isconf", tests, NULL, NULL);
}
