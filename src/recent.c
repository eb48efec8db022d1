/* SPDX-License-Identifier: ISC */
#include "src/recent.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/must.h"

struct recent {
    pthread_mutex_t lock;
    size_t count; /* ever added */
    struct recent_item ring[RECENT_MAX];
};

struct recent *recent_new(void)
{
    struct recent *recent = calloc(1, sizeof(*recent));

    MUST(recent != NULL);
    MUST(pthread_mutex_init(&recent->lock, NULL) == 0);
    return recent;
}

void recent_free(struct recent *recent)
{
    if (!recent)
        return;
    pthread_mutex_destroy(&recent->lock);
    free(recent);
}

/* The last character goes whole, for half of one is no UTF-8. */
static void cut_character(char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
        len--;
    text[len > 0 ? len - 1 : 0] = '\0';
}

void recent_add(struct recent *recent, wall_t at, const char *format, ...)
{
    struct recent_item item = {.at = at};
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(item.what, sizeof(item.what), format, args);
    va_end(args);
    MUST(len >= 0);
    if ((size_t)len >= sizeof(item.what))
        cut_character(item.what, sizeof(item.what) - 1);
    pthread_mutex_lock(&recent->lock);
    recent->ring[recent->count++ % RECENT_MAX] = item;
    pthread_mutex_unlock(&recent->lock);
}

size_t recent_list(struct recent *recent, struct recent_item out[RECENT_MAX])
{
    size_t count;

    pthread_mutex_lock(&recent->lock);
    count = recent->count < RECENT_MAX ? recent->count : RECENT_MAX;
    for (size_t i = 0; i < count; i++)
        out[i] = recent->ring[(recent->count - 1 - i) % RECENT_MAX];
    pthread_mutex_unlock(&recent->lock);
    return count;
}
