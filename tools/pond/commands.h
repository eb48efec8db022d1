/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_COMMANDS_H
#define POND_TOOLS_POND_COMMANDS_H

#include <stdio.h>

#include "tools/pond/args.h"

/* Every command of pond: one row each makes its dispatch and its help. */
extern const struct commands commands;

/* --help for the whole (`command` NULL) and for one. */
void commands_help(const struct command *command, FILE *out);

#endif
