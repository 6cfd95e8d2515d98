/* What is answered, as schemas: the lists of words from the lists that the code is made from, the views from the rows
 * below, which tests/integration/test_openapi.py holds against the answers themselves. */
#include "openapi.h"

#include <ctype.h>
#include <string.h>

#include "allocate.h"
#include "backfilld/codes.h"
#include "backfilld/api.h"
#include "backfilld/states.h"
#include "buffer.h"
#include "job_files.h"

struct member {
    const char *schema; /* whose member this is */
    const char *name; /* with "?" behind it: not always there */
    const char *type; /* see bf_openapi_type */
    const char *help; /* NULL: the name says it */
};

static const struct member members[] = {
    {"Job", "id", "Id", "ULID; later jobs have higher ones"},
    {"Job", "name", "string", "the document's"},
    {"Job", "target", "string", "the document's, or what stood in for it"},
    {"Job", "table", "string", "the document's"},
    {"Job", "state", "State", NULL},
    {"Job", "direction", "Direction", NULL},
    {"Job", "activity", "Activity?", "null unless the job is running, verifying or rolling back"},
    {"Job", "reason", "Reason?", "why the job is not simply working"},
    {"Job", "document", "object", "as it was submitted, with pace and limits as they are now; its schema is JobDocument"},
    {"Job", "progress", "Progress", NULL},
    {"Job", "triggers", "[TriggerState]", "what each saw last, in the document's order"},
    {"Job", "undo", "Undo?", "the way back; null: the document says that there is none"},
    {"Job", "rollback", "RollbackState?", "how far it is on the way back; null: it does not go there"},
    {"Job", "plan", "PlanSummary?", "the single values of the plan; the rest is at /v1/jobs/{job}/plan"},
    {"Job", "owner", "string?", "the document's"},
    {"Job", "labels", "{string}", "the document's"},
    {"Job", "description", "string?", "the document's"},
    {"Job", "submitted_by", "string?", NULL},
    {"Job", "approved_by", "string?", "null: no person has approved it"},
    {"Job", "break_glass", "string?", "why that person approved it alone where two persons have to; null: it was not so"},
    {"Job", "approved_plan", "string?", "the hash of the plan that this person approved"},
    {"Job", "created_at", "time", NULL},
    {"Job", "updated_at", "time", NULL},
    {"Job", "started_at", "time?", "when it first ran"},
    {"Job", "ended_at", "time?", "when it came to its end"},
    {"Job", "durable?", "boolean", "false: the order is in effect and could not be stored; else it is not there"},
    {"Reason", "code", "Code", NULL},
    {"Reason", "signal", "string?", "that is over its limit or cannot be read"},
    {"Reason", "value", "number?", "of the signal"},
    {"Reason", "limit", "number?", "of the signal"},
    {"Reason", "since", "time?", NULL},
    {"Reason", "until", "time?", "null: not known"},
    {"Reason", "text", "string", "one sentence for people"},
    {"Progress", "rows_scanned", "count", NULL},
    {"Progress", "rows_changed", "count", NULL},
    {"Progress", "rows_bad", "count", "rows that the server refused to change: in quarantine"},
    {"Progress", "rows_set_aside", "count", "rows that others had locked and that are done later"},
    {"Progress", "rows_estimated", "count?", "null: unknown"},
    {"Progress", "fraction", "number?", "never over 0.999 before the job is completed; null: unknown"},
    {"Progress", "rate", "number?", "rows scanned a second over the last 60 s"},
    {"Progress", "eta_seconds", "count?", "null while it is unknown or the job is paused"},
    {"Progress", "batches", "count", NULL},
    {"Progress", "batch_rows", "count", "the size of the next batch"},
    {"Progress", "yields", "count", "batches that were taken back because another session waited for their locks"},
    {"Progress", "pass", "count", "0 before the first one has begun"},
    {"Progress", "positions", "[Position]", "one for each slice"},
    {"Progress", "seconds", "{number}", "the time ledger: by activity and reason"},
    {"Progress", "resumed", "count", "how often the job was taken up again"},
    {"Progress", "round_trips", "count", "to the target, since the job was taken up"},
    {"Undo", "by", "string", "journal; or inverse: the author's"},
    {"Undo", "rows", "count?", "changes in the journal; null: not known"},
    {"Undo", "bytes", "count?", "that the journal takes on the target; null: not known"},
    {"Undo", "until", "time?", "when it is dropped; null: the job is not at its end"},
    {"Undo", "dropped", "boolean", "there is no way back any more"},
    {"RollbackState", "rows", "count?", "changes to be taken back, or rows that an inverse goes over; null: not known yet"},
    {"RollbackState", "rows_seen", "count", "of these, looked at"},
    {"RollbackState", "rows_restored", "count", "changes that were taken back, or rows that the inverse changed"},
    {"RollbackState", "conflicts", "count", "changes that were left alone: their rows do not hold what the job left in them"},
    {"RollbackState", "batches", "count", NULL},
    {"RollbackPlan", "by", "string", "journal; or inverse: the author's, of which nothing can be sampled"},
    {"RollbackPlan", "rows", "count", "changes that would be looked at; of an inverse: rows that the job changed"},
    {"RollbackPlan", "bytes", "count?", "that the journal takes on the target; null: there is none"},
    {"RollbackPlan", "sampled", "count", "changes that were compared with their rows as they are now"},
    {"RollbackPlan", "sampled_changed", "count", "of these, changed by others since"},
    {"RollbackPlan", "sampled_deleted", "count", "of these, deleted since"},
    {"RollbackPlan", "seconds", "count?", "that it would take; null: not known"},
    {"ConflictPage", "conflicts", "[Conflict]", "in the order in which the changes were made"},
    {"ConflictPage", "next", "string?", "null: that were all; else `after` of the next page"},
    {"Conflict", "key", "[string]", "of the row"},
    {"Conflict", "kind", "string", "changed, deleted, altered (by a trigger), refused (by the server)"},
    {"Conflict", "found_at", "time", NULL},
    {"BadRowPage", "bad_rows", "[BadRow]", "in the order in which they were found in each slice"},
    {"BadRowPage", "next", "string?", "null: that were all; else `after` of the next page"},
    {"BadRow", "key", "[string]", "of the row"},
    {"BadRow", "error", "string", "what the server said when it refused it last"},
    {"BadRow", "sqlstate", "string", "the error's"},
    {"BadRow", "found_at", "time", "when that was"},
    {"Position", "after", "[string]?", "null: from the table's begin"},
    {"Position", "through", "[string]?", "null: not known yet"},
    {"Position", "position", "[string]?", "the last key that is done; null: none"},
    {"Position", "done", "boolean", NULL},
    {"Plan", "risk", "string", "GREEN, YELLOW or RED: the worst of its reasons"},
    {"Plan", "hash?", "string", "of the document and of this plan: what an approval is of; not there where a former release made it"},
    {"Plan", "reasons", "[RiskReason]", "docs/plan.md has all of them"},
    {"Plan", "unmeasured", "[string]", "what is mandatory and could not be measured"},
    {"Plan", "measured", "{Fact}", "by name"},
    {"Plan", "estimate", "Estimate", NULL},
    {"Plan", "rehearsal", "string?", "the newest job of the same document that ran to its end on another target"},
    {"Plan", "took", "Took?", "what came of it; null until the job is over"},
    {"Took", "seconds", "number", "in which it worked, without holds and pauses: what the estimate is about"},
    {"Took", "seconds_in_all", "number", "from its start to its end"},
    {"Took", "rows_scanned", "number", NULL},
    {"Took", "rows_changed", "number", NULL},
    {"Took", "log_bytes", "number?", "that the server's log (WAL, binary log) grew by while batches ran, whoever wrote it; null: not known"},
    {"Took", "log_measured", "number?", "the part of the changed rows, 0 to 1, for which that was measured; the rest is taken to be like it"},
    {"Took", "journal_bytes", "number?", "of the undo journal; null: there is none any more"},
    {"Took", "dead_rows", "number?", "old versions of rows in the table at the end, by the server's statistics; null: it has none"},
    {"Took", "as_estimated", "boolean?", "did the estimate hold; null: the job did not come to its end, or there was no estimate"},
    {"Plan", "card", "string", "the plan as a page for people, as text/plain gives it"},
    {"RiskReason", "code", "string", NULL},
    {"RiskReason", "risk", "string", "YELLOW or RED"},
    {"RiskReason", "value", "number?", "what was measured, where it is about a number"},
    {"RiskReason", "text", "string", "one sentence for people"},
    {"Fact", "value", "number?", "null: it is not known"},
    {"Fact", "detail", "string?", "names, or why it is not known"},
    {"Estimate", "seconds_low", "number?", "of work, without holds; null, as the others: it is not known"},
    {"Estimate", "seconds_high", "number?", NULL},
    {"Estimate", "rate", "number?", "rows scanned per second"},
    {"Estimate", "rows_changed", "number?", NULL},
    {"Estimate", "dead_rows", "number?", "old versions of rows, one for each that is changed, until the server clears them away"},
    {"Estimate", "log_bytes", "number?", "WAL, or binary log"},
    {"Estimate", "journal_bytes", "number?", "of the undo journal"},
    {"Estimate", "window_share", "number", "of the week in which it may write"},
    {"Plan", "table", "string", "with its schema, as the server knows it"},
    {"Plan", "engine", "string", NULL},
    {"Plan", "identity", "string?", "of the database that it was planned on"},
    {"Plan", "server_version", "string?", NULL},
    {"Plan", "key", "[KeyColumn]", "what the backfill walks along"},
    {"Plan", "rows_estimated", "count?", NULL},
    {"Plan", "bytes", "count?", "of the table"},
    {"Plan", "partitioned", "boolean", NULL},
    {"Plan", "undo", "string", "journal, inverse or none"},
    {"Plan", "statement", "string?", "the UPDATE of one batch"},
    {"Plan", "inverse_statement?", "string", "the author's inverse, of one batch; not there without one"},
    {"Plan", "replicas?", "[string]", "that stream from the target; not there where nobody watches them"},
    {"KeyColumn", "column", "string", NULL},
    {"KeyColumn", "type", "string", NULL},
    {"Event", "id", "count", "rises over all jobs"},
    {"Event", "job", "Id?", "null: of no job (pause_all, resume_all)"},
    {"Event", "at", "time", NULL},
    {"Event", "type", "string",
     "state, note, epoch, retry, pass, check, tune, pause, hold, set_aside, replica, rollback, back, undo, bad_row, verify, trigger, alert, stuck, break_glass, pause_all, resume_all"},
    {"Event", "from", "State?", "of the type state"},
    {"Event", "to", "State?", "of the type state"},
    {"Event", "actor", "string", "who: operator, daemon, control, timer, trigger:NAME, alert:NAME"},
    {"Event", "text", "string", "one sentence for people"},
    {"SamplePage", "step_seconds", "count", "the time between two points"},
    {"SamplePage", "samples", "[Sample]", "spans in which the job did not work are left out"},
    {"SamplePage", "next", "time?", "`since` of the points behind these; null: these are the newest"},
    {"Sample", "at", "time", "when its span begins"},
    {"Sample", "rows_scanned", "count", "in this span, as the others"},
    {"Sample", "rows_changed", "count", NULL},
    {"Sample", "batches", "count", NULL},
    {"Sample", "batch_rows", "count", "that the next batch was to scan"},
    {"Sample", "batch_seconds", "number?", "the mean; null: none ended"},
    {"Sample", "sleep_seconds", "number", NULL},
    {"Sample", "hold_seconds", "number", "held or backed off"},
    {"Sample", "signals", "{SampleSignal}", "by name, those that have a limit: four at most"},
    {"SampleSignal", "value", "number", "the worst in the span"},
    {"SampleSignal", "limit", "number", "from which nothing is written"},
    {"Target", "name", "string", NULL},
    {"Target", "engine", "string?", "null, as all that the configuration says: it is gone"},
    {"Target", "version", "string?", "of the server; null, as role: it does not answer"},
    {"Target", "role", "string?", "primary, replica, or read_only: neither"},
    {"Target", "reachability", "string", "reachable, unreachable, or gone: not in the configuration any more"},
    {"Target", "trouble", "string?", "why it is not reachable"},
    {"Target", "max_jobs", "count?", "running at once"},
    {"Target", "two_person", "string?", "all, red or none: of which jobs approver and submitter have to differ"},
    {"Target", "require_approval", "string?", "all, yellow, red or none: from which risk on a person must approve"},
    {"Target", "running", "count", "jobs"},
    {"Target", "queued", "count", "jobs"},
    {"Target", "latches", "[Latch]", "of pause-all, that hold all its jobs"},
    {"Target", "watching", "boolean", "its load is sampled twice a second: while jobs of it run"},
    {"Target", "monitor_trouble", "string?", "why it cannot be sampled just now"},
    {"Target", "watch_replicas", "boolean?", "its replicas are heeded"},
    {"Target", "replicas", "[Replica]", "that were seen streaming in the last ten minutes of watching, or are named"},
    {"Target", "signals", "[Signal]", "as they were measured last; none while nobody watches"},
    {"Target", "foreign_jobs", "[ForeignJob]?",
     "that its control schema knows and this daemon does not, unfinished ones first; null: they cannot be read just now"},
    {"ForeignJob", "id", "Id", NULL},
    {"ForeignJob", "name", "string", NULL},
    {"ForeignJob", "table", "string?", "as its document names it"},
    {"ForeignJob", "state", "string", "as the target was told last"},
    {"ForeignJob", "direction", "string", "forward or back"},
    {"ForeignJob", "owner", "string?", "machine, boot and process of the daemon that holds its checkpoint; null: it was let go"},
    {"ForeignJob", "owner_may_live", "boolean", "adopting it is 409: the owner is not gone, and was not silent for 30 s"},
    {"ForeignJob", "seen_at", "time", "when its checkpoint was written last, by the target's clock"},
    {"ForeignJob", "silent_seconds", "number", "since then"},
    {"ForeignJob", "slices", "count", NULL},
    {"ForeignJob", "rows_scanned", "count", NULL},
    {"ForeignJob", "rows_changed", "count", NULL},
    {"ForeignJob", "way_back", "string?", "journal or inverse; null: there is none"},
    {"ForeignJob", "created_at", "time", NULL},
    {"Replica", "name", "string", NULL},
    {"Replica", "state", "string",
     "heeded, ignored, set_aside (by a job), promoted (a primary now), lost, unknown (not measured yet)"},
    {"Replica", "address", "string?", NULL},
    {"Replica", "synchronous", "boolean", NULL},
    {"Replica", "lag_seconds", "number?", NULL},
    {"Replica", "bytes_behind", "count?", NULL},
    {"Replica", "age_seconds", "number?", "of that measurement"},
    {"Replica", "until", "time?", "ignored or set aside"},
    {"Replica", "reason", "string?", "who said that it is to be ignored, and why"},
    {"Replica", "trouble", "string?", "why it stands still, or cannot be read"},
    {"Signal", "name", "string", "lag:REPLICA, active_sessions, slot:NAME, dead_tuples:TABLE, signal:NAME, ..."},
    {"Signal", "kind", "string", NULL},
    {"Signal", "unit", "string", NULL},
    {"Signal", "value", "number?", "null: not measured"},
    {"Signal", "limit", "number?", "the strictest one of the jobs that run; null: it is only shown"},
    {"Signal", "age_seconds", "number?", NULL},
    {"Signal", "stale", "boolean", "too old to be believed, or never measured: with a limit it holds"},
    {"Signal", "text", "string?",
     "who is behind the value; or, where it is not measured, the right that the daemon's account lacks"},
    {"Latch", "target", "string?", "the scope; null, as label: all jobs"},
    {"Latch", "label", "string?", "NAME=VALUE"},
    {"Latch", "reason", "string?", NULL},
    {"Latch", "by", "string", NULL},
    {"Latch", "since", "time", NULL},
    {"TriggerState", "name", "string", NULL},
    {"TriggerState", "watching", "boolean", "it looks just now"},
    {"TriggerState", "value", "number?", "null: it had none, or its baseline is still measured"},
    {"TriggerState", "limit", "number?", "of a relative one: as a value"},
    {"TriggerState", "true_seconds", "number?", "for so long its condition is true; null: it is not"},
    {"TriggerState", "trouble", "string?", "why the last look failed"},
    {"Alerted", "alerts", "[AlertOutcome]", "in their order"},
    {"AlertOutcome", "fingerprint", "string", NULL},
    {"AlertOutcome", "job", "Id?", "that it names"},
    {"AlertOutcome", "did", "string?", "pause, abort or rollback; null: nothing"},
    {"AlertOutcome", "text", "string", "what it did, or why it did nothing"},
    {"AlertOutcome", "durable?", "boolean", "false: it is in effect and could not be stored; else it is not there"},
    {"Latched", "jobs", "[JobName]", "oldest first"},
    {"Latched", "latches", "[Latch]", "all that are on"},
    {"Latched", "durable?", "boolean", "false: it is in effect and could not be stored; else it is not there"},
    {"JobName", "id", "Id", NULL},
    {"JobName", "name", "string", NULL},
    {"JobName", "target", "string", NULL},
    {"JobName", "state", "State", NULL},
    {"JobFile", "file", "string", "its name in the directory"},
    {"JobFile", "state", "JobFileState", NULL},
    {"JobFile", "job", "Id?", "that it is, or, where it changed, that has the name"},
    {"JobFile", "reason", "JobFileReason?", "why it is no job"},
    {"JobFile", "errors", "[Complaint]", "every complaint about its document"},
    {"JobFileReason", "code", "Code", NULL},
    {"JobFileReason", "text", "string", "one sentence for people"},
    {"JobFilePage", "directory", "string?", "null: no directory is configured"},
    {"JobFilePage", "trouble", "string?", "why the directory cannot be read, or not all of it"},
    {"AuditPage", "records", "[AuditRecord]", "by number"},
    {"AuditPage", "next", "count?", "null: that were all, or the newest ones; else `after` of the next page"},
    {"AuditPage", "head", "AuditHead", "the newest record when the file was read, as the daemon knows it without the file: it has to be there"},
    {"AuditHead", "n", "count", "its number; 0: there is none yet"},
    {"AuditHead", "hash", "string", "the SHA-256 of its line"},
    {"AuditRecord", "n", "count", "its number"},
    {"AuditRecord", "previous", "string", "the SHA-256 of the record before it, as canonical JSON"},
    {"AuditRecord", "at", "time", NULL},
    {"AuditRecord", "actor", "string", "who: as in events"},
    {"AuditRecord", "action", "string", "the route's operationId; of what was not ordered over HTTP the event's type, or what the daemon did"},
    {"AuditRecord", "role?", "string", "that the actor had"},
    {"AuditRecord", "peer?", "string", "from where: an address, or who is at the other end of a unix socket"},
    {"AuditRecord", "outcome?", "string", "asked, done, refused, failed; of an event the job's state"},
    {"AuditRecord", "asked?", "count", "number of the record that it was asked for"},
    {"AuditRecord", "status?", "count", "of the answer"},
    {"AuditRecord", "code?", "string", "why it was not done"},
    {"AuditRecord", "job?", "Id", NULL},
    {"AuditRecord", "name?", "string", "of the job, or what was said in its place"},
    {"AuditRecord", "target?", "string", NULL},
    {"AuditRecord", "path?", "string", "of what was refused before its route was known"},
    {"AuditRecord", "reason?", "string", "the order's"},
    {"AuditRecord", "comment?", "string", "the approval's"},
    {"AuditRecord", "for?", "string", "these up to break_glass: the order's"},
    {"AuditRecord", "plan?", "string", NULL},
    {"AuditRecord", "from?", "string", NULL},
    {"AuditRecord", "label?", "string", NULL},
    {"AuditRecord", "pace?", "string", "JSON"},
    {"AuditRecord", "limits?", "string", "JSON"},
    {"AuditRecord", "break_glass?", "string", "true"},
    {"AuditRecord", "replica?", "string", NULL},
    {"AuditRecord", "document?", "string", "the SHA-256 of what was submitted"},
    {"AuditRecord", "detail?", "string", "of an event its text"},
    {"AuditRecord", "count?", "count", "of lost: records; of refusals: requests"},
    {"AuditRecord", "bytes?", "count", "of log_cut_short: so many bytes before it are no record"},
    {"AuditRecord", "sha256?", "string", "of these bytes"},
    {"AuditRecord", "found?", "number", "of log_disagrees: the number of the last record in the file; under 0: that is none"},
    {"AuditRecord", "found_hash?", "string", "the hash of that line"},
    {"JobFilePage", "job_files", "[JobFile]", "by name"},
    {"JobPage", "jobs", "[Job]", "newest first"},
    {"JobPage", "next", "Id?", "`after` of the next page; null: this is the last one"},
    {"EventPage", "events", "[Event]", "oldest first"},
    {"TargetPage", "targets", "[Target]", NULL},
    {"Identity", "name", "string?", "as events have it; null: nobody"},
    {"Identity", "role", "Role?", "null: none"},
    {"Identity", "targets", "[string]?", "that the role is for; null: all"},
    {"Identity", "tokens", "boolean", "there are tokens; without them nobody has to sign in"},
    {"Identity", "session_seconds", "count?", "until the session of the cookie is over; null: there is none"},
    {"Health", "status", "string", "alive"},
    {"Health", "version", "string", NULL},
    {"Ready", "status", "string", "ready"},
    {"Ready", "store", "string", "ok"},
    {"Ready", "targets", "[Reachable]", NULL},
    {"Reachable", "name", "string", NULL},
    {"Reachable", "reachable", "boolean", NULL},
    {"Problem", "type", "string", "urn:backfilld: and the code"},
    {"Problem", "title", "string", "what the code means"},
    {"Problem", "status", "count", "the status of the answer"},
    {"Problem", "detail", "string", "what is wrong here, and what to do"},
    {"Problem", "code", "Code", NULL},
    {"Problem", "errors?", "[Complaint]", "every complaint about a body"},
    {"Problem", "errors_total?", "count", "how many there are, where errors has not all"},
    {"Problem", "job?", "Id", "with which there is a conflict"},
    {"Problem", "state?", "State", "of that job"},
    {"Complaint", "pointer", "string", "JSON pointer (RFC 6901)"},
    {"Complaint", "detail", "string", NULL},
    {"Complaint", "code", "Code", NULL},
};

