/* Every code that can stand in a problem's `code`, in a reason's `code` or in a result, once.
 * X(CONSTANT, name, http_status, title): http_status is what the HTTP interface answers when an order or a document
 * ends in this code (RFC 9110, RFC 9457); 0 for codes that only ever are a job's reason. */
#ifndef BACKFILLD_CODES_H
#define BACKFILLD_CODES_H

#define BF_CODES(X)                                                                        \
    X(OK, ok, 200, "Done")                                                                 \
    /* documents and requests */                                                           \
    X(NOT_JSON, not_json, 400, "The body is not JSON")                                     \
    X(BAD_REQUEST, bad_request, 400, "The request is malformed")                           \
    X(UNAUTHENTICATED, unauthenticated, 401, "A token is needed")                          \
    X(NOT_ALLOWED, not_allowed, 403, "Not allowed")                                        \
    X(FORBIDDEN, forbidden, 403, "The role does not allow this")                           \
    X(TWO_PERSON, two_person, 403, "Another person has to approve it")                     \
    X(NOT_FOUND, not_found, 404, "No such thing")                                          \
    X(METHOD_NOT_ALLOWED, method_not_allowed, 405, "The method does not fit the path")     \
    X(TOO_SLOW, too_slow, 408, "The request came too slowly")                              \
    X(NAME_IN_USE, name_in_use, 409, "The name is in use")                                 \
    X(AMBIGUOUS, ambiguous, 409, "The name means more than one job")                       \
    X(WRONG_STATE, wrong_state, 409, "The job's state does not allow this")                \
    X(PAUSE_ALL, pause_all, 409, "Paused with all others")                                 \
    X(PRECONDITION_FAILED, precondition_failed, 412, "The job was changed meanwhile")      \
    X(TOO_LARGE, too_large, 413, "The body is too large")                                  \
    X(URI_TOO_LONG, uri_too_long, 414, "The request's URI is too long")                    \
    X(WRONG_TYPE, wrong_media_type, 415, "Bodies are application/json")                    \
    X(IDEMPOTENCY_MISMATCH, idempotency_mismatch, 422, "The key was used with another body") \
    X(INVALID, invalid, 422, "What was sent is not valid")                                 \
    X(UNSUPPORTED, unsupported, 422, "Not built yet")                                      \
    X(REMAINING_NOT_CLEARED, remaining_not_cleared, 422, "Changed rows still match `remaining`")   \
    X(ALREADY_DONE, already_done, 422, "This document already changed rows")               \
    X(CONFIRM, confirm, 422, "The confirmation does not fit")                              \
    X(TOO_MANY_FAILURES, too_many_failures, 429, "Too many wrong tokens")                  \
    X(HEADERS_TOO_LARGE, headers_too_large, 431, "The request's headers are too large")    \
    X(INTERNAL, internal, 500, "Internal error")                                           \
    X(NOT_BUILT, not_built, 501, "Not built yet")                                          \
    X(STORE_FAILED, store_failed, 503, "The state store failed")                           \
    X(AUDIT_FAILED, audit_failed, 503, "The audit log cannot be written or read")          \
    X(TARGET_DOWN, target_down, 503, "The target does not answer")                         \
    X(BUSY, busy, 503, "Too much at once")                                                 \
    X(STOPPING, stopping, 503, "The daemon is stopping")                                   \
    /* why a job is not simply working */                                                  \
    X(OPERATOR, operator, 0, "By order of a person")                                       \
    X(CONTROL, control, 0, "By backfilld.control on the target")                           \
    X(MAX_JOBS, max_jobs, 0, "Waits for its turn on the target")                           \
    X(TABLE_BUSY, table_busy, 0, "Waits for another job on the same table")                \
    X(ADOPTED, adopted, 0, "Taken over from the target's own record")                      \
    X(FENCED, fenced, 0, "Another daemon owns the job")                                    \
    X(OWNED_ELSEWHERE, owned_elsewhere, 409, "Another daemon may still own the job")       \
    X(LOST_SESSION, lost_session, 0, "Waits for a lost session to end")                    \
    X(SERVER_UNREACHABLE, server_unreachable, 0, "The server does not answer")             \
    X(NOT_PRIMARY, not_primary, 0, "The server is read-only")                              \
    X(LOCK_CONFLICT, lock_conflict, 0, "Rows are locked by others")                        \
    X(YIELDED, yielded, 0, "Gave way to a session that waited")                            \
    X(STATEMENT_TIMEOUT, statement_timeout, 0, "The batch took too long")                  \
    X(SERIALIZATION, serialization, 0, "The server took the transaction back")             \
    X(SERVER_RESOURCES, server_resources, 0, "The server is out of something")             \
    X(ENDED_BY_DBA, ended_by_dba, 0, "Someone ended the job's sessions")                   \
    X(CHECKPOINT_LOST, checkpoint_lost, 0, "The checkpoint is gone from the target")       \
    X(TARGET_CHANGED, target_changed, 409, "The target is another database")               \
    X(TARGET_GONE, target_gone, 0, "The target is not configured any more")                \
    X(MEASURING, measuring, 0, "The table is measured for the plan")                       \
    X(APPROVAL_LOST, approval_lost, 0, "What was approved is not what it is now")          \
    X(UNMEASURED, unmeasured, 0, "What has to be measured was not")                        \
    X(TABLE_CHANGED, table_changed, 0, "The table's definition changed")                   \
    X(PROXY_BETWEEN_US, proxy_between_us, 0, "A connection pooler stands between")         \
    X(REMAINING_NOT_SHRINKING, remaining_not_shrinking, 0, "Rows that remain do not get fewer")    \
    X(OLD_TRANSACTION, old_transaction, 0, "Waits for transactions older than the pass")   \
    X(CHECK_FAILED, check_failed, 0, "A check does not hold")                              \
    X(SAMPLE_DIFFERS, sample_differs, 0, "Changed rows do not hold what `set` gives")      \
    X(CANARY, canary, 0, "The canary waits for a person")                                  \
    X(REPLICA_UNREACHABLE, replica_unreachable, 0, "No replica can be asked")              \
    X(REPLICATION_LAG, replication_lag, 0, "A replica is behind")                          \
    X(ACTIVE_SESSIONS, active_sessions, 0, "Too many sessions are active")                 \
    X(BLOCKED_SESSIONS, blocked_sessions, 0, "Too many sessions wait for our locks")       \
    X(LOG_RATE, log_rate, 0, "The server writes too much log")                             \
    X(ARCHIVE_BACKLOG, archive_backlog, 0, "The archiver is behind")                       \
    X(SLOT_RETAINED, slot_retained, 0, "A replication slot keeps too much log")            \
    X(AUTOVACUUM, autovacuum, 0, "Autovacuum works on the table")                          \
    X(DEAD_TUPLES, dead_tuples, 0, "The table has too many dead tuples")                   \
    X(OLDEST_SNAPSHOT, oldest_snapshot, 0, "A snapshot or transaction is too old")         \
    X(HISTORY_LIST, history_list, 0, "InnoDB is behind with its purge")                    \
    X(FLOW_CONTROL, flow_control, 0, "The cluster slows its writes down")                  \
    X(SIGNAL, signal, 0, "A signal of the document's is over its limit")                   \
    X(SIGNAL_STALE, signal_stale, 0, "A signal cannot be read")                            \
    X(NO_REPLICAS, no_replicas, 422, "No replica streams from the target")                 \
    X(TRIGGER, trigger, 0, "A trigger of the document's fired")                            \
    X(TRIGGER_FAILED, trigger_failed, 0, "A trigger cannot be evaluated")                  \
    X(ALERT, alert, 0, "An alert of others fired")                                        \
    X(WINDOW, window, 0, "Outside of the job's windows")                                   \
    X(PLAN_REGRESSION, plan_regression, 0, "The server changed its plan")                  \
    X(DATA_ERROR, data_error, 0, "A row could not be changed")                             \
    X(STATEMENT_FAILED, statement_failed, 0, "The server refused a statement")             \
    X(CONNECT_REFUSED, connect_refused, 0, "The server refuses the login")                 \
    X(SCHEMA_MISSING, schema_missing, 0, "The control schema is missing")                  \
    X(SCHEMA_NEWER, schema_newer, 0, "The control schema is of a newer version")

#endif
