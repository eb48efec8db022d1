/* SPDX-License-Identifier: ISC */
#include "cache/fields.h"

#include <string.h>

struct fields fields_of(const struct message *message)
{
    return (struct fields){.message = message, .verdict = MESSAGE_OK};
}

void fields_settle(struct fields *fields, enum message_verdict verdict)
{
    if (fields->verdict == MESSAGE_OK)
        fields->verdict = verdict;
}

void fields_demand(struct fields *fields, bool condition)
{
    if (!condition)
        fields_settle(fields, MESSAGE_BAD_VALUE);
}

/* Round all headers once, beginning behind the one that was found last. */
static const struct message_header *find(struct fields *fields, const char *name)
{
    const struct message *m = fields->message;
    size_t len = strlen(name), at = fields->next;

    if (!message_may_have(m, (struct span){name, len}))
        return NULL;
    for (size_t left = m->count; left > 0; left--, at++) {
        const struct message_header *header;
        if (at >= m->count)
            at = 0;
        header = &m->headers[at];
        if (header->name.len == len && memcmp(header->name.at, name, len) == 0) {
            fields->next = at + 1;
            return header;
        }
    }
    return NULL;
}

bool fields_has(struct fields *fields, const char *name)
{
    size_t next = fields->next;
    bool found = fields->verdict == MESSAGE_OK && find(fields, name);

    fields->next = next;
    return found;
}

/* The value of a header that must be there, and may have a mark of this type (0: of any). */
static struct span value_of(struct fields *fields, const char *name, char type)
{
    const struct message_header *header = find(fields, name);

    if (!header)
        fields_settle(fields, MESSAGE_MISSING);
    else
        fields_demand(fields, !type || !header->type || header->type == type);
    return fields->verdict == MESSAGE_OK ? header->value : (struct span){"", 0};
}

struct span fields_text(struct fields *fields, const char *name)
{
    return value_of(fields, name, 0);
}

uint64_t fields_u64(struct fields *fields, const char *name, uint64_t min, uint64_t max)
{
    struct span value = value_of(fields, name, 'i');
    uint64_t n = 0;

    fields_demand(fields, span_u64(value, max, &n) && n >= min);
    return fields->verdict == MESSAGE_OK ? n : 0;
}

int64_t fields_i64(struct fields *fields, const char *name)
{
    struct span value = value_of(fields, name, 'i');
    int64_t n = 0;

    fields_demand(fields, span_i64(value, &n));
    return fields->verdict == MESSAGE_OK ? n : 0;
}

bool fields_flag(struct fields *fields, const char *name)
{
    struct span value = value_of(fields, name, 'b');
    bool flag = span_is(value, "True");

    fields_demand(fields, flag || span_is(value, "False"));
    return flag;
}

struct address fields_address(struct fields *fields, const char *name)
{
    struct span text = fields_text(fields, name);
    struct address address = {.port = 0};

    fields_demand(fields, address_plain_parse(text, &address) && !address_is_any(&address) &&
                              !address_is_multicast(&address));
    return address;
}
