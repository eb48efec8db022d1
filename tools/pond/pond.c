/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/conf.h"
#include "tools/pond/ask.h"

static void find_home(const struct args *args, struct text *out)
{
    const char *file = args->value[OPTION_CONFIG];

    if (args_given(args, OPTION_HOME))
        text_puts(out, args->value[OPTION_HOME]);
    else
        conf_find_home(file ? file : CONF_DEFAULT_FILE, out);
}

void pond_begin(struct pond *pond, const struct args *args)
{
    *pond = (struct pond){.args = args};
}

void pond_end(struct pond *pond)
{
    if (pond->client)
        client_free(pond->client);
    pond->client = NULL;
}

/* When the first question comes: some commands have none. */
static enum pond_exit find_daemon(struct pond *pond)
{
    const char *file = pond->args->value[OPTION_CONFIG];
    struct text path = TEXT_OVER(pond->socket_path);

    if (file && access(file, R_OK) != 0)
        return say_exit(POND_FAILED, "cannot read %s: %s (name main.cf with -c)", file,
                        strerror(errno));
    find_home(pond->args, &path);
    text_puts(&path, "/carpond.sock");
    if (path.full || path.len >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return say_exit(POND_USAGE,
                        "the path of the daemon's socket, %s, is longer than the %zu bytes that "
                        "the kernel takes: choose a shorter home",
                        pond->socket_path, sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    pond->client = client_new(pond->socket_path);
    return POND_DONE;
}

static enum pond_exit say_unanswered(const struct pond *pond, const char *what,
                                     enum client_result result)
{
    switch (result) {
    case CLIENT_NO_DAEMON:
        return say_exit(POND_NO_DAEMON,
                        "no daemon answers at %s: start carpond, or name its home with --home",
                        pond->socket_path);
    case CLIENT_NO_ACCESS:
        return say_exit(POND_REFUSED,
                        "%s may not be used by this user: run pond as root or as the user of "
                        "carpond, or join the group that main.cf names as socket_group",
                        pond->socket_path);
    case CLIENT_BROKE_OFF:
        return say_exit(POND_FAILED,
                        "%s: the daemon's answer broke off (%s): see its log, and try again", what,
                        client_cause(pond->client));
    case CLIENT_SILENT:
        return say_exit(POND_FAILED, "%s: the daemon did not answer in time (%s): see its log",
                        what, client_cause(pond->client));
    case CLIENT_STOPPED:
        return POND_FAILED; /* the sink or the source has said why */
    default:
        return say_exit(POND_FAILED, "%s: %s", what, client_cause(pond->client));
    }
}

/* 404 and 410 say that there is no such thing; 400 that what was asked makes no sense; the other
 * 4xx, 507 (store full) and 508 (going round in circles) are refusals. What is left, 503 (not now)
 * among it, has failed. */
static enum pond_exit exit_of_status(long status)
{
    switch (status) {
    case 400:
        return POND_USAGE;
    case 404:
    case 410:
        return POND_NOT_FOUND;
    case 507:
    case 508:
        return POND_REFUSED;
    default:
        return status >= 400 && status < 500 ? POND_REFUSED : POND_FAILED;
    }
}

enum pond_exit pond_do(struct pond *pond, const char *what, const struct call *call,
                       struct answer *answer)
{
    enum pond_exit found = pond->client ? POND_DONE : find_daemon(pond);
    enum client_result result;

    if (found != POND_DONE)
        return found;
    result = client_do(pond->client, call, answer);
    if (result != CLIENT_OK)
        return say_unanswered(pond, what, result);
    if (answer->status / 100 == 2)
        return POND_DONE;
    answer->sentence[strcspn(answer->sentence, "\r\n")] = '\0';
    if (answer->sentence[0])
        return say_exit(exit_of_status(answer->status), "%s: %s", what, answer->sentence);
    return say_exit(exit_of_status(answer->status), "%s: the daemon answered with HTTP status %ld",
                    what, answer->status);
}

enum pond_exit pond_domain(struct pond *pond)
{
    json_t *json;
    enum pond_exit status = POND_DONE;

    if (pond->domain[0])
        return POND_DONE;
    status = ask_json(pond, "status", "/.pond/status", &json);
    if (status != POND_DONE)
        return status;
    if (!span_copy(span_of(field_text(json, "domain", "")), pond->domain, sizeof(pond->domain)) ||
        !pond->domain[0])
        status = say_exit(POND_FAILED, "the daemon does not tell its domain: is it carpond?");
    json_decref(json);
    return status;
}

enum pond_exit pond_name(struct pond *pond, const char *typed, char out[NAME_SIZE])
{
    enum pond_exit status = pond_domain(pond);
    enum name_verdict verdict;

    if (status != POND_DONE)
        return status;
    verdict = name_complete(span_of(typed), pond->domain, out);
    if (verdict != NAME_OK)
        return say_exit(POND_USAGE, "\"%s\" is no name: %s", typed, name_sentence(verdict));
    return POND_DONE;
}

void pond_query(struct text *target, const char *key, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    text_printf(target, "%s=", key);
    for (const char *c = value; *c; c++)
        if (strchr(plain, *c))
            text_putc(target, *c);
        else
            text_printf(target, "%%%02X", (unsigned)(unsigned char)*c);
}
