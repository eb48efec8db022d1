/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/pond/commands.h"
#include "tools/pond/pond.h"

/* What was printed counts only once it is out: a full disk behind a redirection shows here. */
static int close_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    say("cannot write to standard output: %s", strerror(errno));
    return status == POND_DONE ? POND_FAILED : status;
}

static int run(const struct args *args)
{
    struct pond pond;
    int status;

    pond_begin(&pond, args);
    status = args->command->run(&pond);
    pond_end(&pond);
    return status;
}

int main(int argc, char **argv)
{
    char complaint[1024];
    struct text text = TEXT_OVER(complaint);
    struct args args;

    if (!args_read(&commands, argc, argv, &args, &text))
        return say_exit(POND_USAGE, "%s", complaint);
    if (args_given(&args, OPTION_HELP)) {
        commands_help(args.command, stdout);
        return close_output(POND_DONE);
    }
    if (args_given(&args, OPTION_PROGRAM)) {
        puts("pond " PACKAGE_VERSION);
        return close_output(POND_DONE);
    }
    return close_output(run(&args));
}
