/* SPDX-License-Identifier: ISC */
#include "cache/notice.h"

#include <string.h>

#include "tests/unit/unit.h"

#define SHA "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define HEAD "From fbp822 Sun Nov 22 12:00:00 2026\n_size: 0\n"
#define OURS "format: 1\ndomain: example.com\nnode: web1\nboot: 7\ncounter: 8\n"
#define WHOHAS HEAD "_type: whohas\nfile: example.com/a\nnewer: 17\ntuid: 0.77@web1\n"
#define IHAVE HEAD "_type: ihave\nfile: example.com/a\nmtime: 17\nport: 65028\n"
#define DESCRIBED "version: 17000.1\nsize: 4\nsha256: " SHA "\n"

static enum message_verdict read_text(const char *text, struct notice *out)
{
    struct message m;
    enum message_verdict verdict = message_decode(span_of(text), &m);

    return verdict == MESSAGE_OK ? notice_read(&m, out) : verdict;
}

static void assert_same(const struct notice *a, const struct notice *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->sender.domain, b->sender.domain);
    assert_string_equal(a->sender.node, b->sender.node);
    assert_int_equal(a->sender.boot, b->sender.boot);
    assert_int_equal(a->sender.counter, b->sender.counter);
    assert_int_equal(a->sender.clock.ms, b->sender.clock.ms);
    assert_true(address_same_host(&a->sender.address, &b->sender.address));
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->tuid, b->tuid);
    assert_true(version_same(a->version, b->version));
    assert_int_equal(a->time, b->time);
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->spread_ms, b->spread_ms);
    assert_int_equal(a->content, b->content);
    assert_int_equal(a->held, b->held);
    assert_int_equal(a->kept, b->kept);
    assert_int_equal(a->deleted, b->deleted);
    assert_int_equal(a->confirm, b->confirm);
    assert_int_equal(a->leads, b->leads);
    assert_int_equal(a->size, b->size);
    assert_true(digest_same(&a->sha256, &b->sha256));
}

static void assert_survives(const struct notice *notice)
{
    char memory[MESSAGE_MAX + 1];
    struct text out = TEXT_OVER(memory);
    struct notice back;

    notice_write(notice, (wall_t){1795348800000}, &out);
    assert_false(out.full);
    assert_int_equal(read_text(memory, &back), MESSAGE_OK);
    assert_same(notice, &back);
}

static const struct notice_sender web1 = {
    "example.com", "web1",          7,
    UINT64_MAX,    {1795348800123}, {.ip = {[10] = 0xff, 0xff, 10, 27, 4, 1}}};

static void what_is_written_is_read_back(void **state)
{
    struct notice question = {.kind = NOTICE_WHOHAS,
                              .sender = web1,
                              .name = "example.com/pkgs/a b",
                              .tuid = "0.77@web1",
                              .time = -3,
                              .port = 65028,
                              .spread_ms = 250};
    struct notice answer = {.kind = NOTICE_IHAVE,
                            .sender = web1,
                            .name = "example.com/pkgs/a b",
                            .tuid = "0.77@web1",
                            .version = {17},
                            .time = 1795348800,
                            .port = 1,
                            .held = true,
                            .kept = true,
                            .size = INT64_MAX,
                            .sha256 = {{1, 2, 3}}};
    struct notice tombstone = {.kind = NOTICE_IHAVE,
                               .sender = web1,
                               .name = "example.com/gone",
                               .version = {18},
                               .port = 65028,
                               .deleted = true};

    (void)state;
    assert_survives(&question);
    question.content = true;
    question.version.bits = UINT64_MAX;
    assert_survives(&question);
    assert_survives(&answer);
    answer.held = false;
    *answer.tuid = '\0';
    answer.confirm = true;
    answer.leads = true;
    assert_survives(&answer);
    assert_survives(&tombstone);
    tombstone.confirm = true;
    tombstone.leads = true;
    assert_survives(&tombstone);
}

