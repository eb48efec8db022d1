/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_CALENDAR_H
#define POND_BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The Gregorian calendar in UTC, without leap seconds, as POSIX has it: for the dates of messages
 * and of HTTP. Unlike gmtime(3) it reads no time zone file and takes no lock, so that deciding code
 * may use it.
 */
struct calendar {
    int64_t year; /* 1 is the first */
    int month;    /* 0 to 11 */
    int day;      /* 1 to 31 */
    int hour, minute, second;
    int weekday; /* 0 is Sunday */
};

/* Names as in every date on the wire: three English letters. */
extern const char calendar_months[12][4];
extern const char calendar_weekdays[7][4];

/* The years that dates are printed and read for. */
enum { CALENDAR_YEAR_MIN = 1, CALENDAR_YEAR_MAX = 9999 };

/* Seconds since 1970; what lies outside the years above is taken as their first or last second. */
void calendar_of(int64_t seconds, struct calendar *out);

/* The other way; `weekday` is not looked at. False where there is no such day or time. A second of
 * 60 is taken as 59: a leap second on the wire is no error (RFC 9110, section 5.6.7). */
bool calendar_seconds(const struct calendar *date, int64_t *seconds);

#endif