static const char *const states[] = {
#define X(constant, name, final) #name,
    BF_STATES(X)
#undef X
};
static const char *const activities[] = {
#define X(constant, name) #name,
    BF_ACTIVITIES(X)
#undef X
};
static const char *const directions[] = {
#define X(constant, name) #name,
    BF_DIRECTIONS(X)
#undef X
};
static const char *const roles[] = {
#define X(constant, name) #name,
    BF_ROLES(X)
#undef X
};
static const char *const job_file_states[] = {
#define X(constant, name, meaning) #name,
    BF_JOB_FILE_STATES(X)
#undef X
};
static const char *const codes[] = {
#define X(constant, name, status, title) #name,
    BF_CODES(X)
#undef X
};
static const char *const code_titles[] = {
#define X(constant, name, status, title) title,
    BF_CODES(X)
#undef X
};

static json_t *simple_type(const char *type, size_t length)
{
    if (length == 4 && memcmp(type, "time", length) == 0)
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    if (length == 5 && memcmp(type, "count", length) == 0) return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
    if (!isupper((unsigned char)type[0])) return json_pack("{s:s%}", "type", type, length);
    char *reference BF_AUTO_STRING = bf_format("#/components/schemas/%.*s", (int)length, type);
    return json_pack("{s:s}", "$ref", reference);
}

