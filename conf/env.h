/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_ENV_H
#define POND_CONF_ENV_H

#include "conf/conf.h"

/* Settings in the environment: IS_PORT and so on. `env` is as `environ`. */

/* The value of a variable, or NULL. */
const char *env_get(char *const *env, const char *name);

/* Lays all IS_ variables over the settings. Lists have commas, paths are relative to the working
 * folder, groups (IS_TIERS, IS_GOSSIP) hold what would stand between the braces. What is no setting
 * is warned of. */
void env_lay(struct conf *conf, char *const *env, struct report *report);

#endif