static void the_longest_notice_fits_a_message(void **state)
{
    struct notice n = {.kind = NOTICE_IHAVE,
                       .sender = {.boot = UINT64_MAX,
                                  .counter = UINT64_MAX,
                                  .clock = {(int64_t)NOTICE_CLOCK_MAX_MS}},
                       .version = {UINT64_MAX},
                       .time = -INT64_MAX,
                       .port = UINT16_MAX,
                       .spread_ms = NOTICE_SPREAD_MAX_MS,
                       .held = true,
                       .confirm = true,
                       .kept = true,
                       .leads = true,
                       .size = INT64_MAX};

    (void)state;
    memset(n.sender.domain, 'd', NODE_MAX_LEN);
    memset(n.sender.node, 'n', NODE_MAX_LEN);
    memset(n.name, 'f', NAME_MAX_LEN);
    memset(n.tuid, 't', TUID_MAX_LEN);
    memset(n.sender.address.ip, 0xfd, sizeof(n.sender.address.ip));
    assert_survives(&n);
}

static void every_value_out_of_bounds_gets_its_verdict(void **state)
{
    static const struct {
        const char *text;
        enum message_verdict verdict;
    } rows[] = {
        {WHOHAS OURS "\n", MESSAGE_OK},
        {WHOHAS OURS "unknown: x\n\n", MESSAGE_OK},
        {IHAVE OURS DESCRIBED "\n", MESSAGE_OK},
        {IHAVE OURS DESCRIBED "scheme: http\nunknown: x\nheld: True\ntuid: x\n\n", MESSAGE_OK},
        {IHAVE OURS "version: 1.0\ndeleted: True\n\n", MESSAGE_OK},
        {HEAD "_type: sendme\nfile: example.com/a\n\n", MESSAGE_NO_TYPE},
        {WHOHAS "\n", MESSAGE_MISSING}, /* ISconf's own */
        {IHAVE "\n", MESSAGE_MISSING},
        {HEAD "_type: whohas\nnewer: 1\ntuid: x\n" OURS "\n", MESSAGE_MISSING},
        {HEAD "_type: whohas\nfile: a/b\ntuid: x\n" OURS "\n", MESSAGE_MISSING},
        {HEAD "_type: whohas\nfile: a/b\nnewer: 1\n" OURS "\n", MESSAGE_MISSING},
        {HEAD "_type: whohas\nfile:\nnewer: 1\ntuid: x\n" OURS "\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: whohas\nfile: a/b\nnewer: 1\ntuid: x y\n" OURS "\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: whohas\nfile: a/b\nnewer: 1\ntuid:\n" OURS "\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: whohas\nfile: a/b\nnewer: soon\ntuid: x\n" OURS "\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 2\ndomain: d\nnode: n\nboot: 1\ncounter: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 1\ndomain: d\nnode: n n\nboot: 1\ncounter: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 1\ndomain: d\nnode:\nboot: 1\ncounter: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 1\ndomain:\nnode: n\nboot: 1\ncounter: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 1\ndomain: d/e\nnode: n\nboot: 1\ncounter: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 1\ndomain: d\nnode: n\nboot: -1\ncounter: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS "format: 1\ndomain: d\nnode: n\nboot: 1\n\n", MESSAGE_MISSING},
        {WHOHAS OURS "version: 1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "port: 65536\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "content: yes\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "spread: -1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "clock: 281474976710655\n_type_clock: i\n\n", MESSAGE_OK},
        {WHOHAS OURS "clock: 281474976710656\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "clock: 0\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "clock: -1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "clock: noon\n\n", MESSAGE_BAD_VALUE},
        {IHAVE OURS DESCRIBED "clock: 1\n_type_clock: b\n\n", MESSAGE_BAD_VALUE},
        {IHAVE OURS "version: 1.0\n\n", MESSAGE_MISSING},
        {IHAVE OURS "version: 1.0\nsize: 4\n\n", MESSAGE_MISSING},
        {IHAVE OURS "version: 1.0\nsha256: " SHA "\n\n", MESSAGE_MISSING},
        {IHAVE OURS "size: 4\nsha256: " SHA "\n\n", MESSAGE_MISSING},
        {IHAVE OURS "version: 0.0\nsize: 4\nsha256: " SHA "\n\n", MESSAGE_BAD_VALUE},
        {IHAVE OURS "version: 1.0\nsize: 4\nsha256: " SHA "0\n\n", MESSAGE_BAD_VALUE},
        {IHAVE OURS "version: 1.0\nsize: 9223372036854775808\nsha256: " SHA "\n\n",
         MESSAGE_BAD_VALUE},
        {IHAVE OURS DESCRIBED "scheme: https\n\n", MESSAGE_BAD_VALUE},
        {IHAVE OURS DESCRIBED "deleted: True\n\n", MESSAGE_BAD_VALUE},
        {IHAVE OURS "version: 1.0\ndeleted: True\nheld: True\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nmtime: 1\nport: 0\n" OURS DESCRIBED "\n",
         MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nmtime: 1\n" OURS DESCRIBED "\n", MESSAGE_MISSING},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\n" OURS DESCRIBED "\n", MESSAGE_MISSING},
    };
    struct notice n;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (read_text(rows[i].text, &n) != rows[i].verdict)
            fail_msg("%s: expected %s, got %s", rows[i].text, message_verdict_name(rows[i].verdict),
                     message_verdict_name(read_text(rows[i].text, &n)));
    }
}

static void an_address_is_one_that_a_host_can_have(void **state)
{
    static const struct {
        const char *text;
        enum message_verdict verdict;
    } rows[] = {
        {WHOHAS OURS "address: 10.27.4.1\n\n", MESSAGE_OK},
        {WHOHAS OURS "address: fd00::1\n\n", MESSAGE_OK},
        {WHOHAS OURS "address:\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "address: 0.0.0.0\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "address: ff02::1\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "address: fe80::1%lo\n\n", MESSAGE_BAD_VALUE},
        {WHOHAS OURS "address: web1\n\n", MESSAGE_BAD_VALUE},
    };
    struct notice n;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(read_text(rows[i].text, &n), rows[i].verdict);
}

static void a_wide_spread_is_cut(void **state)
{
    struct notice n;

    (void)state;
    assert_int_equal(read_text(WHOHAS OURS "spread: 999\n\n", &n), MESSAGE_OK);
    assert_int_equal(n.spread_ms, 999);
    assert_int_equal(read_text(WHOHAS OURS "spread: 86400000\n\n", &n), MESSAGE_OK);
    assert_int_equal(n.spread_ms, 1000);
}

static void a_clock_may_be_missing(void **state)
{
    struct notice n;

    (void)state;
    assert_int_equal(read_text(WHOHAS OURS "\n", &n), MESSAGE_OK);
    assert_int_equal(n.sender.clock.ms, 0);
}

static void names_are_not_cut_short(void **state)
{
    char text[MESSAGE_MAX] = HEAD "_type: whohas\nnewer: 1\ntuid: x\n" OURS "file: ";
    size_t len = strlen(text);
    struct notice n;

    (void)state;
    memset(text + len, 'x', NAME_MAX_LEN + 1);
    memcpy(text + len + NAME_MAX_LEN + 1, "\n\n", 3);
    assert_int_equal(read_text(text, &n), MESSAGE_BAD_VALUE);
    memcpy(text + len + NAME_MAX_LEN, "\n\n", 3);
    assert_int_equal(read_text(text, &n), MESSAGE_OK);
    assert_int_equal(strlen(n.name), NAME_MAX_LEN);
}

/* As ISconf's dictionaries have them, and in another order. */
#define ISCONF_WHOHAS                                                                              \
    "From fbp822 Sun, 22 Nov 2026 12:00:00 -0000\n_type: whohas\n_size: 0\n"                       \
    "tuid: 0.77@web1\nnewer: 1795348800\n_type_newer: i\nfile: example.com/a b\n"
#define ISCONF_IHAVE                                                                               \
    HEAD "_type: ihave\nport: 65028\n_type_port: i\nscheme: http\nfile: /example.com/a\n"          \
         "tuid: 0.77@web1\nmtime: 1795348800\n_type_mtime: i\n"

static void what_isconf_hosts_say_is_read(void **state)
{
    static const struct {
        const char *text;
        enum message_verdict verdict;
    } rows[] = {
        {ISCONF_WHOHAS "\n", MESSAGE_OK},
        {ISCONF_WHOHAS "unknown: x\nversion: nonsense\n\n", MESSAGE_OK},
        {HEAD "newer: -1\nfile: //example.com/a b\n_type: whohas\n\n", MESSAGE_OK},
        {ISCONF_IHAVE "\n", MESSAGE_OK},
        {HEAD "_type: sendme\nfile: example.com/a\n\n", MESSAGE_NO_TYPE},
        {HEAD "_type: whohas\nnewer: 1\ntuid: x\n\n", MESSAGE_MISSING},
        {HEAD "_type: whohas\nfile: /\nnewer: 1\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: whohas\nfile: a/b\ntuid: x\n\n", MESSAGE_MISSING},
        {HEAD "_type: whohas\nfile: a/b\nnewer: None\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nmtime: 1\n\n", MESSAGE_MISSING},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\n\n", MESSAGE_MISSING},
        {HEAD "_type: ihave\nfile: a/b\nport: 0\nmtime: 1\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\nmtime: -1\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\nmtime: 1.5\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\nmtime: 9223372035\n\n", MESSAGE_OK},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\nmtime: 9223372036\n\n", MESSAGE_BAD_VALUE},
        {HEAD "_type: ihave\nfile: a/b\nport: 1\nmtime: 1\nscheme: ftp\n\n", MESSAGE_BAD_VALUE},
    };
    struct message m;
    struct notice n;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(message_decode(span_of(rows[i].text), &m), MESSAGE_OK);
        assert_true(notice_is_isconf(&m));
        if (notice_read_isconf(&m, &n) != rows[i].verdict)
            fail_msg("%s: %s", rows[i].text, message_verdict_name(notice_read_isconf(&m, &n)));
    }
    assert_int_equal(message_decode(span_of(ISCONF_WHOHAS "\n"), &m), MESSAGE_OK);
    assert_int_equal(notice_read_isconf(&m, &n), MESSAGE_OK);
    assert_true(n.isconf && n.kind == NOTICE_WHOHAS && n.time == 1795348800);
    assert_string_equal(n.name, "example.com/a b");
    assert_string_equal(n.tuid, "");
    assert_int_equal(message_decode(span_of(ISCONF_IHAVE "\n"), &m), MESSAGE_OK);
    assert_int_equal(notice_read_isconf(&m, &n), MESSAGE_OK);
    assert_true(n.kind == NOTICE_IHAVE && n.time == 1795348800 && n.port == 65028 && !n.held);
    assert_string_equal(n.name, "example.com/a");
    assert_true(version_same(n.version, version_of_mtime(1795348800)));
    assert_int_equal(message_decode(span_of(WHOHAS OURS "\n"), &m), MESSAGE_OK);
    assert_false(notice_is_isconf(&m));
}

/* An ISconf host wants a tuid in it, which must be no question's. */
static void an_announcement_has_a_tuid_for_isconf_alone(void **state)
{
    struct notice n = {.kind = NOTICE_IHAVE,
                       .isconf = true,
                       .name = "example.com/a",
                       .version = {17},
                       .port = 1,
                       .sender = {.domain = "example.com"}};
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct notice read;
    struct message m;

    (void)state;
    memset(n.sender.node, 'n', NODE_MAX_LEN);
    notice_write(&n, (wall_t){0}, &text);
    assert_non_null(strstr(memory, "\ntuid: 0@nnn"));
    assert_int_equal(message_decode((struct span){text.at, text.len}, &m), MESSAGE_OK);
    assert_int_equal(notice_read(&m, &read), MESSAGE_OK);
    assert_string_equal(read.tuid, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_longest_notice_fits_a_message),
        cmocka_unit_test(every_value_out_of_bounds_gets_its_verdict),
        cmocka_unit_test(what_isconf_hosts_say_is_read),
        cmocka_unit_test(an_announcement_has_a_tuid_for_isconf_alone),
        cmocka_unit_test(an_address_is_one_that_a_host_can_have),
        cmocka_unit_test(a_wide_spread_is_cut),
        cmocka_unit_test(a_clock_may_be_missing),
        cmocka_unit_test(names_are_not_cut_short),
    };
    return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
