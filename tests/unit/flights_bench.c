/* SPDX-License-Identifier: ISC */
#include "tests/unit/flights_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/base/must.h"
#include "src/base/rng.h"
#include "src/clock.h"

/* ---- content -------------------------------------------------------------------------------- */

void goods_make(struct goods *goods, const char *name, uint64_t size, uint64_t seed)
{
    struct manifest *m = &goods->manifest;
    struct rng rng = {seed};

    memset(goods, 0, sizeof(*goods));
    goods->size = size;
    goods->bytes = malloc(size + 8);
    for (uint64_t i = 0; i < size; i += 8) {
        uint64_t n = rng_next(&rng);
        memcpy(goods->bytes + i, &n, 8);
    }
    MUST(span_copy(span_of(name), m->name, sizeof(m->name)));
    MUST(span_copy(span_of("elsewhere"), m->node, sizeof(m->node)));
    m->version.bits = (uint64_t)clock_wall().ms << 16 | (seed & 0xffff);
    m->size = size;
    m->mode = 0644;
    m->chunk_size = chunk_size_for(size);
    goods->count = chunk_count(size, m->chunk_size);
    goods->list = calloc(goods->count, sizeof(*goods->list));
    for (uint32_t i = 0; i < goods->count; i++)
        digest_of(goods->bytes + chunk_at(i, m->chunk_size), chunk_len(i, size, m->chunk_size),
                  &goods->list[i]);
    digest_of(goods->bytes, size, &m->sha256);
    digest_of(goods->list, goods->count * sizeof(*goods->list), &m->chunks);
}

void goods_free(struct goods *goods)
{
    free(goods->bytes);
    free(goods->list);
}

/* ---- hosts ---------------------------------------------------------------------------------- */

static bool send_list(struct host *host, int fd)
{
    size_t len = host->goods->count * sizeof(struct digest);
    struct digest *list = malloc(len);
    bool good;

    memcpy(list, host->goods->list, len);
    if (host->manners == WRONG_LIST)
        list[0].bytes[7] ^= 1;
    good = serve_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len) &&
           serve_send(fd, list, len);
    free(list);
    return good;
}

/* Some bytes of content, with the manners that the host has. False: it dies. */
static bool send_piece(struct host *host, int fd, uint64_t at, size_t len)
{
    uint8_t *piece = malloc(len);
    bool good;

    while (host->manners == STALLS && host->sent >= host->after && !host->go)
        usleep(1000);
    if (host->manners == SLOW)
        usleep(2000);
    memcpy(piece, host->goods->bytes + at, len);
    if (host->manners == WRONG_CHUNK && host->sent >= host->after)
        piece[len / 2] ^= 0x10;
    good = !(host->manners == DIES && host->sent >= host->after) && serve_send(fd, piece, len);
    if (good)
        host->sent += len;
    free(piece);
    return good;
}

