/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_BYGONE_H
#define POND_SRC_BYGONE_H

#include "src/adoption.h"

/*
 * Has the store forget what it has between these names, and what a page that covers them, adopted
 * by now, has not (NULL: nothing is left there). Takes long: not on a loop.
 */
enum store_status bygone_forget(struct store *store, struct span from, struct span to,
                                const struct adoption *page);

#endif
