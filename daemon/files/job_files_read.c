#include "job_files_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "allocate.h"
#include "document.h"

static int by_bytes(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

bool bf_list_directory(const char *directory, size_t max, char ***ret_names, size_t *ret_count, size_t *ret_more,
                       char **ret_trouble)
{
    DIR *opened = opendir(directory);
    char **names = NULL;
    size_t count = 0, capacity = 0;
    const struct dirent *entry;

    if (!opened) {
        *ret_trouble = bf_format("%s cannot be read: %s", directory, strerror(errno));
        return false;
    }
    while (errno = 0, (entry = readdir(opened))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 32;
            names = bf_reallocate(names, capacity * sizeof *names);
        }
        names[count++] = bf_copy_string(entry->d_name);
    }
    int reason = errno;
    closedir(opened);
    if (count > 0)
        qsort(names, count, sizeof *names, by_bytes);
    size_t kept = reason ? 0 : count < max ? count : max;
    for (size_t i = kept; i < count; i++)
        free(names[i]);
    if (reason) {
        free(names);
        *ret_trouble = bf_format("%s cannot be read: %s", directory, strerror(reason));
        return false;
    }
    *ret_names = names;
    *ret_count = kept;
    *ret_more = count - kept;
    return true;
}

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);

    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

static void refuse(struct bf_read_file *file, enum bf_code code, char *text)
{
    file->code = code;
    file->text = text;
}

static char *member(const json_t *root, const char *name)
{
    return bf_copy_string(json_string_value(json_object_get(root, name)));
}

static void understand(struct bf_read_file *file)
{
    struct bf_error error = {0};

    file->canonical = bf_document_canonical(file->content, file->length, &error);
    if (!file->canonical) {
        refuse(file, BF_NOT_JSON, bf_format("is not JSON: %s", error.text));
        return;
    }
    json_t *root = json_loads(file->canonical, JSON_DECODE_ANY, NULL);
    file->target = member(root, "target");
    file->name = member(root, "name");
    json_decref(root);
}

static void read_open(int descriptor, struct bf_read_file *file)
{
    struct stat status;

    if (fstat(descriptor, &status) < 0) {
        refuse(file, BF_NOT_ALLOWED, bf_format("cannot be read: %s", strerror(errno)));
        return;
    }
    if (!S_ISREG(status.st_mode)) {
        refuse(file, BF_NOT_ALLOWED, bf_copy_string(S_ISDIR(status.st_mode) ? "is a directory" : "is not a file"));
        return;
    }
    file->content = bf_allocate(BF_DOCUMENT_MAX + 2);
    ssize_t got = 1;
    while (got > 0 && file->length <= BF_DOCUMENT_MAX) {
        got = read(descriptor, file->content + file->length, BF_DOCUMENT_MAX + 1 - file->length);
        if (got > 0)
            file->length += (size_t)got;
    }
    if (got < 0)
        refuse(file, BF_NOT_ALLOWED, bf_format("cannot be read: %s", strerror(errno)));
    else if (file->length > BF_DOCUMENT_MAX)
        refuse(file, BF_NOT_ALLOWED, bf_copy_string("is larger than 1 MiB, the limit of a document"));
    else
        understand(file);
}

void bf_read_file(const char *directory, const char *name, struct bf_read_file *ret_file)
{
    *ret_file = (struct bf_read_file){.code = BF_OK};
    if (name[0] == '.' || ends_in(name, "~")) {
        refuse(ret_file, BF_NOT_ALLOWED, bf_copy_string("is hidden"));
        return;
    }
    BF_AUTO_STRING char *path = bf_format("%s/%s", directory, name);
    if (!ends_in(name, ".json")) {
        refuse(ret_file, BF_NOT_ALLOWED, bf_copy_string("does not end in .json"));
        return;
    }
    /* Not blocking: what is no file (a FIFO) must not hold a thread up. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) {
        refuse(ret_file, BF_NOT_ALLOWED, bf_format("cannot be read: %s", strerror(errno)));
        return;
    }
    read_open(descriptor, ret_file);
    close(descriptor);
}

void bf_read_file_clear(struct bf_read_file *file)
{
    free(file->text);
    free(file->content);
    free(file->canonical);
    free(file->target);
    free(file->name);
    *file = (struct bf_read_file){.code = BF_OK};
}