json_t *bf_openapi_type(const char *type)
{
    size_t length = strlen(type);
    bool nullable = type[length - 1] == '?';
    if (nullable) length--;
    json_t *schema;
    if (type[0] == '[')
        schema = json_pack("{s:s, s:o}", "type", "array", "items", simple_type(type + 1, length - 2));
    else if (type[0] == '{')
        schema = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", simple_type(type + 1, length - 2));
    else
        schema = simple_type(type, length);
    if (!nullable) return schema;
    json_t *one = json_object_get(schema, "type");
    if (!one) return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
    json_object_set_new(schema, "type", json_pack("[O, s]", one, "null"));
    return schema;
}

static void add_words(json_t *schemas, const char *name, const char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, json_string(words[i]));
    json_object_set_new(schemas, name, json_pack("{s:s, s:o}", "type", "string", "enum", list));
}

static void add_member(json_t *schema, const struct member *member)
{
    json_t *type = bf_openapi_type(member->type);
    size_t length = strcspn(member->name, "?");
    char *name BF_AUTO_STRING = bf_copy_bytes(member->name, length);
    if (member->help) json_object_set_new(type, "description", json_string(member->help));
    json_object_set_new(json_object_get(schema, "properties"), name, type);
    if (member->name[length] == '\0') json_array_append_new(json_object_get(schema, "required"), json_string(name));
}

