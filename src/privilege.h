/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_PRIVILEGE_H
#define POND_SRC_PRIVILEGE_H

/*
 * A loaded host shall not make a master look dead, nor hold up what follows on a change of role.
 * The calling thread asks for the lowest real-time priority: before all ordinary threads, whatever
 * control group they are in, and behind every other real-time one; the kernel keeps a share for the
 * others even from that (sched(7)). Where it is not allowed (no CAP_SYS_NICE, no RLIMIT_RTPRIO, or
 * a container), a better place among the ordinary ones; else none. What the thread begins, threads
 * and processes, has none of it.
 *
 * Only for threads whose work is short and bounded. Sets the thread's name, too, and logs.
 */
void privilege_ask(const char *thread);

#endif
