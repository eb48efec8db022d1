/* SPDX-License-Identifier: ISC */
/*
 * echo NUMBER PORT: answers each datagram, from the very address that was asked, with its bytes and
 * one more: NUMBER, the host's. So whoever asks an address that moves learns where it is.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/text.h"

enum { QUESTION_MAX = 64 };

static int open_socket(uint16_t port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int on = 1, off = 0;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0) {
        perror("echo: socket");
        return -1;
    }
    return fd;
}

/* The control message that came with the question says which address was asked; sent back as it
 * is, but for the interface, it makes that the sender of the answer. */
static bool answer_one(int fd, uint8_t number)
{
    uint8_t bytes[QUESTION_MAX + 1];
    union {
        struct cmsghdr align;
        uint8_t room[256];
    } control;
    struct sockaddr_in6 from;
    struct iovec data = {.iov_base = bytes, .iov_len = QUESTION_MAX};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof(from),
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(fd, &message, 0);

    if (len < 0)
        return errno == EINTR || errno == EAGAIN;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            memset(CMSG_DATA(c) + offsetof(struct in6_pktinfo, ipi6_ifindex), 0, sizeof(int));
    bytes[len] = number;
    data.iov_len = (size_t)len + 1;
    sendmsg(fd, &message, 0); /* an answer that cannot be sent is one that does not come */
    return true;
}

int main(int argc, char **argv)
{
    uint64_t number, port;

    if (argc != 3 || !span_u64(span_of(argv[1]), UINT8_MAX, &number) ||
        !span_u64(span_of(argv[2]), UINT16_MAX, &port)) {
        fprintf(stderr, "usage: echo NUMBER PORT\n");
        return 2;
    }
    int fd = open_socket((uint16_t)port);

    if (fd < 0)
        return 1;
    while (answer_one(fd, (uint8_t)number))
        ;
    perror("echo: receive");
    return 1;
}
