/* SPDX-License-Identifier: ISC */
#include "src/tidings.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "election/view.h"
#include "src/base/lock.h"
#include "src/base/must.h"
#include "src/base/text.h"

enum { TIDINGS_MAGIC = 0x74696469 };

/* What was heard since the last reading. */
struct heard {
    size_t tier_count;
    struct {
        char tier[TIER_SIZE];
        bool other_master;
    } tiers[VIEW_TIERS_MAX];
    size_t standing_count;
    struct ballot standings[TIDINGS_STANDINGS_MAX];
};

struct tidings {
    unsigned magic;
    struct tidings_options options;
    pthread_mutex_t lock; /* guards `hearing`, its heard and `posted` */
    unsigned hearing;     /* into which of the two; the other one is the reader's */
    struct heard heard[2];
    bool posted;
    struct letter letter;
};

/* ---- the election's thread: with the lock -----------------------------------------------------
 */

static void hear_tier(struct heard *heard, const char *tier, bool other_master)
{
    size_t i = 0;

    while (i < heard->tier_count && strcmp(heard->tiers[i].tier, tier) != 0)
        i++;
    if (i == VIEW_TIERS_MAX)
        return;
    if (i == heard->tier_count) {
        heard->tier_count++;
        heard->tiers[i].other_master = false;
        MUST(span_copy(span_of(tier), heard->tiers[i].tier, sizeof(heard->tiers[i].tier)));
    }
    heard->tiers[i].other_master |= other_master;
}

static void hear_standing(struct heard *heard, const struct ballot *standing)
{
    size_t i = 0;

    while (i < heard->standing_count &&
           (!address_same_host(&heard->standings[i].address, &standing->address) ||
            strcmp(heard->standings[i].tier, standing->tier) != 0))
        i++;
    if (i == TIDINGS_STANDINGS_MAX)
        return;
    heard->standings[i] = *standing;
    heard->standing_count += i == heard->standing_count;
}

/* Unlocks. */
static void post(struct tidings *tidings)
{
    bool first = !tidings->posted;

    tidings->posted = true;
    pthread_mutex_unlock(&tidings->lock);
    if (first)
        mailbox_post(tidings->options.mailbox, &tidings->letter);
}

void tidings_viewed(void *arg, const char *tier, bool other_master)
{
    struct tidings *tidings = arg;

    MUST_BE(tidings, TIDINGS_MAGIC);
    pthread_mutex_lock(&tidings->lock);
    hear_tier(&tidings->heard[tidings->hearing], tier, other_master);
    post(tidings);
}

void tidings_standing(void *arg, const struct ballot *standing)
{
    struct tidings *tidings = arg;

    MUST_BE(tidings, TIDINGS_MAGIC);
    pthread_mutex_lock(&tidings->lock);
    hear_standing(&tidings->heard[tidings->hearing], standing);
    post(tidings);
}

/* ---- the main thread --------------------------------------------------------------------------
 */

static struct heard *take(struct tidings *tidings)
{
    struct heard *heard;

    pthread_mutex_lock(&tidings->lock);
    heard = &tidings->heard[tidings->hearing];
    tidings->hearing ^= 1;
    tidings->posted = false;
    pthread_mutex_unlock(&tidings->lock);
    return heard;
}

static void read_tidings(struct letter *letter)
{
    struct tidings *tidings = LETTER_OWNER(letter, struct tidings, letter);
    const struct tidings_options *options = &tidings->options;
    struct heard *heard;

    MUST_BE(tidings, TIDINGS_MAGIC);
    heard = take(tidings);
    for (size_t i = 0; i < heard->tier_count; i++)
        options->viewed(options->arg, heard->tiers[i].tier, heard->tiers[i].other_master);
    for (size_t i = 0; i < heard->standing_count; i++)
        options->standing(options->arg, &heard->standings[i]);
    heard->tier_count = heard->standing_count = 0;
}

struct tidings *tidings_new(const struct tidings_options *options)
{
    struct tidings *tidings = calloc(1, sizeof(*tidings));

    MUST(tidings != NULL);
    tidings->magic = TIDINGS_MAGIC;
    tidings->options = *options;
    tidings->letter.read = read_tidings;
    lock_init(&tidings->lock);
    return tidings;
}

void tidings_free(struct tidings *tidings)
{
    if (!tidings)
        return;
    MUST_BE(tidings, TIDINGS_MAGIC);
    pthread_mutex_destroy(&tidings->lock);
    tidings->magic = 0;
    free(tidings);
}
