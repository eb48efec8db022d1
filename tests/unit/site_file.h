/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_SITE_FILE_H
#define POND_TESTS_UNIT_SITE_FILE_H

#include "tests/unit/site.h"

/* A site of one host, without tiers, that holds one file. A fixture begins and ends there. */
#define NAME "example.com/pkgs/a.txt"
#define TARGET "/" NAME
#define BODY "0123456789"
#define BODY_SHA256 "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"

/* What another node's request has, and an own client's has not. */
#define FROM_OTHERS "Via: 1.1 elsewhere (carpond)\r\n"

extern struct site site;

int start(void **state);
int stop(void **state);

/* A GET over TCP is answered so; a NULL body is not looked at. */
void get(const char *target, const char *headers, unsigned status, const char *body);

#endif
