/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_UNDO_H
#define POND_TOOLS_POND_UNDO_H

#include <stdbool.h>

/*
 * What is undone when a signal ends pond (Ctrl-C, a hang-up, kill): a temporary file goes, the
 * terminal gets its old settings back. The signal then ends the program as it always would, so that
 * a shell sees how it died.
 */

/* Makes an empty file like mkstemp(3), which goes if a signal comes: no moment between. Returns its
 * descriptor, or -1 with errno; `path` must stay until undo_keep or undo_remove. */
int undo_make_file(char *path);
void undo_keep(void);   /* it stays, whatever comes */
void undo_remove(void); /* it goes now */

/* Single keys without echo on standard input, and a cursor that hides, until undo_terminal. False
 * where it is no terminal. */
bool undo_set_terminal(void);
void undo_terminal(void);

#endif
