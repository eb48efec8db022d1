/* SPDX-License-Identifier: ISC */
#include "src/base/calendar.h"

#include <stddef.h>

const char calendar_months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
const char calendar_weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

enum { DAY_S = 86400, DAYS_TO_1970 = 719162, DAYS_IN_400_YEARS = 146097 };

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days of the year before its month. */
static int days_before(int64_t year, int month)
{
    static const int days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

    return days[month] + (month > 1 && is_leap(year));
}

/* Days from the first of January of the year 1 to that of `year`. */
static int64_t days_to_year(int64_t year)
{
    int64_t past = year - 1;

    return past * 365 + past / 4 - past / 100 + past / 400;
}

static int64_t within_years(int64_t seconds)
{
    int64_t first = -(int64_t)DAYS_TO_1970 * DAY_S;
    int64_t end = (days_to_year(CALENDAR_YEAR_MAX + 1) - DAYS_TO_1970) * DAY_S;

    return seconds < first ? first : seconds >= end ? end - 1 : seconds;
}

void calendar_of(int64_t seconds, struct calendar *out)
{
    int64_t since = within_years(seconds) + (int64_t)DAYS_TO_1970 * DAY_S; /* the year 1 */
    int64_t days = since / DAY_S;
    int rest = (int)(since % DAY_S), day;

    /* A guess by the average year, off by one at most. */
    out->year = days * 400 / DAYS_IN_400_YEARS + 1;
    if (days_to_year(out->year) > days)
        out->year--;
    else if (days_to_year(out->year + 1) <= days)
        out->year++;
    day = (int)(days - days_to_year(out->year));
    for (out->month = day / 31; day >= days_before(out->year, out->month + 1);)
        out->month++;
    out->day = day - days_before(out->year, out->month) + 1;
    out->hour = rest / 3600;
    out->minute = rest / 60 % 60;
    out->second = rest % 60;
    out->weekday = (int)((days + 1) % 7); /* the first day of the year 1 was a Monday */
}

bool calendar_seconds(const struct calendar *date, int64_t *seconds)
{
    int second = date->second == 60 ? 59 : date->second;
    int64_t days;

    if (date->year < CALENDAR_YEAR_MIN || date->year > CALENDAR_YEAR_MAX || date->month < 0 ||
        date->month > 11 || date->day < 1 || date->hour < 0 || date->hour > 23 ||
        date->minute < 0 || date->minute > 59 || second < 0 || second > 59)
        return false;
    if (date->day > days_before(date->year, date->month + 1) - days_before(date->year, date->month))
        return false;
    days = days_to_year(date->year) + days_before(date->year, date->month) + date->day - 1;
    *seconds = (days - DAYS_TO_1970) * DAY_S + date->hour * 3600 + date->minute * 60 + second;
    return true;
}
