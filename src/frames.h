/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FRAMES_H
#define POND_SRC_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/digest.h"
#include "src/base/text.h"

/*
 * Several small contents in one answer, so that each costs less than an answer of its own:
 *
 *     GET /.pond/contents?of=SHA256,SHA256,...
 *
 * with each sum once is answered by one frame for each, in whatever order they are there: so a slow
 * one delays nobody. A frame is a line, "SHA256 STATUS LENGTH\n", and so many bytes. STATUS is what
 * the content would be answered with alone, and LENGTH is 0 where that is not 200: whoever asked
 * asks for that one alone then, and gets its answer signed. Nothing of a frame is signed but by the
 * content's digest.
 *
 * This writes and reads frames; pure.
 */
enum {
    FRAMES_MAX = 32,               /* contents in one answer */
    FRAME_CONTENT_MAX = 16 * 1024, /* bytes of each; it is not empty */
    FRAME_LINE_MAX = 64 + 1 + 3 + 1 + 20 + 1
};

#define FRAMES_PATH "/.pond/contents"
#define FRAMES_ARG "of="

struct frame {
    struct digest sha256;
    unsigned status;
    uint64_t len;
};

void frame_write(const struct frame *frame, struct text *out);

/* Takes the next digest off a list of them. False at its end, and where it is none: *wrong. */
bool frames_next(struct span *list, struct digest *out, bool *wrong);

/* Reads frames from pieces of any length. */
struct frames {
    struct frame frame; /* whose bytes come now */
    uint64_t left;      /* of them */
    size_t used;        /* of a line that has come in part */
    char line[FRAME_LINE_MAX];
};
void frames_begin(struct frames *frames);

/* What `bytes`, what is left of a piece, brings next. */
enum frames_news {
    FRAMES_MORE,  /* nothing before the next piece */
    FRAMES_FRAME, /* frames->frame has begun */
    FRAMES_BYTES, /* *part, of its content; frames->left is how much is still to come */
    FRAMES_WRONG  /* this is no frame: the rest means nothing */
};
enum frames_news frames_read(struct frames *frames, struct span *bytes, struct span *part);

#endif
