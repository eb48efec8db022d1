/* SPDX-License-Identifier: ISC */
#include "src/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "tests/unit/site_file.h"
#include "tests/unit/unit.h"

/* What stands below /.pond/, as a client sees it. */

static void the_api_tells(void **state)
{
    char target[128], equal[256], store_id[32];
    struct answer a;

    (void)state;
    get("/.pond/status", "", 200, "{\"format\": 1}\n");
    get("/.pond/metrics", "", 200, "pond_http_requests_total 1\n");
    ask_tcp(&site, "GET", "/.pond/gate", "", &a);
    expect(&a, 200, NULL);
    assert_non_null(strstr(a.body, "\"sentence\":\"not a member\""));
    answer_free(&a);
    ask_tcp(&site, "GET", "/.pond/manifest/" NAME, "", &a);
    expect(&a, 200, NULL);
    assert_non_null(strstr(a.body, BODY_SHA256));
    answer_free(&a);
    get("/.pond/manifest/example.com/none", "", 404, NULL);
    get("/.pond/chunks/xyz", "", 400, NULL);
    get("/.pond/chunks/" BODY_SHA256, "", 200, NULL);
    ask_tcp(&site, "GET", "/.pond/catalogue", "", &a);
    expect(&a, 200, NULL);
    assert_non_null(strstr(a.body, NAME));
    expect_header(&a, "Pond-More", "0");
    snprintf(store_id, sizeof(store_id), "%s", answer_header(&a, "Pond-Store"));
    snprintf(target, sizeof(target), "/.pond/catalogue?store=%s&since=%s", store_id,
             answer_header(&a, "Pond-Last"));
    /* Whose catalogue is the same is sent nothing, from wherever it would go on. */
    snprintf(equal, sizeof(equal), "/.pond/catalogue?store=0000000000000000&since=0&digest=%s",
             answer_header(&a, "Pond-Head"));
    answer_free(&a);
    get(target, "", 200, "");
    get(equal, "", 200, "");
    get("/.pond/catalogue?since=x", "", 400, NULL);
    ask_tcp(&site, "GET", "/.pond/list?prefix=pkgs&after=", "", &a);
    expect(&a, 200, NULL);
    assert_non_null(strstr(a.body, "\"name\":\"" NAME "\""));
    answer_free(&a);
    get("/.pond/list", FROM_OTHERS, 403, NULL);
    get("/.pond/whohas?name=x", "", 200,
        "{\"format\":1,\"name\":\"example.com/x\",\"answers\":[],\"missing\":[]}");
    get("/.pond/whohas", "", 400, NULL);
    get("/.pond/whohas?name=x", FROM_OTHERS, 403, NULL);
    get("/.pond/whohas/example.com/x?within=9001", "", 400, NULL);
    get("/.pond/whohas/example.org/x?within=9000", "", 400, NULL);
}

/* Both its ends are names, the second one not in it; what is in it is cut into so many parts. */
static void the_catalogue_is_compared_by_ranges_of_names(void **state)
{
    char equal[256];
    struct answer a;

    (void)state;
    site_put(&site, "example.com/odd name&more", BODY, strlen(BODY));
    ask_tcp(&site, "GET", "/.pond/ranges?from=&to=&parts=2", "", &a);
    expect(&a, 200, NULL);
    assert_int_equal(strncmp(a.body, "1 ", 2), 0);
    assert_non_null(strstr(a.body, " \n1 "));
    assert_non_null(strstr(a.body, " " NAME "\n"));
    snprintf(equal, sizeof(equal), "/.pond/ranges?from=&to=&parts=2&digest=%s",
             answer_header(&a, "Pond-Head"));
    answer_free(&a);
    get(equal, "", 200, "");
    ask_tcp(&site, "GET", "/.pond/catalogue?from=example.com/odd%20name%26more&to=" NAME, "", &a);
    expect(&a, 200, NULL);
    expect_header(&a, "Pond-More", "0");
    assert_non_null(strstr(a.body, "example.com/odd name&more\n"));
    assert_null(strstr(a.body, NAME));
    answer_free(&a);
    get("/.pond/catalogue?from=" NAME "&to=" NAME, "", 200, "");
    get("/.pond/catalogue?from=a", "", 400, NULL);
    get("/.pond/ranges?from=&to=", "", 400, NULL);
    get("/.pond/ranges?from=&to=&parts=0", "", 400, NULL);
    get("/.pond/ranges?from=&to=&parts=257", "", 400, NULL);
    get("/.pond/ranges?from=%zz&to=&parts=2", "", 400, NULL);
    get("/.pond/ranges?parts=2", "", 400, NULL);
}

