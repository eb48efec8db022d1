/* SPDX-License-Identifier: ISC */
#include "cache/manifest.h"

#include <stdio.h>
#include <string.h>

#include "src/base/must.h"
#include "tests/unit/unit.h"

static struct manifest sample(void)
{
    struct manifest m = {.name = "example.com/pkgs/foo.tar.gz",
                         .node = "web1",
                         .version = {UINT64_C(1795348800123) << 16 | 7},
                         .replaces = {UINT64_C(1795348800000) << 16},
                         .knew = {{UINT64_MAX - 1, {5}, {UINT64_C(1795348800000) << 16}},
                                  {0,
                                   {UINT64_C(1795348700000) << 16 | 65535},
                                   {UINT64_C(1795348700000) << 16 | 65535}},
                                  {7, {1}, {1}}},
                         .size = 1000000,
                         .mtime_ns = -1500000000,
                         .mode = 0644,
                         .chunk_size = 256 * 1024};

    digest_of("content", 7, &m.sha256);
    digest_of("list", 4, &m.chunks);
    return m;
}

static struct manifest tombstone(void)
{
    return (struct manifest){
        .name = "example.com/a", .node = "web1", .version = {1 << 20}, .deleted = true};
}

static struct span written(const struct manifest *m, char *memory, size_t cap)
{
    struct text text = text_over(memory, cap);

    manifest_write(m, &text);
    assert_false(text.full);
    return (struct span){text.at, text.len};
}

static void assert_same(const struct manifest *a, const struct manifest *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->node, b->node);
    assert_true(version_same(a->version, b->version));
    assert_true(version_same(a->replaces, b->replaces));
    for (size_t i = 0; i < MANIFEST_KNEW_MAX; i++) {
        assert_int_equal(a->knew[i].node, b->knew[i].node);
        assert_true(version_same(a->knew[i].first, b->knew[i].first));
        assert_true(version_same(a->knew[i].last, b->knew[i].last));
    }
    assert_int_equal(a->deleted, b->deleted);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->mtime_ns, b->mtime_ns);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->chunk_size, b->chunk_size);
    assert_true(digest_same(&a->sha256, &b->sha256));
    assert_true(digest_same(&a->chunks, &b->chunks));
}

static void what_is_written_is_read_back(void **state)
{
    struct manifest all[] = {sample(), tombstone()}, back;
    char memory[MESSAGE_MAX], again[MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct span text = written(&all[i], memory, sizeof(memory));
        assert_int_equal(manifest_read(text, &back), MESSAGE_OK);
        assert_same(&all[i], &back);
        assert_true(span_same(text, written(&back, again, sizeof(again))));
        assert_true(manifest_has_sum(text));
    }
}

static void the_longest_manifest_fits(void **state)
{
    struct manifest m = sample(), back;
    char memory[MESSAGE_MAX];

    (void)state;
    memset(m.name, 'n', NAME_MAX_LEN);
    memcpy(m.name, "example.com/", 12);
    m.name[NAME_MAX_LEN] = '\0';
    memset(m.node, 'h', NODE_MAX_LEN);
    m.node[NODE_MAX_LEN] = '\0';
    m.version.bits = UINT64_MAX;
    m.replaces.bits = UINT64_MAX - 1;
    for (size_t i = 0; i < MANIFEST_KNEW_MAX; i++)
        m.knew[i] = (struct manifest_knew){UINT64_MAX, {UINT64_MAX - 99}, {UINT64_MAX - 1 - i}};
    m.size = INT64_MAX;
    m.chunk_size = (uint64_t)1 << 47;
    m.mtime_ns = INT64_MIN + 1;
    assert_int_equal(manifest_read(written(&m, memory, sizeof(memory)), &back), MESSAGE_OK);
    assert_same(&m, &back);
}

static struct manifest version_of(const char *node, uint64_t version)
{
    struct manifest m = sample();

    snprintf(m.node, sizeof(m.node), "%s", node);
    m.version.bits = version;
    m.replaces = VERSION_NONE;
    memset(m.knew, 0, sizeof(m.knew));
    return m;
}

