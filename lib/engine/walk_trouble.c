/* P10: everything that goes wrong comes here and is sorted by its class, once. Retryable conditions back off and never
 * fail a job; a lost session means that the outcome is unknown until the epoch is raised (P2). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum {
    STOP_RETRY = 300, /* milliseconds: a stop is to be in effect within a second of the server's being back */
    HELD_RETRY = 500  /* milliseconds: the try itself waits for the row, as long as lock_timeout */
};

static double chance(const struct bf_walk *walk)
{
    const struct bf_job *job = walk->job;
    uint32_t bits = 0;
    job->engine->world->random(job->engine->world->context, &bits, sizeof bits);
    return (double)bits / 4294967296.0;
}

void bf_walk_back_off(struct bf_walk *walk, enum bf_code code, const char *text, bool reconnect)
{
    struct bf_job *job = walk->job;
    if (walk->courtesy) { /* nothing is at stake: not worth waiting for */
        walk->courtesy = false;
        walk->phase = BF_PHASE_READY;
        return;
    }
    char name[BF_SLICE_NAME];
    int64_t since = walk->reason.code == code ? walk->reason.since : 0;
    bool fresh = since == 0 && walk->attempts == 0;
    walk->attempts++;
    walk->reason = bf_reason_make(job, code, text);
    if (since)
        walk->reason.since = since;
    if (reconnect)
        bf_walk_close_session(walk);
    if (reconnect && walk->ending == BF_STATE_COMPLETED) {
        walk->ending = BF_STATE_PLANNING; /* completed is believed only of a session that lasted to the end */
        walk->stopping = false;
    }
    walk->phase = BF_PHASE_BACKING_OFF;
    int64_t delay = bf_retry_delay(walk->attempts, chance(walk));
    walk->sleep_until = bf_job_now(job) + (walk->stopping && delay > STOP_RETRY ? STOP_RETRY : delay);
    if (fresh) /* one line for one trouble, not one for each try */
        bf_job_note(job, "retry", "%sbacking off: %s", bf_walk_name(walk, name), text);
}