static void verify_and_rebuild_report(void **state)
{
    static const char *const targets[] = {"/.pond/verify", "/.pond/rebuild"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct answer a;
        ask_control(&site, "POST", targets[i], "", "", &a);
        expect(&a, 200, NULL);
        assert_non_null(strstr(a.body, "\"result\": \"done\"}\n"));
        answer_free(&a);
    }
    get(TARGET, "", 200, BODY);
}

static void log_level_is_turned(void **state)
{
    struct answer a;

    (void)state;
    ask_control(&site, "POST", "/.pond/log-level?level=loud", "", "", &a);
    expect(&a, 400, NULL);
    answer_free(&a);
    ask_control(&site, "POST", "/.pond/log-level?level=error", "", "", &a);
    expect(&a, 200, NULL);
    answer_free(&a);
}

static void expect_control(const char *method, const char *target, unsigned status,
                           const char *body)
{
    struct answer a;

    ask_control(&site, method, target, "", "", &a);
    expect(&a, status, body);
    answer_free(&a);
}

static void demotions_are_carried_out(void **state)
{
    (void)state;
    expect_control("POST", "/.pond/demote?tier=paris", 200, "paris for 0\n");
    expect_control("POST", "/.pond/demote?tier=par%69s&for=900", 200, "paris for 900\n");
    expect_control("POST", "/.pond/demote?for=90000&tier=paris", 507, "paris for 90000\n");
    expect_control("POST", "/.pond/demote?tier=core", 409, "core for 0\n");
    expect_control("POST", "/.pond/demote?tier=rome", 404, "rome for 0\n");
    expect_control("POST", "/.pond/restore?tier=paris", 200, "paris for 0\n");
    expect_control("POST", "/.pond/restore?tier=rome", 404, "rome for 0\n");
}

/* What cannot be read is not taken for something else: a demotion without an end, least of all. */
static void demotions_that_make_no_sense_are_refused(void **state)
{
    static const char *const wrong[] = {
        "demote",
        "demote?tier",
        "demote?for=9",
        "demote?tier=paris&for=",
        "demote?tier=paris&for",
        "demote?tier=paris&for=0",
        "demote?tier=paris&for=-1",
        "demote?tier=paris&for=15m",
        "demote?tier=paris&for=315360001",
        "demote?tier=paris&for=99999999999999999999999999999999999999999999",
        "demote?tier=1234567890123456789012345678901234567890123456789012345678901234567890",
        "restore",
        "restore?tier=%00",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char target[256];
        snprintf(target, sizeof(target), "/.pond/%s", wrong[i]);
        expect_control("POST", target, 400, NULL);
    }
    expect_control("GET", "/.pond/demote?tier=paris", 405, NULL);
    get("/.pond/demote?tier=paris", "", 405, NULL);
}

/* Reads one chunk of a chunked body. */
static void expect_chunk(int fd, const char *bytes)
{
    char got[4096] = "";
    size_t n = 0;

    while (n < sizeof(got) - 1 && !strstr(got, "}\n\r\n") && read(fd, got + n, 1) == 1)
        n++;
    if (!strstr(got, bytes))
        fail_msg("wanted %s, got %s", bytes, got);
}

