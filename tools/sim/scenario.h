/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_SCENARIO_H
#define POND_TOOLS_SIM_SCENARIO_H

#include "tools/sim/inner.h"

/*
 * Fixed courses, whose traces are kept in tests/sim/traces: they show what happens in plain cases,
 * message by message, and that it still does. The row: name, function.
 */
#define SIM_SCENARIOS(ROW)                                                                         \
    ROW("put", scenario_put)                                                                       \
    ROW("lost-announcement", scenario_lost_announcement)                                           \
    ROW("partition", scenario_partition)                                                           \
    ROW("same-moment", scenario_same_moment)                                                       \
    ROW("unknown-name", scenario_unknown_name)                                                     \
    ROW("latecomer", scenario_latecomer)                                                           \
    ROW("islands", scenario_islands)                                                               \
    ROW("elect", scenario_elect)                                                                   \
    ROW("elect-crash", scenario_crash)                                                             \
    ROW("elect-host-crash", scenario_host_crash)                                                   \
    ROW("elect-one-way", scenario_one_way)                                                         \
    ROW("elect-unheard", scenario_unheard)                                                         \
    ROW("elect-lost-adverts", scenario_lost_adverts)                                               \
    ROW("elect-pause", scenario_pause)                                                             \
    ROW("elect-partition", scenario_two_halves)                                                    \
    ROW("elect-preempt", scenario_preempt)                                                         \
    ROW("elect-leave", scenario_leave)                                                             \
    ROW("elect-demote", scenario_demote)                                                           \
    ROW("elect-lost-home", scenario_lost_home)                                                     \
    ROW("elect-disk-full", scenario_disk_full)                                                     \
    ROW("elect-replay", scenario_replay)                                                           \
    ROW("elect-clocks", scenario_clocks)                                                           \
    ROW("elect-flapping", scenario_flapping)                                                       \
    ROW("elect-late-slave", scenario_late_slave)                                                   \
    ROW("elect-reset", scenario_reset)                                                             \
    ROW("elect-reload", scenario_reload)                                                           \
    ROW("elect-stacked", scenario_stacked)                                                         \
    ROW("tiers-up", scenario_tiers_up)                                                             \
    ROW("tiers-down", scenario_tiers_down)                                                         \
    ROW("tiers-master-dies", scenario_tiers_master_dies)                                           \
    ROW("tiers-alone", scenario_tiers_alone)                                                       \
    ROW("tiers-partition", scenario_tiers_partition)

#define SIM_DECLARE(name, run) void run(struct sim *sim);
SIM_SCENARIOS(SIM_DECLARE)
#undef SIM_DECLARE

void scenario_pass_ms(struct sim *sim, int64_t ms);

#endif
