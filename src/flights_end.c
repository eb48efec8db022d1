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

void flying_finish_unread(struct flying *flying, enum flights_end how, const char *why)
{
    come_down(flying);
    if (!flying_settle_unread(flying)) {
        flying_listen(flying); /* what those who came wait for was told when it was over */
        flying_begin(flying);
        return;
    }
    if (how == FLIGHTS_PASSED_ON)
        flying_log_passed_on(flying, "there is no room on the disk");
    else
        say_given_up(flying, false, why);
    flying_end(flying, how);
}

/* What came without room to keep it came for readers, and all of them are content. */
void flying_leave_off(struct flying *flying)
{
    flying_finish_unread(flying, flying->passed_count > 0 ? FLIGHTS_PASSED_ON : FLIGHTS_PUT_OFF,
                         "there is no room to keep it, and nobody reads it");
}
