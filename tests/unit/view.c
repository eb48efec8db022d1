/* SPDX-License-Identifier: ISC */
#include "election/view.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static int set_up(void **state)
{
    *state = calloc(1, view_size());
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* A view of which every field follows from one number, so that parts of two are told apart. */
static struct view_tier numbered(const char *name, uint64_t n)
{
    struct view_tier tier = {.role = (enum ballot_role)(n % 3),
                             .has_master = n % 2,
                             .pair = {.base_us = (uint32_t)n, .skew = (uint8_t)n},
                             .demotion = (uint16_t)n,
                             .own_demotion = (uint16_t)~n,
                             .epoch = n,
                             .head = {.store = n, .sequence = ~n},
                             .last_advert = {(int64_t)n},
                             .since = {-(int64_t)n},
                             .good_until = {(int64_t)n + 1},
                             .reason = (enum reason)(n % REASON_COUNT),
                             .members = (uint32_t)n,
                             .unconfirmed = (uint32_t)~n};

    snprintf(tier.tier, sizeof(tier.tier), "%s", name);
    snprintf(tier.master, sizeof(tier.master), "%llu", (unsigned long long)n);
    memset(tier.head.digest.bytes, (int)(n & 0xff), sizeof(tier.head.digest.bytes));
    memset(tier.master_address.ip, (int)(n & 0xff), sizeof(tier.master_address.ip));
    memset(tier.address.ip, (int)(~n & 0xff), sizeof(tier.address.ip));
    tier.master_address.port = (uint16_t)n;
    return tier;
}

static bool is_whole(const struct view_tier *tier)
{
    struct view_tier want = numbered(tier->tier, tier->epoch);

    return tier->role == want.role && tier->has_master == want.has_master &&
           strcmp(tier->master, want.master) == 0 &&
           address_same(&tier->master_address, &want.master_address) &&
           address_same(&tier->address, &want.address) && tier->pair.base_us == want.pair.base_us &&
           tier->pair.skew == want.pair.skew && tier->demotion == want.demotion &&
           tier->own_demotion == want.own_demotion && tier->head.store == want.head.store &&
           tier->head.sequence == want.head.sequence &&
           digest_same(&tier->head.digest, &want.head.digest) &&
           tier->last_advert.ns == want.last_advert.ns && tier->since.ns == want.since.ns &&
           tier->good_until.ns == want.good_until.ns && tier->reason == want.reason &&
           tier->members == want.members && tier->unconfirmed == want.unconfirmed;
}

static void what_is_published_is_found(void **state)
{
    struct view *view = *state;
    struct view_tier paris = numbered("paris", 7), found;

    assert_false(view_find(view, "paris", &found));
    view_publish(view, &paris);
    assert_true(view_find(view, "paris", &found));
    assert_true(found.epoch == 7 && is_whole(&found));
    assert_false(view_find(view, "pari", &found));
    assert_false(view_find(view, "", &found));
    paris = numbered("paris", 8);
    view_publish(view, &paris);
    assert_true(view_find(view, "paris", &found));
    assert_true(found.epoch == 8 && is_whole(&found));
}

static void the_list_is_sorted_and_each_is_in_it_once(void **state)
{
    static const char *const names[] = {"paris", "core", "tokyo", "core", "berlin"};
    static const char *const sorted[] = {"berlin", "core", "paris", "tokyo"};
    struct view *view = *state;
    struct view_tier list[VIEW_TIERS_MAX];

    assert_int_equal(view_list(view, list), 0);
    for (size_t i = 0; i < 5; i++) {
        struct view_tier tier = numbered(names[i], i);
        view_publish(view, &tier);
    }
    assert_int_equal(view_list(view, list), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(list[i].tier, sorted[i]);
        assert_true(is_whole(&list[i]));
    }
}

static void what_is_withdrawn_is_gone_and_its_place_is_free(void **state)
{
    struct view *view = *state;
    struct view_tier list[VIEW_TIERS_MAX], found;
    char name[TIER_SIZE];

    view_withdraw(view, "paris");
    for (int i = 0; i < 3 * VIEW_TIERS_MAX; i++) {
        struct view_tier tier;
        if (i >= VIEW_TIERS_MAX) {
            snprintf(name, sizeof(name), "tier%03d", i - VIEW_TIERS_MAX);
            view_withdraw(view, name);
            assert_false(view_find(view, name, &found));
        }
        snprintf(name, sizeof(name), "tier%03d", i);
        tier = numbered(name, (uint64_t)i);
        view_publish(view, &tier);
        assert_true(view_find(view, name, &found) && is_whole(&found));
    }
    assert_int_equal(view_list(view, list), VIEW_TIERS_MAX);
}

/* ---- readers and the writer at once -----------------------------------------------------------
 */

enum { READERS = 3, ROUNDS = 20000 };

struct race {
    struct view *view;
    _Atomic bool over;
    _Atomic unsigned torn;
    _Atomic unsigned back;
    _Atomic unsigned reads;
};

/* Every view is whole, and none is older than one that was seen before. */
static void check(struct race *race, const struct view_tier *tier, uint64_t *epoch)
{
    if (!is_whole(tier))
        atomic_fetch_add(&race->torn, 1);
    if (tier->epoch < *epoch)
        atomic_fetch_add(&race->back, 1);
    *epoch = tier->epoch;
    atomic_fetch_add(&race->reads, 1);
}

static void *read_on(void *arg)
{
    struct race *race = arg;
    uint64_t paris = 0, listed = 0;
    struct view_tier list[VIEW_TIERS_MAX], tier;

    while (!atomic_load(&race->over)) {
        if (view_find(race->view, "paris", &tier))
            check(race, &tier, &paris);
        for (size_t i = 0, count = view_list(race->view, list); i < count; i++) {
            if (strcmp(list[i].tier, "paris") == 0)
                check(race, &list[i], &listed);
            else if (!is_whole(&list[i]))
                atomic_fetch_add(&race->torn, 1);
        }
    }
    return NULL;
}

static void readers_see_whole_views_alone(void **state)
{
    struct race race = {.view = *state};
    pthread_t readers[READERS];

    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &race), 0);
    for (uint64_t n = 1; n < ROUNDS || atomic_load(&race.reads) < ROUNDS / 10; n++) {
        struct view_tier paris = numbered("paris", n), other = numbered("core", n);
        if (n % 3 == 0)
            view_withdraw(race.view, "core");
        else
            view_publish(race.view, &other);
        view_publish(race.view, &paris);
    }
    atomic_store(&race.over, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(race.torn, 0);
    assert_int_equal(race.back, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_published_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_list_is_sorted_and_each_is_in_it_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_withdrawn_is_gone_and_its_place_is_free, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(readers_see_whole_views_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
