/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_UNSUPPORTED_H
#define POND_CONF_UNSUPPORTED_H

#include "conf/conf.h"

/* Settings that this version of carpond reads and does not do, as errors. */
void unsupported_settings(const struct conf *conf, struct report *report);

#endif
