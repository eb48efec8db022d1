/* SPDX-License-Identifier: ISC */
#include "src/http.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/http_inner.h"
#include "src/http_reply.h"
#include "src/signals.h"

/*
 * The one place where libmicrohttpd is set up and taken down. Found out by reading 0.9.75 and by
 * experiment: its own limit of connections deadlocks the workers where sockets are handed over, so
 * it is set where it cannot be reached, and the acceptor keeps ours; a pool of one thread is asked
 * for by not asking for a pool; it must not be stopped while a connection is suspended. Its strict
 * mode stays off: all that it adds is checked by request_shape as well, and where it refuses a
 * missing Host it writes the head of the answer twice.
 */
enum {
    HTTP_MAGIC = 0x68747470,
    VISITOR_MAGIC = 0x76697369,
    REQUEST_MAGIC = 0x72657175,
    HTTP_DAEMON_SLACK = 64
};

#define HTTP_HEAD_NS MONO_S(10)
#define HTTP_IDLE_NS MONO_S(60) /* above the 30 s for which nodes keep an idle connection */
#define HTTP_WINDOW_NS MONO_S(10)
#define HTTP_RATE 4096

/* ---- connections: called by libmicrohttpd ---------------------------------------------------- */

static int socket_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    MUST(info != NULL);
    return info->connect_fd;
}

static struct visitor *visitor_new(struct http *http, int fd)
{
    struct visitor *v = calloc(1, sizeof(*v));
    union sockaddr_any end;
    socklen_t len = sizeof(end);

    MUST(v != NULL);
    v->magic = VISITOR_MAGIC;
    v->http = http;
    v->fd = fd;
    memset(&end, 0, sizeof(end));
    if (getpeername(fd, &end.any, &len) == 0)
        (void)address_from_socket(&end.any, &v->from);
    len = sizeof(end);
    memset(&end, 0, sizeof(end));
    if (getsockname(fd, &end.any, &len) == 0 && !address_from_socket(&end.any, &v->to))
        v->control = end.any.sa_family == AF_UNIX;
    v->reaped = reaper_add(http->reaper, fd, !v->control, v);
    MUST(v->reaped != NULL); /* the acceptor takes fewer than there are places */
    return v;
}

static void visitor_free(struct visitor *v)
{
    struct http *http = v->http;
    int fd = v->fd;

    MUST_BE(v, VISITOR_MAGIC);
    MUST(!v->suspended);
    reaper_remove(http->reaper, v->reaped);
    v->magic = 0;
    free(v);
    acceptor_left(http->acceptor, fd);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = visitor_new(cls, socket_of(connection));
    } else {
        visitor_free(*socket_context);
        *socket_context = NULL;
    }
}

/* ---- requests: called by libmicrohttpd ------------------------------------------------------- */

static void *on_first_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http *http = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    size_t len = uri ? strlen(uri) : 0;
    struct request *r = malloc(sizeof(*r) + len + 1);

    MUST(r != NULL && info != NULL);
    memset(r, 0, offsetof(struct request, headers)); /* the rest is filled before it is read */
    r->magic = REQUEST_MAGIC;
    atomic_store(&r->refs, 1);
    r->answer_by = MONO_NEVER;
    r->http = http;
    r->visitor = info->socket_context;
    MUST_BE(r->visitor, VISITOR_MAGIC);
    r->connection = connection;
    if (len)
        memcpy(r->target_text, uri, len);
    r->target_text[len] = '\0';
    r->head.target = (struct span){r->target_text, len};
    r->query = r->head.target;
    r->path = span_take(&r->query, '?');
    atomic_fetch_add(&http->requests, 1);
    return r;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct http *http = cls;
    struct request *r = *con_cls;

    (void)connection, (void)code;
    if (!r)
        return;
    MUST_BE(r, REQUEST_MAGIC);
    if (r->work_end)
        r->work_end(r->work);
    reaper_state(r->visitor->reaped, REAPER_IDLE);
    atomic_fetch_sub(&http->requests, 1);
    *con_cls = NULL;
    request_release(r);
}

/* The wait is to be given up: nobody is left to answer, or no time. */
static enum step give_up(struct request *r)
{
    if (request_is_gone(r))
        return STEP_BREAK;
    return reply_refuse(r, 503, "this node is stopping");
}