/* The next version of a name, based on the one that stood in *m. */
static void replace(struct manifest *m, const char *node, uint64_t version)
{
    struct manifest next = version_of(node, version);

    manifest_replace(&next, m);
    *m = next;
}

static void assert_descent(const struct manifest *newer, const char *node, uint64_t version,
                           enum manifest_descent want)
{
    struct manifest older = version_of(node, version);

    assert_int_equal(manifest_descent(newer, &older), want);
}

/* However many there are: web1 and web2 write by turns, and web3 did so once, at their side. */
static void what_was_made_beside_many_versions_is_told(void **state)
{
    struct manifest chain = version_of("web1", 10);

    (void)state;
    assert_descent(&chain, "web3", 5, DESCENT_NO);
    for (uint64_t version = 20; version <= 1000; version += 10) {
        replace(&chain, version % 20 ? "web1" : "web2", version);
        for (uint64_t old = 10; old < version; old += 10)
            assert_descent(&chain, old % 20 ? "web1" : "web2", old, DESCENT_YES);
        for (uint64_t old = 5; old < version; old += 10)
            assert_descent(&chain, "web3", old, DESCENT_NO);
    }
}

/* Of two versions of one moment it is told which one the third is based on. */
static void versions_of_one_moment_are_told_apart(void **state)
{
    struct manifest chain = version_of("web1", 10);

    (void)state;
    replace(&chain, "web2", 20);
    replace(&chain, "web1", 30);
    assert_descent(&chain, "web2", 20, DESCENT_YES);
    assert_descent(&chain, "web3", 20, DESCENT_NO);
    assert_descent(&chain, "web1", 20, DESCENT_NO);
    assert_descent(&chain, "web1", 10, DESCENT_YES);
}

/* More nodes wrote it than are told: those with the oldest versions are left out. */
static void nodes_beyond_those_told_are_in_doubt(void **state)
{
    enum { NODES = MANIFEST_KNEW_MAX + 4 };
    struct manifest chain = version_of("node0", 10);
    char node[16];

    (void)state;
    for (uint64_t i = 1; i <= NODES; i++) {
        snprintf(node, sizeof(node), "node%d", (int)i);
        replace(&chain, node, 10 + 10 * i);
    }
    for (int i = 0; i < NODES; i++) {
        snprintf(node, sizeof(node), "node%d", i);
        assert_descent(&chain, node, 10 + 10 * (uint64_t)i,
                       i < NODES - MANIFEST_KNEW_MAX ? DESCENT_UNKNOWN : DESCENT_YES);
    }
    assert_descent(&chain, "web1", 10 * (NODES - MANIFEST_KNEW_MAX) + 15, DESCENT_NO);
}

/* web1 wrote 10, which web2 did not know of, and then on what web2 had written. */
static void what_a_node_wrote_beside_a_chain_is_not_in_it(void **state)
{
    struct manifest chain = version_of("web1", 5);

    (void)state;
    replace(&chain, "web2", 20);
    assert_descent(&chain, "web1", 10, DESCENT_NO);
    replace(&chain, "web1", 30);
    assert_int_equal(manifest_own_last(&chain).bits, 5);
    manifest_forget_own(&chain);
    assert_int_equal(manifest_own_last(&chain).bits, 0);
    replace(&chain, "web2", 40);
    replace(&chain, "web1", 50);
    assert_descent(&chain, "web1", 10, DESCENT_NO);
    assert_descent(&chain, "web1", 30, DESCENT_YES);
    assert_descent(&chain, "web2", 20, DESCENT_YES);
    assert_descent(&chain, "web2", 40, DESCENT_YES);
}

