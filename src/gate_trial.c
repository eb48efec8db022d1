/* SPDX-License-Identifier: ISC */
#include "src/gate_trial.h"

#include "cache/name.h"
#include "src/base/log.h"

/* What the words say, before it is known what they mean together. */
struct words {
    struct span message, sender, space, port;
};

static bool complain(struct text *complaint, struct span word, const char *what)
{
    log_quote(complaint, word, 100);
    text_printf(complaint, " %s", what);
    return false;
}

static bool read_words(struct span line, struct words *out, struct text *complaint)
{
    struct span rest = span_trim(line);

    while (rest.len) {
        struct span value = span_take(&rest, ' '), whole = value, key = span_take(&value, '=');
        rest = span_trim(rest);
        if (span_is(key, "message"))
            out->message = value;
        else if (span_is(key, "sender"))
            out->sender = value;
        else if (span_is(key, "namespace"))
            out->space = value;
        else if (span_is(key, "port"))
            out->port = value;
        else
            return complain(complaint, whole, "is none of message=, sender=, namespace= and port=");
    }
    return true;
}

static bool read_sender(struct span word, const struct gate *gate, struct gate_trial *out,
                        struct text *complaint)
{
    if (word.len == 0)
        return complain(complaint, span_of("sender="),
                        "is missing: say an address, or a node's whole name");
    if (address_parse(word, 0, &out->from))
        return true;
    if (!node_name_ok(word) || !span_copy(word, out->node, sizeof(out->node)))
        return complain(complaint, word, "is no sender: it is an address, or a node's whole name");
    out->heard_count = heard_find(gate_heard(gate), word, out->heard);
    if (out->heard_count)
        out->from = out->heard[0];
    return true;
}

static bool is_about_tier(enum rule_message message)
{
    return message == RULE_ADVERT || message == RULE_STANDING || message == RULE_SOLICIT;
}

static bool read_space(struct span word, const struct gate *gate, struct gate_trial *out,
                       struct text *complaint)
{
    enum name_verdict verdict = NAME_OK;

    if (is_about_tier(out->message))
        return span_copy(word, out->name, sizeof(out->name)) ||
               complain(complaint, word, "is too long for a tier's name");
    if (word.len)
        verdict = name_complete(word, gate_domain(gate), out->name);
    return verdict == NAME_OK || complain(complaint, word, name_sentence(verdict));
}

bool gate_trial_read(struct span line, const struct gate *gate, struct gate_trial *out,
                     struct text *complaint)
{
    struct words words = {.port = {NULL, 0}};
    uint64_t port;

    *out = (struct gate_trial){.is_signed = gate_has_keys(gate)};
    if (!read_words(line, &words, complaint))
        return false;
    if (!rule_message_parse(words.message, &out->message))
        return complain(complaint, words.message,
                        "is no message: say message= and one of whohas, ihave, sendme, hereis, "
                        "advert, standing, solicit, gossip, put, rm");
    port = gate_port_of(gate, out->message);
    if (words.port.at && (!span_u64(words.port, UINT16_MAX, &port) || port == 0))
        return complain(complaint, words.port, "is no port");
    out->port = (uint16_t)port;
    return read_sender(words.sender, gate, out, complaint) &&
           read_space(words.space, gate, out, complaint);
}

struct gate_matter gate_trial_matter(const struct gate_trial *trial)
{
    return (struct gate_matter){.from = trial->from,
                                .node = trial->node,
                                .is_signed = trial->is_signed,
                                .also = trial->heard,
                                .also_count = trial->heard_count,
                                .port = trial->port,
                                .message = trial->message,
                                .name = span_of(trial->name)};
}
