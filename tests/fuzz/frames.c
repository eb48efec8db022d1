/* SPDX-License-Identifier: ISC */
/* Frames of many contents, as a server may send them: however they are cut into pieces, they say
 * the same. The first byte is the length of a piece; behind it the list of what was asked for, too,
 * may stand as anything. */
#include "src/frames.h"

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read: digests of what came and where, in the order in which it did. */
struct reading {
    struct frames frames;
    uint64_t sum, bytes;
    bool wrong;
};

static void add(struct reading *reading, uint64_t what)
{
    reading->sum = (reading->sum ^ what) * UINT64_C(0x100000001b3);
}

static void read_piece(struct reading *reading, struct span piece)
{
    struct span part;
    uint64_t left;

    while (!reading->wrong) {
        left = reading->frames.left;
        switch (frames_read(&reading->frames, &piece, &part)) {
        case FRAMES_MORE:
            MUST(piece.len == 0);
            return;
        case FRAMES_FRAME:
            MUST(left == 0 && reading->frames.frame.len <= FRAME_CONTENT_MAX);
            MUST(reading->frames.frame.status == 200 || reading->frames.frame.len == 0);
            add(reading, reading->frames.frame.status);
            add(reading, reading->frames.frame.len);
            break;
        case FRAMES_BYTES:
            MUST(part.len > 0 && part.len + reading->frames.left == left);
            reading->bytes += part.len;
            for (size_t i = 0; i < part.len; i++)
                add(reading, (unsigned char)part.at[i]);
            break;
        case FRAMES_WRONG:
            reading->wrong = true;
        }
    }
}

static struct reading read_all(struct span bytes, size_t most)
{
    struct reading reading = {.sum = 1};

    frames_begin(&reading.frames);
    while (bytes.len && !reading.wrong) {
        size_t len = bytes.len < most ? bytes.len : most;
        read_piece(&reading, (struct span){bytes.at, len});
        bytes.at += len;
        bytes.len -= len;
    }
    return reading;
}

static void read_list(struct span list)
{
    struct digest digest;
    bool wrong = false;
    size_t len = list.len;

    while (frames_next(&list, &digest, &wrong)) {
        MUST(list.len < len);
        len = list.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data + 1, size - 1};
    struct reading whole, pieces;

    if (size == 0)
        return 0;
    whole = read_all(bytes, SIZE_MAX);
    pieces = read_all(bytes, data[0] ? data[0] : 1);
    MUST(whole.sum == pieces.sum && whole.bytes == pieces.bytes && whole.wrong == pieces.wrong);
    read_list(bytes);
    return 0;
}