static bool send_range(struct host *host, const struct serve_request *request)
{
    enum { PIECE = 16384 };
    uint64_t at = request->from, end = request->to + 1;

    pthread_mutex_lock(&host->lock);
    if (host->range_count < 64)
        host->ranges[host->range_count++] = at;
    pthread_mutex_unlock(&host->lock);
    if (!serve_text(request->fd,
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: %" PRIu64
                    "\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                    end - at, at, request->to, host->goods->size))
        return false;
    while (at < end) {
        size_t len = end - at < PIECE ? (size_t)(end - at) : PIECE;
        if (!send_piece(host, request->fd, at, len))
            return false;
        at += len;
    }
    return true;
}

static bool answer(void *arg, const struct serve_request *request)
{
    struct host *host = arg;
    char etag[DIGEST_HEX_SIZE + 2], hex[DIGEST_HEX_SIZE];
    const char *match;

    if (host->manners == DIES && host->sent >= host->after)
        return false;
    if (host->manners == HAS_NOT)
        return serve_text(request->fd, "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
    if (host->manners == BUSY && host->asked_busy++ == 0)
        return serve_text(request->fd,
                          "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    if (strncmp(request->target, "/.pond/chunks/", 14) == 0)
        return send_list(host, request->fd);
    if (host->name && strcmp(request->target + 1, host->name) != 0)
        return serve_text(request->fd, "HTTP/1.1 412 x\r\nContent-Length: 0\r\n\r\n");
    match = serve_header(request, "If-Match");
    snprintf(etag, sizeof(etag), "\"%s\"", digest_hex(&host->goods->manifest.sha256, hex));
    MUST(request->has_range && match && strcmp(match, etag) == 0);
    return send_range(host, request);
}

void host_start(struct host *host, const struct goods *goods, enum manners manners, uint64_t after)
{
    memset(host, 0, sizeof(*host));
    host->goods = goods;
    host->manners = manners;
    host->after = after;
    pthread_mutex_init(&host->lock, NULL);
    host->serve = serve_start(answer, host);
}

void host_stop(struct host *host)
{
    host->go = true;
    serve_stop(host->serve);
    pthread_mutex_destroy(&host->lock);
}

/* ---- the node ------------------------------------------------------------------------------- */

static void on_need(void *arg, const struct manifest *manifest, bool again)
{
    struct node *node = arg;
    struct flights_found found = {.count = 0};

    if (node->mute)
        return;
    found.renamed = again && node->other;
    if (found.renamed)
        found.manifest = *node->other;
    for (size_t i = 0; i < node->host_count; i++)
        found.list[found.count++] = serve_address(node->hosts[i]->serve);
    flights_sources(node->flights, manifest, &found);
}

static void on_ended(void *arg, const struct manifest *manifest, enum flights_end how,
                     const struct address *source)
{
    struct node *node = arg;

    (void)manifest, (void)source;
    pthread_mutex_lock(&node->lock);
    node->ended++;
    node->how = how;
    node->landed += how == FLIGHTS_LANDED;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->lock);
}

static void on_blame(void *arg, const struct address *http, enum peer_fault fault)
{
    struct node *node = arg;

    pthread_mutex_lock(&node->lock);
    if (node->blame_count < NODE_BLAMES_MAX) {
        node->blames[node->blame_count].who = *http;
        node->blames[node->blame_count++].fault = fault;
    }
    pthread_mutex_unlock(&node->lock);
    if (fault == PEER_FINE && node->on_fine)
        node->on_fine(node->on_fine_arg);
    if (fault != PEER_FINE && node->on_fault)
        node->on_fault(node->on_fault_arg);
}

static void on_gone(void *arg, const struct address *http, const struct digest *sha256)
{
    struct node *node = arg;

    (void)http, (void)sha256;
    pthread_mutex_lock(&node->lock);
    node->gone++;
    pthread_mutex_unlock(&node->lock);
}

void node_open(struct node *node, const char *home)
{
    struct store_options store = {
        .home = node->home, .node = "here", .wall = clock_wall, .mono = clock_mono};
    struct fetch_options fetch = {.node = "here", .domain = "example.com", .stall_s = 4};

    memset(node, 0, sizeof(*node));
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->changed, NULL);
    snprintf(node->home, sizeof(node->home), "%s", home ? home : "/tmp/carpond-flights-XXXXXX");
    MUST(home != NULL || mkdtemp(node->home) != NULL);
    MUST(store_open(&store, &node->store) == STORE_OK);
    node->fetch = fetch_new(&fetch);
    node->flights = flights_new(&(struct flights_options){.store = node->store,
                                                          .fetch = node->fetch,
                                                          .need = on_need,
                                                          .ended = on_ended,
                                                          .blame = on_blame,
                                                          .gone = on_gone,
                                                          .arg = node});
}

static void remove_home(const char *home)
{
    char command[128];
    FILE *shell;

    snprintf(command, sizeof(command), "rm -rf '%s'", home);
    shell = popen(command, "r");
    MUST(shell != NULL && pclose(shell) == 0);
}

void node_close(struct node *node, bool forget)
{
    flights_stop(node->flights);
    flights_free(node->flights);
    fetch_free(node->fetch);
    store_close(node->store);
    pthread_mutex_destroy(&node->lock);
    pthread_cond_destroy(&node->changed);
    if (forget)
        remove_home(node->home);
}

void node_knows(struct node *node, struct host *host)
{
    node->hosts[node->host_count++] = host;
}

void node_adopt(struct node *node, const struct goods *goods)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct store_job job = {.kind = STORE_ADOPT};

    manifest_write(&goods->manifest, &text);
    job.text = (struct span){text.at, text.len};
    MUST(store_do(node->store, &job) == STORE_OK);
}

void node_wait_ended(struct node *node, unsigned ended)
{
    pthread_mutex_lock(&node->lock);
    while (node->ended < ended)
        pthread_cond_wait(&node->changed, &node->lock);
    pthread_mutex_unlock(&node->lock);
}

bool node_blamed(struct node *node, const struct host *host, enum peer_fault fault)
{
    struct address who = serve_address(host->serve);
    bool found = false;

    pthread_mutex_lock(&node->lock);
    for (size_t i = 0; i < node->blame_count; i++)
        found =
            found || (address_same(&node->blames[i].who, &who) && node->blames[i].fault == fault);
    pthread_mutex_unlock(&node->lock);
    return found;
}

bool node_holds(struct node *node, const struct goods *goods)
{
    struct content *content;
    uint8_t *bytes = malloc(goods->size + 1);
    uint64_t at = 0;
    ssize_t n = 1;
    bool same;

    if (content_open(node->store, &goods->manifest, &content) != STORE_OK) {
        free(bytes);
        return false;
    }
    while (at < goods->size && n > 0) {
        n = content_read(content, at, bytes + at, goods->size - at);
        at += n > 0 ? (uint64_t)n : 0;
    }
    same = at == goods->size && memcmp(bytes, goods->bytes, at) == 0;
    content_close(content);
    free(bytes);
    return same;
}

/* ---- readers -------------------------------------------------------------------------------- */

static void on_wake(void *arg)
{
    struct reading *reading = arg;

    pthread_mutex_lock(&reading->lock);
    reading->woken++;
    pthread_cond_signal(&reading->wake);
    pthread_mutex_unlock(&reading->lock);
}

static void wait_for_wake(struct reading *reading)
{
    pthread_mutex_lock(&reading->lock);
    reading->waits++;
    while (reading->woken < reading->waits)
        pthread_cond_wait(&reading->wake, &reading->lock);
    pthread_mutex_unlock(&reading->lock);
}

static void *read_along(void *arg)
{
    enum { PIECE = 100000 };
    struct reading *r = arg;
    struct flight_reader *reader =
        flights_join(r->flights, &r->goods->manifest, &own_host, span_of(""), on_wake, r);
    uint8_t *piece = malloc(PIECE);

    MUST(reader != NULL && piece != NULL);
    while (r->from + r->read < r->to && !r->failed) {
        uint64_t at = r->from + r->read;
        size_t len = r->to - at < PIECE ? (size_t)(r->to - at) : PIECE;
        ssize_t n = flights_read(reader, at, piece, len);
        if (n == FLIGHT_WAIT) {
            wait_for_wake(r);
        } else if (n < 0) {
            r->failed = true;
        } else {
            r->differs = r->differs || memcmp(piece, r->goods->bytes + at, (size_t)n) != 0;
            r->read += (uint64_t)n;
        }
    }
    free(piece);
    flights_leave(reader);
    return NULL;
}

void reading_start(struct reading *reading, struct node *node, const struct goods *goods,
                   uint64_t from, uint64_t to)
{
    memset(reading, 0, sizeof(*reading));
    reading->flights = node->flights;
    reading->goods = goods;
    reading->from = from;
    reading->to = to;
    pthread_mutex_init(&reading->lock, NULL);
    pthread_cond_init(&reading->wake, NULL);
    MUST(pthread_create(&reading->thread, NULL, read_along, reading) == 0);
}

void reading_join(struct reading *reading)
{
    pthread_join(reading->thread, NULL);
    pthread_mutex_destroy(&reading->lock);
    pthread_cond_destroy(&reading->wake);
}
