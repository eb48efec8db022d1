/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_SCAN_H
#define POND_CONF_SCAN_H

#include "conf/report.h"
#include "src/base/text.h"

/*
 * What libconfig passes over in silence, or meets with nothing better than "syntax error", found in
 * the text before libconfig reads it: numbers that it would wrap or clamp, a comment or a text that
 * is never closed, \x00 in a text, words without quotes where a value belongs, more lines than it
 * can count. Included files are scanned too.
 */
enum { SCAN_FILE_MAX = 1024 * 1024, SCAN_LINES_MAX = 65535, SCAN_DEPTH_MAX = 10 };

/* `folder`: what the paths of included files are relative to; empty: the working folder. `wrapped`
 * gets an error for each line with a number that libconfig will not give as it is written. False
 * where libconfig will stumble over what was reported, so that its own error would say nothing new.
 */
bool scan_text(struct span text, const char *file, struct span folder, struct report *report,
               struct report *wrapped);

#endif
