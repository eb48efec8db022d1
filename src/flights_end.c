/* SPDX-License-Identifier: ISC */
#include "src/flights.h"

#include <stdlib.h>

#include "src/base/stats.h"
#include "src/flights_inner.h"

/* How a flight ends. All of this runs on the fetch thread. */

static void come_down(struct flying *flying)
{
    fetch_alarm_free(flying->alarm);
    flying->alarm = NULL;
    free(flying->bytes);
    flying->bytes = NULL;
    flying->busy = FLYING_IDLE;
}

static void say_given_up(struct flying *flying, bool gone, const char *why)
{
    stat_add(STAT_FETCHES_FAILED, 1);
    flying_log_given_up(flying, gone, why);
}

void flying_finish(struct flying *flying, enum flying_state state, bool gone, const char *why)
{
    enum flights_end how = flying->readers ? FLIGHTS_FAILED : FLIGHTS_PUT_OFF;

    come_down(flying);
    flying_settle(flying, state, gone);
    if (state == FLYING_LANDED)
        flying_log_landed(flying);
    else if (!flying->ending)
        say_given_up(flying, gone, why);
    flying_end(flying, state == FLYING_LANDED ? FLIGHTS_LANDED : how);
}

void flying_finish_replaced(struct flying *flying)
{
    come_down(flying);
    flying_settle(flying, FLYING_FAILED, false);
    flying_log_passed_on(flying, "another version has taken its place");
    flying_end(flying, FLIGHTS_REPLACED);
}

/* False: somebody reads it again. For him it begins anew, and all of it is over here. */
static bool settle_unread(struct flying *flying)
{
    come_down(flying);
    if (flying_settle_unread(flying))
        return true;
    flying_listen(flying); /* what those who came wait for was told when it was over */
    flying_begin(flying);
    return false;
}

void flying_put_off(struct flying *flying, const char *why)
{
    if (!settle_unread(flying))
        return;
    say_given_up(flying, false, why);
    flying_end(flying, FLIGHTS_PUT_OFF);
}

/* What came for readers has done its work when they have gone, even where all that they wanted was
 * the list of chunks: who fetches from us has it first, and asks for the chunks in his next
 * request. What came to be kept has failed. */
void flying_leave_off(struct flying *flying)
{
    if (flying->share.kind == SHARE_FILLER && flying->passed_count == 0) {
        flying_put_off(flying, "there is no room to keep it, and nobody reads it");
        return;
    }
    if (!settle_unread(flying))
        return;
    if (flying->passed_count > 0)
        flying_log_passed_on(flying, "there is no room on the disk");
    flying_end(flying, flying->passed_count > 0 ? FLIGHTS_PASSED_ON : FLIGHTS_PUT_OFF);
}
