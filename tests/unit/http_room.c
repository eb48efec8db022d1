/* SPDX-License-Identifier: ISC */
/* Puts on a disk that is full, and has room where content is dropped. */
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/log.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

enum { BYTES = 9 << 20, DISK = BYTES + (4 << 20) };

static struct site site;

/* ---- the disk -------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool stands_still; /* nothing comes to the disk at the moment */
static bool waited;       /* something wanted to */

int fdatasync(int fd);
int fdatasync(int fd)
{
    pthread_mutex_lock(&lock);
    waited = waited || stands_still;
    pthread_cond_broadcast(&changed);
    while (stands_still)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_fdatasync, fd);
}

static void let_stand_still(bool still)
{
    pthread_mutex_lock(&lock);
    stands_still = still;
    waited = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for_writer(void)
{
    pthread_mutex_lock(&lock);
    while (!waited)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

int fstatvfs(int fd, struct statvfs *out);
int fstatvfs(int fd, struct statvfs *out)
{
    struct store_figures figures = {0};

    (void)fd;
    if (site.store)
        store_figures(site.store, &figures);
    *out = (struct statvfs){.f_frsize = 1, .f_blocks = DISK};
    out->f_bavail = figures.held_bytes < DISK ? DISK - figures.held_bytes : 0;
    return 0;
}

/* ---- the cases ------------------------------------------------------------------------------- */

static char body[BYTES];

static int start(void **state)
{
    (void)state;
    memset(&site, 0, sizeof(site));
    site_start(&site, &(struct site_options){.threads = 1});
    store_set_policy(site.store, &(struct store_policy){.keep_all = false});
    memset(body, 'o', sizeof(body));
    site_put(&site, "example.com/old", body, sizeof(body));
    memset(body, 'n', sizeof(body));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

static bool is_held(const char *name)
{
    struct store_entry entry;

    return store_find(site.store, span_of(name), &entry) == STORE_OK && entry.held;
}

static void *send_body(void *arg)
{
    send_all(*(int *)arg, body, sizeof(body));
    return NULL;
}

/* The one worker serves on while the disk is waited for. */
static void nobody_else_waits_while_room_is_made(void **state)
{
    int put = site_control(&site);
    struct answer a;
    pthread_t sender;

    (void)state;
    let_stand_still(true);
    send_text(put, "PUT /example.com/new HTTP/1.1\r\nHost: x\r\nContent-Length: 9437184\r\n\r\n");
    assert_int_equal(pthread_create(&sender, NULL, send_body, &put), 0);
    wait_for_writer();
    ask_control(&site, "GET", "/.pond/status", "", "", &a);
    expect(&a, 200, NULL);
    answer_free(&a);
    let_stand_still(false);
    pthread_join(sender, NULL);
    read_answer(put, false, &a);
    expect(&a, 201, NULL);
    answer_free(&a);
    close(put);
    assert_true(is_held("example.com/new"));
    assert_false(is_held("example.com/old"));
}

/* Of two that want to be the first, one is: whatever stood there when they came. */
static void of_two_first_ones_one_is_told(void **state)
{
    static const char put[] = "PUT /example.com/first HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                              "If-None-Match: *\r\n\r\nx";
    unsigned told[2] = {0};
    struct answer a;
    int fds[2];

    (void)state;
    let_stand_still(true);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = site_control(&site);
        send_text(fds[i], put);
    }
    wait_for_writer();
    ask_control(&site, "GET", "/.pond/status", "", "", &a); /* so that both are likely under way */
    answer_free(&a);
    let_stand_still(false);
    for (size_t i = 0; i < 2; i++) {
        read_answer(fds[i], false, &a);
        if (a.status != 201)
            expect(&a, 412, "the object does not stand as If-Match or If-None-Match wants it\n");
        told[a.status == 201]++;
        answer_free(&a);
        close(fds[i]);
    }
    assert_true(told[0] == 1 && told[1] == 1);
}

static void who_goes_away_meanwhile_is_waited_for(void **state)
{
    int put = site_control(&site);

    (void)state;
    let_stand_still(true);
    send_text(put, "PUT /example.com/new HTTP/1.1\r\nHost: x\r\nContent-Length: 9437184\r\n\r\nx");
    wait_for_writer();
    close(put);
    let_stand_still(false);
}

static void what_never_fits_is_refused_at_once(void **state)
{
    struct answer a;

    (void)state;
    ask_control(&site, "PUT", "/example.com/new",
                "Content-Length: 1000000000000\r\nExpect: 100-continue\r\n", "", &a);
    expect(&a, 507, NULL);
    answer_free(&a);
    assert_true(is_held("example.com/old"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_else_waits_while_room_is_made, start, stop),
        cmocka_unit_test_setup_teardown(of_two_first_ones_one_is_told, start, stop),
        cmocka_unit_test_setup_teardown(who_goes_away_meanwhile_is_waited_for, start, stop),
        cmocka_unit_test_setup_teardown(what_never_fits_is_refused_at_once, start, stop),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("http_room", tests, NULL, NULL);
}
