/* SPDX-License-Identifier: ISC */
#include "src/vitals.h"

#include <pthread.h>
#include <time.h>

#include "src/base/log.h"
#include "src/clock.h"
#include "tests/unit/failing.h"
#include "tests/unit/home.h"
#include "tests/unit/serve.h"

/* Vitals over a real store, with an election that only listens. */
struct bench {
    struct store *store;
    struct remember *remember;
    struct view *view;
    struct recent *recent;
    struct skew skew;
    struct serve *serve;
    _Atomic bool serves;
    struct vitals *vitals;

    pthread_mutex_t lock;
    pthread_cond_t news;
    struct elect_self paris, core;
    int tells;
    struct ballot_head head;
};

static bool answer(void *arg, const struct serve_request *request)
{
    struct bench *b = arg;

    if (atomic_load(&b->serves))
        serve_text(request->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static void on_tell(void *arg, const char *tier, const struct elect_self *self)
{
    struct bench *b = arg;

    pthread_mutex_lock(&b->lock);
    *(strcmp(tier, "paris") == 0 ? &b->paris : &b->core) = *self;
    b->tells++;
    pthread_cond_broadcast(&b->news);
    pthread_mutex_unlock(&b->lock);
}

static void on_head(void *arg, const struct ballot_head *head)
{
    struct bench *b = arg;

    pthread_mutex_lock(&b->lock);
    b->head = *head;
    pthread_cond_broadcast(&b->news);
    pthread_mutex_unlock(&b->lock);
}

/* Fails the test where it does not come within half a minute. */
static void wait_for(struct bench *b, bool (*is_so)(const struct bench *b))
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&b->lock);
    while (!is_so(b))
        assert_int_equal(pthread_cond_timedwait(&b->news, &b->lock, &until), 0);
    pthread_mutex_unlock(&b->lock);
}

static void publish(struct bench *b, const char *tier, enum ballot_role role)
{
    struct view_tier v = {.role = role, .has_master = true, .head = {77, 1, {{1}}}};

    snprintf(v.tier, sizeof(v.tier), "%s", tier);
    view_publish(b->view, &v);
}

static void start_vitals(struct bench *b)
{
    struct vitals_options options = {.store = b->store,
                                     .remember = b->remember,
                                     .view = b->view,
                                     .skew = &b->skew,
                                     .recent = b->recent,
                                     .http = serve_address(b->serve),
                                     .tell = on_tell,
                                     .head = on_head,
                                     .arg = b};

    b->vitals = vitals_new(&options);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    log_set_level(LEVEL_ERROR);
    home_make();
    b->store = home_open_store();
    b->remember = remember_open(home_path);
    b->view = calloc(1, view_size());
    b->recent = recent_new();
    atomic_store(&b->serves, true);
    b->serve = serve_start(answer, b);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->news, NULL);
    publish(b, "core", BALLOT_SLAVE);
    publish(b, "paris", BALLOT_BACKUP);
    start_vitals(b);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    atomic_store(&armed, false);
    vitals_free(b->vitals);
    serve_stop(b->serve);
    remember_close(b->remember);
    store_close(b->store);
    recent_free(b->recent);
    free(b->view);
    home_remove();
    free(b);
    return 0;
}

static bool both_behind(const struct bench *b)
{
    return b->paris.behind && b->core.behind && b->paris.demotion == 0;
}

static bool paris_by_hand(const struct bench *b)
{
    return b->paris.demotion == DEMOTION_HAND;
}

static bool paris_fine(const struct bench *b)
{
    return b->paris.demotion == 0;
}

static bool store_fails(const struct bench *b)
{
    return b->paris.demotion == DEMOTION_STORE && b->core.demotion == DEMOTION_STORE;
}

static bool http_fails(const struct bench *b)
{
    return b->paris.demotion == DEMOTION_HTTP;
}

static bool master_in_paris(const struct bench *b)
{
    return !b->paris.behind && b->core.behind;
}

static bool has_one_object(const struct bench *b)
{
    return b->head.sequence == 1;
}

static void it_tells_each_tier_and_the_head(void **state)
{
    struct bench *b = *state;

    wait_for(b, both_behind);
    assert_int_equal(home_put(b->store, "example.com/x", 1, 100, NULL), STORE_OK);
    vitals_poke(b->vitals);
    wait_for(b, has_one_object);
    publish(b, "paris", BALLOT_MASTER);
    vitals_poke(b->vitals);
    wait_for(b, master_in_paris);
    assert_int_equal(b->tells, 3); /* nothing is told twice */
}

