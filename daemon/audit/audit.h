/* The audit log: who did what, when, to what, and what came of it (docs/interface.md, section 4). Records are written on the
 * thread pool, one write for all that wait; the chain of hashes and the file's form are audit_file.h's.
 *
 * The log's head is kept in the state store behind each write, and said in the daemon's own log (the journal) at start, each
 * hour and at the end: who changes or cuts the file later has to change these two, too. */
#ifndef BF_AUDIT_H
#define BF_AUDIT_H

#include <jansson.h>
#include <stdint.h>
#include <uv.h>

#include "store.h"

struct bf_audit;
struct bf_audit_head;
struct bf_event;
struct bf_record;

struct bf_audit_options {
    uv_loop_t *loop;
    const struct bf_store *store; /* stays the caller's; outlives the log */
    const char *path;
    int head_every; /* milliseconds from one head in the daemon's own log to the next; 0: an hour */
};

/* Opens the log, which blocks, and records the start. What stands there and should not, and a log that cannot be written, is
 * said: the daemon runs all the same. */
struct bf_audit *bf_audit_new(const struct bf_audit_options *options);
/* Writes what waits, records the end, and waits for both. NULL is fine. */
void bf_audit_free(struct bf_audit *audit);

/* trouble NULL: it is on the disk, as record `number`; else why not. From the loop, never from inside the call. */
typedef void bf_audit_written(void *argument, const char *trouble, int64_t number);

/* Takes over `record`, which has an `action` and an `actor` and gets the time. `written` may be NULL. `keep`: one that cannot
 * be written now is written as soon as that is possible, after `written` heard of the trouble; else it is dropped. */
void bf_audit_add(struct bf_audit *audit, json_t *record, bool keep, bf_audit_written *written, void *argument);
/* What nobody ordered over HTTP: orders of triggers, alerts, timers, job files and of backfilld.control on a target. NULL as
 * `audit` is fine. `record` may be NULL. */
void bf_audit_event(struct bf_audit *audit, const struct bf_record *record, const struct bf_event *event);
/* The daemon itself did something; NULL as `audit` is fine. */
void bf_audit_note(struct bf_audit *audit, const char *action, const char *detail);

/* Why it cannot be written at the moment; NULL: it can, as far as is known. */
const char *bf_audit_trouble(const struct bf_audit *audit);

/* A list, or NULL and why not; the list is the callee's. `head`: the newest record when the reading began, as the daemon knows
 * it without the file. */
typedef void bf_audit_read_done(void *argument, json_t *records, const struct bf_audit_head *head, const char *trouble);
/* The first records behind number `after` (under 0: the newest), oldest first. */
void bf_audit_read(struct bf_audit *audit, int64_t after, size_t limit, bf_audit_read_done *done, void *argument);

#endif
