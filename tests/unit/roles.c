/* SPDX-License-Identifier: ISC */
#include "src/roles.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { POSTERS = 4, CHANGES = 200, HEARD_MAX = 64, FLOOD = 5000 };

static struct role_change change_of(enum roles_queue queue, const char *tier, uint64_t epoch)
{
    struct role_change change = {.queue = queue, .epoch = epoch};
    struct text text = TEXT_OVER(change.tier);

    text_puts(&text, tier);
    return change;
}

static void post(struct roles *roles, enum roles_queue queue, const char *tier, uint64_t epoch)
{
    struct role_change change = change_of(queue, tier, epoch);

    roles_post(roles, &change);
}

/* What the listeners heard, in order: who, and which epoch. Read once the queues have settled. */
struct heard {
    struct {
        char who;
        uint64_t epoch;
    } calls[HEARD_MAX];
    size_t count;
};

struct ear {
    struct heard *heard;
    char who;
};

static void hear(void *arg, const struct role_change *change)
{
    struct ear *ear = arg;
    struct heard *heard = ear->heard;
    size_t i = heard->count++;

    if (i < HEARD_MAX) {
        heard->calls[i].who = ear->who;
        heard->calls[i].epoch = change->epoch;
    }
}

static void expect_heard(const struct heard *heard, const char *who, const uint64_t *epochs)
{
    assert_int_equal(heard->count, strlen(who));
    for (size_t i = 0; i < heard->count; i++) {
        assert_int_equal(heard->calls[i].who, who[i]);
        assert_int_equal(heard->calls[i].epoch, epochs[i]);
    }
}

static void every_listener_of_a_queue_is_called_in_order(void **state)
{
    static const uint64_t epochs[] = {1, 1, 2, 3, 4};
    struct roles *roles = roles_new();
    struct heard heard = {0};
    struct ear a = {&heard, 'a'}, b = {&heard, 'b'};

    (void)state;
    roles_register(roles, ROLES_MASTER, hear, &a);
    roles_register(roles, ROLES_BACKUP, hear, &a);
    roles_register(roles, ROLES_SLAVE, hear, &b);
    roles_register(roles, ROLES_MASTER, hear, &b);
    post(roles, ROLES_MASTER, "paris", 1);
    post(roles, ROLES_BACKUP, "paris", 2);
    post(roles, ROLES_SLAVE, "core", 3);
    post(roles, ROLES_BACKUP, "lyon", 4);
    roles_free(roles);
    expect_heard(&heard, "ababa", epochs);
}

static void listeners_come_and_go_at_run_time(void **state)
{
    static const uint64_t epochs[] = {1, 2, 2, 3};
    struct roles *roles = roles_new();
    struct heard heard = {0};
    struct ear a = {&heard, 'a'}, b = {&heard, 'b'};

    (void)state;
    roles_register(roles, ROLES_MASTER, hear, &a);
    post(roles, ROLES_MASTER, "paris", 1);
    roles_settle(roles);
    roles_register(roles, ROLES_MASTER, hear, &b);
    post(roles, ROLES_MASTER, "paris", 2);
    roles_settle(roles);
    roles_unregister(roles, ROLES_MASTER, hear, &a);
    post(roles, ROLES_MASTER, "paris", 3);
    roles_settle(roles);
    roles_unregister(roles, ROLES_MASTER, hear, &b);
    post(roles, ROLES_MASTER, "paris", 4);
    roles_free(roles);
    expect_heard(&heard, "aabb", epochs);
}

/* The change arrives whole, and as a copy: the poster's may be gone by then. */
static void keep(void *arg, const struct role_change *change)
{
    *(struct role_change *)arg = *change;
}

static void a_change_arrives_as_it_was_posted(void **state)
{
    struct roles *roles = roles_new();
    struct role_change sent = change_of(ROLES_SLAVE, "paris", 14), got = {0}, same;

    (void)state;
    sent.again = true;
    sent.reason = REASON_HEARD_MASTER;
    sent.at = (mono_t){77};
    sent.wall = (wall_t){78};
    assert_true(address_parse(span_of("10.27.4.1"), 65028, &sent.master_address));
    same = sent;
    roles_register(roles, ROLES_SLAVE, keep, &got);
    roles_post(roles, &sent);
    memset(&sent, 0xff, sizeof(sent));
    roles_free(roles);
    assert_memory_equal(&got, &same, sizeof(got));
}

