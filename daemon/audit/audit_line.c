#include "audit_line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "allocate.h"

enum { WINDOW = 2 * BF_AUDIT_LINE_MAX }; /* bytes: a whole line is in it, wherever it begins */

int64_t bf_audit_number(const char *line, size_t length)
{
    json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *number = json_object_get(record, "n");
    int64_t found = json_is_integer(number) && json_is_string(json_object_get(record, "previous")) ? json_integer_value(number) : -1;

    json_decref(record);
    return found;
}

/* Up to `length` bytes from there on; under 0: errno. */
static ssize_t read_at(int file, off_t offset, char *bytes, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t part = pread(file, bytes + done, length - done, offset + (off_t)done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        if (part == 0)
            break;
        done += (size_t)part;
    }
    return (ssize_t)done;
}

bool bf_audit_tail(int file, off_t size, struct bf_audit_tail *ret_tail)
{
    off_t from = size > WINDOW ? size - WINDOW : 0;
    BF_AUTO_STRING char *bytes = bf_allocate(WINDOW);
    ssize_t length = read_at(file, from, bytes, WINDOW);

    if (length < 0)
        return false;
    *ret_tail = (struct bf_audit_tail){.last = bf_audit_beginning};
    const char *feed = memrchr(bytes, '\n', (size_t)length);
    const char *rest = feed ? feed + 1 : bytes;
    ret_tail->half = (size_t)(bytes + length - rest);
    bf_sha256(rest, ret_tail->half, ret_tail->half_hash);
    if (feed) {
        const char *before = memrchr(bytes, '\n', (size_t)(feed - bytes));
        const char *line = before ? before + 1 : bytes;
        ret_tail->last.number = before || from == 0 ? bf_audit_number(line, (size_t)(feed - line)) : -1;
        bf_sha256(line, (size_t)(feed - line), ret_tail->last.hash);
    }
    return true;
}

enum found { FAILED = -1 /* errno */, NONE, FOUND };

/* The first record that begins at `offset` or behind it, and before `end`: its place, its number and its hash. */
static enum found record_from(int file, off_t offset, off_t end, char bytes[WINDOW], off_t *ret_begin, struct bf_audit_head *ret_head)
{
    off_t at = offset > 0 ? offset - 1 : 0; /* the line feed before it, if that is where a line begins */
    bool inside = offset > 0;

    while (at < end) {
        ssize_t length = read_at(file, at, bytes, WINDOW);
        if (length <= 0)
            return length < 0 ? FAILED : NONE;
        const char *line = bytes, *feed;
        while ((feed = memchr(line, '\n', (size_t)(bytes + length - line)))) {
            off_t begin = at + (line - bytes);
            if (!inside && begin >= end)
                return NONE;
            if (!inside && (ret_head->number = bf_audit_number(line, (size_t)(feed - line))) >= 0) {
                *ret_begin = begin;
                bf_sha256(line, (size_t)(feed - line), ret_head->hash);
                return FOUND;
            }
            inside = false;
            line = feed + 1;
        }
        /* What is left has no end here: it is looked at again with what follows, unless it is longer than any line. */
        if (line == bytes) {
            inside = true;
            line = bytes + length;
        }
        at += line - bytes;
    }
    return NONE;
}

off_t bf_audit_find(int file, off_t size, int64_t number)
{
    BF_AUTO_STRING char *bytes = bf_allocate(WINDOW);
    struct bf_audit_head head;
    off_t low = 0, high = size, begin = 0; /* what begins before `low` is too early; the first that is not begins before `high` */
    enum found found;

    while (high - low > WINDOW) {
        off_t middle = low + (high - low) / 2;
        found = record_from(file, middle, high, bytes, &begin, &head);
        if (found == FAILED)
            return -1;
        if (found == FOUND && head.number < number)
            low = begin + 1;
        else
            high = middle;
    }
    for (off_t at = low; (found = record_from(file, at, size, bytes, &begin, &head)) == FOUND; at = begin + 1)
        if (head.number >= number)
            return begin;
    return found == FAILED ? -1 : size;
}

int64_t bf_audit_first(int file, off_t size)
{
    BF_AUTO_STRING char *bytes = bf_allocate(WINDOW);
    struct bf_audit_head head;
    off_t begin;
    enum found found = record_from(file, 0, size < WINDOW ? size : WINDOW, bytes, &begin, &head);

    return found == FOUND ? head.number : found == NONE ? 0 : -1;
}

bool bf_audit_holds(int file, off_t size, const struct bf_audit_head *head)
{
    BF_AUTO_STRING char *bytes = bf_allocate(WINDOW);
    struct bf_audit_head found;
    off_t begin = bf_audit_find(file, size, head->number);

    return begin >= 0 && begin < size && record_from(file, begin, size, bytes, &begin, &found) == FOUND &&
           found.number == head->number && strcmp(found.hash, head->hash) == 0;
}
