/* SPDX-License-Identifier: ISC */
#ifndef POND_ELECTION_TABLE_H
#define POND_ELECTION_TABLE_H

#include "election/elect.h"
#include "election/reason.h"

/*
 * The protocol: for each state and each input the next state, why, and what goes with it. Inputs
 * are what the other files of the machine have made of events: a ballot only becomes one when its
 * sender is believed, a deadline when it has come and nothing speaks against it.
 */
#define ELECT_INPUTS(ROW)                                                                          \
    ROW(INPUT_BEGIN_CANDIDATE, "it begins, as a candidate")                                        \
    ROW(INPUT_BEGIN_MEMBER, "it begins, as another member")                                        \
    ROW(INPUT_HEARD_FIRST, "a master adverts, and none was known")                                 \
    ROW(INPUT_HEARD_SAME, "the master that is followed adverts")                                   \
    ROW(INPUT_HEARD_BETTER, "a master adverts that is better than the one known, or than us")      \
    ROW(INPUT_HEARD_WORSE, "a master adverts that is worse than the one known, or than us")        \
    ROW(INPUT_HEARD_NEWER, "a newer master adverts, and the one that is followed does not answer") \
    ROW(INPUT_LEFT, "the master that is followed is master no more")                               \
    ROW(INPUT_DIED, "the process of the master that is followed is gone")                          \
    ROW(INPUT_REMOVED, "the master that is followed is no candidate any more")                     \
    ROW(INPUT_LOST, "the master was silent for too long, and we do not take over now")             \
    ROW(INPUT_DUE_SILENT, "the wait of a backup has ended: nobody was heard")                      \
    ROW(INPUT_DUE_DIED, "the wait of a backup has ended: the master's process is gone")            \
    ROW(INPUT_DUE_NAMED, "the wait of a backup has ended: the master named us and left")           \
    ROW(INPUT_ASKED_BY_BETTER, "a better candidate asks to take over")                             \
    ROW(INPUT_ASKED_BY_WORSE, "a candidate asks to take over that is not better")                  \
    ROW(INPUT_DEMOTED, "our demotion rose, and a better candidate is known")                       \
    ROW(INPUT_LATE, "we stood still for longer than the others wait for us")                       \
    ROW(INPUT_MADE_CANDIDATE, "the configuration makes us a candidate")                            \
    ROW(INPUT_MADE_MEMBER, "the configuration makes us another member")                            \
    ROW(INPUT_MOVED, "the configuration gives us another address")                                 \
    ROW(INPUT_END, "we stop, or leave the tier")

enum elect_input {
#define ELECT_INPUT_ENUM(id, words) id,
    ELECT_INPUTS(ELECT_INPUT_ENUM)
#undef ELECT_INPUT_ENUM
        INPUT_COUNT
};

enum elect_deed {
    DEED_NONE,    /* nothing happens, and nothing is to be said about it */
    DEED_NOTE,    /* nothing happens: say why */
    DEED_LISTEN,  /* follow nobody; the wait for a master begins */
    DEED_FOLLOW,  /* follow whom the input is about */
    DEED_KEEP,    /* follow whom it follows */
    DEED_REFRESH, /* its silence is counted anew */
    DEED_REIGN,   /* take the next epoch, advert at once */
    DEED_DISPUTE, /* advert at once, say that we are master, and go above its epoch */
    DEED_LEAVE    /* say so and who is to follow; then listen */
};

struct elect_rule {
    enum elect_state next;
    enum elect_deed deed;
    enum reason reason;
};

struct elect_rule elect_rule(enum elect_state state, enum elect_input input);

#endif
