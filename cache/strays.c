/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "cache/store_inner.h"

/* Files that the catalogue knows nothing of: left by a power cut, or by a catalogue that is gone.
 */

struct strays {
    struct store *store;
    struct view view;
    enum folder folder;
};

static bool is_held(struct strays *strays, const struct digest *sha256, bool *known)
{
    struct holding holding;
    enum store_status status = ledger_holding(&strays->view, sha256, &holding);

    *known = status == STORE_OK;
    return status == STORE_ROTTEN || (status == STORE_OK && holding.held);
}

static bool look_at(void *arg, const char *name)
{
    struct strays *strays = arg;
    struct digest sha256;
    bool known;

    if (!digest_parse(span_of(name), &sha256))
        return true; /* not ours */
    if (is_held(strays, &sha256, &known) || strays->view.status != STORE_OK)
        return true;
    if (strays->folder == FOLDER_CONTENT && known)
        partials_set_aside(strays->store, &sha256);
    else if (strays->folder == FOLDER_CONTENT)
        partials_remove_content(strays->store, &sha256);
    else
        partials_remove_list(strays->store, &sha256);
    return true;
}

void strays_remove(struct store *store, unsigned part)
{
    struct strays strays = {.store = store, .folder = FOLDER_CONTENT};
    char name[3];

    snprintf(name, sizeof(name), "%02x", part);
    view_begin(store->catalogue, &strays.view);
    folder_walk(&store->home, FOLDER_CONTENT, name, look_at, &strays);
    strays.folder = FOLDER_CHUNKS;
    folder_walk(&store->home, FOLDER_CHUNKS, name, look_at, &strays);
    view_end(&strays.view);
}

/* Partial content stays as long as some name refers to it and it is not held. */
static bool look_at_partial(void *arg, const char *name)
{
    struct strays *strays = arg;
    struct digest sha256;
    bool known, held;

    if (!digest_parse(span_of(name), &sha256))
        return true;
    held = is_held(strays, &sha256, &known);
    if ((known && !held) || strays->view.status != STORE_OK)
        return true;
    if (partials_remove_idle(strays->store, name) && !held)
        partials_forget_list(strays->store, &sha256);
    return true;
}

void strays_remove_partials(struct store *store)
{
    struct strays strays = {.store = store, .folder = FOLDER_PARTIAL};

    view_begin(store->catalogue, &strays.view);
    folder_walk(&store->home, FOLDER_PARTIAL, "", look_at_partial, &strays);
    view_end(&strays.view);
}
