/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/text.h"
#include "tools/sim/sim.h"

/* The simulator's command line: runs of many seeds, and the trace of one. */
static const char USAGE[] =
    "usage: sim [--seeds A..B | --scenario NAME] [OPTION]...\n"
    "  --seeds A..B, --seed A  random runs; A without B is one\n"
    "  --scenario NAME         a fixed course\n"
    "  --minutes N             of faults in each run, simulated (10)\n"
    "  --nodes N               in each run (the seed decides)\n"
    "  --jobs N                processes at a time (1)\n"
    "  --mesh, --tiers         content goes so in each run (the seed decides)\n"
    "  --no-FAULT              without that kind of fault (--list names them)\n"
    "  --plant NAME            with that mistake built in\n"
    "  --trace                 tells what happens\n"
    "  --hash                  tells the hash of each history\n"
    "  --list                  names the scenarios, the kinds of faults and the plants\n";

struct run {
    struct sim_options options;
    uint64_t first, last;
    unsigned jobs;
    bool hash;
    const char *flags; /* those that make a run what it is, to repeat it */
};

/* Of many seeds. */
struct total {
    uint64_t seeds, failures;
    uint64_t datagrams, steps;
    int64_t simulated_ns;
    int64_t settled_ms; /* the longest */
    uint64_t faults[SIM_FAULT_COUNT];
    uint64_t puts, copies;
    uint64_t losses[SIM_LOSS_COUNT];
};

static void add(struct total *total, const struct total *more)
{
    total->seeds += more->seeds;
    total->failures += more->failures;
    total->datagrams += more->datagrams;
    total->steps += more->steps;
    total->simulated_ns += more->simulated_ns;
    if (more->settled_ms > total->settled_ms)
        total->settled_ms = more->settled_ms;
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        total->faults[i] += more->faults[i];
    total->puts += more->puts;
    total->copies += more->copies;
    for (int i = 0; i < SIM_LOSS_COUNT; i++)
        total->losses[i] += more->losses[i];
}

static void add_result(struct total *total, const struct sim_result *result)
{
    struct total one = {.seeds = 1,
                        .failures = result->failure[0] != '\0',
                        .datagrams = result->datagrams,
                        .steps = result->steps,
                        .simulated_ns = result->simulated_ns,
                        .settled_ms = result->settled_ms,
                        .puts = result->puts,
                        .copies = result->copies};

    memcpy(one.faults, result->faults, sizeof(one.faults));
    memcpy(one.losses, result->losses, sizeof(one.losses));
    add(total, &one);
}

static void report(const struct run *run, const struct sim_options *options,
                   const struct sim_result *result)
{
    char memory[1024];
    struct text out = TEXT_OVER(memory);

    if (result->failure[0]) {
        text_printf(&out, "seed %llu: at %.4f s: %s\n  tools/sim/sim --seed %llu%s --trace\n",
                    (unsigned long long)options->seed, (double)result->failed_ns / 1e9,
                    result->failure, (unsigned long long)options->seed, run->flags);
    }
    if (run->hash)
        text_printf(&out, "%llu %016llx\n", (unsigned long long)options->seed,
                    (unsigned long long)result->hash);
    fwrite(memory, 1, out.len, stdout);
    fflush(stdout);
}

/* Every `jobs`th of the seeds, from the `job`th on. */
static void run_share(const struct run *run, unsigned job, struct total *total)
{
    struct sim_options options = run->options;

    for (uint64_t seed = run->first + job; seed <= run->last; seed += run->jobs) {
        struct sim_result result;

        options.seed = seed;
        sim_run(&options, &result);
        add_result(total, &result);
        report(run, &options, &result);
    }
}

