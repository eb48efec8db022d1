/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_REKEY_H
#define POND_SRC_REKEY_H

#include "src/seal.h"

/*
 * Reads the key file again when it changes, and gives the new keys to the keyring. A file that is
 * no good any more changes nothing, and is reported once. Main thread.
 */
struct ev_loop;
struct rekey;

/* `path` NULL: there are no keys, and nothing to do. */
struct rekey *rekey_new(struct ev_loop *loop, const char *path, struct keyring *keyring);
void rekey_free(struct rekey *rekey);

/* Another file from now on, whose keys the keyring has already. NULL: nothing. */
void rekey_follow(struct rekey *rekey, const char *path);

#endif
