/* SPDX-License-Identifier: ISC */
/* Datagrams through the whole gate. Each is judged as it is, and once more with a good signature
 * put on it, so that what stands behind the keys is reached too. */
#include "src/gate.h"

#include <string.h>

#include "src/base/must.h"

#define DOMAIN "example.com"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct keyring *keyring;
    struct seal *seal;
    struct members *members;
    struct gate *strict, *open, *isconf;
} here;

static struct gate *make_gate(bool isconf, const struct keyring *keyring)
{
    return gate_new(&(struct gate_options){.members = here.members,
                                           .keyring = keyring,
                                           .domain = DOMAIN,
                                           .node = "gw1",
                                           .boot = 7,
                                           .port = 65027,
                                           .isconf = isconf});
}

static void begin(void)
{
    const struct span key = {"key", 3};

    here.keyring = keyring_new(&key, 1, false);
    here.seal = seal_new(here.keyring);
    here.members = members_new(&(struct members_options){.nobroadcast = false});
    here.strict = make_gate(true, here.keyring);
    here.open = make_gate(false, NULL);
    here.isconf = make_gate(true, NULL);
}

/* Whatever was let in is what a notice of this cluster may be. */
static enum gate_verdict judge(struct gate *gate, struct span bytes)
{
    struct gate_datagram datagram = {.from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}}};
    struct notice notice;
    enum gate_verdict verdict = gate_datagram(gate, (mono_t){1}, bytes, &datagram, &notice);

    MUST(verdict < GATE_VERDICT_COUNT);
    MUST(verdict != GATE_FORM || datagram.reason);
    if (verdict != GATE_PASS)
        return verdict;
    MUST(name_check(span_of(notice.name), DOMAIN) == NAME_OK);
    MUST(notice.kind == NOTICE_WHOHAS || notice.port > 0);
    if (notice.isconf) { /* nobody says who it is, and says so again */
        MUST(!*notice.sender.node && !*notice.tuid && !notice.held);
        MUST(gate_datagram(gate, (mono_t){1}, bytes, &datagram, &notice) == GATE_PASS);
        return verdict;
    }
    MUST(node_name_ok(span_of(notice.sender.node)) && strcmp(notice.sender.node, "gw1") != 0);
    MUST(strcmp(notice.sender.domain, DOMAIN) == 0);
    MUST(gate_datagram(gate, (mono_t){1}, bytes, &datagram, &notice) == GATE_REPLAYED);
    return verdict;
}

static void judge_signed(struct span bytes)
{
    char memory[2 * MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct message m;
    enum gate_verdict verdict;

    if (message_decode(bytes, &m) != MESSAGE_OK)
        return;
    text_add(&text, bytes.at, bytes.len);
    seal_message(here.seal, &text, false);
    if (text.full || text.len > MESSAGE_MAX || m.count == MESSAGE_HEADERS_MAX)
        return;
    verdict = judge(here.strict, (struct span){text.at, text.len});
    MUST(verdict != GATE_UNSIGNED && (verdict != GATE_WRONG_KEY));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};

    if (!here.keyring)
        begin();
    MUST(judge(here.strict, bytes) != GATE_PASS || memmem(data, size, "MAC", 3) ||
         memmem(data, size, "hmac256", 7));
    (void)judge(here.open, bytes);
    (void)judge(here.isconf, bytes);
    judge_signed(bytes);
    return 0;
}
