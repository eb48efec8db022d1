/* SPDX-License-Identifier: ISC */
#include "src/frames.h"

#include "src/base/must.h"

void frame_write(const struct frame *frame, struct text *out)
{
    text_hex(out, frame->sha256.bytes, sizeof(frame->sha256.bytes));
    text_putc(out, ' ');
    text_u64(out, frame->status);
    text_putc(out, ' ');
    text_u64(out, frame->len);
    text_putc(out, '\n');
}

bool frames_next(struct span *list, struct digest *out, bool *wrong)
{
    *wrong = false;
    if (list->len == 0)
        return false;
    *wrong = !digest_parse(span_take(list, ','), out);
    return !*wrong;
}

/* ---- reading -------------------------------------------------------------------------------- */

void frames_begin(struct frames *frames)
{
    frames->left = 0;
    frames->used = 0;
}

static bool parse(struct span line, struct frame *out)
{
    struct span sha256 = span_take(&line, ' ');
    struct span status = span_take(&line, ' ');
    uint64_t number;

    if (!digest_parse(sha256, &out->sha256) || !span_u64(status, 599, &number) || number < 200 ||
        !span_u64(line, FRAME_CONTENT_MAX, &out->len))
        return false;
    out->status = (unsigned)number;
    return (out->status == 200) == (out->len > 0);
}

/* The line of a frame, which may come in pieces too. */
static enum frames_news read_line(struct frames *frames, struct span *bytes)
{
    while (bytes->len > 0) {
        char c = *bytes->at;
        bytes->at++;
        bytes->len--;
        if (c != '\n') {
            if (frames->used == sizeof(frames->line))
                return FRAMES_WRONG;
            frames->line[frames->used++] = c;
            continue;
        }
        if (!parse((struct span){frames->line, frames->used}, &frames->frame))
            return FRAMES_WRONG;
        frames->used = 0;
        frames->left = frames->frame.len;
        return FRAMES_FRAME;
    }
    return FRAMES_MORE;
}

enum frames_news frames_read(struct frames *frames, struct span *bytes, struct span *part)
{
    size_t n = bytes->len < frames->left ? bytes->len : (size_t)frames->left;

    if (frames->left == 0)
        return read_line(frames, bytes);
    if (n == 0)
        return FRAMES_MORE;
    *part = (struct span){bytes->at, n};
    bytes->at += n;
    bytes->len -= n;
    frames->left -= n;
    return FRAMES_BYTES;
}
