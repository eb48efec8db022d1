/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cache/pick.h"
#include "tools/pond/outfile.h"
#include "tools/pond/progress.h"

/* A source that died is replaced by the daemon long before this. */
enum { GET_STALL_S = 120 };

struct download {
    const char *name;
    const char *target; /* NULL: standard output */
    struct outfile out;
    struct digester *digester;
    uint64_t had;
    struct progress progress;
};

static bool write_out(struct download *download, const char *bytes, size_t len)
{
    if (download->target)
        return outfile_write(&download->out, bytes, len);
    if (outfile_write_all(STDOUT_FILENO, bytes, len))
        return true;
    say("cannot write to standard output: %s", strerror(errno));
    return false;
}

static bool take(void *arg, const struct answer *answer, const char *bytes, size_t len)
{
    struct download *download = arg;
    bool fine = write_out(download, bytes, len);

    digester_add(download->digester, bytes, len);
    download->had += len;
    progress_at(&download->progress, download->had,
                answer->length > 0 ? (uint64_t)answer->length : 0);
    return fine;
}

/* What came must be all of it, and be what the answer's head promised. */
static enum pond_exit check(const struct download *download, const struct answer *answer,
                            const struct digest *digest)
{
    if (answer->status != 200)
        return say_exit(POND_FAILED, "get %s: the daemon answered with HTTP status %ld",
                        download->name, answer->status);
    if (!answer->has_digest)
        return say_exit(POND_FAILED,
                        "get %s: the daemon's answer carries no digest to check it by: is it "
                        "carpond?",
                        download->name);
    if (answer->length >= 0 && (uint64_t)answer->length != download->had)
        return say_exit(POND_FAILED,
                        "get %s: %" PRIu64 " bytes came, %" PRId64 " were promised: try again",
                        download->name, download->had, answer->length);
    if (!digest_same(digest, &answer->digest))
        return say_exit(POND_FAILED,
                        "get %s: what came does not match its SHA-256: run pond verify, and try "
                        "again",
                        download->name);
    return POND_DONE;
}

/* What no node put in. */
static void warn_of_unverified(const struct download *download, const struct answer *answer)
{
    if (version_is_unverified(answer->version))
        say("get %s: unverified: it came from an ISconf host, and was put in on no node",
            download->name);
}

static enum pond_exit fetch(struct pond *pond, struct download *download, const char *target,
                            struct answer *answer)
{
    static const char *const newest[] = {"Cache-Control: no-cache", NULL};
    struct call call = {
        .method = "GET", .target = target, .sink = take, .arg = download, .stall_s = GET_STALL_S};
    char what[NAME_SIZE + 8];
    struct text text = TEXT_OVER(what);
    struct digest digest;
    enum pond_exit status;

    text_printf(&text, "get %s", download->name);
    if (args_given(pond->args, OPTION_NEWEST))
        call.headers = newest;
    download->digester = digester_begin();
    progress_begin(&download->progress, download->name);
    status = pond_do(pond, what, &call, answer);
    progress_end(&download->progress);
    digester_end(download->digester, &digest);
    if (status == POND_DONE)
        status = check(download, answer, &digest);
    if (status == POND_DONE)
        warn_of_unverified(download, answer);
    return status;
}

static enum pond_exit make_target(struct pond *pond, const char *name, struct text *out)
{
    const char *version = pond->args->value[OPTION_VERSION];
    struct pick parsed;

    name_to_target(span_of(name), out);
    if (!version)
        return POND_DONE;
    if (!pick_parse(span_of(version), &parsed))
        return say_exit(POND_USAGE,
                        "\"%s\" is no version: give one as pond ls and pond conflicts print it",
                        version);
    text_puts(out, "?");
    pond_query(out, "version", version);
    return POND_DONE;
}

/* To the file, or not at all. */
static enum pond_exit fetch_to_file(struct pond *pond, struct download *download,
                                    const char *target)
{
    bool force = args_given(pond->args, OPTION_FORCE);
    struct answer answer;
    enum pond_exit status;

    if (!outfile_begin(&download->out, download->target, force))
        return POND_FAILED;
    status = fetch(pond, download, target, &answer);
    if (status == POND_DONE) {
        if (!outfile_end(&download->out, force, answer.mode, answer.mtime_ns))
            status = POND_FAILED;
    } else {
        outfile_drop(&download->out);
    }
    return status;
}

int cmd_get(struct pond *pond)
{
    char name[NAME_SIZE], target[TARGET_SIZE];
    struct text text = TEXT_OVER(target);
    struct download download = {.name = name, .target = pond->args->value[OPTION_OUTPUT]};
    struct answer answer;
    enum pond_exit status = pond_name(pond, pond->args->words[0], name);

    if (status == POND_DONE)
        status = make_target(pond, name, &text);
    if (status != POND_DONE)
        return status;
    if (download.target && strcmp(download.target, "-") == 0) {
        download.target = NULL;
        return fetch(pond, &download, target, &answer);
    }
    if (!download.target)
        download.target = name_base(span_of(name)).at; /* up to the end of `name` */
    return fetch_to_file(pond, &download, target);
}
