/* SPDX-License-Identifier: ISC */
#include "src/lone.h"

bool lone_is(const struct view_tier *view)
{
    return view->role == BALLOT_MASTER && view->others_heard == 0;
}

static enum lone_news backed(struct lone *lone, const struct view_tier *view)
{
    bool news = lone->said && view->role == BALLOT_MASTER;

    lone->alone = lone->said = false;
    return news ? LONE_BACKED : LONE_NOTHING;
}

enum lone_news lone_judge(struct lone *lone, const struct view_tier *view, int64_t dead_time,
                          mono_t now)
{
    int64_t patience = dead_time > LONE_PATIENCE_NS ? dead_time : LONE_PATIENCE_NS;

    if (!lone_is(view))
        return backed(lone, view);
    if (!lone->alone) {
        lone->alone = true;
        lone->since = now;
    }
    if (lone->said || mono_between(lone->since, now) < patience ||
        (lone->spoke && mono_between(lone->last, now) < LONE_GAP_NS))
        return LONE_NOTHING;
    lone->said = lone->spoke = true;
    lone->last = now;
    return view->others ? LONE_UNHEARD : LONE_UNLISTED;
}
