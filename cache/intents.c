/* SPDX-License-Identifier: ISC */
#include "cache/intents.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/ledger.h"
#include "src/base/must.h"

static const char NAME[] = "intents";

void intents_add(struct intents *intents, enum intent kind, const struct digest *sha256)
{
    if (intents->count == intents->room) {
        intents->room = intents->room ? 2 * intents->room : 64;
        intents->rows = realloc(intents->rows, intents->room * sizeof(*intents->rows));
        MUST(intents->rows != NULL);
    }
    intents->rows[intents->count++] = (struct intent_row){(char)kind, *sha256};
}

enum store_status intents_save(const struct home *home, const struct intents *intents)
{
    enum store_status status = STORE_OK;
    int fd;

    if (intents->count == 0)
        return STORE_OK;
    fd = file_open(home, FOLDER_TMP, NAME, O_WRONLY | O_CREAT);
    if (fd < 0)
        return file_fault(home, "make", FOLDER_TMP, NAME);
    if (!file_write(fd, intents->rows, intents->count * sizeof(*intents->rows), 0))
        status = file_fault(home, "write", FOLDER_TMP, NAME);
    close(fd);
    return status;
}

void intents_clear(const struct home *home, struct intents *intents)
{
    if (intents->count)
        file_remove(home, FOLDER_TMP, NAME);
    intents->count = 0;
}

void content_remove_list(const struct home *home, const struct digest *sha256)
{
    char name[FILE_NAME_SIZE];
    struct stat st;

    file_of_digest(FOLDER_PARTIAL, sha256, name);
    if (fstatat(home->fd[FOLDER_PARTIAL], name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        file_remove(home, FOLDER_CHUNKS, file_of_digest(FOLDER_CHUNKS, sha256, name));
}

void content_remove(const struct home *home, const struct digest *sha256)
{
    char name[FILE_NAME_SIZE];

    file_remove(home, FOLDER_CONTENT, file_of_digest(FOLDER_CONTENT, sha256, name));
    content_remove_list(home, sha256);
}

static void finish_one(const struct home *home, struct view *view, const struct intent_row *row)
{
    char name[FILE_NAME_SIZE], partial[FILE_NAME_SIZE];
    struct holding holding;
    enum store_status status = ledger_holding(view, &row->sha256, &holding);

    if (status != STORE_NOT_FOUND && (status != STORE_OK || holding.held))
        return; /* it is held, or may be */
    if (row->kind == INTENT_LAND && status == STORE_OK)
        file_rename(home, FOLDER_CONTENT, file_of_digest(FOLDER_CONTENT, &row->sha256, name),
                    FOLDER_PARTIAL, file_of_digest(FOLDER_PARTIAL, &row->sha256, partial));
    else
        content_remove(home, &row->sha256);
}

void intents_finish(const struct home *home, struct catalogue *catalogue)
{
    struct intent_row row;
    struct view view;
    uint64_t at = 0;
    int fd = file_open(home, FOLDER_TMP, NAME, O_RDONLY);

    if (fd < 0)
        return;
    view_begin(catalogue, &view);
    for (; file_read(fd, &row, sizeof(row), at) == sizeof(row); at += sizeof(row))
        finish_one(home, &view, &row);
    view_end(&view);
    close(fd);
}
