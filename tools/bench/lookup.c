/* SPDX-License-Identifier: ISC */
/*
 * How long the catalogue takes to find a name, among MANY (10 million) and among FEW (10,000):
 *
 *     tools/bench/lookup FOLDER [MANY [FEW [ROUNDS]]]
 *
 * FOLDER gets two stores, `many` and `few`, with content that nobody has; those that are there
 * already from an earlier run, with as many names, are used again. (10 million names take about
 * 12 GB and some minutes.) In each of ROUNDS (21) rounds, LOOKUPS names drawn at random are looked
 * up in one and then in the other, as a datagram or a request does it; what is told is the median
 * round of each, in CPU time of the thread, and the median of the rounds' ratios. Exit status 1
 * where that is more than 2. Before, names are looked up until this process has mapped nearly all
 * that it touches: a daemon pays for that once. Where memory does not hold the catalogue it never
 * has; that is told, and then it is the disk that was measured.
 *
 * Beside it is told what the machine itself takes for one byte at random of each catalogue's file,
 * from memory: no lookup that reads a place of its own in such a file is faster than that.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/manifest.h"
#include "cache/store.h"
#include "src/base/must.h"
#include "src/base/rng.h"
#include "src/clock.h"

enum { MANY = 10000000, FEW = 10000, ROUNDS = 21, ROUNDS_MAX = 999, LOOKUPS = 20000 };
enum { WARM_ROUNDS = 100, WARM_FAULTS = LOOKUPS / 50 };
enum { BYTES = 200000 };
enum { SEGMENT = 100000, PATH = 512 }; /* of the journal: in manifests */
static const double MOST = 2;

/* A store with that many names. */
struct heap {
    const char *called;
    uint64_t count;
    struct store *store;
    char home[PATH];
    double ns[ROUNDS_MAX]; /* a lookup, in each round */
};

/* ---- the stores ------------------------------------------------------------------------------ */

static void name_of(uint64_t number, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "example.com/pool/%03" PRIu64 "/package-%08" PRIu64 ".tar",
             number / 10000, number);
}

static void describe(uint64_t number, struct manifest *m)
{
    *m = (struct manifest){.node = "web1.example.com",
                           .version = {(UINT64_C(1795348800000) + number) << 16},
                           .size = 1000 + number % 100000,
                           .mtime_ns = 1795348800000000000,
                           .mode = 0644};
    name_of(number, m->name);
    m->chunk_size = chunk_size_for(m->size);
    digest_of(&number, sizeof(number), &m->sha256);
    digest_of(&m->sha256, sizeof(m->sha256), &m->chunks);
}

/* Segments of the journal, from which store_open makes the catalogue. */
static void write_journal(const char *home, uint64_t count)
{
    static char memory[MESSAGE_MAX];
    char path[2 * PATH];
    FILE *file = NULL;
    struct manifest manifest;

    snprintf(path, sizeof(path), "%s/manifests", home);
    MUST(mkdir(path, 0700) == 0);
    for (uint64_t i = 0, segment = 1; i < count; i++) {
        struct text text = TEXT_OVER(memory);

        describe(i, &manifest);
        manifest_write(&manifest, &text);
        manifest_stamp(&text);
        MUST(!text.full);
        if (i % SEGMENT == 0) {
            MUST(!file || fclose(file) == 0);
            snprintf(path, sizeof(path), "%s/manifests/%08" PRIu64, home, segment++);
            file = fopen(path, "wx");
        }
        MUST(file && fwrite(text.at, text.len, 1, file) == 1);
    }
    MUST(file && fclose(file) == 0);
}

static void heap_open(struct heap *heap, const char *folder)
{
    struct store_options options = {
        .home = heap->home, .node = "lookup.example.com", .wall = clock_wall, .mono = clock_mono};
    struct store_figures figures;

    MUST(snprintf(heap->home, PATH, "%s/%s", folder, heap->called) < PATH);
    if (mkdir(heap->home, 0700) == 0)
        write_journal(heap->home, heap->count);
    MUST(store_open(&options, &heap->store) == STORE_OK);
    store_figures(heap->store, &figures);
    MUST(figures.objects == heap->count);
}

