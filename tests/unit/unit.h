/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_UNIT_H
#define POND_TESTS_UNIT_UNIT_H

/* cmocka wants these before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
