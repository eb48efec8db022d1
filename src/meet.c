/* SPDX-License-Identifier: ISC */
#include "src/meet.h"

#include <sys/random.h>

#include "src/base/must.h"

static void on_met(void *arg, const struct gossip_node *node)
{
    struct cache_loop *cache = arg;

    for (size_t i = 0; i < node->beat.address_count; i++) {
        struct address http = node->beat.addresses[i];
        http.port = node->beat.http_port;
        cache_loop_found(cache, &http);
    }
}

static void on_gone(void *arg, const struct address *host)
{
    cache_loop_lost(arg, host);
}

struct discovery *meet_new(const struct meet_options *options)
{
    struct discovery_settings settings;
    struct discovery *discovery;
    struct discovery_options how = {.loop = options->loop,
                                    .mailbox = options->mailbox,
                                    .members = options->own->members,
                                    .keyring = options->keyring,
                                    .rules = options->rules,
                                    .domain = options->conf->domain,
                                    .node = options->conf->node,
                                    .boot = options->boot,
                                    .signers = options->signers,
                                    .met = on_met,
                                    .gone = on_gone,
                                    .arg = options->cache};

    MUST(getrandom(&how.seed, sizeof(how.seed), 0) == sizeof(how.seed));
    discovery = discovery_new(&how);
    own_discovery(options->own, options->conf, &settings);
    if (!discovery_ready(discovery, &settings)) {
        discovery_free(discovery);
        return NULL;
    }
    discovery_apply(discovery, &settings);
    return discovery;
}
