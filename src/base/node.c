/* SPDX-License-Identifier: ISC */
#include "src/base/node.h"

bool node_name_ok(struct span node)
{
    if (node.len == 0 || node.len > NODE_MAX_LEN)
        return false;
    for (size_t i = 0; i < node.len; i++) {
        char c = node.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}
