/* SPDX-License-Identifier: ISC */
#include "src/election.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "tests/unit/home.h"
#include "tests/unit/unit.h"

/*
 * Nodes on loopback addresses of one port, each with the threads, sockets and files of its own
 * daemon: a tier `paris` of three candidates and a slave, and `core`, which the first two share. No
 * socket gets that port by itself (ip_local_port_range).
 */
enum { PORT = 26129, HTTP_PORT = 26130, CANDIDATES = 3, NODES = 4, CHANGES_MAX = 64 };

static const int64_t PATIENCE = MONO_S(60);
static const struct ballot_pair PAIRS[NODES] = {{150000, 0}, {150000, 1}, {150000, 2}, {150000, 0}};

struct node {
    struct election *election;
    struct members *members;
    struct roles *roles;
    struct remember *remember;
    struct view *view;
    struct address address, second; /* it listens on both, and is in its tiers with the first */
    char name[32];
    char home[64];
    struct election_tier tiers[2];
    size_t tier_count;
    pthread_mutex_t lock; /* guards the rest */
    struct role_change changes[CHANGES_MAX];
    size_t change_count;
    unsigned other_masters, other_heads; /* news of the view */
    bool hears_no_tier;                  /* when it heard last, it was not in it */
    uint64_t head;                       /* its master's, when it heard last */
    struct ballot standings[NODES];      /* heard last, of each */
};

static struct node nodes[NODES];

/* ---- making and ending ---------------------------------------------------------------------- */

static void on_role(void *arg, const struct role_change *change)
{
    struct node *node = arg;

    pthread_mutex_lock(&node->lock);
    if (node->change_count < CHANGES_MAX)
        node->changes[node->change_count++] = *change;
    pthread_mutex_unlock(&node->lock);
}

static void on_viewed(void *arg, const char *tier, bool other_master)
{
    struct node *node = arg;
    struct view_tier view;

    pthread_mutex_lock(&node->lock);
    *(other_master ? &node->other_masters : &node->other_heads) += 1;
    node->hears_no_tier = !view_find(node->view, tier, &view);
    node->head = node->hears_no_tier ? 0 : view.head.sequence;
    pthread_mutex_unlock(&node->lock);
}

static void on_standing(void *arg, const struct ballot *standing)
{
    struct node *node = arg;

    pthread_mutex_lock(&node->lock);
    for (size_t i = 0; i < NODES; i++) {
        if (address_same(&standing->address, &nodes[i].address))
            node->standings[i] = *standing;
    }
    pthread_mutex_unlock(&node->lock);
}

static void set_tier(struct node *node, struct election_tier *tier, const char *name,
                     size_t candidates)
{
    size_t own = (size_t)(node - nodes);

    *tier = (struct election_tier){.rules = {.candidate = own < candidates,
                                             .address = node->address,
                                             .pair = PAIRS[own],
                                             .preempt = true,
                                             .preempt_delay_ns = MONO_MS(100),
                                             .dead_ratio_milli = 3000,
                                             .candidate_count = candidates}};
    span_copy(span_of(name), tier->tier, sizeof(tier->tier));
    for (size_t i = 0; i < candidates; i++) {
        tier->rules.candidates[i] = nodes[i].address;
        tier->rules.candidates[i].port = 0;
    }
}

static struct members_options options_of(const struct node *node, struct member list[NODES + 2])
{
    struct members_options options = {
        .list = list, .own = &node->address, .own_count = 1, .nets_given = true};

    for (size_t i = 0; i < NODES + 2; i++) {
        struct member *member = &list[options.count++];
        const char *tier = i < NODES ? "paris" : "core";
        member->network = (struct network){.base = nodes[i % NODES].address, .bits = 128};
        member->network.base.port = 0;
        member->role = i % NODES < CANDIDATES ? MEMBER_CANDIDATE : MEMBER_SLAVE;
        member->own = node->address;
        member->has_own = true;
        span_copy(span_of(tier), member->tier, sizeof(member->tier));
    }
    return options;
}

