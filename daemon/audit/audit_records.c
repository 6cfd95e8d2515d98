#include "audit_records.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "audit_line.h"

enum { TRIES = 3 }; /* looks at the folder, where files are renamed meanwhile */

/* One file of the log. */
struct part {
    char *path;    /* owned */
    int64_t first; /* the number of its first record */
};

struct parts {
    struct part *list; /* owned; in the order of their first records */
    size_t count;
};

static void clear_parts(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free(parts->list[i].path);
    free(parts->list);
    *parts = (struct parts){0};
}

/* A file without a record is none of the log's. One that is gone was renamed just now; one that may not be read is left out,
 * unless it is the one that is written to: the numbers of the others show that something is missing. False: errno. */
static bool add_part(struct parts *parts, const char *path, bool written)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (file < 0)
        return errno == ENOENT || (errno == EACCES && !written);
    int64_t first = fstat(file, &status) == 0 && S_ISREG(status.st_mode) ? bf_audit_first(file, status.st_size) : 0;
    int failure = errno;
    close(file);
    errno = failure;
    if (first <= 0)
        return first == 0;
    parts->list = bf_reallocate(parts->list, (parts->count + 1) * sizeof *parts->list);
    parts->list[parts->count++] = (struct part){.path = bf_copy_string(path), .first = first};
    return true;
}

static int by_first(const void *one, const void *other)
{
    const struct part *left = one, *right = other;

    return left->first < right->first ? -1 : left->first > right->first;
}

/* Where nobody may list the folder there is the one that is written to. False: errno. */
static bool list_parts(const char *path, const char *folder, const char *name, struct parts *parts)
{
    DIR *opened = opendir(folder);
    size_t length = strlen(name);
    bool good = true;

    if (!opened)
        return errno == EACCES ? add_part(parts, path, true) : errno == ENOENT;
    for (const struct dirent *entry; good && (errno = 0, entry = readdir(opened));) {
        const char *found = entry->d_name;
        if (strncmp(found, name, length) != 0 || (found[length] && found[length] != '.' && found[length] != '-'))
            continue;
        BF_AUTO_STRING char *full = bf_format("%s/%s", folder, found);
        good = add_part(parts, full, !found[length]);
    }
    good = good && errno == 0;
    int failure = errno;
    closedir(opened);
    errno = failure;
    if (parts->count > 0)
        qsort(parts->list, parts->count, sizeof *parts->list, by_first);
    return good;
}

/* The number behind which the newest `limit` begin. False: errno. */
static bool find_newest(const struct part *last, size_t limit, int64_t *ret_after)
{
    struct bf_audit_tail tail;
    struct stat status;
    int file = open(last->path, O_RDONLY | O_CLOEXEC);
    bool good = file >= 0 && fstat(file, &status) == 0 && bf_audit_tail(file, status.st_size, &tail);
    int failure = errno;

    if (file >= 0)
        close(file);
    errno = failure;
    if (!good)
        return errno == ENOENT;
    int64_t newest = tail.last.number > 0 ? tail.last.number : last->first; /* the last line may be somebody else's */
    *ret_after = newest > (int64_t)limit ? newest - (int64_t)limit : 0;
    return true;
}

/* Adds those of one file. A copy of another one gives none: what is behind `after` begins behind what that one gave. False: errno. */
static bool read_part(const char *path, int64_t after, size_t limit, json_t *records)
{
    FILE *opened = fopen(path, "re");
    struct stat status;

    if (!opened)
        return errno == ENOENT;
    off_t begin = fstat(fileno(opened), &status) == 0 ? bf_audit_find(fileno(opened), status.st_size, after + 1) : -1;
    if (begin < 0 || fseeko(opened, begin, SEEK_SET) != 0) {
        int failure = errno;
        fclose(opened);
        errno = failure;
        return false;
    }
    BF_AUTO_STRING char *line = bf_allocate(BF_AUDIT_LINE_MAX);
    while (json_array_size(records) < limit && fgets(line, BF_AUDIT_LINE_MAX, opened)) {
        json_t *record = strchr(line, '\n') ? json_loads(line, 0, NULL) : NULL; /* half a line is none */
        if (json_is_integer(json_object_get(record, "n")))
            json_array_append(records, record);
        json_decref(record);
    }
    fclose(opened);
    return true;
}

/* False: errno. */
static bool read_parts(const struct parts *parts, int64_t after, size_t limit, json_t *records)
{
    size_t next = 0;

    if (after < 0 && parts->count > 0 && !find_newest(&parts->list[parts->count - 1], limit, &after))
        return false;
    while (next + 1 < parts->count && parts->list[next + 1].first <= after + 1)
        next++;
    for (; next < parts->count && json_array_size(records) < limit; next++) {
        if (!read_part(parts->list[next].path, after, limit, records))
            return false;
        json_t *last = json_array_get(records, json_array_size(records) - 1);
        after = last ? json_integer_value(json_object_get(last, "n")) : after;
    }
    return true;
}

/* When something was last made, renamed or removed in it. */
static struct timespec changed(const char *folder)
{
    struct stat status;

    return stat(folder, &status) == 0 ? status.st_mtim : (struct timespec){0};
}

json_t *bf_audit_records(const char *path, int64_t after, size_t limit, struct bf_error *error)
{
    BF_AUTO_STRING char *one = bf_copy_string(path), *other = bf_copy_string(path);
    const char *folder = dirname(one), *name = basename(other);
    json_t *records = NULL;
    bool good = true, again = true;
    if (after == INT64_MAX) /* nothing is behind that; and what begins behind it has a number */
        after--;

    for (int i = 0; i < TRIES && again; i++) {
        struct parts parts = {0};
        struct timespec before = changed(folder);
        json_decref(records);
        records = json_array();
        good = list_parts(path, folder, name, &parts) && read_parts(&parts, after, limit, records);
        int failure = errno;
        clear_parts(&parts);
        struct timespec now = changed(folder);
        errno = failure;
        again = before.tv_sec != now.tv_sec || before.tv_nsec != now.tv_nsec;
    }
    if (good)
        return records;
    bf_fail(error, BF_INTERNAL, "the audit log %s cannot be read: %s", path, strerror(errno));
    json_decref(records);
    return NULL;
}
