/* SPDX-License-Identifier: ISC */
#ifndef POND_ELECTION_REASON_H
#define POND_ELECTION_REASON_H

/*
 * Why something happened, or did not. Every change of role has one, and every ballot that changes
 * nothing though it might have. The row: enumerator, name for metrics, hooks and JSON, sentence.
 */
#define REASON_CHANGES(ROW)                                                                        \
    ROW(REASON_STARTED, "started", "it has just begun to listen")                                  \
    ROW(REASON_SILENCE, "silence", "no master was heard for the dead time")                        \
    ROW(REASON_PROCESS_DIED, "process_died", "the master's process is gone")                       \
    ROW(REASON_NAMED, "named", "the leaving master named it as its successor")                     \
    ROW(REASON_BETTER_MASTER, "better_master", "a better master is heard")                         \
    ROW(REASON_ASKED, "asked", "a better candidate asked to take over")                            \
    ROW(REASON_DEMOTED, "demoted", "it is demoted, and another candidate can take over")           \
    ROW(REASON_LATE, "late", "it stood still for longer than its dead time")                       \
    ROW(REASON_CONFLICT, "conflict", "it stays, the better of two masters")                        \
    ROW(REASON_RECONFIGURED, "reconfigured", "the configuration was changed")                      \
    ROW(REASON_STOPPING, "stopping", "it stops, or is no longer in the tier")                      \
    ROW(REASON_HEARD_MASTER, "heard_master", "it heard the master")                                \
    ROW(REASON_LOST_MASTER, "lost_master",                                                         \
        "the master was silent for the dead time, and nobody "                                     \
        "has taken over yet")                                                                      \
    ROW(REASON_MASTER_LEFT, "master_left", "the master left")                                      \
    ROW(REASON_NEWER_MASTER, "newer_master",                                                       \
        "a newer master is heard, and the one followed does not answer")

#define REASON_REFUSALS(ROW)                                                                       \
    ROW(REASON_REPLAYED, "replayed", "it was said before")                                         \
    ROW(REASON_UNPROVEN, "unproven", "it has not yet shown that it is the sender, and speaks now") \
    ROW(REASON_OTHER_NONCE, "other_nonce",                                                         \
        "it answers a question that was not asked, or too late")                                   \
    ROW(REASON_OTHER_ADDRESS, "other_address", "it came from another address than it says")        \
    ROW(REASON_NO_CANDIDATE, "no_candidate", "its sender is no candidate of the tier")             \
    ROW(REASON_NO_MEMBER, "no_member", "its sender is no member of the tier")                      \
    ROW(REASON_BAD_EPOCH, "bad_epoch", "its epoch is out of bounds")                               \
    ROW(REASON_TOO_OFTEN, "too_often", "it asks more often than is answered")                      \
    ROW(REASON_NO_ROOM, "no_room", "more members are heard than there is room for")                \
    ROW(REASON_WORSE, "worse", "its sender asks to take over, and is not the better one")          \
    ROW(REASON_WORSE_MASTER, "worse_master", "a worse master is heard beside the one followed")

/* Why a backup that might become master does not, yet. */
#define REASON_WAITS(ROW)                                                                          \
    ROW(REASON_EPOCH_NOT_KEPT, "epoch_not_kept", "its next epoch is not on disk yet")              \
    ROW(REASON_OWN_LATENESS, "own_lateness", "it was late itself, and gives the master that time")

enum reason {
#define REASON_ENUM(id, name, sentence) id,
    REASON_CHANGES(REASON_ENUM) REASON_REFUSALS(REASON_ENUM) REASON_WAITS(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};
const char *reason_name(enum reason reason);
const char *reason_sentence(enum reason reason);

#endif