static struct members *make_members(const struct node *node)
{
    struct member list[NODES + 2] = {0};
    struct members_options options = options_of(node, list);

    return members_new(&options);
}

static struct election *make_election(struct node *node)
{
    struct address listen[] = {node->address, node->second};
    struct election_options options = {.node = node->name,
                                       .domain = "example.com",
                                       .boot = (uint64_t)clock_wall().ms,
                                       .members = node->members,
                                       .listen = listen,
                                       .listen_count = 2,
                                       .view = node->view,
                                       .roles = node->roles,
                                       .remember = node->remember,
                                       .tiers = node->tiers,
                                       .tier_count = node->tier_count,
                                       .ears = {on_viewed, on_standing, node}};

    listen[0].port = listen[1].port = PORT;
    return election_new(&options);
}

static void begin(struct node *node)
{
    struct view_tier view;

    node->members = make_members(node);
    node->roles = roles_new();
    for (int queue = 0; queue < ROLES_QUEUE_COUNT; queue++)
        roles_register(node->roles, (enum roles_queue)queue, on_role, node);
    node->remember = remember_open(node->home);
    assert_non_null(node->remember);
    node->view = calloc(1, view_size());
    assert_non_null(node->view);
    node->change_count = 0;
    node->other_masters = node->other_heads = 0;
    memset(node->standings, 0, sizeof(node->standings));
    node->election = make_election(node);
    assert_non_null(node->election);
    for (size_t i = 0; i < node->tier_count; i++)
        assert_true(view_find(node->view, node->tiers[i].tier, &view));
}

