/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_OPTIONS_H
#define POND_CONF_OPTIONS_H

/*
 * Every setting, one row each. The row makes the field of struct conf, the reading, the checks, the
 * entry of main.cf(5), the example, and "did you mean". Rows NODE stand in `defaults` and in the
 * sections of `hosts`, rows TIER there and per tier below `tiers`, rows GOSSIP below `gossip`.
 *
 *   name      as in main.cf; IS_NAME in the environment
 *   type      how it is written, and of what C type the field is (CONF_C_... in conf.h)
 *   default   as it would be written in the environment; NULL: none, or what `words` say
 *   words     the default in words, where `default` does not say it; NULL otherwise
 *   min, max  of numbers; 0, 0: whatever the type can hold
 *   unit      of numbers; NULL: none
 *   reload    LIVE: a reload applies it. RESTART: it counts from the next start
 *   help      for the manual page and the example, in whole sentences
 */
#define CONF_OPTIONS(NODE, TIER, GOSSIP)                                                           \
    NODE(domain, TEXT, "local", NULL, 0, 0, NULL, RESTART,                                         \
         "The cluster's name: the first part of every file's name.")                               \
    NODE(address, ADDRESSES, NULL,                                                                 \
         "loopback alone (127.0.0.1 and ::1) without keys; every address with keys", 0, 0, NULL,   \
         RESTART,                                                                                  \
         "The local address, or list of addresses, IPv4 or IPv6, to listen on and to speak from. " \
         "Without keys and without `open`, an address elsewhere than on loopback is an error.")    \
    NODE(port, INT, "65027", NULL, 1, 65535, NULL, RESTART,                                        \
         "The UDP port of the cache's messages.")                                                  \
    NODE(http_port, INT, "65028", NULL, 1, 65535, NULL, RESTART,                                   \
         "The TCP port on which files are served over HTTP.")                                      \
    NODE(advert_port, INT, "65029", NULL, 1, 65535, NULL, RESTART,                                 \
         "The port of the masters' adverts, UDP and TCP.")                                         \
    NODE(nets, PATHS, NULL, NULL, 0, 0, NULL, LIVE,                                                \
         "One nets file or a list of them: the tiers that this host is in. See carpond-nets(5).")  \
    NODE(nobroadcast, BOOL, "false", NULL, 0, 0, NULL, LIVE,                                       \
         "Never send to the broadcast address, and accept only members of `nets`.")                \
    NODE(broadcast_addr, ADDRESS, NULL, "255.255.255.255; on loopback alone 127.255.255.255", 0,   \
         0, NULL, LIVE, "Where broadcasts go: an IPv4 address.")                                   \
    TIER(advert_addr, ADDRESS, NULL, NULL, 0, 0, NULL, LIVE,                                       \
         "A multicast group, IPv4 or IPv6, for adverts instead of unicast to each member: the "    \
         "same for all members of the tier. Adverts to it are taken with a TTL or hop limit of "   \
         "255 alone, so from no other link (RFC 5082).")                                           \
    TIER(advert_if, TEXT, NULL, "that of this host's address in the tier", 0, 0, NULL, LIVE,       \
         "The interface of the multicast group `advert_addr`.")                                    \
    NODE(hmac_keys, PATH, NULL, NULL, 0, 0, NULL, LIVE,                                            \
         "The key file: see carpond-keys(5). One that holds nothing but +ANY+ counts as no keys. " \
         "Where keys come or go, that counts from the next start.")                                \
    NODE(auth, AUTH, "enforce", NULL, 0, 0, NULL, LIVE,                                            \
         "`enforce`: everything must be signed. `permissive`: sign, and take what is unsigned "    \
         "too. "                                                                                   \
         "`receive-only`: check what is signed, take what is unsigned too, and do not sign yet: "  \
         "to "                                                                                     \
         "roll keys out.")                                                                         \
    NODE(open, BOOL, "false", NULL, 0, 0, NULL, RESTART,                                           \
         "Take part without keys on other than loopback addresses. Whoever can reach the ports "   \
         "can "                                                                                    \
         "then put files in.")                                                                     \
    NODE(plain_get, BOOL, NULL, "false with keys, true without", 0, 0, NULL, LIVE,                 \
         "Members may GET without a signature, as curl or apt do on hosts that run no carpond.")   \
    NODE(monitors, NETWORKS, NULL, NULL, 0, 0, NULL, LIVE,                                         \
         "Addresses and networks that may read `/.pond/metrics` and `/.pond/status`.")             \
    NODE(                                                                                          \
        isconf, BOOL, "false", NULL, 0, 0, NULL, RESTART,                                          \
        "Take ISconf 4's messages too, and speak so that its hosts understand: see ISconf hosts, " \
        "below.")                                                                                  \
    TIER(base, REAL, "1", NULL, 0.01, 3600, "seconds", LIVE,                                       \
         "With `skew`, this node's standing as a candidate: how often it adverts as master. The "  \
         "smaller interval is the better one.")                                                    \
    TIER(skew, INT, "0", NULL, 0, 255, "256ths of a second", LIVE, "Is added to `base`.")          \
    NODE(tiers, TIERS_GROUP, NULL, NULL, 0, 0, NULL, LIVE,                                         \
         "Per tier, what differs there, as in `tiers = { paris = { skew = 100; }; };`.")           \
    TIER(preempt, BOOL, "true", NULL, 0, 0, NULL, LIVE, "Take over from a master that is worse.")  \
    TIER(preempt_delay, REAL, NULL, "3 dead times", 0, 86400, "seconds", LIVE,                     \
         "How long the node must have been in steady health before it takes over.")                \
    TIER(dead_ratio, REAL, "3", NULL, 1.5, 100, "the master's intervals", LIVE,                    \
         "After how many intervals of silence a master counts as dead.")                           \
    NODE(home, PATH, LOCALSTATEDIR "/lib/carpond", NULL, 0, 0, NULL, RESTART,                      \
         "Where the node keeps its store, its control socket and its state.")                      \
    NODE(socket_group, TEXT, NULL, NULL, 0, 0, NULL, RESTART,                                      \
         "A group that may use the control socket, beside the user that carpond runs as.")         \
    NODE(cache_size, BYTES, "0", NULL, 0, 0, "bytes", LIVE,                                        \
         "Content that is kept beyond what must be kept, as in \"100G\" (powers of 1024). 0: no "  \
         "bound.")                                                                                 \
    NODE(http_threads, INT, "0", NULL, 0, 256, NULL, RESTART,                                      \
         "Threads that serve HTTP. 0: one for each core.")                                         \
    NODE(max_connections, INT, "10000", NULL, 2, 1000000, NULL, RESTART,                           \
         "Connections beyond which the answer is 503. Another host gets a quarter of them at "     \
         "most, and hosts that are no members get a quarter together.")                            \
    NODE(gate, PATH, NULL, NULL, 0, 0, NULL, LIVE,                                                 \
         "The rules file, which lets messages in and keeps them out: see carpond-rules(5).")       \
    TIER(on_master, TEXT, NULL, NULL, 0, 0, NULL, LIVE,                                            \
         "A command that is run when the node becomes master of a tier, and again after a "        \
         "conflict: see Commands on changes of role, below.")                                      \
    TIER(on_backup, TEXT, NULL, NULL, 0, 0, NULL, LIVE,                                            \
         "A command that is run likewise when the node becomes backup in a tier where it is a "    \
         "candidate: also at its start, and when it stops or leaves the tier.")                    \
    TIER(on_slave, TEXT, NULL, NULL, 0, 0, NULL, LIVE,                                             \
         "A command that is run likewise when the node becomes slave in a tier.")                  \
    NODE(gossip, GOSSIP_GROUP, NULL, NULL, 0, 0, NULL, LIVE,                                       \
         "Discovery by heartbeat: a group of settings of its own, below. `gossip = { };` takes "   \
         "all of their defaults.")                                                                 \
    NODE(log_level, LEVEL, "info", NULL, 0, 0, NULL, LIVE,                                         \
         "How much is logged: `error`, `warn`, `info` or `debug`. `pond log-level` turns it at "   \
         "run "                                                                                    \
         "time.")                                                                                  \
    GOSSIP(port, INT, "45892", NULL, 1, 65535, NULL, LIVE, "The UDP port of the heartbeats.")      \
    GOSSIP(if_addr, ADDRESS, NULL,                                                                 \
           "this host's addresses in its tiers; where it is in none, as packets are routed", 0, 0, \
           NULL, LIVE, "The local address from which heartbeats go out.")                          \
    GOSSIP(multicast_addr, ADDRESS, "233.252.1.32", NULL, 0, 0, NULL, LIVE,                        \
           "The multicast group, IPv4 or IPv6; with `broadcast_only`, the broadcast address, and " \
           "where it is not set then, that of `broadcast_addr`.")                                  \
    GOSSIP(multicast_if, TEXT, NULL, "those of the addresses that heartbeats go out from", 0, 0,   \
           NULL, LIVE, "The interface of the multicast group.")                                    \
    GOSSIP(multicast_ttl, INT, "1", NULL, 0, 255, NULL, LIVE,                                      \
           "How many links a heartbeat may cross: its TTL or hop limit. 0: it stays on this "      \
           "host.")                                                                                \
    GOSSIP(broadcast_only, BOOL, "false", NULL, 0, 0, NULL, LIVE,                                  \
           "Broadcast instead of multicast, where switches or routers keep that from passing.")    \
    GOSSIP(secret, PATH, NULL, NULL, 0, 0, NULL, LIVE,                                             \
           "A file with a secret, by which heartbeats are encrypted and authenticated. Nodes "     \
           "with another secret do not see each other. It has the form of a key file, see "        \
           "carpond-keys(5): the first secret encrypts, any of them opens. It is read again at "   \
           "each reload.")                                                                         \
    GOSSIP(interval, REAL, "5", NULL, 0.1, 3600, "seconds", LIVE,                                  \
           "A heartbeat goes out at a random moment within each interval.")

#endif