static json_t *object_named(json_t *schemas, const char *name)
{
    json_t *schema = json_object_get(schemas, name);
    if (schema) return schema;
    schema = json_pack("{s:s, s:{}, s:[]}", "type", "object", "properties", "required");
    json_object_set_new(schemas, name, schema);
    return schema;
}

void bf_openapi_add_views(json_t *schemas)
{
    for (size_t i = 0; i < BF_COUNT(members); i++) {
        const struct member *member = &members[i];
        add_member(object_named(schemas, member->schema), member);
        /* A job shows the values of its plan that are no lists, no objects and no page. */
        bool single = member->type[0] >= 'a' && member->type[0] <= 'z' && strcmp(member->name, "card") != 0;
        if (strcmp(member->schema, "Plan") == 0 && single)
            add_member(object_named(schemas, "PlanSummary"), member);
    }
    json_object_set_new(schemas, "RollbackAnswer", json_pack("{s:[o, o]}", "anyOf", bf_openapi_type("Job"),
                                                             bf_openapi_type("RollbackPlan")));
    json_object_set_new(schemas, "Id", json_pack("{s:s, s:s}", "type", "string", "pattern",
                                                 "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"));
    add_words(schemas, "State", states, BF_COUNT(states));
    add_words(schemas, "Role", roles + 1, BF_COUNT(roles) - 1); /* anyone is none */
    add_words(schemas, "Activity", activities, BF_COUNT(activities));
    add_words(schemas, "Direction", directions, BF_COUNT(directions));
    add_words(schemas, "JobFileState", job_file_states, BF_COUNT(job_file_states));
    add_words(schemas, "Code", codes, BF_COUNT(codes));
    struct bf_buffer meanings = {0};
    for (size_t i = 0; i < BF_COUNT(codes); i++)
        bf_buffer_format(&meanings, "%s`%s`: %s", i ? "; " : "", codes[i], code_titles[i]);
    json_object_set_new(json_object_get(schemas, "Code"), "description", json_string(meanings.text));
    bf_buffer_clear(&meanings);
}