static void by_hand_it_is_demoted_and_restored(void **state)
{
    struct bench *b = *state;
    char sentence[VITALS_SENTENCE_SIZE];
    struct vitals_hand hand;

    assert_false(vitals_hand(b->vitals, "paris", &hand));
    assert_int_equal(vitals_demote(b->vitals, "paris", 0, sentence), VITALS_DONE);
    assert_string_equal(sentence, "demoted in tier paris until it is restored");
    wait_for(b, paris_by_hand);
    assert_int_equal(b->core.demotion, 0);
    assert_true(vitals_hand(b->vitals, "paris", &hand));
    assert_int_equal(hand.left_ns, 0);
    vitals_free(b->vitals); /* a restart */
    memset(&b->paris, 0, sizeof(b->paris));
    start_vitals(b);
    wait_for(b, paris_by_hand);
    assert_int_equal(vitals_restore(b->vitals, "paris", sentence), VITALS_DONE);
    assert_string_equal(sentence, "restored in tier paris");
    wait_for(b, paris_fine);
    assert_int_equal(vitals_restore(b->vitals, "paris", sentence), VITALS_DONE);
    assert_string_equal(sentence, "nobody had demoted it in tier paris");
}

static void with_a_time_it_ends_by_itself(void **state)
{
    struct bench *b = *state;
    char sentence[VITALS_SENTENCE_SIZE];
    struct remember_hand kept;
    struct vitals_hand hand;

    assert_int_equal(vitals_demote(b->vitals, "paris", 2, sentence), VITALS_DONE);
    assert_string_equal(sentence, "demoted in tier paris for 2.0 s");
    wait_for(b, paris_by_hand);
    assert_true(vitals_hand(b->vitals, "paris", &hand));
    assert_in_range(hand.left_ns, 1, MONO_S(2));
    wait_for(b, paris_fine);
    remember_hand(b->remember, "paris", &kept);
    assert_false(kept.demoted);
}

static void who_cannot_be_demoted_is_told_why(void **state)
{
    struct bench *b = *state;
    char sentence[VITALS_SENTENCE_SIZE];

    assert_int_equal(vitals_demote(b->vitals, "rome", 0, sentence), VITALS_NO_TIER);
    assert_string_equal(sentence, "this node has a role in no tier of that name; it has one in: "
                                  "core (slave), paris");
    assert_int_equal(vitals_demote(b->vitals, "core", 0, sentence), VITALS_NO_CANDIDATE);
    assert_string_equal(sentence,
                        "this node is a slave in tier core: only its candidates can be demoted");
    fault_errno = EROFS;
    fault_stays = true;
    atomic_store(&until_fault, 0);
    atomic_store(&armed, true);
    assert_int_equal(vitals_demote(b->vitals, "paris", 0, sentence), VITALS_NOT_KEPT);
    assert_non_null(strstr(sentence, "nothing is changed"));
}

static void a_full_disk_demotes_until_there_is_space(void **state)
{
    struct bench *b = *state;

    fault_errno = ENOSPC;
    fault_stays = true;
    atomic_store(&until_fault, 0);
    atomic_store(&armed, true);
    assert_int_equal(home_put(b->store, "example.com/x", 1, 100, NULL), STORE_FULL);
    wait_for(b, store_fails);
    atomic_store(&armed, false);
    wait_for(b, paris_fine);
    assert_int_equal(home_put(b->store, "example.com/x", 1, 100, NULL), STORE_OK);
}

static void a_server_that_does_not_answer_demotes(void **state)
{
    struct bench *b = *state;

    atomic_store(&b->serves, false);
    wait_for(b, http_fails);
    atomic_store(&b->serves, true);
    wait_for(b, paris_fine);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_tells_each_tier_and_the_head),
        TEST(by_hand_it_is_demoted_and_restored),
        TEST(with_a_time_it_ends_by_itself),
        TEST(who_cannot_be_demoted_is_told_why),
        TEST(a_full_disk_demotes_until_there_is_space),
        TEST(a_server_that_does_not_answer_demotes),
    };
    return cmocka_run_group_tests_name("vitals", tests, NULL, NULL);
}
