/* SPDX-License-Identifier: ISC */
#include "src/rulebook.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/name.h"
#include "conf/arena.h"
#include "src/base/must.h"

enum { BOOK_MAGIC = 0x72756c65, WORD_BITS = 64, ADDRESS_BITS = 128 };

/*
 * Each column of the rules is looked up by itself, and gives a row of bits, one a rule: does the
 * rule fit in this column? The highest bit that stands in the rows of all columns is the rule that
 * decides (bit vectors: Lakshman and Stiliadis, SIGCOMM 1998). The row of a namespace or a network
 * holds what fits the wider ones, too, so that one row a column is enough.
 */
struct column { /* looked up by a word */
    struct span *keys;
    size_t count;
    uint64_t *rows; /* row 0: of whatever is no key; row i + 1: of keys[i] */
};

/* Networks part the addresses into stretches: the same of them hold all of a stretch. */
struct stretch {
    uint8_t begin[16];
    size_t row; /* 0: no network holds it */
};

struct networks {
    struct stretch *stretches; /* the first begins at 0 */
    size_t count;
    uint64_t *rows;
};

/* The hits of a rule, of all books in which it stands: who looks up in an older one counts too. */
struct tally {
    _Atomic unsigned books;
    _Atomic uint64_t hits;
};

struct rulebook {
    unsigned magic;
    struct conf_arena *arena; /* owns all but the tallies */
    struct rule *rules;
    struct span *spaces; /* theirs, with the domain in front */
    size_t count;
    size_t words; /* of a row */
    uint64_t *messages;
    uint64_t *anyone; /* of the rules that name no sender */
    struct column ports, names, tiers, nodes;
    struct networks networks;
    struct tally **tallies;
};

/* ---- rows ------------------------------------------------------------------------------------ */

static uint64_t *rows_new(const struct rulebook *book, size_t count)
{
    return arena_zeroed(book->arena, count * book->words, sizeof(uint64_t));
}

static void set(uint64_t *row, size_t rule)
{
    row[rule / WORD_BITS] |= (uint64_t)1 << rule % WORD_BITS;
}

static void join(const struct rulebook *book, uint64_t *row, const uint64_t *other)
{
    for (size_t i = 0; i < book->words; i++)
        row[i] |= other[i];
}

/* ---- columns of words ------------------------------------------------------------------------ */

static int compare_keys(const void *a, const void *b)
{
    const struct span *left = a, *right = b;
    size_t len = left->len < right->len ? left->len : right->len;
    int order = len ? memcmp(left->at, right->at, len) : 0;

    return order ? order : (left->len > right->len) - (left->len < right->len);
}

static size_t row_of(const struct column *column, struct span key)
{
    const struct span *found = NULL;

    if (column->count)
        found = bsearch(&key, column->keys, column->count, sizeof(key), compare_keys);
    return found ? (size_t)(found - column->keys) + 1 : 0;
}

/* That of the longest beginning of the name, cut at a slash. */
static size_t row_of_name(const struct column *column, struct span name)
{
    size_t row = 0;

    while (column->count && name.len && !(row = row_of(column, name))) {
        const char *slash = memrchr(name.at, '/', name.len);
        name.len = slash ? (size_t)(slash - name.at) : 0;
    }
    return row;
}

/* What a rule says in a column. */
enum saying { SAYS_ANY, SAYS_KEY, SAYS_NEVER };
typedef enum saying says_fn(const struct rulebook *book, size_t rule, struct span *key);

static void sort_keys(struct column *column)
{
    size_t kept = 0;

    qsort(column->keys, column->count, sizeof(*column->keys), compare_keys);
    for (size_t i = 0; i < column->count; i++)
        if (kept == 0 || compare_keys(&column->keys[kept - 1], &column->keys[i]) != 0)
            column->keys[kept++] = column->keys[i];
    column->count = kept;
}