/* Steps until it is answered, suspended or broken off. */
static enum MHD_Result go_on(struct request *r)
{
    enum step step = STEP_WAIT;
    enum wait wait = WAIT_OVER;

    while (step == STEP_WAIT && wait == WAIT_OVER) {
        step = r->refusal ? reply_refuse(r, r->refusal, r->refusal_sentence) : r->step(r);
        if (step == STEP_WAIT)
            wait = request_wait(r);
    }
    if (step == STEP_WAIT && wait == WAIT_END)
        step = give_up(r);
    return step == STEP_BREAK ? MHD_NO : MHD_YES;
}

/* The first call. What has no body is only begun by the second one: an answer that is queued in the
 * first makes libmicrohttpd close the connection. */
static enum MHD_Result begin(struct request *r, const char *method, const char *version)
{
    r->begun = true;
    if (!request_read(r, method, version))
        return MHD_YES;
    stat_add(STAT_REQUESTS, 1);
    if (!r->has_body)
        return MHD_YES;
    reaper_state(r->visitor->reaped, REAPER_BODY);
    return request_begin(r) == STEP_BREAK ? MHD_NO : MHD_YES;
}

/* What is not taken now is given again by libmicrohttpd, when the request is woken. */
static enum MHD_Result offer_body(struct request *r, const char *bytes, size_t *len)
{
    enum wait wait = WAIT_OVER;
    bool taken = false;

    while (wait == WAIT_OVER && !(taken = r->take(r, bytes, *len)))
        wait = request_wait(r);
    if (r->body_held && taken)
        reaper_state(r->visitor->reaped, REAPER_BODY);
    r->body_held = !taken;
    if (taken)
        *len = 0;
    return taken || wait == WAIT_SUSPENDED ? MHD_YES : MHD_NO;
}

static enum MHD_Result take_body(struct request *r, const char *bytes, size_t *len)
{
    if (!r->refusal && r->take)
        return offer_body(r, bytes, len);
    r->swallowed += *len;
    *len = 0;
    return r->swallowed <= HTTP_SWALLOW_MAX || r->visitor->control || r->is_signed ? MHD_YES
                                                                                   : MHD_NO;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **con_cls)
{
    struct request *r = *con_cls;

    (void)cls, (void)connection, (void)url;
    MUST_BE(r, REQUEST_MAGIC);
    if (!r->begun)
        return begin(r, method, version);
    if (*len)
        return take_body(r, bytes, len);
    r->body_over = true;
    if (!r->step && !r->refusal) {
        enum step step = request_begin(r);
        if (step != STEP_WAIT)
            return step == STEP_BREAK ? MHD_NO : MHD_YES;
    }
    return go_on(r);
}

/* Escapes are ours to read: libmicrohttpd's own cuts the target at %00. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

/* On the control socket, which is no TCP, libmicrohttpd finds so anew for each connection, and says
 * that it may be slow. It is not: there is no Nagle to turn off. */
static bool is_of_no_tcp(const char *format)
{
    static const char *const of_no_tcp[] = {"Setting %s option to %s state failed",
                                            "Failed to push the data from buffers"};

    for (size_t i = 0; i < sizeof(of_no_tcp) / sizeof(*of_no_tcp); i++)
        if (strncmp(format, of_no_tcp[i], strlen(of_no_tcp[i])) == 0)
            return true;
    return false;
}