/* web1 lost its home, and with it what it knew of 10. */
static void what_a_lost_home_had_is_in_no_chain(void **state)
{
    struct manifest chain = version_of("web1", 20);

    (void)state;
    replace(&chain, "web2", 30);
    assert_descent(&chain, "web1", 10, DESCENT_NO);
    assert_descent(&chain, "web1", 20, DESCENT_YES);
    replace(&chain, "web1", 40);
    replace(&chain, "web1", 50);
    manifest_forget_own(&chain);
    replace(&chain, "web2", 60);
    assert_descent(&chain, "web1", 40, DESCENT_YES);
    assert_descent(&chain, "web1", 35, DESCENT_NO);
}

/* As carpond wrote them first. */
static void a_manifest_that_tells_of_nobody_is_in_doubt(void **state)
{
    struct manifest m = version_of("web1", 30);

    (void)state;
    m.replaces.bits = 20;
    assert_descent(&m, "web2", 20, DESCENT_YES);
    assert_descent(&m, "web2", 25, DESCENT_NO);
    assert_descent(&m, "web2", 10, DESCENT_UNKNOWN);
    for (uint64_t version = 40; version <= 100; version += 10) {
        replace(&m, version % 20 ? "web1" : "web3", version);
        assert_descent(&m, "web2", 20, DESCENT_YES);
        assert_descent(&m, "web2", 10, DESCENT_UNKNOWN);
        assert_descent(&m, "web2", 25, DESCENT_NO);
        assert_descent(&m, "web1", 30, DESCENT_YES);
    }
}

static void what_was_made_beside_another_is_in_conflict(void **state)
{
    struct manifest older = version_of("web1", 10), chain = version_of("web2", 20), gone;

    (void)state;
    older.sha256.bytes[0] ^= 1;
    assert_true(manifest_conflicts(&chain, &older, false));
    gone = older;
    gone.deleted = true;
    assert_false(manifest_conflicts(&chain, &gone, true));
    older.sha256 = chain.sha256;
    assert_false(manifest_conflicts(&chain, &older, true));
    chain.deleted = true;
    assert_true(manifest_conflicts(&chain, &older, false));
    older.sha256.bytes[0] ^= 1;
    for (uint64_t version = 30; version <= 400; version += 10) {
        replace(&chain, "web2", version);
        assert_true(manifest_conflicts(&chain, &older, false));
    }
    chain.knew->last = VERSION_NONE; /* nothing is told, and all is in doubt */
    assert_true(manifest_conflicts(&chain, &older, true));
    assert_false(manifest_conflicts(&chain, &older, false));
}

static void every_flipped_bit_is_seen_or_harmless(void **state)
{
    struct manifest m = sample(), back;
    char memory[MESSAGE_MAX];
    struct span text = written(&m, memory, sizeof(memory));

    (void)state;
    for (size_t i = 0; i < 8 * text.len; i++) {
        memory[i / 8] ^= (char)(1 << i % 8);
        if (manifest_read(text, &back) == MESSAGE_OK)
            assert_same(&m, &back); /* in the date or the word SUM: nothing was lost */
        memory[i / 8] ^= (char)(1 << i % 8);
    }
}

/* The sample's text without its sum, with one thing put in the place of another. */
static struct span changed(const char *from, const char *to, char *memory, size_t cap)
{
    struct manifest m = sample();
    char right[MESSAGE_MAX];
    struct text text = text_over(memory, cap);
    struct span all = written(&m, right, sizeof(right));
    const char *sum = strstr(right, " SUM="), *at;

    text_add(&text, right, (size_t)(sum - right));
    sum = strchr(sum, '\n');
    at = strstr(sum, from);
    MUST(at != NULL);
    text_add(&text, sum, (size_t)(at - sum));
    text_puts(&text, to);
    text_puts(&text, at + strlen(from));
    (void)all;
    return (struct span){text.at, text.len};
}

