/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_DIFF_H
#define POND_CONF_DIFF_H

#include "conf/conf.h"

/*
 * What another reading of a host's configuration changes: for a reload, and for what is told of it.
 */
struct conf_differ {
    /* A setting that a reload applies. `tier`: where it is one tier's own, else NULL. The values as
     * they would stand in main.cf; empty: not set. */
    void (*setting)(void *arg, const char *name, const char *tier, const char *was, const char *is);
    void (*tier)(void *arg, const char *tier, bool joined); /* or left */
    /* In a tier that is in both. NULL: it was not there; it is not there any more. */
    void (*member)(void *arg, const char *tier, const struct nets_member *was,
                   const struct nets_member *is);
    void (*rules)(void *arg); /* of the gate: they are others, whether the file is or not */
    void *arg;
};
void conf_diff(const struct conf *old, const struct conf *new, const struct conf_differ *differ);

#endif
