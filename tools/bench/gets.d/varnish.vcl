# SPDX-License-Identifier: ISC
# All of nginx's files, kept in memory: for tools/bench/gets.
vcl 4.1;

backend default {
    .host = "127.0.0.1";
    .port = "${behind}";
}

sub vcl_backend_response {
    set beresp.ttl = 1d;
}
