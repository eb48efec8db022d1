/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_STATS_H
#define POND_BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * The counters: one row each makes the enumerator, the Prometheus name and its help text. They only
 * grow. Adding is one relaxed atomic addition, from any thread. Each name ends in _total (and where
 * it is not a count of things, in its base unit before that): prometheus.io/docs/practices/naming.
 *
 *      enumerator           name behind "pond_"              help
 */
#define STATS_ROWS(ROW)                                                                            \
    ROW(STAT_DATAGRAMS_IN, "datagrams_received_total", "Datagrams read from the sockets")          \
    ROW(STAT_DATAGRAMS_OUT, "datagrams_sent_total", "Datagrams handed to the kernel")              \
    ROW(STAT_DATAGRAMS_UNSENT, "datagrams_unsent_total", "Datagrams that the kernel did not take") \
    ROW(STAT_HEARTBEATS_SENT, "heartbeats_sent_total",                                             \
        "Heartbeats of discovery sent, on each path")                                              \
    ROW(STAT_HEARTBEATS_HEARD, "heartbeats_received_total",                                        \
        "Heartbeats of other nodes that were let in and were news")                                \
    ROW(STAT_CONNECTIONS, "http_connections_total", "HTTP connections accepted")                   \
    ROW(STAT_CONNECTIONS_SHED, "http_connections_shed_total",                                      \
        "HTTP connections answered with 503 because of max_connections, or of one host's part")    \
    ROW(STAT_CONNECTIONS_REAPED, "http_connections_reaped_total",                                  \
        "HTTP connections closed because the client was too slow")                                 \
    ROW(STAT_REQUESTS, "http_requests_total", "HTTP requests that were well formed")               \
    ROW(STAT_HITS, "cache_hits_total", "Objects served from content at hand")                      \
    ROW(STAT_MISSES, "cache_misses_total", "Objects that were not at hand when asked for")         \
    ROW(STAT_SERVED_BYTES, "served_bytes_total", "Content bytes put into answers")                 \
    ROW(STAT_PUTS, "puts_total", "Objects put in on this node")                                    \
    ROW(STAT_REMOVALS, "removals_total", "Objects removed on this node")                           \
    ROW(STAT_FETCHES, "fetches_total", "Fetches of content begun")                                 \
    ROW(STAT_FETCHES_FAILED, "fetches_failed_total", "Fetches of content given up")                \
    ROW(STAT_FETCHES_REFUSED, "fetches_refused_total",                                             \
        "Fetches and readers sent away since their share of the places was taken")                 \
    ROW(STAT_FETCHED_BYTES, "fetched_bytes_total", "Content bytes fetched and checked")            \
    ROW(STAT_CHUNKS_WRONG, "fetched_chunks_wrong_total",                                           \
        "Chunks fetched whose SHA-256 was not the one in the chunk list")                          \
    ROW(STAT_BLAMED, "peers_blamed_total", "Times that a peer was set aside for misbehaviour")     \
    ROW(STAT_COMPARISONS, "comparisons_total", "Comparisons of catalogues with a peer")            \
    ROW(STAT_COMMITS, "store_commits_total", "Group commits of the catalogue")                     \
    ROW(STAT_CONFLICTS_DROPPED, "conflicts_dropped_total",                                         \
        "Versions kept as conflicts that went early because there were too many")                  \
    ROW(STAT_RECORDS_ROTTEN, "store_records_rotten_total",                                         \
        "Catalogue records or manifests whose checksum did not fit")                               \
    ROW(STAT_CONTENT_ROTTEN, "store_content_rotten_total",                                         \
        "Content files or chunk lists that did not match their digest")                            \
    ROW(STAT_HOOKS_RUN, "hooks_run_total", "Hooks begun on changes of role")                       \
    ROW(STAT_HOOKS_FAILED, "hooks_failed_total",                                                   \
        "Hooks that could not be started, or ended with another status than 0")                    \
    ROW(STAT_HOOKS_KILLED, "hooks_killed_total", "Hooks killed because they did not end in time")  \
    ROW(STAT_HOOKS_SKIPPED, "hooks_skipped_total",                                                 \
        "Hooks passed over because the role changed again while another one ran")                  \
    ROW(STAT_HOOKS_CUT, "hooks_output_cut_bytes_total",                                            \
        "Bytes printed by hooks beyond what is logged")

enum stat_id {
#define STATS_ENUM(id, name, help) id,
    STATS_ROWS(STATS_ENUM)
#undef STATS_ENUM
        STAT_COUNT
};

struct stat_row {
    const char *name;
    const char *help;
};
extern const struct stat_row stat_rows[STAT_COUNT];

extern _Atomic uint64_t stat_values[STAT_COUNT];

static inline void stat_add(enum stat_id id, uint64_t n)
{
    atomic_fetch_add_explicit(&stat_values[id], n, memory_order_relaxed);
}

static inline uint64_t stat_read(enum stat_id id)
{
    return atomic_load_explicit(&stat_values[id], memory_order_relaxed);
}

#endif
