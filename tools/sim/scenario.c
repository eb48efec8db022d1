/* SPDX-License-Identifier: ISC */
#include "tools/sim/scenario.h"

#include <string.h>

#include "src/base/must.h"

const char *const sim_scenarios[] = {
#define SIM_NAME(name, run) name,
    SIM_SCENARIOS(SIM_NAME)
#undef SIM_NAME
};
const size_t sim_scenario_count = sizeof(sim_scenarios) / sizeof(*sim_scenarios);

void scenario_pass_ms(struct sim *sim, int64_t ms)
{
    sim_until(sim, mono_after(sim->now, MONO_MS(ms)));
    check_tickets(sim);
}

void sim_scenario(struct sim *sim)
{
    static void (*const runs[])(struct sim * sim) = {
#define SIM_RUN(name, run) run,
        SIM_SCENARIOS(SIM_RUN)
#undef SIM_RUN
    };

    for (size_t i = 0; i < sim_scenario_count; i++)
        if (strcmp(sim->options.scenario, sim_scenarios[i]) == 0)
            runs[i](sim);
}
