/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_NETS_H
#define POND_CONF_NETS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/report.h"
#include "src/base/address.h"
#include "src/base/node.h"
#include "src/base/text.h"

/*
 * A nets file: the members of one tier, which is named after the file. ISconf's own files, of two
 * columns, are valid. Never changed once it is read.
 */
enum { NETS_FILE_MAX = 4 * 1024 * 1024, NETS_MEMBERS_MAX = 65536, NETS_CANDIDATES_MAX = 64 };

enum nets_role { NETS_PEER, NETS_CANDIDATE, NETS_SLAVE };

struct nets_member {
    struct network network;
    enum nets_role role;
    unsigned line;
};

struct nets {
    char *file; /* as it was opened */
    char *tier;
    bool roles;                  /* its members have roles; else it is a flat mesh */
    struct nets_member *members; /* in the order of the file */
    size_t count;
};

/* All errors of the file go to the report; NULL then. `file` names it there, and names the tier. */
struct nets *nets_read(const char *file, struct report *report);
struct nets *nets_parse(struct span text, const char *file, struct report *report);
void nets_free(struct nets *nets);

/* The member with the longest prefix that holds the address, or NULL. */
const struct nets_member *nets_find(const struct nets *nets, const struct address *address);

/* Of a host's addresses the one by which it is in the tier: that of the longest prefix, of equal
 * ones the first. *own gets its index. NULL where none of them is. */
const struct nets_member *nets_find_own(const struct nets *nets, const struct address *addresses,
                                        size_t count, size_t *own);

const char *nets_role_name(enum nets_role role); /* "peer", "candidate", "slave" */

#endif
