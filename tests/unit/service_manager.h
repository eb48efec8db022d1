/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_SERVICE_MANAGER_H
#define POND_TESTS_UNIT_SERVICE_MANAGER_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* The manager: it listens at an abstract name that nobody else has, which is $NOTIFY_SOCKET. */
static inline int service_manager_listen(void)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char name[64];

    assert_true(fd >= 0);
    snprintf(name, sizeof(name), "@carpond-unit-manager-%d", (int)getpid());
    memcpy(where.sun_path, name, strlen(name));
    where.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&where,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

#endif