static void events_are_streamed(void **state)
{
    int fd = site_control(&site);

    (void)state;
    send_text(fd, "GET /.pond/events HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_chunk(fd, "{\"event\":\"listening\"}\n");
    http_event(site.http, "{\"event\": \"one\"}");
    expect_chunk(fd, "{\"event\": \"one\"}\n");
    http_event(site.http, "{\"event\": \"two\"}");
    expect_chunk(fd, "{\"event\": \"two\"}\n");
    close(fd);
}

/* What it is told first has come, and is still to be read. */
static void until_it_listens(int fd)
{
    char got[4096] = "";
    ssize_t n;

    while ((n = recv(fd, got, sizeof(got) - 1, MSG_PEEK)) > 0 && !strstr(got, "listening"))
        usleep(1000);
    assert_true(n > 0);
}

/* A listener that does not read holds nobody up, and is told that it missed something. */
static void slow_listeners_are_cut_off(void **state)
{
    int fd = site_control(&site);
    struct answer a;

    (void)state;
    send_text(fd, "GET /.pond/events HTTP/1.1\r\nHost: x\r\n\r\n");
    until_it_listens(fd);
    for (int i = 0; i < 100000; i++)
        http_event(site.http, "{\"event\": \"a line of some length, so that buffers fill up\"}");
    read_answer(fd, false, &a);
    expect(&a, 200, NULL);
    assert_non_null(strstr(a.body, "cut_off"));
    answer_free(&a);
    close(fd);
}

/* A version from elsewhere that is newer, and did not know of ours. */
static struct version adopt_unaware(void)
{
    struct manifest m = {.node = "far1", .size = 1, .mode = 0644};
    struct store_job job = {.kind = STORE_ADOPT};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct store_entry entry;

    assert_int_equal(store_find(site.store, span_of(NAME), &entry), STORE_OK);
    assert_true(span_copy(span_of(NAME), m.name, sizeof(m.name)));
    m.version.bits = entry.manifest.version.bits + 1;
    m.chunk_size = chunk_size_for(m.size);
    digest_of("x", 1, &m.sha256);
    digest_of(&m.sha256, sizeof(m.sha256), &m.chunks);
    manifest_write(&m, &text);
    job.text = (struct span){text.at, text.len};
    assert_int_equal(store_do(site.store, &job), STORE_OK);
    return entry.manifest.version;
}

static void conflicts_are_listed_and_can_be_got(void **state)
{
    static const char *const behind[] = {"/.pond/conflicts?after=1",
                                         "/.pond/conflicts?after=9223372036854775807",
                                         "/.pond/conflicts?after=18446744073709551615"};
    char target[128], version[VERSION_TEXT_SIZE];
    struct answer a;

    (void)state;
    site_put(&site, NAME, BODY, strlen(BODY));
    ask_tcp(&site, "GET", "/.pond/conflicts", "", &a);
    expect(&a, 200, "{\"format\":1,\"conflicts\":[],\"more\":false}");
    answer_free(&a);
    version_text(adopt_unaware(), version);
    ask_tcp(&site, "GET", "/.pond/conflicts", "", &a);
    expect(&a, 200, NULL);
    assert_non_null(strstr(a.body, version));
    assert_non_null(strstr(a.body, "\"name\":\"" NAME "\""));
    assert_non_null(strstr(a.body, "\"place\":1,")); /* behind which the next page begins */
    answer_free(&a);
    for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
        ask_tcp(&site, "GET", behind[i], "", &a);
        expect(&a, 200, "{\"format\":1,\"conflicts\":[],\"more\":false}");
        answer_free(&a);
    }
    snprintf(target, sizeof(target), TARGET "?version=%s", version);
    ask_tcp(&site, "GET", target, "", &a);
    expect(&a, 200, BODY);
    expect_header(&a, "Pond-Version", version);
    answer_free(&a);
    get(TARGET "?version=1.0", "", 404, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_api_tells),
        cmocka_unit_test(the_catalogue_is_compared_by_ranges_of_names),
        cmocka_unit_test(verify_and_rebuild_report),
        cmocka_unit_test(log_level_is_turned),
        cmocka_unit_test(demotions_are_carried_out),
        cmocka_unit_test(demotions_that_make_no_sense_are_refused),
        cmocka_unit_test(events_are_streamed),
        cmocka_unit_test(slow_listeners_are_cut_off),
        cmocka_unit_test(conflicts_are_listed_and_can_be_got),
    };
    return cmocka_run_group_tests_name("http_api", tests, start, stop);
}
