/* SPDX-License-Identifier: ISC */
#include "cache/shares.h"

#include <stdio.h>

#include "tests/unit/unit.h"

/* Places, each with whom it was given to. */
static struct {
    struct share list[SHARES_MAX];
    size_t count;
} places;

static int empty(void **state)
{
    (void)state;
    places.count = 0;
    return 0;
}

static struct share member(const char *tier, uint8_t host)
{
    struct share share = {.kind = SHARE_MEMBER, .host.ip = {[10] = 0xff, [11] = 0xff, [15] = host}};

    snprintf(share.tier, sizeof(share.tier), "%s", tier);
    return share;
}

static bool take(struct share wants)
{
    struct shares_taken taken = {.all = 0};

    for (size_t i = 0; i < places.count; i++)
        shares_count(&taken, &places.list[i], &wants);
    if (!shares_allow(&taken, wants.kind))
        return false;
    assert_in_range(places.count, 0, SHARES_MAX - 1);
    places.list[places.count++] = wants;
    return true;
}

static size_t take_all(struct share wants)
{
    size_t count = 0;

    while (take(wants))
        count++;
    return count;
}

/* By all hosts of a tier in turn. */
static size_t take_all_of_tier(const char *tier)
{
    size_t count = 0, before;

    do {
        before = count;
        for (uint8_t host = 1; host < 100; host++)
            count += take(member(tier, host));
    } while (count > before);
    return count;
}

static void one_tier_alone_has_half(void **state)
{
    (void)state;
    assert_int_equal(take_all_of_tier("paris"), (SHARES_MAX - SHARES_OWN) / 2);
}

static void a_greedy_tier_leaves_room_for_others(void **state)
{
    size_t paris = take_all_of_tier("paris"), rome = take_all_of_tier("rome");

    (void)state;
    assert_in_range(rome, paris / 2 - 1, paris);
    assert_in_range(take_all_of_tier("oslo"), SHARES_LEAST, rome);
}

static void a_greedy_host_leaves_room_for_its_fellows(void **state)
{
    size_t greedy = take_all(member("paris", 1));

    (void)state;
    assert_in_range(greedy, SHARES_LEAST, (SHARES_MAX - SHARES_OWN) / 3);
    assert_in_range(take_all(member("paris", 2)), greedy / 3, greedy);
    assert_in_range(take_all(member("rome", 3)), SHARES_LEAST, greedy);
}

/* However many others there are. */
static void the_own_host_has_places_that_nobody_else_gets(void **state)
{
    char tier[TIER_SIZE];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(tier, sizeof(tier), "tier%d", i);
        take_all_of_tier(tier);
    }
    take_all((struct share){.kind = SHARE_FILLER});
    assert_int_equal(places.count, SHARES_MAX - SHARES_OWN);
    assert_int_equal(take_all((struct share){.kind = SHARE_OWN_HOST}), SHARES_OWN);
}

static void the_filler_has_its_own_count(void **state)
{
    (void)state;
    assert_int_equal(take_all((struct share){.kind = SHARE_FILLER}), SHARES_FILLER);
    assert_true(take(member("paris", 1)));
    empty(NULL);
    take_all_of_tier("paris");
    assert_int_equal(take_all((struct share){.kind = SHARE_FILLER}), SHARES_FILLER);
}

static void a_few_are_always_allowed(void **state)
{
    struct shares_taken taken = {.all = SHARES_MAX - SHARES_OWN - 1, .tier = SHARES_LEAST - 1};

    (void)state;
    assert_true(shares_allow(&taken, SHARE_MEMBER));
    taken.tier++;
    assert_false(shares_allow(&taken, SHARE_MEMBER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_tier_alone_has_half, empty),
        cmocka_unit_test_setup(a_greedy_tier_leaves_room_for_others, empty),
        cmocka_unit_test_setup(a_greedy_host_leaves_room_for_its_fellows, empty),
        cmocka_unit_test_setup(the_own_host_has_places_that_nobody_else_gets, empty),
        cmocka_unit_test_setup(the_filler_has_its_own_count, empty),
        cmocka_unit_test_setup(a_few_are_always_allowed, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
