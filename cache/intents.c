/* SPDX-License-Identifier: ISC */
#include "cache/intents.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/ledger.h"
#include "cache/store_inner.h"
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

static void finish_one(struct store *store, struct view *view, const struct intent_row *row)
{
    struct holding holding;
    enum store_status status = ledger_holding(view, &row->sha256, &holding);

    if (status != STORE_NOT_FOUND && (status != STORE_OK || holding.held))
        return; /* it is held, or may be */
    if (row->kind == INTENT_LAND && status == STORE_OK)
        partials_set_aside(store, &row->sha256);
    else
        partials_remove_content(store, &row->sha256);
}

void intents_finish(struct store *store)
{
    struct intent_row row;
    struct view view;
    uint64_t at = 0;
    int fd = file_open(&store->home, FOLDER_TMP, NAME, O_RDONLY);

    if (fd < 0)
        return;
    view_begin(store->catalogue, &view);
    for (; file_read(fd, &row, sizeof(row), at) == sizeof(row); at += sizeof(row))
        finish_one(store, &view, &row);
    view_end(&view);
    close(fd);
}
