/* SPDX-License-Identifier: ISC */
#include "src/tidings.h"

#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "tests/unit/unit.h"

struct reader {
    struct ev_loop *loop;
    struct mailbox *mailbox;
    struct tidings *tidings;
    char told[512]; /* as "paris! core 10.0.0.1:3 " */
    struct text text;
    size_t standings;
};

static void on_viewed(void *arg, const char *tier, bool other_master)
{
    struct reader *reader = arg;

    text_printf(&reader->text, "%s%s ", tier, other_master ? "!" : "");
}

static void on_standing(void *arg, const struct ballot *standing)
{
    struct reader *reader = arg;
    char host[ADDRESS_TEXT_SIZE];

    reader->standings++;
    text_printf(&reader->text, "%s/%s:%u ", standing->tier,
                address_host_text(&standing->address, host), standing->unconfirmed);
}

static void begin(struct reader *reader)
{
    struct tidings_options options = {.viewed = on_viewed, .standing = on_standing, .arg = reader};

    memset(reader, 0, sizeof(*reader));
    reader->text = text_over(reader->told, sizeof(reader->told));
    reader->loop = ev_loop_new(EVFLAG_AUTO);
    reader->mailbox = options.mailbox = mailbox_new(reader->loop);
    reader->tidings = tidings_new(&options);
}

static void end(struct reader *reader)
{
    mailbox_free(reader->mailbox);
    tidings_free(reader->tidings);
    ev_loop_destroy(reader->loop);
}

static void stand(struct reader *reader, const char *tier, unsigned host, uint32_t unconfirmed)
{
    struct ballot standing = {.kind = BALLOT_STANDING, .unconfirmed = unconfirmed};
    char text[32];

    snprintf(text, sizeof(text), "10.0.%u.%u", host / 256, host % 256);
    assert_true(address_parse(span_of(text), 80, &standing.address));
    assert_true(span_copy(span_of(tier), standing.tier, sizeof(standing.tier)));
    tidings_standing(reader->tidings, &standing);
}

static void of_each_the_last_counts_once(void **state)
{
    struct reader reader;

    (void)state;
    begin(&reader);
    tidings_viewed(reader.tidings, "paris", true);
    tidings_viewed(reader.tidings, "core", false);
    tidings_viewed(reader.tidings, "paris", false);
    stand(&reader, "paris", 1, 1);
    stand(&reader, "paris", 2, 2);
    stand(&reader, "core", 1, 3);
    stand(&reader, "paris", 1, 4);
    mailbox_read(reader.mailbox);
    assert_string_equal(reader.told, "paris! core paris/10.0.0.1:4 paris/10.0.0.2:2 "
                                     "core/10.0.0.1:3 ");
    end(&reader);
}

static void what_was_read_is_not_told_again(void **state)
{
    struct reader reader;

    (void)state;
    begin(&reader);
    tidings_viewed(reader.tidings, "paris", true);
    stand(&reader, "paris", 1, 1);
    mailbox_read(reader.mailbox);
    tidings_viewed(reader.tidings, "paris", false);
    mailbox_read(reader.mailbox);
    stand(&reader, "paris", 1, 2);
    end(&reader); /* what is left is read */
    assert_string_equal(reader.told, "paris! paris/10.0.0.1:1 paris paris/10.0.0.1:2 ");
}

static void a_flood_is_bounded(void **state)
{
    struct reader reader;

    (void)state;
    begin(&reader);
    for (unsigned i = 0; i < 2 * TIDINGS_STANDINGS_MAX; i++)
        stand(&reader, "paris", i, 1);
    mailbox_read(reader.mailbox);
    assert_int_equal(reader.standings, TIDINGS_STANDINGS_MAX);
    stand(&reader, "paris", 1, 1);
    mailbox_read(reader.mailbox);
    assert_int_equal(reader.standings, TIDINGS_STANDINGS_MAX + 1);
    end(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_each_the_last_counts_once),
        cmocka_unit_test(what_was_read_is_not_told_again),
        cmocka_unit_test(a_flood_is_bounded),
    };
    return cmocka_run_group_tests_name("tidings", tests, NULL, NULL);
}