static void wrong_fields_are_refused(void **state)
{
    static const struct {
        const char *from, *to;
        enum message_verdict verdict;
    } rows[] = {
        {"\nmode: 0644", "\nmode: 0644", MESSAGE_OK},
        {"\nmode: 0644", "\nmode: 0644\nlater: thing", MESSAGE_OK},
        {"\nformat: 1", "\nformat: 2", MESSAGE_OK}, /* a later author says more, not less */
        {"\nformat: 1", "\nformat: 0", MESSAGE_BAD_VALUE},
        {"_type: manifest", "_type: whohas", MESSAGE_NO_TYPE},
        {"\nmode: 0644", "", MESSAGE_MISSING},
        {"\nmode: 0644", "\nmode: 644", MESSAGE_BAD_VALUE},
        {"\nmode: 0644", "\nmode: 0684", MESSAGE_BAD_VALUE},
        {"name: example.com/pkgs/foo.tar.gz", "name: example.com/../x", MESSAGE_BAD_VALUE},
        {"name: example.com/pkgs/foo.tar.gz", "name: example.com", MESSAGE_BAD_VALUE},
        {"name: example.com/pkgs/foo.tar.gz", "name: ", MESSAGE_BAD_VALUE},
        {"\nnode: web1", "\nnode: web 1", MESSAGE_BAD_VALUE},
        {"\nnode: web1", "", MESSAGE_MISSING},
        {"\nversion: 1795348800123.7", "\nversion: 0.0", MESSAGE_BAD_VALUE},
        {"\nversion: 1795348800123.7", "\nversion: 1795348800000.0", MESSAGE_BAD_VALUE},
        {"7@0.1\nsize", "7@0.1 0000000000000007@0.0\nsize", MESSAGE_BAD_VALUE}, /* knew */
        {"7@0.1\nsize", "7@0.2 0000000000000008@0.1\nsize", MESSAGE_OK},
        {"7@0.1\nsize", "7@0.2 0000000000000008@0.2\nsize", MESSAGE_BAD_VALUE},
        {"7@0.1\nsize", "7@1795348700000.65535\nsize", MESSAGE_BAD_VALUE},
        {"7@0.1\nsize", "7@1 2\nsize", MESSAGE_BAD_VALUE},
        {"7@0.1\nsize", "7\nsize", MESSAGE_BAD_VALUE},
        {"-1795348800000.0 ", "-1795348800000.1 ", MESSAGE_BAD_VALUE},
        {"@0.5-", "@1795348800000.1-", MESSAGE_BAD_VALUE},
        {"@0.5-", "@-", MESSAGE_BAD_VALUE},
        {"@0.5-", "@", MESSAGE_OK},
        {"\nknew: f", "\nknew: g", MESSAGE_BAD_VALUE},
        {"\nreplaces: 1795348800000.0", "", MESSAGE_BAD_VALUE},
        {"\nsize: 1000000", "\nsize: 9223372036854775808", MESSAGE_BAD_VALUE},
        {"\nsize: 1000000", "\nsize: -1", MESSAGE_BAD_VALUE},
        {"\nsize: 1000000", "\nsize: 1000", MESSAGE_BAD_VALUE}, /* one chunk, another list */
        {"\nchunk_size: 262144", "\nchunk_size: 524288", MESSAGE_BAD_VALUE},
        {"\nchunk_size: 262144", "\nchunk_size: 0", MESSAGE_BAD_VALUE},
        {"\nchunks: ", "\nchunks: 00", MESSAGE_BAD_VALUE},
        {"\nsha256: ", "\nsha257: ", MESSAGE_MISSING},
        {"\nmtime_ns: -1500000000", "\nmtime_ns: 1.5", MESSAGE_BAD_VALUE},
        {"\nsize: 1000000", "\nsize: 1000000\ndeleted: yes", MESSAGE_BAD_VALUE},
        {"\nsize: 1000000", "\nsize: 1000000\nsize: 1000000", MESSAGE_REPEATED},
    };
    char memory[MESSAGE_MAX];
    struct manifest m;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct span text = changed(rows[i].from, rows[i].to, memory, sizeof(memory));
        enum message_verdict verdict = manifest_read(text, &m);
        if (verdict != rows[i].verdict)
            print_error("%s -> %s: %s\n", rows[i].from, rows[i].to, message_verdict_name(verdict));
        assert_int_equal(verdict, rows[i].verdict);
    }
}

