/* SPDX-License-Identifier: ISC */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/text.h"

/*
 * sim                            the test: TAP on standard output
 * sim --seed N [--trace]         one random run
 * sim --seeds A..B               many
 * sim --scenario NAME [--trace]  one with a fixed course; `--trace` prints what is kept in traces/
 * ... --plant P                  with a mistake built into the driver, by number
 */
enum { SEEDS = 400, PLANT_SEEDS = 60, TWICE_SEEDS = 5 };

static int cases;

static void say(bool ok, const char *what)
{
    printf("%s %d - %s\n", ok ? "ok" : "not ok", ++cases, what);
    fflush(stdout);
}

/* How many of the seeds failed; the first few with their reasons. */
static unsigned run_seeds(uint64_t first, uint64_t last, enum sim_plant plant)
{
    unsigned failed = 0;

    for (uint64_t seed = first; seed <= last; seed++) {
        struct sim_options options = {.seed = seed, .plant = plant};
        struct sim_result result;

        sim_run(&options, &result);
        if (!result.failure[0])
            continue;
        if (failed++ < 10)
            printf("# seed %llu: %s (tests/sim/sim --seed %llu --trace)\n",
                   (unsigned long long)seed, result.failure, (unsigned long long)seed);
    }
    return failed;
}

static void test_twice(void)
{
    bool same = true;

    for (uint64_t seed = 1; seed <= TWICE_SEEDS; seed++) {
        struct sim_options options = {.seed = seed};
        struct sim_result first, second;

        sim_run(&options, &first);
        sim_run(&options, &second);
        same = same && first.hash == second.hash;
    }
    say(same, "the same seed gives the same history");
}

/* Each mistake is found within so many seeds. */
static void test_plants(void)
{
    for (int plant = SIM_SOUND + 1; plant < SIM_PLANT_COUNT; plant++) {
        struct sim_result result = {.failure = ""};
        char what[160];
        uint64_t seed = 0;

        while (!result.failure[0] && seed < PLANT_SEEDS) {
            struct sim_options options = {.seed = ++seed, .plant = (enum sim_plant)plant};
            sim_run(&options, &result);
        }
        snprintf(what, sizeof(what), "found out: a driver that %s",
                 sim_plant_text((enum sim_plant)plant));
        if (result.failure[0])
            printf("# seed %llu: %s\n", (unsigned long long)seed, result.failure);
        say(result.failure[0] != '\0', what);
    }
}

static bool same_lines(FILE *recorded, FILE *now)
{
    char a[512], b[512];

    for (int line = 1;; line++) {
        const char *left = fgets(a, sizeof(a), recorded), *right = fgets(b, sizeof(b), now);

        if (!left && !right)
            return true;
        if (!left || !right || strcmp(a, b) != 0) {
            printf("# line %d was: %s# line %d is:  %s", line, left ? a : "(no more)\n", line,
                   right ? b : "(no more)\n");
            return false;
        }
    }
}

static void test_scenarios(void)
{
    const char *srcdir = getenv("srcdir");

    for (size_t i = 0; i < sim_scenario_count; i++) {
        struct sim_options options = {.seed = 1, .scenario = sim_scenarios[i], .trace = tmpfile()};
        struct sim_result result;
        char path[512], what[64];
        FILE *recorded;

        snprintf(path, sizeof(path), "%s/tests/sim/traces/%s", srcdir ? srcdir : ".",
                 sim_scenarios[i]);
        snprintf(what, sizeof(what), "scenario %s goes as recorded", sim_scenarios[i]);
        recorded = fopen(path, "r");
        if (options.trace) {
            sim_run(&options, &result);
            rewind(options.trace);
        }
        say(options.trace && recorded && !result.failure[0] && same_lines(recorded, options.trace),
            what);
        if (recorded)
            fclose(recorded);
        if (options.trace)
            fclose(options.trace);
    }
}

static int test(void)
{
    unsigned failed;

    printf("1..%d\n", (int)(2 + sim_scenario_count + SIM_PLANT_COUNT - 1));
    test_scenarios();
    test_twice();
    failed = run_seeds(1, SEEDS, SIM_SOUND);
    say(failed == 0, "random runs stay sound and settle");
    test_plants();
    return 0;
}

static bool number(const char *text, uint64_t *out)
{
    return text && span_u64(span_of(text), UINT64_MAX, out);
}

static bool range(const char *text, uint64_t *first, uint64_t *last)
{
    struct span rest = span_of(text);
    struct span head = span_take(&rest, '.');

    return span_u64(head, UINT64_MAX, first) && span_begins(rest, ".") &&
           span_u64((struct span){rest.at + 1, rest.len - 1}, UINT64_MAX, last);
}

static int usage(void)
{
    fputs("usage: sim [--seed N | --seeds A..B | --scenario NAME] [--trace] [--plant P]\n", stderr);
    return 2;
}

static int run_one(const struct sim_options *options)
{
    struct sim_result result;

    sim_run(options, &result);
    printf("%s\n", result.failure[0] ? result.failure : "sound");
    printf("hash %016llx, settled in %lld s, %llu datagrams, %llu steps\n",
           (unsigned long long)result.hash, (long long)result.settled_ms / 1000,
           (unsigned long long)result.datagrams, (unsigned long long)result.steps);
    return result.failure[0] != '\0';
}

int main(int argc, char **argv)
{
    struct sim_options options = {.seed = 1};
    uint64_t first = 0, last = 0, plant = SIM_SOUND;

    log_set_level(LEVEL_ERROR);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--trace") == 0)
            options.trace = stdout;
        else if (strcmp(argv[i], "--seed") == 0 && number(value, &options.seed))
            i++;
        else if (strcmp(argv[i], "--plant") == 0 && number(value, &plant) &&
                 plant < SIM_PLANT_COUNT)
            i++;
        else if (strcmp(argv[i], "--scenario") == 0 && value)
            options.scenario = argv[++i];
        else if (strcmp(argv[i], "--seeds") == 0 && value && range(argv[++i], &first, &last))
            continue;
        else
            return usage();
    }
    options.plant = (enum sim_plant)plant;
    if (argc == 1)
        return test();
    return last ? run_seeds(first, last, options.plant) != 0 : run_one(&options);
}
