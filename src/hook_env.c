/* SPDX-License-Identifier: ISC */
#include "src/hook_env.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum { OURS_MAX = 16 };

static char *__attribute__((format(printf, 1, 2))) made(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    MUST(vasprintf(&text, format, args) >= 0);
    va_end(args);
    return text;
}

static const char *host_or_nothing(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    return address_is_any(a) ? "" : address_host_text(a, out);
}

static size_t add_ours(char **env, const char *node, const struct role_change *change)
{
    char master[ADDRESS_TEXT_SIZE], own[ADDRESS_TEXT_SIZE];
    size_t n = 0;

    env[n++] = made("POND_TIER=%s", change->tier);
    env[n++] = made("POND_ROLE=%s", roles_name(change->queue));
    env[n++] = made("POND_EPOCH=%" PRIu64, change->epoch);
    env[n++] = made("POND_MASTER=%s", change->master);
    env[n++] = made("POND_ADDRESS=%s", host_or_nothing(&change->master_address, master));
    env[n++] = made("POND_OWN_ADDRESS=%s", host_or_nothing(&change->address, own));
    env[n++] = made("POND_REASON=%s", reason_name(change->reason));
    env[n++] = made("POND_NODE=%s", node);
    env[n++] = made("POND_AGAIN=%d", change->again);
    env[n++] = made("POND_ENDED=%d", change->ended);
    MUST(n <= OURS_MAX);
    return n;
}

/* The hook is not who the manager waits to hear from, and its output goes to a pipe of ours. */
static bool is_left_out(const char *variable)
{
    static const char *const prefixes[] = {"POND_", "NOTIFY_SOCKET=", "JOURNAL_STREAM=", "LISTEN_",
                                           "WATCHDOG_"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (span_begins(span_of(variable), prefixes[i]))
            return true;
    return false;
}

char **hook_env_new(char *const *daemon, const char *node, const struct role_change *change)
{
    size_t count = 0, n;
    char **env;

    while (daemon[count])
        count++;
    env = calloc(count + OURS_MAX + 1, sizeof(*env));
    MUST(env != NULL);
    n = add_ours(env, node, change);
    for (size_t i = 0; i < count; i++)
        if (!is_left_out(daemon[i]))
            env[n++] = made("%s", daemon[i]);
    return env;
}

void hook_env_free(char **env)
{
    for (char **variable = env; *variable; variable++)
        free(*variable);
    free(env);
}