static pid_t begin_job(const struct run *run, unsigned job, int *from)
{
    struct total total = {0};
    int ends[2];
    pid_t child;

    MUST(pipe(ends) == 0);
    child = fork();
    MUST(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run_share(run, job, &total);
        _exit(write(ends[1], &total, sizeof(total)) != (ssize_t)sizeof(total));
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

enum { JOBS_MAX = 256 };

/* A process that does not tell its sum has crashed, which is a failure. */
static void run_jobs(const struct run *run, struct total *total)
{
    int from[JOBS_MAX];
    pid_t children[JOBS_MAX];

    for (unsigned job = 0; job < run->jobs; job++)
        children[job] = begin_job(run, job, &from[job]);
    for (unsigned job = 0; job < run->jobs; job++) {
        struct total share = {.failures = 1};
        struct total told;
        int status;

        if (read(from[job], &told, sizeof(told)) == (ssize_t)sizeof(told))
            share = told;
        else
            printf("job %u of %u died\n", job + 1, run->jobs);
        close(from[job]);
        waitpid(children[job], &status, 0);
        add(total, &share);
    }
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What an acknowledged put promises, counted: a loss beyond that is a failure. */
static void tell_puts(const struct total *total)
{
    printf("%llu puts were acknowledged (%llu with copies):", (unsigned long long)total->puts,
           (unsigned long long)total->copies);
    for (int i = 0; i < SIM_LOSS_COUNT; i++)
        printf(" %llu %s%c", (unsigned long long)total->losses[i], sim_loss_text((enum sim_loss)i),
               i + 1 < SIM_LOSS_COUNT ? ',' : '\n');
}

static void summary(const struct total *total, double took)
{
    printf("%llu seeds, %.1f simulated hours, %llu datagrams, faults:",
           (unsigned long long)total->seeds, (double)total->simulated_ns / 3.6e12,
           (unsigned long long)total->datagrams);
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        if (total->faults[i])
            printf(" %s %llu", sim_fault_name((enum sim_fault)i),
                   (unsigned long long)total->faults[i]);
    printf("; settled within %.1f s; %llu failures; %.1f seeds/s\n",
           (double)total->settled_ms / 1000, (unsigned long long)total->failures,
           (double)total->seeds / took);
}

static int run_all(const struct run *run)
{
    struct total total = {0};
    double began = seconds();

    if (run->jobs == 1)
        run_share(run, 0, &total);
    else
        run_jobs(run, &total);
    tell_puts(&total);
    summary(&total, seconds() - began);
    return total.failures != 0;
}

static int list(void)
{
    puts("scenarios:");
    for (size_t i = 0; i < sim_scenario_count; i++)
        printf("  %s\n", sim_scenarios[i]);
    puts("kinds of faults:");
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        printf("  %s\n", sim_fault_name((enum sim_fault)i));
    puts("plants: a driver that ...");
    for (int i = SIM_SOUND + 1; i < SIM_PLANT_COUNT; i++)
        printf("  %-22s %s\n", sim_plant_name((enum sim_plant)i),
               sim_plant_text((enum sim_plant)i));
    return 0;
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    return text && span_u64(span_of(text), max, out);
}

/* "A..B", or "A" alone. */
static bool range(const char *text, struct run *run)
{
    struct span rest = span_of(text ? text : "");
    struct span head = span_take(&rest, '.');

    if (!span_u64(head, UINT64_MAX - JOBS_MAX, &run->first))
        return false;
    run->last = run->first;
    if (!span_begins(rest, "."))
        return rest.len == 0;
    return span_u64((struct span){rest.at + 1, rest.len - 1}, UINT64_MAX - JOBS_MAX, &run->last);
}

static bool plant_named(const char *name, enum sim_plant *plant)
{
    for (int i = 0; name && i < SIM_PLANT_COUNT; i++) {
        *plant = (enum sim_plant)i;
        if (strcmp(name, sim_plant_name(*plant)) == 0)
            return true;
    }
    return false;
}

static bool scenario_named(const char *name)
{
    for (size_t i = 0; name && i < sim_scenario_count; i++)
        if (strcmp(name, sim_scenarios[i]) == 0)
            return true;
    return false;
}

static bool fault_off(const char *flag, uint32_t *off)
{
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        if (strcmp(flag + strlen("--no-"), sim_fault_name((enum sim_fault)i)) == 0) {
            *off |= (uint32_t)1 << i;
            return true;
        }
    }
    return false;
}

/* What stands alone. */
static bool read_flag(const char *flag, struct run *run)
{
    if (strcmp(flag, "--trace") == 0)
        run->options.trace = stdout;
    else if (strcmp(flag, "--hash") == 0)
        run->hash = run->options.hash = true;
    else if (strcmp(flag, "--mesh") == 0)
        run->options.ways = SIM_WAYS_MESH;
    else if (strcmp(flag, "--tiers") == 0)
        run->options.ways = SIM_WAYS_TIERS;
    else
        return strncmp(flag, "--no-", 5) == 0 && fault_off(flag, &run->options.off);
    return true;
}

/* What has a value. */
static bool read_option(const char *flag, const char *value, struct run *run)
{
    uint64_t n = 0;

    if (strcmp(flag, "--seeds") == 0 || strcmp(flag, "--seed") == 0)
        return range(value, run);
    if (strcmp(flag, "--scenario") == 0) {
        run->options.scenario = value;
        return scenario_named(value);
    }
    if (strcmp(flag, "--plant") == 0)
        return plant_named(value, &run->options.plant);
    if (strcmp(flag, "--minutes") == 0 && number(value, 100000, &n) && n > 0)
        run->options.minutes = (unsigned)n;
    else if (strcmp(flag, "--nodes") == 0 && number(value, SIM_NODES_MAX, &n) && n > 1)
        run->options.nodes = (unsigned)n;
    else if (strcmp(flag, "--jobs") == 0 && number(value, JOBS_MAX, &n) && n > 0)
        run->jobs = (unsigned)n;
    else
        return false;
    return true;
}

static void remember_flag(struct text *flags, const char *flag, const char *value)
{
    if (strncmp(flag, "--seed", 6) != 0 && strcmp(flag, "--jobs") != 0)
        text_printf(flags, " %s%s%s", flag, value ? " " : "", value ? value : "");
}

static bool read_arguments(int argc, char **argv, struct run *run, struct text *flags)
{
    for (int i = 1; i < argc; i++) {
        if (read_flag(argv[i], run)) {
            if (!run->options.trace && !run->hash)
                remember_flag(flags, argv[i], NULL);
        } else if (i + 1 < argc && read_option(argv[i], argv[i + 1], run)) {
            remember_flag(flags, argv[i], argv[i + 1]);
            i++;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    char memory[512];
    struct text flags = TEXT_OVER(memory);
    struct run run = {.first = 1, .last = 1, .jobs = 1, .flags = memory};

    log_set_level(LEVEL_ERROR);
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc == 1 || !read_arguments(argc, argv, &run, &flags)) {
        fputs(USAGE, stderr);
        return 2;
    }
    return run_all(&run);
}