static void make_column(const struct rulebook *book, struct column *column, says_fn *says)
{
    struct span key;

    column->keys = arena_zeroed(book->arena, book->count + 1, sizeof(*column->keys));
    for (size_t i = 0; i < book->count; i++)
        if (says(book, i, &key) == SAYS_KEY)
            column->keys[column->count++] = key;
    sort_keys(column);
    column->rows = rows_new(book, column->count + 1);
    for (size_t i = 0; i < book->count; i++) {
        enum saying saying = says(book, i, &key);
        if (saying == SAYS_KEY)
            set(column->rows + row_of(column, key) * book->words, i);
        else if (saying == SAYS_ANY)
            set(column->rows, i);
    }
    for (size_t row = 1; row <= column->count; row++)
        join(book, column->rows + row * book->words, column->rows);
}

/* A prefix stands before what it is a prefix of, so the wider ones are complete. */
static void inherit_names(const struct rulebook *book, struct column *names)
{
    for (size_t row = 1; row <= names->count; row++) {
        struct span wider = names->keys[row - 1];
        const char *slash = memrchr(wider.at, '/', wider.len);
        wider.len = slash ? (size_t)(slash - wider.at) : 0;
        join(book, names->rows + row * book->words,
             names->rows + row_of_name(names, wider) * book->words);
    }
}

static enum saying says_port(const struct rulebook *book, size_t rule, struct span *key)
{
    const uint16_t *port = &book->rules[rule].port;

    *key = (struct span){(const char *)port, sizeof(*port)};
    return *port ? SAYS_KEY : SAYS_ANY;
}

static enum saying says_name(const struct rulebook *book, size_t rule, struct span *key)
{
    *key = book->spaces[rule];
    return key->len ? SAYS_KEY : SAYS_ANY;
}

static enum saying says_tier(const struct rulebook *book, size_t rule, struct span *key)
{
    const char *space = book->rules[rule].space;

    *key = span_of(space ? space : "");
    return space ? SAYS_KEY : SAYS_ANY;
}

static enum saying says_node(const struct rulebook *book, size_t rule, struct span *key)
{
    bool named = book->rules[rule].sender == RULE_NODE;

    *key = span_of(named ? book->rules[rule].node : "");
    return named ? SAYS_KEY : SAYS_NEVER;
}

/* ---- the column of networks ------------------------------------------------------------------ */

/* A network, and the row of what it fits. */
struct nested {
    struct network network;
    size_t row;
};

/* A wider network stands before those in it. */
static int compare_nested(const void *a, const void *b)
{
    const struct nested *left = a, *right = b;
    int order = memcmp(left->network.base.ip, right->network.base.ip, 16);

    return order ? order : (int)left->network.bits - (int)right->network.bits;
}

static bool holds(const struct network *wide, const struct network *narrow)
{
    size_t whole = wide->bits / 8, left = wide->bits % 8;
    const uint8_t *a = wide->base.ip, *b = narrow->base.ip;

    return wide->bits <= narrow->bits && memcmp(a, b, whole) == 0 &&
           (left == 0 || (a[whole] ^ b[whole]) >> (8 - left) == 0);
}

