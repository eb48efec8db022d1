/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HOOK_ENV_H
#define POND_SRC_HOOK_ENV_H

#include "src/roles.h"

/*
 * The environment of a hook: that of the daemon, and in POND_... what has changed; main.cf(5) lists
 * it. What the service manager says to the daemon alone is left out.
 */
char **hook_env_new(char *const *daemon, const char *node, const struct role_change *change);
void hook_env_free(char **env);

#endif
