/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ROLE_NEWS_H
#define POND_SRC_ROLE_NEWS_H

#include "election/view.h"
#include "src/base/text.h"
#include "src/roles.h"

/*
 * What people and other programs are told of a change of role: a line for pond events, a sentence
 * for pond status, and the state line of the service manager.
 */

/* To be freed. */
char *role_news_json(const struct role_change *change);

/* "paris: this node is master now (epoch 14): no master was heard for the dead time" */
void role_news_sentence(const struct role_change *change, struct text *out);

/* The roles in all tiers, as the changes told them so far. Zero it to begin. */
struct role_news {
    size_t count;
    struct {
        char tier[TIER_SIZE];
        enum roles_queue role;
    } tiers[VIEW_TIERS_MAX];
};
void role_news_take(struct role_news *news, const struct role_change *change);

/* "master of paris, slave in core" */
void role_news_summary(const struct role_news *news, struct text *out);

#endif
