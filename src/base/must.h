/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_MUST_H
#define POND_BASE_MUST_H

#include <stdbool.h>

/*
 * Assertions that stay on in release builds. MUST() states what only a mistake of ours could break;
 * what the world or a stranger can break is an error code or a verdict, never a MUST().
 */
#define MUST(condition)                                                                            \
    ((condition) ? (void)0 : must_failed(__FILE__, __LINE__, __func__, #condition))

/* Guards a struct against being used before init, after its end, or as something it is not: each
 * such struct begins with a magic number, checked wherever it comes back through a callback. */
#define MUST_BE(object, MAGIC) MUST((object) != NULL && (object)->magic == (MAGIC))

/* Says which condition failed, and where, on standard error, and aborts. Any thread. */
_Noreturn void must_failed(const char *file, int line, const char *function, const char *condition);

/* Small allocations are MUST()s as well: who cannot have them ends, and is started again. Was that
 * so in the one that failed, as far as errno tells? Any thread, and in a handler of SIGABRT. */
bool must_lacked_memory(void);

/* Has one failed? Then the abort that follows is explained. Any thread, and in a handler. */
bool must_has_failed(void);

#endif
