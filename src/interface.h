/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_INTERFACE_H
#define POND_SRC_INTERFACE_H

#include "src/base/address.h"

/*
 * The index of the interface of that name; where the name is empty, of the one that has the
 * address. 0: there is none now. Any thread.
 */
unsigned interface_find(const char *name, const struct address *own);

#endif
