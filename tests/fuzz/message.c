/* SPDX-License-Identifier: ISC */
/* Messages, notices and manifests as anybody may send them: anything gets a verdict, and what is
 * taken means the same when it is written and read again. */
#include "cache/message.h"

#include <string.h>

#include "cache/manifest.h"
#include "cache/notice.h"
#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void spans_lie_within(struct span bytes, const struct message *m)
{
    MUST(m->covered.at >= bytes.at && m->covered.at + m->covered.len <= bytes.at + bytes.len);
    MUST(m->payload.at + m->payload.len == m->covered.at + m->covered.len);
    MUST(m->count <= MESSAGE_HEADERS_MAX && m->type.len > 0);
    for (size_t i = 0; i < m->count; i++) {
        struct span value;
        MUST(m->headers[i].name.at >= m->covered.at && m->headers[i].name.len > 0);
        MUST(m->headers[i].value.at + m->headers[i].value.len < m->payload.at);
        MUST(!memchr(m->headers[i].value.at, '\n', m->headers[i].value.len));
        MUST(message_get(m, "_type", &value));
    }
}

/* A tombstone has no size and no digest, whatever else it said. */
static void notice_comes_back(const struct message *m)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct notice notice, back;
    struct message again;

    if (notice_read(m, &notice) != MESSAGE_OK)
        return;
    notice_write(&notice, (wall_t){0}, &text);
    MUST(!text.full);
    MUST(message_decode((struct span){text.at, text.len}, &again) == MESSAGE_OK);
    MUST(notice_read(&again, &back) == MESSAGE_OK);
    MUST(memcmp(&notice, &back, sizeof(notice)) == 0); /* both were zeroed before */
}

static void manifest_comes_back(struct span bytes)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct manifest manifest, back;

    if (manifest_read(bytes, &manifest) != MESSAGE_OK)
        return;
    manifest_write(&manifest, &text);
    MUST(!text.full);
    MUST(manifest_read((struct span){text.at, text.len}, &back) == MESSAGE_OK);
    MUST(manifest_compare(&manifest, &back) == 0 && strcmp(manifest.name, back.name) == 0);
}

static void all_of_them(struct span rest)
{
    struct message m;
    size_t before;

    do {
        before = rest.len;
        if (message_decode_next(&rest, &m) != MESSAGE_OK)
            return;
        MUST(rest.len < before);
    } while (rest.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};
    struct message m;

    all_of_them(bytes);
    manifest_comes_back(bytes);
    if (message_decode(bytes, &m) != MESSAGE_OK)
        return 0;
    spans_lie_within(bytes, &m);
    notice_comes_back(&m);
    return 0;
}