/* The first address behind the network; false where it ends with the last one. */
static bool behind(const struct network *network, uint8_t out[16])
{
    unsigned carry = network->bits ? 1u << (7 - (network->bits - 1u) % 8) : 0;

    memcpy(out, network->base.ip, 16);
    for (size_t i = network->bits ? (network->bits - 1u) / 8 + 1 : 0; i-- > 0 && carry;) {
        carry += out[i];
        out[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return network->bits && !carry;
}

/* From here on it is that row: instead of one that began here too. */
static void begin_stretch(struct networks *networks, const uint8_t begin[16], size_t row)
{
    if (networks->count && memcmp(networks->stretches[networks->count - 1].begin, begin, 16) == 0)
        networks->count--;
    memcpy(networks->stretches[networks->count].begin, begin, 16);
    networks->stretches[networks->count++].row = row;
}

/* ::/0 is every IPv6 host, and not IPv4's in their mapped form too. */
static bool inherits(const struct nested *wide, const struct nested *narrow)
{
    return address_is_v4(&wide->network.base) == address_is_v4(&narrow->network.base);
}

/* Goes through the networks with those open that hold the present one. */
static void make_stretches(const struct rulebook *book, struct networks *out,
                           const struct nested *list, size_t count)
{
    const struct nested *open[ADDRESS_BITS + 2];
    size_t depth = 0;
    uint8_t at[16] = {0};

    begin_stretch(out, at, 0);
    for (size_t i = 0; i <= count; i++) {
        while (depth && (i == count || !holds(&open[depth - 1]->network, &list[i].network))) {
            depth--;
            if (behind(&open[depth]->network, at))
                begin_stretch(out, at, depth ? open[depth - 1]->row : 0);
        }
        if (i == count)
            break;
        if (depth && inherits(open[depth - 1], &list[i]))
            join(book, out->rows + list[i].row * book->words,
                 out->rows + open[depth - 1]->row * book->words);
        begin_stretch(out, list[i].network.base.ip, list[i].row);
        open[depth++] = &list[i];
    }
}

/* Each network once, in order, with its row. */
static size_t gather_networks(const struct rulebook *book, struct nested *list)
{
    static const struct network four = {.base = {.ip = {[10] = 0xff, [11] = 0xff}}, .bits = 96};
    size_t count = 0, kept = 0;

    list[count++].network = four; /* where those of IPv6 end, whether a rule names it or not */
    for (size_t i = 0; i < book->count; i++)
        if (book->rules[i].sender == RULE_NETWORK)
            list[count++].network = book->rules[i].network;
    qsort(list, count, sizeof(*list), compare_nested);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_nested(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    for (size_t i = 0; i < kept; i++)
        list[i].row = i + 1;
    return kept;
}

static void make_networks(struct rulebook *book)
{
    struct networks *networks = &book->networks;
    struct nested *list = arena_zeroed(book->arena, book->count + 1, sizeof(*list));
    size_t count = gather_networks(book, list);

    networks->rows = rows_new(book, count + 1);
    for (size_t i = 0; i < book->count; i++) {
        const struct nested key = {.network = book->rules[i].network};
        const struct nested *found;
        if (book->rules[i].sender != RULE_NETWORK)
            continue;
        found = bsearch(&key, list, count, sizeof(key), compare_nested);
        set(networks->rows + found->row * book->words, i);
    }
    networks->stretches = arena_zeroed(book->arena, 2 * count + 1, sizeof(*networks->stretches));
    make_stretches(book, networks, list, count);
}

static size_t row_of_address(const struct networks *networks, const struct address *address)
{
    size_t low = 0,
           high = networks->count; /* the last that begins at or before it is in [low, high) */

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(networks->stretches[middle].begin, address->ip, 16) <= 0)
            low = middle;
        else
            high = middle;
    }
    return networks->stretches[low].row;
}

/* ---- the book -------------------------------------------------------------------------------- */

static const char *copy_text(const struct rulebook *book, const char *text)
{
    return text ? arena_text(book->arena, span_of(text)) : NULL;
}

/* "pkgs" is "example.com/pkgs"; what begins with the domain is meant so. */
static struct span whole_space(const struct rulebook *book, const char *space, const char *domain)
{
    size_t room = strlen(domain) + 1 + strlen(space) + 1;
    struct text whole = text_over(arena_zeroed(book->arena, room, 1), room);

    if (!name_below(span_of(space), span_of(domain)))
        text_printf(&whole, "%s/", domain);
    text_puts(&whole, space);
    return (struct span){whole.at, whole.len};
}

static void copy_rules(struct rulebook *book, const struct rules *rules, const char *domain)
{
    book->count = rules->count;
    book->words = (rules->count + WORD_BITS - 1) / WORD_BITS;
    book->rules = arena_zeroed(book->arena, book->count + 1, sizeof(*book->rules));
    book->spaces = arena_zeroed(book->arena, book->count + 1, sizeof(*book->spaces));
    for (size_t i = 0; i < book->count; i++) {
        struct rule *rule = &book->rules[i];
        *rule = rules->list[i];
        rule->space = copy_text(book, rule->space);
        rule->node = copy_text(book, rule->node);
        rule->description = copy_text(book, rule->description);
        if (rule->space)
            book->spaces[i] = whole_space(book, rule->space, domain);
    }
}

static void make_rows(struct rulebook *book)
{
    book->messages = rows_new(book, RULE_ANY_MESSAGE + 1);
    book->anyone = rows_new(book, 1);
    for (size_t i = 0; i < book->count; i++) {
        const struct rule *rule = &book->rules[i];
        for (size_t message = 0; message <= RULE_ANY_MESSAGE; message++)
            if (rule->message == RULE_ANY_MESSAGE || rule->message == message)
                set(book->messages + message * book->words, i);
        if (rule->sender == RULE_ANYONE)
            set(book->anyone, i);
    }
}

static struct tally *tally_new(void)
{
    struct tally *tally = calloc(1, sizeof(*tally));

    MUST(tally != NULL);
    atomic_init(&tally->books, 1);
    return tally;
}

static void tally_leave(struct tally *tally)
{
    if (atomic_fetch_sub(&tally->books, 1) == 1)
        free(tally);
}

static void make_tallies(struct rulebook *book)
{
    book->tallies = calloc(book->count + 1, sizeof(struct tally *));
    MUST(book->tallies != NULL);
    for (size_t i = 0; i < book->count; i++)
        book->tallies[i] = tally_new();
}

struct rulebook *rulebook_new(const struct rules *rules, const char *domain)
{
    struct rulebook *book = calloc(1, sizeof(*book));

    MUST(book != NULL);
    book->magic = BOOK_MAGIC;
    book->arena = arena_new();
    copy_rules(book, rules, domain);
    make_tallies(book);
    make_rows(book);
    make_column(book, &book->ports, says_port);
    make_column(book, &book->names, says_name);
    inherit_names(book, &book->names);
    make_column(book, &book->tiers, says_tier);
    make_column(book, &book->nodes, says_node);
    make_networks(book);
    return book;
}

void rulebook_free(struct rulebook *book)
{
    if (!book)
        return;
    MUST_BE(book, BOOK_MAGIC);
    book->magic = 0;
    for (size_t i = 0; i < book->count; i++)
        tally_leave(book->tallies[i]);
    free(book->tallies);
    arena_free(book->arena);
    free(book);
}

/* ---- looking up ------------------------------------------------------------------------------ */

static bool is_ballot(enum rule_message message)
{
    return message == RULE_ADVERT || message == RULE_STANDING || message == RULE_SOLICIT;
}

/* The rows that a message has in the columns. */
struct rows {
    const uint64_t *message, *port, *space, *network;
    const uint64_t *nodes[RULE_NODES_MAX];
    size_t node_count;
    bool carries;
};

static const uint64_t *row_at(const struct rulebook *book, const uint64_t *rows, size_t row)
{
    return rows + row * book->words;
}

static const uint64_t *space_row(const struct rulebook *book, const struct rule_case *about)
{
    if (is_ballot(about->message))
        return row_at(book, book->tiers.rows, row_of(&book->tiers, about->name));
    return row_at(book, book->names.rows, row_of_name(&book->names, about->name));
}

static void add_node(const struct rulebook *book, struct rows *rows, const char *node)
{
    size_t row = node ? row_of(&book->nodes, span_of(node)) : 0;

    if (row)
        rows->nodes[rows->node_count++] = row_at(book, book->nodes.rows, row);
}

static struct rows find_rows(const struct rulebook *book, const struct rule_case *about)
{
    const struct span port = {(const char *)&about->port, sizeof(about->port)};
    struct rows rows = {
        .message = row_at(book, book->messages, about->message),
        .port = row_at(book, book->ports.rows, row_of(&book->ports, port)),
        .space = space_row(book, about),
        .network = row_at(book, book->networks.rows, row_of_address(&book->networks, &about->from)),
        .carries = about->carries,
    };

    MUST(about->node_count <= RULE_NODES_MAX);
    for (size_t i = 0; i < about->node_count; i++)
        add_node(book, &rows, about->nodes[i]);
    return rows;
}

/* Those of the i-th word that match in all columns. */
static uint64_t fits_in(const struct rulebook *book, const struct rows *rows, size_t i)
{
    uint64_t sender = rows->network[i] | (rows->carries ? 0 : book->anyone[i]);

    for (size_t node = 0; node < rows->node_count; node++)
        sender |= rows->nodes[node][i];
    return rows->message[i] & rows->port[i] & rows->space[i] & sender;
}

static void check_case(const struct rulebook *book, const struct rule_case *about)
{
    MUST_BE(book, BOOK_MAGIC);
    MUST(about->message <= RULE_ANY_MESSAGE);
}

bool rulebook_find(const struct rulebook *book, const struct rule_case *about, size_t *out)
{
    struct rows rows;

    check_case(book, about);
    rows = find_rows(book, about);
    for (size_t i = book->words; i-- > 0;) {
        uint64_t fits = fits_in(book, &rows, i);
        if (fits) {
            *out = i * WORD_BITS + (WORD_BITS - 1 - (size_t)__builtin_clzll(fits));
            return true;
        }
    }
    return false;
}

bool rulebook_fits(const struct rulebook *book, const struct rule_case *about, size_t i)
{
    struct rows rows;

    check_case(book, about);
    MUST(i < book->count);
    rows = find_rows(book, about);
    return fits_in(book, &rows, i / WORD_BITS) >> i % WORD_BITS & 1;
}

bool rulebook_knows_nodes(const struct rulebook *book)
{
    return book->nodes.count > 0;
}

bool rulebook_knows_node(const struct rulebook *book, struct span node)
{
    MUST_BE(book, BOOK_MAGIC);
    return row_of(&book->nodes, node) != 0;
}

size_t rulebook_count(const struct rulebook *book)
{
    return book->count;
}

const struct rule *rulebook_rule(const struct rulebook *book, size_t i)
{
    return &book->rules[i];
}

uint64_t rulebook_hits(const struct rulebook *book, size_t i)
{
    return atomic_load_explicit(&book->tallies[i]->hits, memory_order_relaxed);
}

void rulebook_hit(const struct rulebook *book, size_t i)
{
    atomic_fetch_add_explicit(&book->tallies[i]->hits, 1, memory_order_relaxed);
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    char one[RULE_TEXT_SIZE], other[RULE_TEXT_SIZE];
    struct text one_text = TEXT_OVER(one), other_text = TEXT_OVER(other);

    rule_print(a, &one_text);
    rule_print(b, &other_text);
    return strcmp(one, other) == 0;
}

static void share_tally(struct tally **mine, struct tally *its)
{
    atomic_fetch_add(&its->books, 1);
    tally_leave(*mine);
    *mine = its;
}

/* Both stand in the order of their numbers. */
void rulebook_keep_hits(struct rulebook *book, const struct rulebook *old)
{
    for (size_t i = 0, j = 0; i < book->count && j < old->count;) {
        unsigned mine = book->rules[i].number, its = old->rules[j].number;
        if (mine == its && same_rule(&book->rules[i], &old->rules[j]))
            share_tally(&book->tallies[i], old->tallies[j]);
        i += mine <= its;
        j += its <= mine;
    }
}