static void __attribute__((format(printf, 2, 0)))
on_message(void *cls, const char *format, va_list args)
{
    char line[512];

    (void)cls;
    if (log_level() < LEVEL_DEBUG || is_of_no_tcp(format))
        return;
    vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\r\n")] = '\0';
    log_debug("http: %s", line);
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool take_socket(void *arg, int fd, const union sockaddr_any *from, socklen_t len,
                        bool control)
{
    struct http *http = arg;

    (void)control;
    return MHD_add_connection(http->daemon, fd, &from->any, len) == MHD_YES;
}

static bool knows_host(void *arg, const struct address *from, const struct address *to)
{
    const struct http *http = arg;

    return gate_keeps_host(http->options.world.gate, from, to);
}

static unsigned capacity(const struct http_options *options)
{
    return options->max_connections + ACCEPTOR_CONTROL_MAX;
}

static struct MHD_Daemon *start_daemon(struct http *http)
{
    unsigned threads = http->options.threads > 1 ? http->options.threads : 0;
    unsigned unreachable = (capacity(&http->options) + HTTP_DAEMON_SLACK) * (threads ? threads : 1);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_message, NULL}, /* has to be the first */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)unreachable, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL}, /* the reaper's */
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_first_line, http},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, http},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, http},
        {threads ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                            0, NULL, NULL, on_request, http, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

static struct MHD_Daemon *start_without_signals(struct http *http)
{
    struct MHD_Daemon *daemon;
    sigset_t before;

    signals_block(&before);
    daemon = start_daemon(http);
    signals_restore(&before);
    if (!daemon)
        log_error("http: libmicrohttpd does not start (it says why with log_level = \"debug\")");
    return daemon;
}

/* Each connection may have a file open beside its socket, though few have at any time: people are
 * told only where not even the sockets find room. */
static void want_descriptors(unsigned max_connections)
{
    enum { OTHERS = 512 };
    rlim_t wanted = 2 * (rlim_t)max_connections + OTHERS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < (rlim_t)max_connections + OTHERS)
        log_warn("http: max_connections is %u, but only %llu files may be open: raise the limit "
                 "(LimitNOFILE=, ulimit -n) to %llu",
                 max_connections, (unsigned long long)limit.rlim_cur, (unsigned long long)wanted);
}

static char *copied(const char *string)
{
    char *copy = strdup(string);

    MUST(copy != NULL);
    return copy;
}

/* RFC 9211: a cache names itself by a token, which begins with a letter, or by a string. */
static char *cache_name(const char *node)
{
    size_t size = strlen(node) + 3;
    char *name = malloc(size);
    bool letter = (*node | 0x20) >= 'a' && (*node | 0x20) <= 'z';

    MUST(name != NULL);
    snprintf(name, size, letter ? "%s" : "\"%s\"", node);
    return name;
}

static void drop_seal(void *seal)
{
    seal_free(seal);
}

static void fill_limits(struct reaper_limits *limits)
{
    if (!limits->head_ns)
        limits->head_ns = HTTP_HEAD_NS;
    if (!limits->idle_ns)
        limits->idle_ns = HTTP_IDLE_NS;
    if (!limits->window_ns)
        limits->window_ns = HTTP_WINDOW_NS;
    if (!limits->last_ns)
        limits->last_ns = HTTP_LAST_NS;
    if (!limits->rate)
        limits->rate = HTTP_RATE;
}

static struct reaper *start_reaper(struct http *http)
{
    return reaper_new(&(struct reaper_options){
        .loop = http->options.loop,
        .limits = http->options.limits,
        .capacity = capacity(&http->options),
        .waits = visitor_waits,
    });
}

static struct acceptor *start_acceptor(struct http *http)
{
    const struct http_options *o = &http->options;

    return acceptor_new(&(struct acceptor_options){
        .loop = o->loop,
        .listen = o->listen,
        .listen_count = o->listen_count,
        .passed = o->passed,
        .socket_path = o->socket_path,
        .socket_group = o->socket_group,
        .max_connections = o->max_connections,
        .take = take_socket,
        .knows = knows_host,
        .arg = http,
    });
}

struct http *http_new(const struct http_options *options)
{
    struct http *http = calloc(1, sizeof(*http));

