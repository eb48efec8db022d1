/* SPDX-License-Identifier: ISC */
#include "tests/unit/site.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/report.h"
#include "conf/rules.h"
#include "src/base/log.h"
#include "src/clock.h"
#include "tests/unit/unit.h"

enum { CLIENT_WAIT_S = 60 };

/* ---- the world around the server ------------------------------------------------------------- */

static void world_ask(void *arg, struct ask *ask)
{
    struct site *site = arg;
    bool (*answer)(struct site *, struct ask *) = site->answer;

    atomic_fetch_add(&site->asked, 1);
    if (!answer || answer(site, ask))
        ask->done(ask);
}

/* One that was not answered: `answer` has left it for later. */
static void world_drop(void *arg, struct ask *ask)
{
    struct site *site = arg;

    ask->done(ask);
    ask->dropped(ask);
    atomic_fetch_add(&site->dropped, 1);
}

static char *world_status(void *arg)
{
    (void)arg;
    return strdup("{\"format\": 1}\n");
}

/* It is a candidate in paris, a slave in core, and its disk takes nothing for more than a day. */
static enum vitals_verdict world_demote(void *arg, const char *tier, int64_t for_s,
                                        char sentence[VITALS_SENTENCE_SIZE])
{
    (void)arg;
    snprintf(sentence, VITALS_SENTENCE_SIZE, "%s for %d", tier, (int)for_s);
    return strcmp(tier, "core") == 0    ? VITALS_NO_CANDIDATE
           : strcmp(tier, "paris") != 0 ? VITALS_NO_TIER
           : for_s > 24 * 3600          ? VITALS_NOT_KEPT
                                        : VITALS_DONE;
}

static enum vitals_verdict world_restore(void *arg, const char *tier,
                                         char sentence[VITALS_SENTENCE_SIZE])
{
    return world_demote(arg, tier, 0, sentence);
}

static char *world_metrics(void *arg)
{
    const struct site *site = arg;
    size_t len = site->options.metrics_len;
    char *text = calloc(1, len + 1);

    assert_non_null(text);
    if (!len) {
        free(text);
        return strdup("pond_http_requests_total 1\n");
    }
    memset(text, 'm', len);
    return text;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void on_stop(struct letter *letter)
{
    struct site *site = LETTER_OWNER(letter, struct site, stop);

    ev_break(site->loop, EVBREAK_ALL);
}

static struct http *start_http(struct site *site)
{
    struct address listen;

    assert_true(address_parse(span_of("127.0.0.1"), 0, &listen));
    return http_new(&(struct http_options){
        .loop = site->loop,
        .listen = &listen,
        .listen_count = 1,
        .socket_path = site->socket_path,
        .threads = site->options.threads ? site->options.threads : 2,
        .max_connections = site->options.max_connections ? site->options.max_connections : 64,
        .limits = site->options.limits,
        .patience_ns = site->options.patience_ns,
        .hot_ns = site->options.hot_ns,
        .reply_memory = site->options.reply_memory,
        .world =
            {
                .store = site->store,
                .gate = site->gate,
                .routes = &site->routes,
                .challenges = site->challenges,
                .skew = &site->skew,
                .keyring = site->keyring,
                .node = SITE_NODE,
                .domain = SITE_DOMAIN,
                .ask = world_ask,
                .drop = world_drop,
                .status_json = world_status,
                .peers_json = world_status,
                .metrics = world_metrics,
                .demote = world_demote,
                .restore = world_restore,
                .arg = site,
            },
    });
}

static void *run(void *arg)
{
    struct site *site = arg;

    site->loop = ev_loop_new(EVFLAG_AUTO);
    site->mailbox = mailbox_new(site->loop);
    site->http = start_http(site);
    if (site->http)
        site->address = http_address(site->http, 0);
    atomic_store(&site->is_ready, site->http ? 1 : -1);
    if (site->http) {
        ev_run(site->loop, 0);
        http_drain(site->http, site->drain_ns);
        http_free(site->http);
    }
    mailbox_free(site->mailbox);
    ev_loop_destroy(site->loop);
    return NULL;
}

static void make_gate(struct site *site)
{
    struct span key = site->options.key ? span_of(site->options.key) : (struct span){NULL, 0};
    struct address own;

    assert_true(address_parse(span_of("127.0.0.1"), 0, &own));
    site->keyring = site->options.key ? keyring_new(&key, 1, false) : NULL;
    site->members =
        members_new(&(struct members_options){.list = site->options.members,
                                              .count = site->options.member_count,
                                              .own = &own,
                                              .own_count = 1,
                                              .nets_given = site->options.member_count > 0,
                                              .nobroadcast = site->options.nobroadcast});
    site->view = calloc(1, view_size());
    assert_non_null(site->view);
    site->routes = (struct routes){.members = site->members, .view = site->view};
    site->gate = gate_new(&(struct gate_options){
        .members = site->members,
        .keyring = site->keyring,
        .domain = SITE_DOMAIN,
        .node = SITE_NODE,
        .boot = 1,
        .auth = AUTH_ENFORCE,
        .plain_get = !site->options.key || site->options.plain_get,
    });
    site->challenges = challenge_server_new();
}

void site_start(struct site *site, const struct site_options *options)
{
    struct store_options store = {.node = SITE_NODE, .wall = clock_wall, .mono = clock_mono};
    const struct timespec moment = {.tv_nsec = 1000000};

    log_set_level(LEVEL_ERROR);
    if (!*site->folder) {
        snprintf(site->folder, sizeof(site->folder), "/tmp/pond-site-XXXXXX");
        assert_non_null(mkdtemp(site->folder));
    }
    if (options)
        site->options = *options;
    snprintf(site->socket_path, sizeof(site->socket_path), "%s/carpond.sock", site->folder);
    store.home = site->folder;
    assert_int_equal(store_open(&store, &site->store), STORE_OK);
    make_gate(site);
    site->stop.read = on_stop;
    atomic_store(&site->is_ready, 0);
    assert_int_equal(pthread_create(&site->thread, NULL, run, site), 0);
    while (!atomic_load(&site->is_ready))
        nanosleep(&moment, NULL);
    assert_int_equal(atomic_load(&site->is_ready), 1);
}

void site_stop(struct site *site, int64_t drain_ns)
{
    site->drain_ns = drain_ns;
    mailbox_post(site->mailbox, &site->stop);
    pthread_join(site->thread, NULL);
    challenge_server_free(site->challenges);
    gate_free(site->gate);
    members_free(site->members);
    free(site->view);
    if (site->keyring)
        keyring_free(site->keyring);
    store_close(site->store);
}

void site_remove(struct site *site)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", site->folder);
    assert_int_equal(system(command), 0);
    site->folder[0] = '\0';
}