static void a_tombstone_has_no_content(void **state)
{
    char memory[MESSAGE_MAX];
    struct manifest m;
    struct span text =
        changed("\nsize: 1000000", "\ndeleted: True\n_type_deleted: b\nsize: 1000000", memory,
                sizeof(memory));

    (void)state;
    assert_int_equal(manifest_read(text, &m), MESSAGE_OK);
    assert_true(m.deleted);
    assert_int_equal(m.size, 0);
    assert_true(digest_is_zero(&m.sha256));
}

static void several_follow_one_another(void **state)
{
    struct manifest a = sample(), b = tombstone(), m;
    char memory[2 * MESSAGE_MAX];
    struct span first = written(&a, memory, MESSAGE_MAX), one;
    struct span second = written(&b, memory + first.len, MESSAGE_MAX);
    struct span rest = {memory, first.len + second.len};

    (void)state;
    assert_int_equal(manifest_read_next(&rest, &m, &one), MESSAGE_OK);
    assert_true(span_same(one, first));
    assert_int_equal(manifest_read_next(&rest, &m, &one), MESSAGE_OK);
    assert_same(&m, &b);
    assert_int_equal(rest.len, 0);
    assert_int_equal(manifest_read((struct span){memory, first.len + second.len}, &m),
                     MESSAGE_BAD_SIZE);
}

static void what_a_later_version_wrote_among_them_is_passed_over(void **state)
{
    struct manifest a = sample();
    char memory[2 * MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct span rest, manifest;
    size_t len;

    (void)state;
    message_begin(&text, (wall_t){1795348800000}, "pledge", 0);
    message_add(&text, "name", span_of(a.name));
    message_end(&text, span_of(""));
    rest = (struct span){text.at, text.len};
    assert_false(manifest_pass_over(&rest)); /* without a sum */
    manifest_stamp(&text);
    len = text.len;
    manifest = written(&a, memory + len, MESSAGE_MAX);
    rest = (struct span){memory, len + 10};
    assert_true(manifest_pass_over(&rest));
    assert_int_equal(rest.len, 10);
    assert_false(manifest_pass_over(&manifest));
    for (size_t i = 0; i < len; i++) {
        rest = (struct span){memory, i};
        assert_false(manifest_pass_over(&rest));
    }
    memory[len - 3] ^= 1;
    rest = (struct span){memory, len};
    assert_false(manifest_pass_over(&rest)); /* rotten */
}

static void order_is_by_version_then_by_digest(void **state)
{
    struct manifest a = sample(), b = sample();

    (void)state;
    assert_int_equal(manifest_compare(&a, &b), 0);
    b.sha256.bytes[31] ^= 1;
    assert_true((manifest_compare(&a, &b) < 0) != (manifest_compare(&b, &a) < 0));
    b.version.bits++;
    assert_true(manifest_compare(&a, &b) < 0);
    assert_true(manifest_compare(&b, &a) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_longest_manifest_fits),
        cmocka_unit_test(what_was_made_beside_many_versions_is_told),
        cmocka_unit_test(versions_of_one_moment_are_told_apart),
        cmocka_unit_test(nodes_beyond_those_told_are_in_doubt),
        cmocka_unit_test(what_a_node_wrote_beside_a_chain_is_not_in_it),
        cmocka_unit_test(what_a_lost_home_had_is_in_no_chain),
        cmocka_unit_test(a_manifest_that_tells_of_nobody_is_in_doubt),
        cmocka_unit_test(what_was_made_beside_another_is_in_conflict),
        cmocka_unit_test(every_flipped_bit_is_seen_or_harmless),
        cmocka_unit_test(wrong_fields_are_refused),
        cmocka_unit_test(a_tombstone_has_no_content),
        cmocka_unit_test(several_follow_one_another),
        cmocka_unit_test(what_a_later_version_wrote_among_them_is_passed_over),
        cmocka_unit_test(order_is_by_version_then_by_digest),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
