/* One run of backfillctl: what was asked for, and the way to the daemon. Every verb gets this and returns its exit code. */
#ifndef BF_CLIENT_CLIENT_H
#define BF_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "verbs.h"

struct bf_client {
    const struct bf_verb *verb;
    const char *values[BF_OPTION_COUNT]; /* NULL: not given; "" for an option without argument */
    char **words;                        /* the verb's arguments */
    int count;
    int64_t timeout;      /* of --timeout, milliseconds; 0: not given */
    struct bf_http *http; /* NULL for verbs that ask nothing of the daemon */
    bool json;
    bool terminal; /* stdout is a terminal that can move its cursor */
    bool colour;
};

static inline bool bf_given(const struct bf_client *client, enum bf_option option)
{
    return client->values[option] != NULL;
}

/* Reads the command line. -1: go on with client->verb; else the process ends with this code and all is said. */
int bf_options_read(struct bf_client *client, int count, char **words);

enum bf_exit bf_help_general(void);
enum bf_exit bf_help_verb(const struct bf_verb *verb);

/* "Idempotency-Key: KEY", owned, or NULL without --idempotency-key; false: the key cannot be sent, and that is said. */
bool bf_key_header(const struct bf_client *client, char **ret_header);

/* The verbs. */
enum bf_exit bf_run_token(struct bf_client *client);
enum bf_exit bf_run_help(struct bf_client *client);
enum bf_exit bf_run_plan(struct bf_client *client);
enum bf_exit bf_run_submit(struct bf_client *client);
enum bf_exit bf_run_list(struct bf_client *client);
enum bf_exit bf_run_show(struct bf_client *client);
enum bf_exit bf_run_watch(struct bf_client *client);
enum bf_exit bf_run_wait(struct bf_client *client);
enum bf_exit bf_run_approve(struct bf_client *client);
enum bf_exit bf_run_pause(struct bf_client *client);
enum bf_exit bf_run_resume(struct bf_client *client);
enum bf_exit bf_run_abort(struct bf_client *client);
enum bf_exit bf_run_rollback(struct bf_client *client);
enum bf_exit bf_dry_rollback(struct bf_client *client); /* what it would do */
enum bf_exit bf_run_conflicts(struct bf_client *client);
enum bf_exit bf_run_bad_rows(struct bf_client *client);
enum bf_exit bf_run_retry_bad_rows(struct bf_client *client);
enum bf_exit bf_run_forget(struct bf_client *client);
enum bf_exit bf_run_tune(struct bf_client *client);
enum bf_exit bf_run_clone(struct bf_client *client);
enum bf_exit bf_run_pause_all(struct bf_client *client);
enum bf_exit bf_run_resume_all(struct bf_client *client);
enum bf_exit bf_run_events(struct bf_client *client);
enum bf_exit bf_run_audit(struct bf_client *client);
enum bf_exit bf_run_targets(struct bf_client *client);
enum bf_exit bf_run_adopt(struct bf_client *client);
void bf_say_foreign(const json_t *target); /* the jobs of a target that are not the daemon's */
enum bf_exit bf_run_replica(struct bf_client *client);

#endif