void bf_walk_end(struct bf_walk *walk, enum bf_state ending, enum bf_code code, const char *format, ...)
{
    struct bf_job *job = walk->job;
    char text[BF_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    walk->ending_reason = bf_reason_make(job, code, text);
    const char *actor = code == BF_CONTROL ? "control" : "daemon";
    bool active = job->record.state == BF_STATE_RUNNING || job->record.state == BF_STATE_VERIFYING ||
                  job->record.state == BF_STATE_ROLLING_BACK;
    if (ending == BF_STATE_PAUSED && active)
        bf_job_move(job, BF_STATE_PAUSING, &walk->ending_reason, actor, NULL);
    else if (ending == BF_STATE_ABORTED && (active || job->record.state == BF_STATE_PAUSING))
        bf_job_move(job, BF_STATE_ABORTING, &walk->ending_reason, actor, NULL);
    else if (ending == BF_STATE_FAILED)
        walk->ending = ending;
    /* On the way to a stop already: there is nothing more to settle that this would not say again. */
    if (walk->stopping)
        walk->unsettled = walk->courtesy = false;
    walk->phase = BF_PHASE_READY; /* nothing is under way: the stop goes on from here */
}

static const char *said(const struct bf_answer *answer)
{
    return answer->message && *answer->message ? answer->message : "no word from the server";
}

/* The session is gone. */
static void lost(struct bf_walk *walk, const struct bf_answer *answer)
{
    char text[BF_ERROR_TEXT_MAX];
    if (answer->error_class == BF_CLASS_ENDED) {
        walk->count_ended = true;
        memcpy(walk->ended_server, walk->server_started, sizeof walk->ended_server);
    }
    snprintf(text, sizeof text, "the connection was lost: %.300s", said(answer));
    bf_walk_back_off(walk, BF_LOST_SESSION, text, true);
}

const struct bf_answer *bf_walk_first_error(const struct bf_walk *walk)
{
    for (size_t i = 0; i < walk->answer_count; i++)
        if (walk->answers[i].outcome == BF_OUTCOME_ERROR)
            return &walk->answers[i];
    return NULL;
}

static const struct bf_answer *first_trouble(const struct bf_walk *walk)
{
    for (size_t i = 0; i < walk->answer_count; i++)
        if (walk->answers[i].outcome == BF_OUTCOME_ERROR || walk->answers[i].outcome == BF_OUTCOME_UNKNOWN)
            return &walk->answers[i];
    for (size_t i = 0; i < walk->answer_count; i++)
        if (walk->answers[i].outcome == BF_OUTCOME_SKIPPED || walk->answers[i].rolled_back)
            return &walk->answers[i];
    return NULL;
}

/* A conflict with others: smaller, later, and the boundary anew. */
static void conflict(struct bf_walk *walk, enum bf_code code, const char *text)
{
    struct bf_job *job = walk->job;
    /* A row that was set aside, or the one that the way back waits for: nothing to be made smaller. */
    bool waited_for = walk->done || (bf_walk_goes_back(walk) && !bf_walk_inverts(walk));
    bool held = waited_for && code == BF_LOCK_CONFLICT;
    walk->have_next = false;
    if (walk->owner && !held)
        job->record.progress.batch_rows = bf_size_conflict(&walk->size);
    bf_walk_back_off(walk, code, text, false);
    if (held && walk->phase == BF_PHASE_BACKING_OFF && walk->sleep_until > bf_job_now(job) + HELD_RETRY)
        walk->sleep_until = bf_job_now(job) + HELD_RETRY;
}

/* The images of one statement's rows are one value for each column, which a server limits (PostgreSQL: 1 GiB). */
static bool journal_overflows(const struct bf_walk *walk, const struct bf_answer *answer)
{
    return walk->job->record.document->undo == BF_UNDO_JOURNAL && walk->owner && walk->have_next && walk->next.rows > 1 &&
           strcmp(answer->sqlstate, "54000") == 0;
}

/* Of a row. */
static void refused(struct bf_walk *walk, const struct bf_answer *answer, const char *doing, const char *text)
{
    char range[300];
    if (bf_back_again(walk, answer->error_class, doing))
        return;
    if (journal_overflows(walk, answer)) {
        conflict(walk, BF_SERVER_RESOURCES, text);
        return;
    }
    if (strcmp(doing, BF_DOING_OVER_FILL) == 0) {
        bf_bad_rows_end(walk, walk->bisect.key, walk->bisect.error, walk->bisect.sqlstate);
        return;
    }
    if (walk->owner && (!bf_walk_goes_back(walk) || bf_walk_inverts(walk)) &&
        (strcmp(doing, BF_DOING_ASIDE) == 0 ? bf_walk_aside_singly(walk) : bf_bisect_begin(walk, answer)))
        return;
    if (walk->owner && walk->have_next) {
        bf_walk_range_text(walk, range, sizeof range);
        bf_walk_end(walk, BF_STATE_FAILED, BF_DATA_ERROR, "a row among the %s cannot be changed: %.300s (%.5s)", range,
                    said(answer), answer->sqlstate);
    } else {
        bf_walk_end(walk, BF_STATE_FAILED, BF_DATA_ERROR, "%s", text);
    }
}

/* The transaction is taken back (or there was none), the session is alive. */
static void decide(struct bf_walk *walk, const struct bf_answer *answer, const char *doing)
{
    char text[BF_ERROR_TEXT_MAX], holder[BF_WHO_TEXT + 16];
    snprintf(text, sizeof text, "could not %s: %.400s%s%.5s%s", doing, said(answer), answer->sqlstate[0] ? " (" : "",
             answer->sqlstate, answer->sqlstate[0] ? ")" : "");
    if (walk->stopping && answer->error_class != BF_CLASS_FENCE) { /* whatever it was, we stop anyway */
        if (walk->unsettled && !walk->owner)
            bf_walk_back_off(walk, BF_LOST_SESSION, text, false);
        else
            walk->phase = BF_PHASE_READY;
        return;
    }
    switch (answer->error_class) {
    case BF_CLASS_LOCK:
        if (bf_walk_go_careful(walk) || bf_back_again(walk, answer->error_class, doing))
            return;
        bf_walk_name_holder(walk, holder, sizeof holder);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s", holder);
        /* The raise alone waits for a session that this job may have lost (P2). */
        if (!walk->owner && strcmp(doing, BF_DOING_RAISE) == 0)
            conflict(walk, BF_LOST_SESSION, "waiting for a lost session of this job to end");
        else
            conflict(walk, BF_LOCK_CONFLICT, text);
        return;
    case BF_CLASS_CANCELLED:
        if (walk->locks.yielding)
            conflict(walk, BF_YIELDED, walk->locks.waiter);
        else
            conflict(walk, BF_STATEMENT_TIMEOUT, text);
        return;
    case BF_CLASS_NONE:
    case BF_CLASS_SERIALIZATION:
        /* A batch that keeps a journal found a row changed: the sifted form passes it over. */
        if (walk->job->record.document->undo == BF_UNDO_JOURNAL && bf_walk_go_careful(walk))
            return;
        conflict(walk, BF_SERIALIZATION, text);
        return;
    case BF_CLASS_RESOURCES:
        conflict(walk, BF_SERVER_RESOURCES, text);
        return;
    case BF_CLASS_NOT_PRIMARY:
        bf_walk_back_off(walk, BF_NOT_PRIMARY, text, true);
        return;
    case BF_CLASS_FENCE:
        bf_walk_send_ask(walk);
        return;
    case BF_CLASS_DATA:
        if (strcmp(doing, BF_DOING_SCHEMA) == 0)
            break;
        refused(walk, answer, doing, text);
        return;
    case BF_CLASS_DEFINITION:
        /* Did the table change under our feet? Look anew, once. */
        if (walk->definition_errors++ == 0) {
            bf_walk_back_off(walk, BF_STATEMENT_FAILED, text, true);
            return;
        }
        break;
    default:
        break;
    }
    if (!walk->owner && strcmp(doing, BF_DOING_SCHEMA) == 0)
        bf_walk_end(walk, BF_STATE_FAILED, BF_SCHEMA_MISSING,
                    "%s; let a DBA run what `backfilld --print-schema=%s` prints, then resume the job", text,
                    walk->job->target->database->dialect->name);
    else
        bf_walk_end(walk, BF_STATE_FAILED, BF_STATEMENT_FAILED, "%s", text);
}

/* Is what went wrong part of a transaction? */
static bool in_transaction(const struct bf_walk *walk)
{
    const struct bf_flight *flight = &walk->flight;
    if (walk->bisect.open)
        return true;
    for (size_t i = 0; i < flight->count; i++)
        if (flight->steps[i].statement == BF_STATEMENT_BEGIN)
            return true;
    return false;
}

void bf_walk_take_back(struct bf_walk *walk, const struct bf_answer *answer, const char *doing)
{
    bf_answer_clear(&walk->trouble);
    walk->trouble = *answer;
    walk->trouble.message = bf_copy_string(answer->message);
    walk->trouble.rows = walk->trouble.columns = 0;
    walk->trouble.values = NULL;
    snprintf(walk->trouble_doing, sizeof walk->trouble_doing, "%s", doing);
    bf_walk_send_one(walk, BF_STATEMENT_ROLLBACK, BF_PHASE_TAKING_BACK);
}

bool bf_walk_fine(struct bf_walk *walk, const char *doing)
{
    const struct bf_answer *answer = first_trouble(walk);
    if (walk->lost) {
        static const struct bf_answer gone = {.outcome = BF_OUTCOME_UNKNOWN, .error_class = BF_CLASS_LOST};
        lost(walk, answer ? answer : &gone);
        return false;
    }
    if (walk->phase == BF_PHASE_BATCHING || walk->phase == BF_PHASE_TAKING_ASIDE || walk->phase == BF_PHASE_WAITING_ASIDE ||
        walk->phase == BF_PHASE_RESTORING || walk->phase == BF_PHASE_BISECTING)
        walk->unsettled = false; /* every answer is here */
    if (!answer)
        return true;
    if (!in_transaction(walk)) {
        decide(walk, answer, doing);
        return false;
    }
    /* Inside a transaction: take it back whole before anything else is said. */
    bf_walk_take_back(walk, answer, doing);
    return false;
}

void bf_walk_taken_back(struct bf_walk *walk)
{
    bf_bisect_taken_back(walk);
    if (walk->lost)
        lost(walk, &walk->answers[0]);
    else
        decide(walk, &walk->trouble, walk->trouble_doing);
}

void bf_walk_connect_failed(struct bf_walk *walk)
{
    switch (walk->connect_class) {
    case BF_CLASS_PROXY:
        bf_walk_close_session(walk);
        bf_walk_end(walk, BF_STATE_PAUSED, BF_PROXY_BETWEEN_US, "%s", walk->connect_text);
        return;
    case BF_CLASS_TERMINAL: /* an old server, a look-alike: no waiting helps */
        bf_walk_close_session(walk);
        bf_walk_end(walk, BF_STATE_FAILED, BF_CONNECT_REFUSED, "%s", walk->connect_text);
        return;
    case BF_CLASS_LOGIN:
        bf_walk_back_off(walk, BF_CONNECT_REFUSED, walk->connect_text, true);
        return;
    case BF_CLASS_NOT_PRIMARY:
        bf_walk_back_off(walk, BF_NOT_PRIMARY, walk->connect_text, true);
        return;
    default:
        bf_walk_back_off(walk, BF_SERVER_UNREACHABLE, walk->connect_text, true);
        return;
    }
}