    MUST(http != NULL);
    http->magic = HTTP_MAGIC;
    http->options = *options;
    fill_limits(&http->options.limits);
    if (!http->options.patience_ns)
        http->options.patience_ns = HTTP_PATIENCE_NS;
    if (!http->options.reply_memory)
        http->options.reply_memory = HTTP_REPLY_MEMORY;
    http->replies = portions_new(&(struct portions_most){
        .whole = http->options.reply_memory,
        .others = http->options.reply_memory * 3 / 4,
        .host = http->options.reply_memory / 4,
    });
    http->hot = hot_begin(options->hot_ns ? options->hot_ns : HTTP_HOT_NS);
    http->node = copied(options->world.node);
    http->domain = copied(options->world.domain);
    http->cache_name = cache_name(http->node);
    MUST(pthread_key_create(&http->seal_key, drop_seal) == 0);
    MUST(pthread_mutex_init(&http->asking_lock, NULL) == 0);
    MUST(pthread_mutex_init(&http->guests_lock, NULL) == 0);
    http->events = events_new();
    http->chores = chores_new(http);
    http->ranges = ranges_new(http);
    http->reaper = start_reaper(http);
    want_descriptors(options->max_connections);
    http->daemon = start_without_signals(http);
    /* The last, for it begins to take connections. */
    http->acceptor = http->daemon ? start_acceptor(http) : NULL;
    if (!http->acceptor) {
        http_free(http);
        return NULL;
    }
    return http;
}

/* ---- members that leave ---------------------------------------------------------------------- */

/* Is it here for a member that speaks from elsewhere, and is that still one? */
static bool is_guest(const struct visitor *v)
{
    struct http *http = v->http;
    bool is;

    pthread_mutex_lock(&http->guests_lock);
    is = v->is_guest && gate_keeps_host(http->options.world.gate, &v->member, &v->to);
    pthread_mutex_unlock(&http->guests_lock);
    return is;
}

static bool is_barred(const void *owner)
{
    const struct visitor *v = owner;

    MUST_BE(v, VISITOR_MAGIC);
    return !v->control && !gate_keeps_host(v->http->options.world.gate, &v->from, &v->to) &&
           !is_guest(v);
}

void http_recheck(struct http *http)
{
    MUST_BE(http, HTTP_MAGIC);
    reaper_shut(http->reaper, is_barred);
}

/* ---- stop ------------------------------------------------------------------------------------ */

static void run_loop_briefly(struct ev_loop *loop)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    ev_run(loop, EVRUN_NOWAIT);
    nanosleep(&moment, NULL);
}

void http_drain(struct http *http, int64_t most_ns)
{
    mono_t deadline = mono_after(clock_mono(), most_ns);

    MUST_BE(http, HTTP_MAGIC);
    acceptor_stop(http->acceptor);
    atomic_store(&http->draining, true);
    events_end(http->events);
    reaper_shut_idle(http->reaper);
    while (acceptor_count(http->acceptor) && !mono_reached(clock_mono(), deadline))
        run_loop_briefly(http->options.loop);
}

/* Nobody is suspended when libmicrohttpd is stopped: from `stopping` on nobody begins to wait, and
 * those who waited are woken. Workers that wait for an answer of the main loop, which is us, get it
 * first. */
static void stop_daemon(struct http *http)
{
    atomic_store(&http->draining, true);
    atomic_store(&http->stopping, true);
    http_wake_all(http);
    while (atomic_load(&http->in_world))
        run_loop_briefly(http->options.loop);
    MHD_stop_daemon(http->daemon);
}

void http_free(struct http *http)
{
    if (!http)
        return;
    MUST_BE(http, HTTP_MAGIC);
    if (http->acceptor)
        acceptor_stop(http->acceptor);
    chores_stop(http->chores);
    ranges_stop(http->ranges);
    if (http->daemon)
        stop_daemon(http);
    if (http->acceptor)
        acceptor_free(http->acceptor);
    reaper_free(http->reaper);
    chores_free(http->chores);
    ranges_free(http->ranges);
    events_free(http->events);
    hot_free(http->hot);
    MUST(portions_taken(http->replies) == 0);
    portions_free(http->replies);
    pthread_key_delete(http->seal_key);
    MUST(!http->asking);
    pthread_mutex_destroy(&http->asking_lock);
    pthread_mutex_destroy(&http->guests_lock);
    free(http->cache_name);
    free(http->domain);
    free(http->node);
    http->magic = 0;
    free(http);
}

struct address http_address(const struct http *http, size_t index)
{
    MUST_BE(http, HTTP_MAGIC);
    return acceptor_address(http->acceptor, index);
}

void http_figures(struct http *http, struct http_figures *out)
{
    MUST_BE(http, HTTP_MAGIC);
    out->connections = acceptor_count(http->acceptor);
    out->requests = atomic_load(&http->requests);
}
