/* SPDX-License-Identifier: ISC */
/* `pond check` by itself, for tests/conf/golden: pondcheck FILE [HOST]. */
#include "conf/check.h"

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3)
        return 2;
    return check_run(argv[1], argc == 3 ? argv[2] : NULL, stdout, stderr);
}