void site_rule(struct site *site, const char *text)
{
    struct report *report = report_new();
    struct rules *rules = rules_parse(span_of(text), "rules", report);

    assert_non_null(rules);
    gate_set_rules(site->gate, rules);
    rules_free(rules);
    report_free(report);
}

void site_put(struct site *site, const char *name, const void *bytes, size_t len)
{
    struct store_job job = {.kind = STORE_PUT};

    assert_true(span_copy(span_of(name), job.manifest.name, NAME_SIZE));
    job.manifest.mode = 0644;
    job.manifest.mtime_ns = 784111777 * INT64_C(1000000000);
    assert_int_equal(draft_begin(site->store, len, &job.draft), STORE_OK);
    assert_int_equal(draft_write(job.draft, bytes, len), STORE_OK);
    assert_int_equal(draft_finish(job.draft), STORE_OK);
    assert_int_equal(store_do(site->store, &job), STORE_OK);
}

/* ---- the client ------------------------------------------------------------------------------ */

static int connected(int fd, const struct sockaddr *to, socklen_t len)
{
    const struct timeval most = {.tv_sec = CLIENT_WAIT_S};

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
    if (connect(fd, to, len) != 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

int site_connect(const struct site *site)
{
    union sockaddr_any to;
    socklen_t len = address_to_socket(&site->address, &to);

    return connected(socket(AF_INET, SOCK_STREAM, 0), &to.any, len);
}

static int connected_from(const struct site *site, const char *host, int fd)
{
    union sockaddr_any to, from;
    struct address own;
    socklen_t len;

    assert_true(fd >= 0 && address_parse(span_of(host), 0, &own));
    len = address_to_socket(&own, &from);
    if (bind(fd, &from.any, len) != 0)
        fail_msg("%s: %s", host, strerror(errno));
    len = address_to_socket(&site->address, &to);
    return connected(fd, &to.any, len);
}

int site_connect_from(const struct site *site, const char *host)
{
    return connected_from(site, host, socket(AF_INET, SOCK_STREAM, 0));
}

int site_connect_narrow(const struct site *site, const char *host)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), segment = 536, room = 4096;

    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    return connected_from(site, host, fd);
}

int site_control(const struct site *site)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    assert_true(span_copy(span_of(site->socket_path), to.sun_path, sizeof(to.sun_path)));
    return connected(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof(to));
}

struct member site_member(const char *network, enum member_role role, const char *tier)
{
    struct member m = {.role = role, .has_own = true};
    bool differs;

    assert_true(network_parse(span_of(network), &m.network, &differs));
    assert_true(address_parse(span_of("127.0.0.1"), 0, &m.own));
    assert_true(span_copy(span_of(tier), m.tier, sizeof(m.tier)));
    return m;
}

