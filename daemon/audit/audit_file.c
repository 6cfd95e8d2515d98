#include "audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "audit_line.h"
#include "buffer.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

const struct bf_audit_head bf_audit_beginning = {.hash = ZEROS};

void bf_audit_findings_clear(struct bf_audit_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        json_decref(findings->list[i].record);
        free(findings->list[i].text);
    }
    free(findings->note);
    *findings = (struct bf_audit_findings){0};
}

static void add_finding(struct bf_audit_findings *findings, json_t *record, char *text)
{
    findings->list[findings->count++] = (struct bf_audit_finding){record, text};
}

static enum bf_code fail(const struct bf_audit_file *file, const char *what, struct bf_error *error)
{
    return bf_fail(error, BF_INTERNAL, "the audit log %s %s: %s", file->path, what, strerror(errno));
}

/* Opens it, and makes it where there is none. Under 0: `error`. */
static int open_file(const struct bf_audit_file *file, struct stat *ret_status, struct bf_error *error)
{
    int made = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);

    if (made < 0) {
        fail(file, "cannot be opened", error);
        return -1;
    }
    if (fstat(made, ret_status) == 0 && S_ISREG(ret_status->st_mode))
        return made;
    bf_fail(error, BF_INTERNAL, "the audit log %s is not a file", file->path);
    close(made);
    return -1;
}

/* A file that was just made has to be there after a crash, too. */
static bool sync_directory(const char *path)
{
    BF_AUTO_STRING char *copy = bf_copy_string(path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;

    if (directory >= 0)
        close(directory);
    return synced;
}

static void find_half(const struct bf_audit_file *file, const struct bf_audit_tail *tail, struct bf_audit_findings *findings)
{
    if (tail->half == 0)
        return;
    add_finding(findings,
                json_pack("{s:s, s:s, s:I, s:s}", "action", "log_cut_short", "actor", "daemon", "bytes", (json_int_t)tail->half,
                          "sha256", tail->half_hash),
                bf_format("the audit log %s ends in the middle of a record, behind record %lld: a crash, or a full disk, cut "
                          "it short; the %zu bytes stay, and the next record tells of them",
                          file->path, (long long)tail->last.number, tail->half));
}

static void find_disagreement(const struct bf_audit_file *file, const struct bf_audit_tail *tail,
                              struct bf_audit_findings *findings)
{
    add_finding(findings,
                json_pack("{s:s, s:s, s:I, s:s}", "action", "log_disagrees", "actor", "daemon", "found",
                          (json_int_t)tail->last.number, "found_hash", tail->last.hash),
                bf_format("the audit log %s was changed by somebody else: it should end with record %lld (%s), and ends with "
                          "%lld (%s); it goes on behind the former, and backfillctl audit verify shows the place",
                          file->path, (long long)file->head.number, file->head.hash, (long long)tail->last.number,
                          tail->last.hash));
}

static bool same(const struct bf_audit_head *one, const struct bf_audit_head *other)
{
    return one->number == other->number && strcmp(one->hash, other->hash) == 0;
}

/* What stands in the file against what is known. The store's head may be an older record of it, our own never. */
static enum bf_code look(struct bf_audit_file *file, int opened, const struct stat *status,
                         struct bf_audit_findings *findings, struct bf_error *error)
{
    struct bf_audit_tail tail;
    bool known = file->looked || file->stored;

    if (!bf_audit_tail(opened, status->st_size, &tail))
        return fail(file, "cannot be read", error);
    find_half(file, &tail, findings);
    bool empty = tail.last.number == 0;
    if (empty && known && file->head.number > 0)
        findings->note = bf_format("the audit log %s begins anew, behind record %lld (%s)", file->path,
                                   (long long)file->head.number, file->head.hash);
    else if (!known && tail.last.number >= 0)
        file->head = tail.last;
    else if (!file->looked && tail.last.number >= file->head.number && file->head.number > 0 &&
             bf_audit_holds(opened, status->st_size, &file->head))
        file->head = tail.last;
    else if (!empty && !same(&tail.last, &file->head))
        find_disagreement(file, &tail, findings);
    file->looked = true;
    file->device = status->st_dev;
    file->inode = status->st_ino;
    file->size = status->st_size;
    return BF_OK;
}

enum bf_code bf_audit_file_open(struct bf_audit_file *file, const struct bf_audit_head *stored,
                                struct bf_audit_findings *findings, struct bf_error *error)
{
    struct stat status;
    int opened = open_file(file, &status, error);

    file->head = stored ? *stored : bf_audit_beginning;
    file->stored = stored != NULL;
    if (opened < 0)
        return BF_INTERNAL;
    enum bf_code code = look(file, opened, &status, findings, error);
    close(opened);
    return code;
}

/* Before each write: is it still the file that we left? */
static enum bf_code look_again(struct bf_audit_file *file, int opened, const struct stat *status,
                               struct bf_audit_findings *findings, struct bf_error *error)
{
    bool ours = file->looked && file->device == status->st_dev && file->inode == status->st_ino;

    if (ours && file->size == status->st_size)
        return BF_OK; /* what was found when it was opened may still have to be written */
    bf_audit_findings_clear(findings);
    return look(file, opened, status, findings, error);
}

/* Adds the record's line and moves the head. */
static void add_line(struct bf_buffer *lines, struct bf_audit_head *head, json_t *record)
{
    json_object_set_new(record, "n", json_integer(head->number + 1));
    json_object_set_new(record, "previous", json_string(head->hash));
    BF_AUTO_STRING char *line = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
    bf_sha256(line, strlen(line), head->hash);
    head->number++;
    bf_buffer_text(lines, line);
    bf_buffer_text(lines, "\n");
}

static bool write_all(int opened, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(opened, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

enum bf_code bf_audit_file_append(struct bf_audit_file *file, json_t *const *records, size_t count,
                                  struct bf_audit_findings *findings, struct bf_error *error)
{
    struct stat status;
    int opened = open_file(file, &status, error);

    if (opened < 0)
        return BF_INTERNAL;
    enum bf_code code = look_again(file, opened, &status, findings, error);
    struct bf_buffer lines = {0};
    struct bf_audit_head head = file->head;
    bool half = findings->count > 0 && json_object_get(findings->list[0].record, "bytes");
    if (half)
        bf_buffer_text(&lines, "\n");
    for (size_t i = 0; i < findings->count; i++)
        add_line(&lines, &head, findings->list[i].record);
    for (size_t i = 0; i < count; i++)
        add_line(&lines, &head, records[i]);
    if (code == BF_OK && !(write_all(opened, lines.text, lines.length) && fdatasync(opened) == 0 &&
                           (status.st_size > 0 || sync_directory(file->path)))) {
        code = fail(file, "cannot be written", error);
        /* Our own bytes, of which nobody was told; where that is not allowed (chattr +a) the next look finds them. */
        if (ftruncate(opened, status.st_size) != 0)
            file->size = -1;
    } else if (code == BF_OK) {
        file->head = head;
        file->size = status.st_size + (off_t)lines.length;
    }
    bf_buffer_clear(&lines);
    close(opened);
    return code;
}
