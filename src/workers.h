/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WORKERS_H
#define POND_SRC_WORKERS_H

#include <stddef.h>

/*
 * A few threads for work that would hold a loop up: reading and hashing files. Tasks are begun in
 * the order of posting; posting never blocks for longer than a list operation, and allocates
 * nothing.
 */
struct task {
    void (*work)(struct task *task); /* on one of the threads; the task is the worker's then */
    struct task *next;               /* the workers' */
};

struct workers;
struct workers *workers_new(size_t threads);
void workers_post(struct workers *workers, struct task *task);

/* Does what was posted, then ends the threads; nobody may post any more. */
void workers_free(struct workers *workers);

/* The struct that a member stands in. */
#define TASK_OWNER(task, type, member) ((type *)((char *)(task)-offsetof(type, member)))

#endif
