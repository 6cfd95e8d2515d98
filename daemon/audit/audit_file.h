/* The audit log's file: one record of canonical JSON (names in order, no blanks, numbers that are whole) a line. Each has a
 * number `n`, one higher than that of the one before, and in `previous` the SHA-256 of the line before it, without its line
 * feed; the very first has zeros. The hash of the newest line is the log's head: whoever knows it knows whether anything
 * before it was changed.
 *
 * The file is only ever appended to. It may be renamed at any time (logrotate): a new one is begun, and the chain goes on
 * in it. Everything here blocks. */
#ifndef BF_AUDIT_FILE_H
#define BF_AUDIT_FILE_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "digest.h"
#include "result.h"

enum { BF_AUDIT_LINE_MAX = 64 * 1024 /* bytes */ };

struct bf_audit_head {
    int64_t number;            /* 0: there is no record yet */
    char hash[BF_DIGEST_TEXT]; /* of its line; zeros where there is none */
};

struct bf_audit_file {
    char *path;
    struct bf_audit_head head;
    bool stored; /* `head` came from the state store */
    /* As the last look or write left it; until `looked` none was there. */
    bool looked;
    dev_t device;
    ino_t inode;
    off_t size;
};

/* Where the chain begins. */
extern const struct bf_audit_head bf_audit_beginning;

/* What was found that should not be: a record that says it, and a sentence for the log. */
struct bf_audit_finding {
    json_t *record; /* owned */
    char *text;     /* owned */
};
enum { BF_AUDIT_FINDINGS_MAX = 2 };
struct bf_audit_findings {
    struct bf_audit_finding list[BF_AUDIT_FINDINGS_MAX];
    size_t count;
    char *note; /* owned: what is no fault (a new file is begun); NULL: nothing */
};
void bf_audit_findings_clear(struct bf_audit_findings *findings);

/* At the start: where does the chain go on? `stored`: the head as the state store knows it; NULL: it knows none. Where the
 * file has that record the chain goes on behind the file's last one; where it has not (cut off, replaced, altered) it goes on
 * behind `stored`, so that the place where it does not fit stays to be seen. BF_INTERNAL: it cannot be read. */
enum bf_code bf_audit_file_open(struct bf_audit_file *file, const struct bf_audit_head *stored,
                                struct bf_audit_findings *findings, struct bf_error *error);
/* Appends the records, all or none of them durably, and moves the head; `findings` (looked for before each write) are
 * recorded before them. The records get `n` and `previous`. BF_INTERNAL: nothing counts as written, and the head stays. */
enum bf_code bf_audit_file_append(struct bf_audit_file *file, json_t *const *records, size_t count,
                                  struct bf_audit_findings *findings, struct bf_error *error);

#endif