/* Each of many threads posts, while listeners come and go. */
struct crowd {
    struct roles *roles;
    char tier[2];
    pthread_t thread;
};

static void *post_many(void *arg)
{
    struct crowd *crowd = arg;

    for (uint64_t i = 1; i <= CHANGES; i++)
        post(crowd->roles, (enum roles_queue)(i % ROLES_QUEUE_COUNT), crowd->tier, i);
    return NULL;
}

struct counted {
    uint64_t last[POSTERS];
    size_t count, out_of_order;
};

static void count(void *arg, const struct role_change *change)
{
    struct counted *counted = arg;
    size_t poster = (size_t)(change->tier[0] - 'a');

    counted->count++;
    counted->out_of_order += change->epoch != counted->last[poster] + 1;
    counted->last[poster] = change->epoch;
}

/* One of these a registration: called after it has ended, it counts. */
static struct guest {
    atomic_bool gone;
} guests[CHANGES];
static _Atomic size_t called_too_late;

static void visit(void *arg, const struct role_change *change)
{
    struct guest *guest = arg;

    (void)change;
    atomic_fetch_add(&called_too_late, atomic_load(&guest->gone));
}

static void many_threads_post_while_listeners_come_and_go(void **state)
{
    struct roles *roles = roles_new();
    struct counted counted = {0};
    struct crowd crowd[POSTERS];

    (void)state;
    for (int q = 0; q < ROLES_QUEUE_COUNT; q++)
        roles_register(roles, (enum roles_queue)q, count, &counted);
    for (int i = 0; i < POSTERS; i++) {
        crowd[i] = (struct crowd){.roles = roles, .tier = {(char)('a' + i), '\0'}};
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, post_many, &crowd[i]), 0);
    }
    for (int i = 0; i < CHANGES; i++) {
        roles_register(roles, ROLES_BACKUP, visit, &guests[i]);
        usleep(10);
        roles_unregister(roles, ROLES_BACKUP, visit, &guests[i]);
        atomic_store(&guests[i].gone, true);
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(crowd[i].thread, NULL);
    roles_free(roles);
    assert_int_equal(counted.count, POSTERS * CHANGES);
    assert_int_equal(counted.out_of_order, 0);
    assert_int_equal(called_too_late, 0);
}

/* A listener that hangs holds no poster up, and of all that waits meanwhile the last change of each
 * tier is still delivered. */
struct hang {
    pthread_mutex_t lock;
    uint64_t last_paris, last_core;
    size_t count;
};

static void hang(void *arg, const struct role_change *change)
{
    struct hang *hang = arg;

    pthread_mutex_lock(&hang->lock);
    *(change->tier[0] == 'p' ? &hang->last_paris : &hang->last_core) = change->epoch;
    hang->count++;
    pthread_mutex_unlock(&hang->lock);
}

static void a_listener_that_hangs_holds_no_poster_up(void **state)
{
    struct roles *roles = roles_new();
    struct hang hung = {.lock = PTHREAD_MUTEX_INITIALIZER};

    (void)state;
    roles_register(roles, ROLES_MASTER, hang, &hung);
    pthread_mutex_lock(&hung.lock);
    post(roles, ROLES_MASTER, "core", 7);
    post(roles, ROLES_MASTER, "core", 8);
    for (uint64_t i = 1; i <= FLOOD; i++)
        post(roles, ROLES_MASTER, "paris", i);
    pthread_mutex_unlock(&hung.lock);
    roles_free(roles);
    assert_int_equal(hung.last_paris, FLOOD);
    assert_int_equal(hung.last_core, 8);
    assert_true(hung.count < FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listener_of_a_queue_is_called_in_order),
        cmocka_unit_test(listeners_come_and_go_at_run_time),
        cmocka_unit_test(a_change_arrives_as_it_was_posted),
        cmocka_unit_test(many_threads_post_while_listeners_come_and_go),
        cmocka_unit_test(a_listener_that_hangs_holds_no_poster_up),
    };

    return cmocka_run_group_tests_name("roles", tests, NULL, NULL);
}