/* ---- what is measured ------------------------------------------------------------------------ */

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return MONO_S(t.tv_sec) + t.tv_nsec;
}

static void look_up(struct heap *heap, struct rng *rng, size_t round)
{
    static char names[LOOKUPS][NAME_SIZE];
    struct store_entry entry;
    int64_t from;

    for (size_t i = 0; i < LOOKUPS; i++)
        name_of(rng_below(rng, heap->count), names[i]);
    from = cpu_ns();
    for (size_t i = 0; i < LOOKUPS; i++)
        MUST(store_find(heap->store, span_of(names[i]), &entry) == STORE_OK);
    heap->ns[round] = (double)(cpu_ns() - from) / LOOKUPS;
}

/* Pages that had to be mapped, whether they were in memory or not. */
static long faults(void)
{
    struct rusage usage;

    MUST(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_minflt + usage.ru_majflt;
}

static void warm_up(struct heap *heap, struct rng *rng)
{
    long before = 0, after = faults();
    size_t rounds = 0;

    do {
        before = after;
        look_up(heap, rng, 0);
        after = faults();
    } while (after - before > WARM_FAULTS && ++rounds < WARM_ROUNDS);
    if (after - before > WARM_FAULTS)
        fprintf(stderr, "lookup: `%s` is not warm: %ld page faults in the last %d lookups\n",
                heap->called, after - before, LOOKUPS);
}

/* Nanoseconds for a byte at random of the catalogue's file, where the next place follows from what
 * was read. */
static double measure_byte(const struct heap *heap, struct rng *rng)
{
    char path[2 * PATH];
    const volatile char *bytes;
    struct stat st;
    uint64_t place = 0;
    int64_t from;
    int fd;

    snprintf(path, sizeof(path), "%s/catalogue/data.mdb", heap->home);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && fstat(fd, &st) == 0);
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    MUST(bytes != MAP_FAILED);
    from = cpu_ns();
    for (size_t i = 0; i < BYTES; i++)
        place = rng_below(rng, (uint64_t)st.st_size - UINT8_MAX) + (unsigned char)bytes[place];
    from = cpu_ns() - from;
    munmap((void *)(uintptr_t)bytes, (size_t)st.st_size);
    close(fd);
    return (double)from / BYTES;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

static double measure(struct heap *many, struct heap *few, size_t rounds)
{
    static double ratios[ROUNDS_MAX];
    struct rng rng = {4711};

    warm_up(many, &rng);
    warm_up(few, &rng);
    for (size_t round = 0; round < rounds; round++) {
        look_up(many, &rng, round);
        look_up(few, &rng, round);
        ratios[round] = many->ns[round] / few->ns[round];
    }
    return median(ratios, rounds);
}

static bool read_number(int argc, char **argv, int which, uint64_t most, uint64_t *out)
{
    return argc <= which || (span_u64(span_of(argv[which]), most, out) && *out > 0);
}

int main(int argc, char **argv)
{
    static struct heap many = {.called = "many", .count = MANY},
                       few = {.called = "few", .count = FEW};
    struct rng rng = {4712};
    uint64_t rounds = ROUNDS;
    double ratio;

    if (argc < 2 || argc > 5 || !read_number(argc, argv, 2, UINT32_MAX, &many.count) ||
        !read_number(argc, argv, 3, UINT32_MAX, &few.count) ||
        !read_number(argc, argv, 4, ROUNDS_MAX, &rounds)) {
        fprintf(stderr, "usage: lookup FOLDER [MANY [FEW [ROUNDS]]]\n");
        return 2;
    }
    heap_open(&many, argv[1]);
    heap_open(&few, argv[1]);
    ratio = measure(&many, &few, rounds);
    printf("a lookup among %" PRIu64 " names: %.0f ns, among %" PRIu64
           ": %.0f ns, ratio %.2f: %s (at most %.1f)\n",
           many.count, median(many.ns, rounds), few.count, median(few.ns, rounds), ratio,
           ratio <= MOST ? "reached" : "MISSED", MOST);
    printf("a byte at random of its catalogue: %.0f ns, %.0f ns\n", measure_byte(&many, &rng),
           measure_byte(&few, &rng));
    store_close(many.store);
    store_close(few.store);
    return ratio <= MOST ? 0 : 1;
}
