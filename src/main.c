/* SPDX-License-Identifier: ISC */

/*
 * carpond: the daemon. Reads the command line and the configuration, then stays in the foreground
 * until it is told to stop. Exit status: 0 stopped in good order, 1 could not start, 2 wrong usage.
 */
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cache/guard.h"
#include "conf/conf.h"
#include "config.h"
#include "src/base/log.h"
#include "src/manager.h"
#include "src/signals.h"
#include "src/world.h"

enum { EXIT_USAGE = 2, READY_WITHIN_S = 10 };

static const char usage[] =
    "Usage: carpond [-c FILE] [-n NAME] [--home FOLDER]\n"
    "\n"
    "Keeps files close to every host of a fleet: see carpond(8), and pond(1) for the command.\n"
    "Stays in the foreground and logs to standard error; SIGTERM or SIGINT stop it.\n"
    "\n"
    "  -c, --config FILE   the configuration (default " CONF_DEFAULT_FILE ")\n"
    "  -n, --name NAME     this host's name (default: IS_NAME, else the host name)\n"
    "      --home FOLDER   where the store and the control socket are, before what the\n"
    "                      configuration says\n"
    "      --version       print the version\n"
    "  -h, --help          print this\n";

struct arguments {
    const char *file;
    const char *name;
};

/* Returns the exit status to end with, or -1 to go on. */
static int read_arguments(int argc, char **argv, struct arguments *out)
{
    enum { OPTION_HOME = 256, OPTION_VERSION };
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"home", required_argument, NULL, OPTION_HOME},
                                            {"version", no_argument, NULL, OPTION_VERSION},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;

    *out = (struct arguments){.file = CONF_DEFAULT_FILE};
    while ((option = getopt_long(argc, argv, "c:n:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->file = optarg;
            break;
        case 'n':
            out->name = optarg;
            break;
        case OPTION_HOME: /* the environment wins over the file, and this over the environment */
            if (setenv("IS_HOME", optarg, 1) != 0)
                return EXIT_FAILURE;
            break;
        case OPTION_VERSION:
            puts("carpond " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs("carpond: see carpond --help\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "carpond: %s: it takes no such argument; see carpond --help\n",
                argv[optind]);
        return EXIT_USAGE;
    }
    return -1;
}

static struct conf *load(const struct arguments *arguments)
{
    struct report *report = report_new();
    struct conf *conf = conf_load(arguments->file, arguments->name, report);

    report_print(report, stderr);
    if (!conf)
        log_error("%s: carpond does not start with this configuration", arguments->file);
    report_free(report);
    return conf;
}

static void on_stop(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
    (void)events;
    log_info("stopping on signal %d", watcher->signum);
    manager_tell("STOPPING=1");
    ev_break(loop, EVBREAK_ALL);
}

static void on_reload(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
    (void)loop, (void)events;
    world_reload(watcher->data);
}

static int run(struct conf *conf)
{
    /* Not libev's default loop: that one waits for all children itself, hooks too. */
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    struct ev_signal term, interrupt, hangup;
    struct world *world;
    sigset_t before;

    if (!loop) {
        log_error("no event loop can be had from libev");
        return EXIT_FAILURE;
    }
    ev_signal_init(&term, on_stop, SIGTERM);
    ev_signal_init(&interrupt, on_stop, SIGINT);
    ev_signal_init(&hangup, on_reload, SIGHUP);
    ev_signal_start(loop, &term);
    ev_signal_start(loop, &interrupt);
    signals_block(&before);
    log_begin_thread();
    world = world_new(loop, conf);
    if (!world && signals_ask_to_end())
        log_info("stopping before all was ready");
    if (!world)
        return signals_ask_to_end() ? EXIT_SUCCESS : EXIT_FAILURE;
    hangup.data = world;
    ev_signal_start(loop, &hangup);
    signals_restore(&before);
    log_info("carpond " PACKAGE_VERSION " is ready: node %s, domain %s, home %s", conf->node,
             conf->domain, conf->home);
    manager_tell_within("READY=1", READY_WITHIN_S);
    ev_run(loop, 0);
    world_free(world);
    log_info("stopped");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct conf *conf;
    int status = read_arguments(argc, argv, &arguments);

    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD,
           SIG_DFL); /* ignored, as who started us may have it, no child can be waited for */
    guard_install();
    conf = load(&arguments);
    if (!conf)
        return EXIT_FAILURE;
    log_set_level(conf->log_level);
    status = run(conf);
    log_end_thread();
    conf_free(conf);
    return status;
}