/* Without a word to the others, unless election_leave came before. */
static void end(struct node *node)
{
    if (!node->remember)
        return;
    election_free(node->election);
    remember_close(node->remember);
    roles_free(node->roles);
    members_free(node->members);
    free(node->view);
    node->election = NULL;
    node->remember = NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = &nodes[i];
        char host[32];
        snprintf(host, sizeof(host), "127.46.2.%zu", i + 1);
        snprintf(node->name, sizeof(node->name), "node%zu.example.com", i + 1);
        snprintf(node->home, sizeof(node->home), "/tmp/election-XXXXXX");
        assert_non_null(mkdtemp(node->home));
        assert_true(address_parse(span_of(host), HTTP_PORT, &node->address));
        snprintf(host, sizeof(host), "127.46.3.%zu", i + 1);
        assert_true(address_parse(span_of(host), HTTP_PORT, &node->second));
        assert_int_equal(pthread_mutex_init(&node->lock, NULL), 0);
    }
    for (size_t i = 0; i < NODES; i++) {
        set_tier(&nodes[i], &nodes[i].tiers[0], "paris", CANDIDATES);
        nodes[i].tier_count = 1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODES; i++) {
        end(&nodes[i]);
        nftw(nodes[i].home, home_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    return 0;
}

static void begin_all(void)
{
    for (size_t i = 0; i < NODES; i++)
        begin(&nodes[i]);
}

/* ---- what they say -------------------------------------------------------------------------- */

static struct view_tier view_of(const struct node *node, const char *tier)
{
    struct view_tier view = {.has_master = false};

    (void)view_find(node->view, tier, &view);
    return view;
}

/* All that run see this one as master, and it alone is. */
static bool agree(const struct node *master, const char *tier)
{
    for (size_t i = 0; i < NODES; i++) {
        struct view_tier view;
        if (!nodes[i].election || !view_find(nodes[i].view, tier, &view))
            continue;
        if ((view.role == BALLOT_MASTER) != (&nodes[i] == master) || !view.has_master ||
            strcmp(view.master, master->name) != 0)
            return false;
    }
    return true;
}

/* So is to be the next, should the master go. */
static bool names(const struct node *master, const struct node *heir)
{
    struct view_tier view;

    return view_find(master->view, "paris", &view) &&
           address_same_host(&view.successor, &heir->address);
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        mono_t last_ = mono_after(clock_mono(), PATIENCE);                                         \
        bool met_;                                                                                 \
        while (!(met_ = (condition)) && !mono_reached(clock_mono(), last_))                        \
            usleep(500);                                                                           \
        assert_true(met_);                                                                         \
    } while (0)

static struct role_change last_change(struct node *node)
{
    struct role_change change = {.queue = ROLES_QUEUE_COUNT};

    pthread_mutex_lock(&node->lock);
    if (node->change_count)
        change = node->changes[node->change_count - 1];
    pthread_mutex_unlock(&node->lock);
    return change;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void the_best_is_master_soon_and_all_know_it(void **state)
{
    struct role_change change;
    struct view_tier view;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    UNTIL(last_change(&nodes[0]).queue == ROLES_MASTER);
    change = last_change(&nodes[0]);
    assert_string_equal(change.tier, "paris");
    assert_string_equal(change.master, nodes[0].name);
    assert_true(address_same(&change.address, &nodes[0].address));
    UNTIL(view_of(&nodes[3], "paris").epoch == change.epoch);
    view = view_of(&nodes[3], "paris");
    assert_true(address_same(&view.master_address, &nodes[0].address));
    UNTIL(last_change(&nodes[3]).queue == ROLES_SLAVE);
}

static void who_leaves_hands_over_at_once(void **state)
{
    struct role_change change;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris") && names(&nodes[0], &nodes[1]));
    election_leave(nodes[0].election);
    assert_int_not_equal(view_of(&nodes[0], "paris").role, BALLOT_MASTER);
    UNTIL(view_of(&nodes[1], "paris").role == BALLOT_MASTER);
    assert_int_equal(view_of(&nodes[1], "paris").reason, REASON_NAMED);
    UNTIL(last_change(&nodes[0]).ended);
    change = last_change(&nodes[0]);
    assert_int_equal(change.reason, REASON_STOPPING);
    end(&nodes[0]);
    UNTIL(agree(&nodes[1], "paris"));
}

static void who_ends_without_a_word_is_missed_at_once(void **state)
{
    uint64_t epoch;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    /* The watched connections stand. */
    UNTIL(({
        struct election_figures figures;
        election_figures(nodes[0].election, &figures);
        figures.watched == CANDIDATES - 1;
    }));
    epoch = view_of(&nodes[0], "paris").epoch;
    end(&nodes[0]);
    UNTIL(view_of(&nodes[1], "paris").role == BALLOT_MASTER);
    assert_int_equal(view_of(&nodes[1], "paris").reason, REASON_PROCESS_DIED);
    assert_true(view_of(&nodes[1], "paris").epoch > epoch);
    begin(&nodes[0]); /* with what it had on disk */
    UNTIL(agree(&nodes[0], "paris"));
    assert_true(view_of(&nodes[0], "paris").epoch > epoch + 1);
}

static void a_group_carries_the_adverts(void **state)
{
    struct election_figures figures;

    (void)state;
    for (size_t i = 0; i < NODES; i++)
        assert_true(address_parse(span_of("239.255.46.3"), 0, &nodes[i].tiers[0].group));
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    election_figures(nodes[0].election, &figures);
    assert_true(figures.adverts_sent > 0);
    end(&nodes[0]);
    UNTIL(agree(&nodes[1], "paris"));
}

static void who_is_demoted_hands_over_and_takes_back(void **state)
{
    struct elect_self self = {.demotion = DEMOTION_HAND};

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    election_tell(nodes[0].election, "core", &self); /* not its tier */
    election_tell(nodes[0].election, "paris", &self);
    UNTIL(agree(&nodes[1], "paris"));
    assert_int_equal(view_of(&nodes[0], "paris").own_demotion, DEMOTION_HAND);
    self.demotion = 0;
    election_tell(nodes[0].election, "", &self);
    UNTIL(agree(&nodes[0], "paris"));
}

static void the_head_is_told_to_all(void **state)
{
    struct ballot_head head = {.store = 7};

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    for (head.sequence = 1; head.sequence < 1000; head.sequence++)
        election_head(nodes[0].election, &head);
    UNTIL(view_of(&nodes[3], "paris").head.sequence == 999);
    assert_int_equal(view_of(&nodes[3], "paris").head.store, 7);
}

static struct node heard_by(struct node *node)
{
    struct node copy;

    pthread_mutex_lock(&node->lock);
    copy = *node;
    pthread_mutex_unlock(&node->lock);
    return copy;
}

static void masters_and_their_heads_are_heard(void **state)
{
    struct ballot_head head = {.store = 7, .sequence = 1};
    unsigned masters, heads;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    UNTIL(heard_by(&nodes[0]).standings[3].boot != 0); /* nothing of the beginning is under way */
    masters = heard_by(&nodes[3]).other_masters;
    heads = heard_by(&nodes[0]).other_heads;
    assert_true(masters > 0);
    election_head(nodes[0].election, &head);
    UNTIL(heard_by(&nodes[3]).head == 1);
    UNTIL(heard_by(&nodes[2]).head == 1);
    assert_int_equal(heard_by(&nodes[3]).other_masters, masters);
    assert_int_equal(heard_by(&nodes[0]).other_heads, heads); /* it knows its own */
    end(&nodes[0]);
    UNTIL(agree(&nodes[1], "paris") && heard_by(&nodes[3]).other_masters > masters);
    election_reload(nodes[3].election, NULL, 0, AUTH_ENFORCE);
    assert_true(heard_by(&nodes[3]).hears_no_tier);
}

static void standings_are_heard_with_what_nobody_has_confirmed(void **state)
{
    struct ballot_head head = {.store = 9, .sequence = 5};

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    election_head(nodes[3].election, &head);
    election_tell(nodes[3].election, "paris", &(struct elect_self){.unconfirmed = 3});
    UNTIL(heard_by(&nodes[0]).standings[3].unconfirmed == 3);
    UNTIL(heard_by(&nodes[1]).standings[3].unconfirmed == 3); /* so does every candidate */
    assert_int_equal(heard_by(&nodes[0]).standings[3].head.store, 9);
    assert_int_equal(heard_by(&nodes[0]).standings[3].head.sequence, 5);
    assert_int_equal(heard_by(&nodes[0]).standings[3].role, BALLOT_SLAVE);
}

static void a_reload_joins_and_leaves_tiers_and_changes_no_other(void **state)
{
    struct view_tier before, after;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris") && names(&nodes[0], &nodes[1]));
    before = view_of(&nodes[0], "paris");
    for (size_t i = 0; i < 2; i++) {
        set_tier(&nodes[i], &nodes[i].tiers[1], "core", 2);
        election_reload(nodes[i].election, nodes[i].tiers, 2, AUTH_ENFORCE);
    }
    UNTIL(view_of(&nodes[0], "core").has_master && agree(&nodes[0], "core"));
    after = view_of(&nodes[0], "paris");
    assert_int_equal(after.epoch, before.epoch);
    assert_int_equal(after.since.ns, before.since.ns);
    election_reload(nodes[0].election, &nodes[0].tiers[1], 1, AUTH_ENFORCE);
    UNTIL(agree(&nodes[1], "paris"));
    assert_int_equal(view_of(&nodes[1], "paris").reason, REASON_NAMED);
    assert_true(agree(&nodes[0], "core"));
    assert_false(view_find(nodes[0].view, "paris", &after));
}

static uint64_t adverts_of(const struct node *node)
{
    struct election_figures figures;

    election_figures(node->election, &figures);
    return figures.adverts_sent;
}

/* As a reload does: first the members are others, then the election hears of it. */
static void a_master_that_a_reload_takes_out_of_its_tier_says_so(void **state)
{
    struct member list[NODES + 2] = {0};
    struct members_options options = options_of(&nodes[0], list);
    uint64_t adverts;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris") && names(&nodes[0], &nodes[1]));
    options.list += NODES; /* core alone */
    options.count -= NODES;
    adverts = adverts_of(&nodes[0]);
    members_replace(nodes[0].members, &options);
    UNTIL(adverts_of(&nodes[0]) >= adverts + 2);
    assert_true(agree(&nodes[0], "paris"));
    election_reload(nodes[0].election, NULL, 0, AUTH_ENFORCE);
    UNTIL(view_of(&nodes[1], "paris").role == BALLOT_MASTER);
    assert_int_equal(view_of(&nodes[1], "paris").reason, REASON_NAMED);
}

static void a_master_that_a_reload_moves_says_so_from_where_it_was(void **state)
{
    struct elect_rules *rules = &nodes[0].tiers[0].rules;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris") && names(&nodes[0], &nodes[1]));
    rules->address = rules->candidates[0] = nodes[0].second;
    election_reload(nodes[0].election, nodes[0].tiers, 1, AUTH_ENFORCE);
    UNTIL(view_of(&nodes[1], "paris").role == BALLOT_MASTER);
    assert_int_equal(view_of(&nodes[1], "paris").reason, REASON_NAMED);
}

static void and_to_the_group_that_it_had(void **state)
{
    struct election_tier *tier = &nodes[0].tiers[0];

    (void)state;
    for (size_t i = 0; i < NODES; i++)
        assert_true(address_parse(span_of("239.255.46.3"), 0, &nodes[i].tiers[0].group));
    begin_all();
    UNTIL(agree(&nodes[0], "paris") && names(&nodes[0], &nodes[1]));
    tier->rules.address = tier->rules.candidates[0] = nodes[0].second;
    assert_true(address_parse(span_of("239.255.46.4"), 0, &tier->group));
    election_reload(nodes[0].election, tier, 1, AUTH_ENFORCE);
    UNTIL(view_of(&nodes[1], "paris").role == BALLOT_MASTER);
    assert_int_equal(view_of(&nodes[1], "paris").reason, REASON_NAMED);
}

static void a_worse_pair_is_given_up_for_a_better_one(void **state)
{
    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    nodes[0].tiers[0].rules.pair.skew = 9;
    election_reload(nodes[0].election, nodes[0].tiers, 1, AUTH_ENFORCE);
    UNTIL(agree(&nodes[1], "paris"));
}

static void those_who_are_heard_are_listed(void **state)
{
    struct elect_member *list;
    size_t heard = 0, count;

    (void)state;
    begin_all();
    UNTIL(agree(&nodes[0], "paris"));
    UNTIL(view_of(&nodes[0], "paris").members == NODES - 1);
    count = election_members(nodes[0].election, "paris", &list);
    for (size_t i = 0; i < count; i++)
        heard += list[i].proven;
    free(list);
    assert_int_equal(heard, NODES - 1);
    assert_int_equal(election_members(nodes[0].election, "elsewhere", &list), 0);
    free(list);
}

static void what_cannot_be_listened_on_is_an_error(void **state)
{
    struct node *node = &nodes[0];

    (void)state;
    begin(node);
    assert_null(make_election(node));
    end(node);
    assert_true(address_parse(span_of("239.255.46.3"), 0, &node->tiers[0].group));
    assert_true(span_copy(span_of("no-such-if0"), node->tiers[0].group_if, 16));
    node->members = make_members(node);
    node->remember = remember_open(node->home);
    node->roles = roles_new();
    node->view = calloc(1, view_size());
    assert_null(make_election(node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_best_is_master_soon_and_all_know_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_leaves_hands_over_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_ends_without_a_word_is_missed_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_group_carries_the_adverts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_demoted_hands_over_and_takes_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_head_is_told_to_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masters_and_their_heads_are_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(standings_are_heard_with_what_nobody_has_confirmed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reload_joins_and_leaves_tiers_and_changes_no_other,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_master_that_a_reload_takes_out_of_its_tier_says_so,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_master_that_a_reload_moves_says_so_from_where_it_was,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(and_to_the_group_that_it_had, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worse_pair_is_given_up_for_a_better_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(those_who_are_heard_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_listened_on_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("election", tests, NULL, NULL);
}
