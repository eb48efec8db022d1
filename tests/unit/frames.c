/* SPDX-License-Identifier: ISC */
#include "src/frames.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* What was read, as text: "a 200 [hello]" and so on. */
static void read_piece(struct frames *frames, struct span piece, struct text *told)
{
    struct span part;

    for (;;) {
        switch (frames_read(frames, &piece, &part)) {
        case FRAMES_MORE:
            assert_int_equal(piece.len, 0);
            return;
        case FRAMES_FRAME:
            text_printf(told, "%x %u ", frames->frame.sha256.bytes[0], frames->frame.status);
            break;
        case FRAMES_BYTES:
            text_add(told, part.at, part.len);
            text_puts(told, frames->left == 0 ? "; " : "");
            break;
        case FRAMES_WRONG:
            text_puts(told, "wrong");
            return;
        }
    }
}

static void read_all(const char *bytes, size_t piece, char *out, size_t cap)
{
    struct text told = text_over(out, cap);
    size_t len = strlen(bytes);
    struct frames frames;

    frames_begin(&frames);
    for (size_t at = 0; at < len; at += piece)
        read_piece(&frames, (struct span){bytes + at, len - at < piece ? len - at : piece}, &told);
    assert_false(told.full);
}

static void frames_are_read_in_pieces_of_any_length(void **state)
{
    static const char bytes[] = A " 200 5\nhello" B " 404 0\n" B " 200 3\na\nb";
    char told[256];

    (void)state;
    for (size_t piece = 1; piece <= sizeof(bytes); piece++) {
        read_all(bytes, piece, told, sizeof(told));
        assert_string_equal(told, "aa 200 hello; bb 404 bb 200 a\nb; ");
    }
}

static void what_is_written_is_read(void **state)
{
    struct frame frame = {.status = 200, .len = FRAME_CONTENT_MAX};
    struct frames frames;
    char memory[FRAME_LINE_MAX + 1];
    struct text line = TEXT_OVER(memory);
    struct span rest, part;

    (void)state;
    memset(&frame.sha256, 0x5a, sizeof(frame.sha256));
    frame_write(&frame, &line);
    assert_false(line.full);
    rest = (struct span){line.at, line.len};
    frames_begin(&frames);
    assert_int_equal(frames_read(&frames, &rest, &part), FRAMES_FRAME);
    assert_true(digest_same(&frames.frame.sha256, &frame.sha256));
    assert_int_equal(frames.frame.status, 200);
    assert_int_equal(frames.left, FRAME_CONTENT_MAX);
}

static void what_is_no_frame_is_told(void **state)
{
    static const char *const wrong[] = {
        "\n",
        "hello\n",
        A "\n",
        A " 200\n",
        A " 200 \n",
        A " 200 -5\nhello",
        A " 200 5 \nhello",
        A " 200 0\n",
        A " 200 16385\n",
        A " 200 99999999999999999999\n",
        A " 404 5\nhello",
        A " 42 0\n",
        A " 700 0\n",
        "x" A " 200 5\nhello",
        A A A " 200 5\nhello",
    };
    char told[256];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        read_all(wrong[i], strlen(wrong[i]), told, sizeof(told));
        if (strncmp(told, "wrong", 5) != 0)
            fail_msg("taken for a frame: %s", wrong[i]);
    }
}

static void a_list_is_taken_apart(void **state)
{
    struct span list = span_of(A "," B);
    struct digest one;
    bool wrong;

    (void)state;
    assert_true(frames_next(&list, &one, &wrong));
    assert_int_equal(one.bytes[0], 0xaa);
    assert_true(frames_next(&list, &one, &wrong));
    assert_int_equal(one.bytes[0], 0xbb);
    assert_false(frames_next(&list, &one, &wrong));
    assert_false(wrong);
    list = span_of(A "x");
    assert_false(frames_next(&list, &one, &wrong));
    assert_true(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read_in_pieces_of_any_length),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_no_frame_is_told),
        cmocka_unit_test(a_list_is_taken_apart),
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