void site_publish(struct site *site, const char *tier, enum ballot_role role, const char *master,
                  mono_t good_until)
{
    struct view_tier view = {
        .role = role, .has_master = master != NULL, .good_until = good_until, .epoch = SITE_EPOCH};

    assert_true(span_copy(span_of(tier), view.tier, sizeof(view.tier)));
    if (master)
        assert_true(address_parse(span_of(master), 65028, &view.master_address));
    view_publish(site->view, &view);
}

void send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* One byte at a time, so that nothing of the next answer is taken. */
static bool read_line(int fd, char **text, size_t *len)
{
    char c = 0;

    while (c != '\n') {
        if (recv(fd, &c, 1, 0) != 1)
            return false;
        *text = realloc(*text, *len + 2);
        (*text)[(*len)++] = c;
        (*text)[*len] = '\0';
    }
    return true;
}

static bool read_bytes(int fd, struct answer *a, size_t want)
{
    a->body = realloc(a->body, a->len + want + 1);
    while (want) {
        ssize_t n = recv(fd, a->body + a->len, want, 0);
        if (n <= 0)
            break;
        a->len += (size_t)n;
        want -= (size_t)n;
    }
    a->body[a->len] = '\0';
    return want == 0;
}

static bool read_chunks(int fd, struct answer *a)
{
    for (;;) {
        char *line = NULL;
        size_t len = 0, size;
        bool got = read_line(fd, &line, &len);
        size = got ? strtoul(line, NULL, 16) : 0;
        free(line);
        if (!got || !read_bytes(fd, a, size + 2))
            return false;
        a->len -= 2;
        a->body[a->len] = '\0';
        if (size == 0)
            return true;
    }
}

const char *answer_header(const struct answer *a, const char *name)
{
    static _Thread_local char value[8192];
    size_t len = strlen(name);

    for (const char *line = a->head; line && *line; line = strchr(line, '\n') + 1) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            line += len + 1;
            line += strspn(line, " ");
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r\n"), line);
            return value;
        }
    }
    return NULL;
}

static bool read_head(int fd, struct answer *a)
{
    size_t len = 0, before;

    do {
        before = len;
        if (!read_line(fd, &a->head, &len))
            return false;
    } while (len - before > 2);
    return sscanf(a->head, "HTTP/1.1 %u", &a->status) == 1;
}

void read_answer(int fd, bool head_only, struct answer *a)
{
    const char *length, *encoding;

    memset(a, 0, sizeof(*a));
    do {
        free(a->head);
        a->head = NULL;
        if (!read_head(fd, a)) {
            a->status = 0;
            a->body = calloc(1, 1);
            return;
        }
    } while (a->status == 100);
    encoding = answer_header(a, "Transfer-Encoding");
    if (head_only || a->status == 304 || a->status == 204) {
        a->body = calloc(1, 1);
        a->whole = true;
    } else if (encoding) {
        a->whole = read_chunks(fd, a);
    } else {
        length = answer_header(a, "Content-Length");
        a->whole = length && read_bytes(fd, a, strtoul(length, NULL, 10));
    }
    if (!a->body)
        a->body = calloc(1, 1);
}

void answer_free(struct answer *a)
{
    free(a->head);
    free(a->body);
    memset(a, 0, sizeof(*a));
}

bool is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void ask_on(int fd, const char *method, const char *target, const char *headers,
                   const char *body, struct answer *answer)
{
    char *text;
    int n = asprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, target, headers);

    assert_true(n > 0);
    send_all(fd, text, (size_t)n);
    free(text);
    send_text(fd, body);
    read_answer(fd, strcmp(method, "HEAD") == 0, answer);
    close(fd);
}

void ask_tcp(const struct site *site, const char *method, const char *target, const char *headers,
             struct answer *answer)
{
    ask_on(site_connect(site), method, target, headers, "", answer);
}

void ask_from(const struct site *site, const char *host, const char *method, const char *target,
              const char *headers, struct answer *answer)
{
    ask_on(site_connect_from(site, host), method, target, headers, "", answer);
}

void ask_control(const struct site *site, const char *method, const char *target,
                 const char *headers, const char *body, struct answer *answer)
{
    char length[64] = "", *all;

    if (*body)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    assert_true(asprintf(&all, "%s%s", length, headers) >= 0);
    ask_on(site_control(site), method, target, all, body, answer);
    free(all);
}

void expect(const struct answer *a, unsigned status, const char *body)
{
    if (a->status != status || (body && strcmp(a->body, body) != 0) || !a->whole)
        fail_msg("wanted %u \"%s\", got %u: %s%s", status, body ? body : "...", a->status,
                 a->head ? a->head : "", a->body);
}

void expect_header(const struct answer *a, const char *name, const char *value)
{
    const char *got = answer_header(a, name);

    if (!got || strcmp(got, value) != 0)
        fail_msg("wanted %s: %s, got %s", name, value, got ? got : "none");
}
