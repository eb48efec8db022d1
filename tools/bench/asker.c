/* SPDX-License-Identifier: ISC */
/*
 * asker icp   FROM ADDRESS PORT COUNT NAMES SEED
 * asker pond  FROM ADDRESS PORT COUNT NAMES SEED DOMAIN KEY
 * asker knows FROM ADDRESS PORT COUNT NAMES SEED DOMAIN KEY
 *
 * Asks who has what, COUNT times, by datagrams from the address FROM, with WINDOW of them under
 * way: a Squid about URLs, by ICP (RFC 2186); a carpond, by signed whohas, about DOMAIN/file-0 to
 * DOMAIN/file-(NAMES-1), all of which it has; or one about the names of tools/bench/lookup, which
 * it knows. Names are drawn from the SEED; all questions are written and signed beforehand. Every
 * answer must be of the right kind, and some are looked at closely: carpond's must be signed with
 * the KEY. Where none comes for SILENCE_MS, those under way count as lost, and others are asked.
 * Prints how many answers came, and the seconds up to the last of them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/address.h"
#include "src/base/must.h"
#include "src/base/rng.h"
#include "src/clock.h"
#include "src/seal.h"
#include "src/speak.h"

enum { WINDOW = 64, BATCH = 64, ANSWER_SIZE = 2048, CLOSELY = 997, SILENCE_MS = 1000 };
enum { ICP_QUERY = 1, ICP_HIT = 2, ICP_MISS = 3, ICP_VERSION = 2, ICP_HEAD = 20 };
enum { COUNT_MAX = 10000000, PLACE = 640 };

enum kind { ICP, POND, KNOWS };
static const char *const kinds[] = {[ICP] = "icp", [POND] = "pond", [KNOWS] = "knows"};

struct asker {
    enum kind kind;
    struct rng rng;
    int fd;
    struct seal *seal; /* NULL: by ICP */
    char *questions;   /* PLACE for each */
    size_t *lengths;
    size_t count, names, sent, answered, lost;
};

/* ---- questions ------------------------------------------------------------------------------- */

static void write_icp(struct asker *a, size_t i)
{
    char *at = a->questions + i * PLACE;
    int url = snprintf(at + ICP_HEAD + 4, PLACE - ICP_HEAD - 4, "http://test.example/file-%zu",
                       (size_t)rng_below(&a->rng, a->names));
    uint16_t length = (uint16_t)(ICP_HEAD + 4 + url + 1), wire = htons(length);
    uint32_t number = htonl((uint32_t)i);

    at[0] = ICP_QUERY;
    at[1] = ICP_VERSION;
    memcpy(at + 2, &wire, sizeof(wire));
    memcpy(at + 4, &number, sizeof(number));
    a->lengths[i] = length;
}

static void write_whohas(struct asker *a, size_t i, struct speaker *speaker, const char *domain,
                         const struct address *from)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct notice notice = {.kind = NOTICE_WHOHAS, .port = 65028, .content = a->kind == POND};
    size_t number = rng_below(&a->rng, a->names);

    if (a->kind == POND)
        snprintf(notice.name, sizeof(notice.name), "%s/file-%zu", domain, number);
    else
        snprintf(notice.name, sizeof(notice.name), "%s/pool/%03zu/package-%08zu.tar", domain,
                 number / 10000, number);
    snprintf(notice.tuid, sizeof(notice.tuid), "%zu.%zu@asker", i, i);
    speaker_say(speaker, &notice, from, clock_wall(), &text);
    MUST(text.len <= PLACE);
    memcpy(a->questions + i * PLACE, text.at, text.len);
    a->lengths[i] = text.len;
}

