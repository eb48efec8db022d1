/* SPDX-License-Identifier: ISC */
#include "tools/pond/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/challenge.h"

enum { CONNECT_MOST_S = 10, SLOWEST_BYTES_A_SECOND = 1 };

struct client {
    CURL *curl;
    char *socket_path;
    char cause[CURL_ERROR_SIZE];
    const struct call *call;
    struct answer *answer;
    struct text sentence;
    bool stopped; /* by the call's own source or sink */
};

struct client *client_new(const char *socket_path)
{
    struct client *client = calloc(1, sizeof(*client));

    MUST(client && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    client->socket_path = strdup(socket_path);
    client->curl = curl_easy_init();
    MUST(client->curl && client->socket_path);
    return client;
}

void client_free(struct client *client)
{
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    free(client->socket_path);
    free(client);
}

const char *client_cause(const struct client *client)
{
    return client->cause;
}

static bool read_octal(struct span value, int64_t *out)
{
    int64_t mode = 0;

    if (value.len == 0 || value.len > 6)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '7')
            return false;
        mode = mode * 8 + (value.at[i] - '0');
    }
    *out = mode;
    return true;
}

static void read_header(struct answer *answer, struct span name, struct span value)
{
    char text[128];
    uint64_t n;

    if (!span_copy(value, text, sizeof(text)))
        return;
    if (span_is(name, "content-length") && span_u64(value, INT64_MAX, &n))
        answer->length = (int64_t)n;
    else if (span_is(name, "repr-digest"))
        answer->has_digest = challenge_digest_parse(value, &answer->digest);
    else if (span_is(name, "pond-version") && !version_parse(value, &answer->version))
        answer->version = VERSION_NONE;
    else if (span_is(name, "pond-mtime") && !span_i64(value, &answer->mtime_ns))
        answer->mtime_ns = -1;
    else if (span_is(name, "pond-mode") && !read_octal(value, &answer->mode))
        answer->mode = -1;
    else if (span_is(name, "last-modified") && answer->mtime_ns < 0) {
        time_t t = curl_getdate(text, NULL);
        answer->mtime_ns = t < 0 ? -1 : (int64_t)t * 1000000000;
    }
}

/* A status line begins a new head: one of 100 Continue may stand before the one that counts. */
static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    struct span line = {bytes, size * count}, name;

    while (line.len && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
        line.len--;
    if (span_begins(line, "HTTP/")) {
        *client->answer = (struct answer){.length = -1, .mtime_ns = -1, .mode = -1};
        return size * count;
    }
    name = span_take(&line, ':');
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] >= 'A' && name.at[i] <= 'Z')
            bytes[i] = (char)(name.at[i] - 'A' + 'a');
    read_header(client->answer, name, span_trim(line));
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    struct answer *answer = client->answer;
    size_t len = size * count;

    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    if (answer->status / 100 == 2) {
        if (!client->call->sink || client->call->sink(client->call->arg, answer, bytes, len))
            return len;
        client->stopped = true;
        return 0;
    }
    text_add(&client->sentence, bytes, len < ANSWER_SENTENCE_SIZE ? len : 0);
    return len;
}

static size_t on_source(char *bytes, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    ssize_t n = client->call->source(client->call->arg, bytes, size * count);

    if (n >= 0)
        return (size_t)n;
    client->stopped = true;
    return CURL_READFUNC_ABORT;
}

static void set_method(CURL *curl, const struct call *call)
{
    if (call->source) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->source_size);
    } else if (strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    } else if (strcmp(call->method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

/* Nothing from the environment may change where a request goes: no proxy, no redirect. */
static void set_options(struct client *client, const struct call *call, const char *url)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->cause);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_MOST_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)call->most_s);
    if (call->stall_s) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST_BYTES_A_SECOND);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)call->stall_s);
    }
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, client);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_source);
    curl_easy_setopt(curl, CURLOPT_READDATA, client);
    set_method(curl, call);
}

/* A refusal may come while we still send; the daemon then closes, and sending fails. What it said
 * counts, not that. */
static bool refused_early(const struct client *client, CURLcode code)
{
    return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && client->answer->status >= 400;
}

static enum client_result result_of(struct client *client, CURLcode code)
{
    long os_error = 0;

    if (client->stopped)
        return CLIENT_STOPPED;
    if (refused_early(client, code))
        return CLIENT_OK;
    switch (code) {
    case CURLE_OK:
        return CLIENT_OK;
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
        return os_error == EACCES || os_error == EPERM ? CLIENT_NO_ACCESS : CLIENT_NO_DAEMON;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
        return CLIENT_BROKE_OFF;
    case CURLE_OPERATION_TIMEDOUT:
        return CLIENT_SILENT;
    default:
        return CLIENT_FAILED;
    }
}

enum client_result client_do(struct client *client, const struct call *call, struct answer *answer)
{
    char url[TARGET_SIZE + 32];
    struct text text = TEXT_OVER(url);
    struct curl_slist *headers = NULL;
    CURLcode code;

    text_printf(&text, "http://localhost%s", call->target);
    MUST(!text.full);
    for (const char *const *h = call->headers; h && *h; h++)
        MUST((headers = curl_slist_append(headers, *h)));

    *answer = (struct answer){.length = -1, .mtime_ns = -1, .mode = -1};
    client->call = call;
    client->answer = answer;
    client->stopped = false;
    client->cause[0] = '\0';
    client->sentence = TEXT_OVER(answer->sentence);
    set_options(client, call, url);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    code = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    if (code != CURLE_OK && !client->cause[0]) {
        struct text cause = TEXT_OVER(client->cause);
        text_puts(&cause, curl_easy_strerror(code));
    }
    return result_of(client, code);
}
