/* SPDX-License-Identifier: ISC */
/*
 * The main() of a fuzz target where no fuzzer drives it: feeds every file of the folders and files
 * given as arguments to the target, and says how many. Without arguments it replays the target's
 * own corpus, tests/fuzz/corpus/NAME below $srcdir, as `make check` wants it. TAP on standard
 * output; fails where there was nothing to replay, so that a lost corpus is noticed.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Targets are fed a block of exactly `size` bytes, so that a sanitizer sees each byte too many. */
static bool feed(FILE *file, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    bool whole = data != NULL && fread(data, 1, size, file) == size;

    if (whole)
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return whole;
}

static bool replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    bool fine = file != NULL && feed(file, size);

    if (!fine)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    return fine;
}

static int replay(const char *path);

/* How many files were replayed, -1 where something could not be read. */
static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int sum = 0;

    while (folder != NULL && sum >= 0 && (entry = readdir(folder)) != NULL) {
        char below[PATH_MAX];
        int one;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        one = replay(below);
        sum = one < 0 ? -1 : sum + one;
    }
    if (folder != NULL)
        closedir(folder);
    return folder != NULL ? sum : -1;
}

static int replay(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (S_ISDIR(info.st_mode))
        return replay_folder(path);
    return replay_file(path, (size_t)info.st_size) ? 1 : -1;
}

static bool report(int number, const char *path)
{
    int count = replay(path);

    printf("%sok %d - %s: %d inputs replayed\n", count > 0 ? "" : "not ", number, path,
           count > 0 ? count : 0);
    fflush(stdout);
    return count > 0;
}

int main(int argc, char **argv)
{
    const char *srcdir = getenv("srcdir"), *slash = strrchr(argv[0], '/');
    bool fine = true;
    char own[PATH_MAX];

    snprintf(own, sizeof(own), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".",
             slash != NULL ? slash + 1 : argv[0]);
    printf("1..%d\n", argc > 1 ? argc - 1 : 1);
    if (argc == 1)
        return report(1, own) ? 0 : 1;
    for (int i = 1; i < argc; i++)
        fine &= report(i, argv[i]);
    return fine ? 0 : 1;
}