static void write_all(struct asker *a, const struct address *from, char **words)
{
    struct speaker *speaker = NULL;
    struct keyring *keyring;

    a->questions = calloc(a->count, PLACE);
    a->lengths = calloc(a->count, sizeof(*a->lengths));
    MUST(a->questions && a->lengths);
    if (words) {
        struct span key = span_of(words[1]);
        keyring = keyring_new(&key, 1, false);
        a->seal = seal_new(keyring);
        speaker = speaker_new(&(struct speaker_options){.node = "asker.test.example",
                                                        .domain = words[0],
                                                        .boot = (uint64_t)clock_wall().ms,
                                                        .keyring = keyring});
    }
    for (size_t i = 0; i < a->count; i++) {
        if (words)
            write_whohas(a, i, speaker, words[0], from);
        else
            write_icp(a, i);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool is_icp_answer(struct span bytes)
{
    return bytes.len > ICP_HEAD && (bytes.at[0] == ICP_HIT || bytes.at[0] == ICP_MISS);
}

static bool is_ihave(struct asker *a, struct span bytes)
{
    struct message m;
    struct notice notice;
    size_t key;

    if (!memmem(bytes.at, bytes.len, "\n_type: ihave\n", 14) ||
        !memmem(bytes.at, bytes.len, "\ntuid: ", 7))
        return false;
    if (a->answered % CLOSELY)
        return true;
    MUST(message_decode(bytes, &m) == MESSAGE_OK && notice_read(&m, &notice) == MESSAGE_OK);
    MUST(notice.held == (a->kind == POND) &&
         seal_check_message(a->seal, &m, false, &key) == SEAL_OK);
    return true;
}

/* False: there were none. */
static bool take(struct asker *a)
{
    static char memory[BATCH][ANSWER_SIZE];
    struct mmsghdr headers[BATCH] = {0};
    struct iovec parts[BATCH];
    int n;

    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){memory[i], ANSWER_SIZE};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    n = recvmmsg(a->fd, headers, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        struct span bytes = {memory[i], headers[i].msg_len};
        a->answered += a->seal ? is_ihave(a, bytes) : is_icp_answer(bytes);
    }
    return n > 0;
}

static size_t under_way(const struct asker *a)
{
    return a->sent > a->answered + a->lost ? a->sent - a->answered - a->lost : 0;
}

static void ask(struct asker *a)
{
    struct mmsghdr headers[BATCH] = {0};
    struct iovec parts[BATCH];
    unsigned n = 0;
    int sent;

    while (n < BATCH && a->sent + n < a->count && under_way(a) + n < WINDOW) {
        parts[n] = (struct iovec){a->questions + (a->sent + n) * PLACE, a->lengths[a->sent + n]};
        headers[n].msg_hdr = (struct msghdr){.msg_iov = &parts[n], .msg_iovlen = 1};
        n++;
    }
    if (n == 0)
        return;
    sent = sendmmsg(a->fd, headers, n, 0);
    MUST(sent > 0 || errno == ECONNREFUSED);
    a->sent += sent > 0 ? (size_t)sent : 0;
}

/* False: nothing comes any more. A daemon that had to wait for its core answers late, which is no
 * loss: so what counts as lost only makes room for others, and its answers count all the same. */
static bool wait_for_more(struct asker *a)
{
    struct pollfd input = {.fd = a->fd, .events = POLLIN};

    if (poll(&input, 1, SILENCE_MS) != 0)
        return true;
    a->lost = a->sent - a->answered;
    return a->sent < a->count;
}

static void run(struct asker *a)
{
    mono_t began = clock_mono(), last = began;

    while (a->answered < a->count) {
        ask(a);
        if (take(a))
            last = clock_mono();
        else if ((a->sent == a->count || under_way(a) >= WINDOW) && !wait_for_more(a))
            break;
    }
    printf("%zu %.6f\n", a->answered, (double)mono_between(began, last) / 1e9);
}

static bool read_kind(int argc, char **argv, enum kind *out)
{
    for (*out = ICP; *out <= KNOWS; ++*out)
        if (argc == (*out == ICP ? 8 : 10) && strcmp(argv[1], kinds[*out]) == 0)
            return true;
    return false;
}

static bool read_words(char **words, struct address *from, struct address *to, struct asker *a)
{
    uint64_t port, count, names;

    if (!span_u64(span_of(words[2]), UINT16_MAX, &port) ||
        !span_u64(span_of(words[3]), COUNT_MAX, &count) || count == 0 ||
        !span_u64(span_of(words[4]), COUNT_MAX, &names) || names == 0 ||
        !span_u64(span_of(words[5]), UINT64_MAX, &a->rng.state))
        return false;
    a->count = count;
    a->names = names;
    return address_parse(span_of(words[0]), 0, from) &&
           address_parse(span_of(words[1]), (uint16_t)port, to);
}

int main(int argc, char **argv)
{
    static struct asker a;
    struct address from, to;
    union sockaddr_any near, far;
    int size = 4 << 20;

    if (!read_kind(argc, argv, &a.kind) || !read_words(argv + 2, &from, &to, &a)) {
        fprintf(stderr,
                "usage: asker icp|pond|knows FROM ADDRESS PORT COUNT NAMES SEED [DOMAIN KEY]\n");
        return 2;
    }
    write_all(&a, &from, a.kind == ICP ? NULL : argv + 8);
    a.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(a.fd >= 0);
    (void)setsockopt(a.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    MUST(bind(a.fd, &near.any, address_to_socket(&from, &near)) == 0);
    MUST(connect(a.fd, &far.any, address_to_socket(&to, &far)) == 0);
    run(&a);
    return 0;
}
