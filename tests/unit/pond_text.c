/* SPDX-License-Identifier: ISC */
#include "tools/pond/figure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tools/pond/progress.h"
#include "tools/pond/say.h"
#include "tools/pond/status_text.h"
#include "tools/pond/table.h"

static const uint64_t GIB = (uint64_t)1 << 30;

static void counts_have_thousands(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {
        {0, "0"},          {999, "999"},           {1000, "1,000"},
        {12381, "12,381"}, {1000001, "1,000,001"}, {UINT64_MAX, "18,446,744,073,709,551,615"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char shown[64];
        struct text text = TEXT_OVER(shown);
        figure_count(&text, cases[i].n);
        assert_string_equal(shown, cases[i].text);
    }
}

static void parts_take_the_unit_of_the_whole(void **state)
{
    static const struct {
        uint64_t part, whole;
        const char *text;
    } cases[] = {
        {0, 0, "0 of 0 B"},
        {5, 1023, "5 of 1023 B"},
        {512, 1024, "0.5 of 1 KiB"},
        {(uint64_t)412 * (1 << 20) / 10, 100 << 20, "41.2 of 100 MiB"},
        {UINT64_MAX, UINT64_MAX, "16 of 16 EiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char shown[64];
        struct text text = TEXT_OVER(shown);
        figure_part(&text, cases[i].part, cases[i].whole);
        assert_string_equal(shown, cases[i].text);
    }
}

/* What is not complete must not read as if it were. */
static void percents_are_rounded_down(void **state)
{
    static const struct {
        uint64_t part, whole;
        const char *text;
    } cases[] = {
        {0, 0, "100 %"},
        {0, 7, "0 %"},
        {982, 1000, "98.2 %"},
        {99999, 100000, "99.9 %"},
        {UINT64_MAX, UINT64_MAX, "100 %"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char shown[64];
        struct text text = TEXT_OVER(shown);
        figure_percent(&text, cases[i].part, cases[i].whole);
        assert_string_equal(shown, cases[i].text);
    }
}

/* The caller frees what a table or a status prints. */
static char *printed_table(struct table *table)
{
    char *bytes;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);

    assert_non_null(out);
    table_print(table, out);
    assert_int_equal(fclose(out), 0);
    return bytes;
}

static void columns_line_up_over_pages(void **state)
{
    struct table table;
    char *page;

    (void)state;
    table_begin(&table, 3, "lrl");
    table_cell(&table, "Zürich");
    table_cell(&table, "1,234");
    table_cell(&table, "last");
    table_cell(&table, "a");
    table_cellf(&table, "%d", 5);
    table_cell(&table, "l");
    page = printed_table(&table);
    assert_string_equal(page, "Zürich  1,234  last\n"
                              "a           5  l\n");
    free(page);
    table_cell(&table, "b");
    table_cell(&table, "6");
    table_cell(&table, "m");
    page = printed_table(&table);
    assert_string_equal(page, "b           6  m\n");
    free(page);
    table_end(&table);
}

static void strangers_do_not_drive_the_terminal(void **state)
{
    char text[] = "a\033[2J\tb\x7f\xc2\x9b"
                  "1mZ\xc3\xbc";
    struct table table;
    char *page;

    (void)state;
    table_begin(&table, 1, "l");
    table_cell(&table, text);
    page = printed_table(&table);
    assert_string_equal(page, "a?[2J?b???1mZ\xc3\xbc\n");
    free(page);
    table_end(&table);
    say_clean(text);
    assert_string_equal(text, "a?[2J?b???1mZ\xc3\xbc");
}

static void progress_fits_its_terminal(void **state)
{
    char line[1024];
    struct text text = TEXT_OVER(line);

    (void)state;
    progress_line(&text, 100, "example.com/foo", 256 << 20, GIB, MONO_S(2));
    assert_string_equal(line, "example.com/foo  [=======>                      ] 25 %  "
                              "0.2 of 1 GiB  128.0 MiB/s  6.0 s left");
    for (size_t columns = 1; columns < 200; columns++) {
        text = TEXT_OVER(line);
        progress_line(&text, columns, "example.com/a/rather/long/name", 1 << 20, GIB, MONO_S(9));
        assert_false(text.full);
        assert_true(table_width_of(line) <= columns);
    }
}

static void progress_without_a_whole(void **state)
{
    char line[256];
    struct text text = TEXT_OVER(line);

    (void)state;
    progress_line(&text, 80, "verify", 0, 0, MONO_S(1));
    assert_string_equal(line, "verify  0 B");
    text = TEXT_OVER(line);
    progress_line(&text, 80, "verify", 2 << 20, 0, MONO_S(2));
    assert_string_equal(line, "verify  2.0 MiB  1.0 MiB/s");
    text = TEXT_OVER(line);
    progress_line(&text, 80, "x", 30, 20, MONO_S(1)); /* it grew meanwhile */
    assert_non_null(strstr(line, "100 %"));
}

static void expect_status(const char *json, const char *expected)
{
    json_t *status = json_loads(json, 0, NULL);
    char *bytes;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);

    assert_non_null(status);
    assert_non_null(out);
    status_text(status, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(bytes, expected);
    free(bytes);
    json_decref(status);
}

/* The picture of the manual. */
static void status_of_a_slave(void **state)
{
    (void)state;
    expect_status(
        "{\"format\":1,\"node\":\"web7.paris.example.com\",\"domain\":\"example.com\","
        "\"version\":\"0.1.0\",\"uptime_s\":273600,\"tiers\":[{\"tier\":\"paris\","
        "\"role\":\"slave\",\"master\":\"gw1.paris.example.com\",\"address\":\"10.27.4.1\","
        "\"base\":1.0,\"skew\":0,\"epoch\":14,\"last_advert_s\":0.4,\"behind\":0}],"
        "\"cache\":{\"objects\":12381,\"bytes\":44238163148,\"limit\":107374182400,"
        "\"hits\":982,\"misses\":18}}",
        "web7.paris.example.com   up 3d 4h   carpond 0.1.0\n"
        "TIER   ROLE   MASTER                 ADDRESS    BASE+SKEW  EPOCH  LAST ADVERT\n"
        "paris  slave  gw1.paris.example.com  10.27.4.1  1+0           14  0.4 s ago\n"
        "CACHE   12,381 objects   41.2 of 100 GiB   hits 98.2 %   behind master by 0\n");
}

static void a_master_without_a_backup(void **state)
{
    (void)state;
    expect_status(
        "{\"node\":\"a\",\"version\":\"0.1.0\",\"tiers\":["
        "{\"tier\":\"core\",\"role\":\"master\",\"master\":\"a\",\"address\":\"10.0.0.1\","
        "\"alone\":true,\"candidates\":2},"
        "{\"tier\":\"lab\",\"role\":\"master\",\"master\":\"a\",\"address\":\"10.0.1.1\","
        "\"alone\":true,\"candidates\":1},"
        "{\"tier\":\"paris\",\"role\":\"master\",\"master\":\"a\",\"address\":\"10.0.2.1\","
        "\"alone\":false,\"candidates\":2,\"members\":3,\"successor\":\"10.0.2.2\"}]}",
        "a   carpond 0.1.0\n"
        "TIER   ROLE    MASTER  ADDRESS   BASE+SKEW  EPOCH  LAST ADVERT\n"
        "core   master  a       10.0.0.1  -              -  -\n"
        "lab    master  a       10.0.1.1  -              -  -\n"
        "paris  master  a       10.0.2.1  -              -  -\n"
        "LEADS   core: 0 members heard\n"
        "LEADS   lab: 0 members heard\n"
        "LEADS   paris: 3 members heard, 10.0.2.2 stands by\n"
        "ALONE   core: no other candidate is heard: nobody takes over if this node stops\n"
        "ALONE   lab: its nets file names no other candidate: nobody takes over if this node "
        "stops\n");
}

static void status_of_a_peer(void **state)
{
    (void)state;
    expect_status(
        "{\"node\":\"a\",\"version\":\"0.1.0\",\"uptime_s\":1.5,"
        "\"tiers\":[{\"tier\":\"mesh\",\"role\":\"peer\",\"master\":null,"
        "\"address\":\"127.0.0.2\",\"base\":null,\"skew\":null,\"epoch\":null,"
        "\"last_advert_s\":null,\"behind\":null}],"
        "\"cache\":{\"objects\":1,\"bytes\":2048,\"limit\":0,\"hits\":0,\"misses\":0,"
        "\"wanted\":2},\"peers\":{\"known\":3,\"usable\":2},\"health\":\"the disk is full\","
        "\"fetches\":[{\"name\":\"d/x\",\"size\":4194304,\"had\":1048576,\"rate\":2097152,"
        "\"readers\":2,\"source\":\"127.0.0.3:65028\"}],"
        "\"events\":[\"2026-11-22T12:00:00Z put in d/x\"],\"new\":{}}",
        "a   up 1.5 s   carpond 0.1.0\n"
        "TIER  ROLE  MASTER  ADDRESS    BASE+SKEW  EPOCH  LAST ADVERT\n"
        "mesh  peer  -       127.0.0.2  -              -  -\n"
        "CACHE   1 object   2.0 KiB   to be fetched 2\n"
        "PEERS   3 known   2 usable\n"
        "HEALTH  the disk is full\n"
        "FETCH         HAD             RATE  READERS  FROM\n"
        "d/x    1 of 4 MiB  25 %  2.0 MiB/s        2  127.0.0.3:65028\n"
        "LATELY\n"
        "  2026-11-22T12:00:00Z put in d/x\n");
}

/* A daemon of another version may lack anything, or mean something else by it. */
static void status_of_a_stranger(void **state)
{
    (void)state;
    expect_status("{}", "-   carpond -\n");
    expect_status("{\"node\":7,\"uptime_s\":\"x\",\"tiers\":{},\"cache\":[],\"peers\":1,"
                  "\"fetches\":[null,{}],\"events\":[3],\"health\":null}",
                  "-   carpond -\n"
                  "FETCH       HAD          RATE  READERS  FROM\n"
                  "-      0 of 0 B  100 %  0 B/s        0  looking for one\n"
                  "-      0 of 0 B  100 %  0 B/s        0  looking for one\n"
                  "LATELY\n"
                  "  -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_thousands),
        cmocka_unit_test(parts_take_the_unit_of_the_whole),
        cmocka_unit_test(percents_are_rounded_down),
        cmocka_unit_test(columns_line_up_over_pages),
        cmocka_unit_test(strangers_do_not_drive_the_terminal),
        cmocka_unit_test(progress_fits_its_terminal),
        cmocka_unit_test(progress_without_a_whole),
        cmocka_unit_test(status_of_a_slave),
        cmocka_unit_test(a_master_without_a_backup),
        cmocka_unit_test(status_of_a_peer),
        cmocka_unit_test(status_of_a_stranger),
    };
    return cmocka_run_group_tests_name("pond_text", tests, NULL, NULL);
}
