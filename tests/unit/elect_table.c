/* SPDX-License-Identifier: ISC */
#include "election/table.h"

#include "tests/unit/unit.h"

static const char *const inputs[INPUT_COUNT] = {
#define ROW(id, words) #id,
    ELECT_INPUTS(ROW)
#undef ROW
};

typedef void rule_check(enum elect_state state, enum elect_input input, struct elect_rule rule);

static void walk(rule_check *check)
{
    for (unsigned state = 0; state < ELECT_STATE_COUNT; state++)
        for (unsigned input = 0; input < INPUT_COUNT; input++)
            check(state, input, elect_rule(state, input));
}

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s does not hold in state %d at %s", #condition, (int)state, inputs[input]); \
    } while (0)

static void check_nothing(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    if (rule.deed == DEED_NONE || rule.deed == DEED_NOTE || rule.deed == DEED_REFRESH ||
        rule.deed == DEED_DISPUTE)
        HOLDS(rule.next == state);
}

static void what_is_no_change_changes_no_state(void **state)
{
    (void)state;
    walk(check_nothing);
}

static void check_off(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    bool begins = input == INPUT_BEGIN_CANDIDATE || input == INPUT_BEGIN_MEMBER;

    if (state == ELECT_OFF)
        HOLDS((rule.deed == DEED_LISTEN) == begins);
    else
        HOLDS(!begins || rule.deed == DEED_NONE);
    HOLDS((state != ELECT_OFF && input == INPUT_END) ==
          (rule.next == ELECT_OFF && state != rule.next));
}

static void one_begins_once_and_ends_for_ever(void **state)
{
    (void)state;
    walk(check_off);
}

static void check_master(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    bool due = input == INPUT_DUE_SILENT || input == INPUT_DUE_DIED || input == INPUT_DUE_NAMED;

    if (rule.next == ELECT_MASTER && state != ELECT_MASTER) {
        HOLDS(state == ELECT_BACKUP);
        HOLDS(due);
        HOLDS(rule.deed == DEED_REIGN);
    }
    HOLDS(rule.deed != DEED_REIGN || (state == ELECT_BACKUP && rule.next == ELECT_MASTER));
    HOLDS(!due || state != ELECT_BACKUP || rule.deed == DEED_REIGN);
}

static void only_a_backup_whose_wait_has_ended_becomes_master(void **state)
{
    (void)state;
    walk(check_master);
}

static void check_leaving(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    bool silently = input == INPUT_HEARD_BETTER || input == INPUT_LATE;

    if (state == ELECT_MASTER && rule.next != ELECT_MASTER)
        HOLDS(silently ? rule.deed != DEED_LEAVE : rule.deed == DEED_LEAVE);
    HOLDS(rule.deed != DEED_LEAVE || state == ELECT_MASTER);
}

static void a_master_leaves_in_good_order_unless_another_has_the_role(void **state)
{
    (void)state;
    walk(check_leaving);
}

static void check_slave(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    bool made = input == INPUT_MADE_CANDIDATE || input == INPUT_MADE_MEMBER;

    if (state == ELECT_SLAVE && rule.next != ELECT_SLAVE && rule.next != ELECT_OFF)
        HOLDS(input == INPUT_MADE_CANDIDATE);
    if (rule.next == ELECT_SLAVE && state != ELECT_SLAVE)
        HOLDS(input == INPUT_MADE_MEMBER || input == INPUT_BEGIN_MEMBER);
    HOLDS(!made || rule.deed == DEED_NONE || rule.reason == REASON_RECONFIGURED);
}

static void only_configuration_makes_candidates_and_slaves(void **state)
{
    (void)state;
    walk(check_slave);
}

static void check_followed(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    bool follower = state == ELECT_SLAVE || state == ELECT_BACKUP;
    bool gone =
        input == INPUT_LEFT || input == INPUT_DIED || input == INPUT_REMOVED || input == INPUT_LOST;

    if (gone)
        HOLDS(rule.deed == (follower ? DEED_LISTEN : DEED_NONE));
    if (follower &&
        (input == INPUT_HEARD_FIRST || input == INPUT_HEARD_BETTER || input == INPUT_HEARD_NEWER))
        HOLDS(rule.deed == DEED_FOLLOW && rule.next == state);
    if (follower && input == INPUT_HEARD_WORSE)
        HOLDS(rule.deed == DEED_NOTE);
}

static void slaves_and_backups_follow_alike(void **state)
{
    (void)state;
    walk(check_followed);
}

static void check_reason(enum elect_state state, enum elect_input input, struct elect_rule rule)
{
    if (rule.deed == DEED_NOTE)
        HOLDS(rule.reason >= REASON_REPLAYED && rule.reason <= REASON_WORSE_MASTER);
    else
        HOLDS(rule.reason < REASON_REPLAYED);
    HOLDS(reason_name(rule.reason) && reason_sentence(rule.reason));
}

static void changes_and_refusals_have_reasons_of_their_kind(void **state)
{
    (void)state;
    walk(check_reason);
}

/* Every input means something somewhere: else its row is dead. */
static void every_input_is_used(void **state)
{
    (void)state;
    for (unsigned input = 0; input < INPUT_COUNT; input++) {
        bool used = false;

        for (unsigned at = 0; at < ELECT_STATE_COUNT; at++)
            used = used || elect_rule(at, input).deed != DEED_NONE;
        if (!used)
            fail_msg("%s is used nowhere", inputs[input]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_change_changes_no_state),
        cmocka_unit_test(one_begins_once_and_ends_for_ever),
        cmocka_unit_test(only_a_backup_whose_wait_has_ended_becomes_master),
        cmocka_unit_test(a_master_leaves_in_good_order_unless_another_has_the_role),
        cmocka_unit_test(only_configuration_makes_candidates_and_slaves),
        cmocka_unit_test(slaves_and_backups_follow_alike),
        cmocka_unit_test(changes_and_refusals_have_reasons_of_their_kind),
        cmocka_unit_test(every_input_is_used),
    };
    return cmocka_run_group_tests_name("elect_table", tests, NULL, NULL);
}
