/* What is asked about a job's undo journal beside its walk: what a rollback would do, which changes it left alone (and which
 * rows are in quarantine); and its end, by a person's word or because it was kept for long enough. Each is an errand of its
 * own, with a session of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"
#include "undo_errand.h"

enum { CONNECT_TIMEOUT = 4000, ANSWER_TIMEOUT = 30000, RETRY = 60000 /* milliseconds */ };

void bf_undo_free_errand(struct bf_undo_errand *errand)
{
    struct bf_engine *engine = errand->engine;
    struct bf_job *job = bf_engine_by_id(engine, errand->id);
    if (errand->previous)
        errand->previous->next = errand->next;
    else
        engine->errands = errand->next;
    if (errand->next)
        errand->next->previous = errand->previous;
    if (errand->what == BF_UNDO_DROP && job)
        job->dropping = false;
    if (errand->session)
        errand->target->database->close(errand->session);
    engine->world->timer_free(errand->deadline);
    bf_flight_clear(&errand->flight);
    bf_table_free(errand->table);
    bf_statements_free(errand->statements);
    free(errand->actor);
    free(errand->sql);
    free(errand);
}

static void answer_drop(enum bf_code code, const struct bf_job *job, const char *text, bf_ordered *done, void *argument)
{
    struct bf_outcome_of_order outcome = {.code = code, .durable = true, .job = job, .text = text};
    if (done)
        done(argument, &outcome);
}

void bf_undo_refuse(enum bf_code code, const char *text, bf_undo_answered *answered, void *argument)
{
    answered(argument, &(struct bf_undo_answer){.code = code, .text = text});
}

static void give_up(struct bf_undo_errand *errand, enum bf_code code, const char *text)
{
    struct bf_undo_errand taken = *errand;
    bf_undo_free_errand(errand);
    if (taken.what == BF_UNDO_DROP)
        answer_drop(code, NULL, text, taken.done, taken.argument);
    else
        bf_undo_refuse(code, text, taken.answered, taken.argument);
}

void bf_undo_drop_errands(struct bf_engine *engine)
{
    while (engine->errands)
        give_up(engine->errands, BF_STOPPING, "the daemon is stopping; try again when it is back");
}

void bf_undo_leave(struct bf_engine *engine)
{
    for (struct bf_undo_errand *errand = engine->errands, *next; errand; errand = next) {
        next = errand->next;
        if (errand->target != bf_engine_target_by_name(engine, errand->target->name))
            give_up(errand, BF_TARGET_DOWN, "the target's configuration changed meanwhile; try again");
    }
}

static const struct bf_answer *first_error(const struct bf_flight *flight, const struct bf_answer *answers)
{
    for (size_t i = 0; i < flight->count; i++) {
        /* a control schema of an older release has no quarantine */
        bool older = flight->steps[i].statement == BF_STATEMENT_DROP_BAD && answers[i].error_class == BF_CLASS_DEFINITION;
        if (answers[i].outcome != BF_OUTCOME_OK && !older)
            return &answers[i];
    }
    return NULL;
}

/* False: it was given up. */
bool bf_undo_fine(struct bf_undo_errand *errand, const struct bf_answer *answers, bool lost, const char *doing)
{
    const struct bf_answer *error = first_error(&errand->flight, answers);
    char text[BF_ERROR_TEXT_MAX];
    if (!lost && !error)
        return true;
    snprintf(text, sizeof text, "target %s: could not %s: %.400s", errand->target->name, doing,
             error && error->message ? error->message : "the connection was lost");
    give_up(errand, lost || bf_error_passes(error->error_class) ? BF_TARGET_DOWN : BF_STATEMENT_FAILED, text);
    return false;
}

/* ---- what a rollback would do ---- */

/* Seconds that it takes: a change is taken back about half as fast as it was made (tests/bench/undo); -1: not known. */
static int64_t time_back(const struct bf_job *job, int64_t rows)
{
    struct bf_ledger ledger;
    bf_job_seconds(job, &ledger);
    double batching = (double)bf_ledger_time(&ledger, "batching") / 1000, changed = (double)job->record.progress.rows_changed;
    return changed > 0 && batching > 0
               ? (int64_t)(2 * batching / changed * (double)rows * (1 + job->record.document->pace.nice)) + 1
               : -1;
}

static void compared(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers,
                     bool lost)
{
    (void)session, (void)flight;
    struct bf_undo_errand *errand = argument;
    if (!bf_undo_fine(errand, answers, lost, "look at the undo journal"))
        return;
    const struct bf_job *job = bf_engine_by_id(errand->engine, errand->id);
    struct bf_undo_answer answer = {.code = BF_OK,
                                    .text = "",
                                    .rows = bf_answer_number(&answers[0], 0, 0),
                                    .bytes = bf_answer_number(&answers[0], 0, 1),
                                    .sampled = bf_answer_number(&answers[1], 0, 0),
                                    .changed = bf_answer_number(&answers[1], 0, 1),
                                    .deleted = bf_answer_number(&answers[1], 0, 2)};
    answer.seconds = job ? time_back(job, answer.rows) : -1;
    bf_undo_answered *answered = errand->answered;
    void *waiting = errand->argument;
    bf_undo_free_errand(errand);
    answered(waiting, &answer);
}

static void surveyed(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers,
                     bool lost)
{
    struct bf_undo_errand *errand = argument;
    const struct bf_dialect *dialect = errand->target->database->dialect;
    const struct bf_job *job = bf_engine_by_id(errand->engine, errand->id);
    struct bf_complaints complaints = {0};
    char text[BF_ERROR_TEXT_MAX];
    if (lost || answers[0].outcome != BF_OUTCOME_OK || !job) {
        give_up(errand, BF_TARGET_DOWN, "the target did not answer");
        return;
    }
    errand->table = dialect->read_survey(job->record.document, &answers[0], answers + 1, flight->count - 1, &complaints);
    if (!errand->table) {
        snprintf(text, sizeof text, "%.600s", complaints.count ? complaints.list[0].detail : "the table cannot be described");
        bf_complaints_clear(&complaints);
        give_up(errand, BF_TABLE_CHANGED, text);
        return;
    }
    bf_complaints_clear(&complaints);
    errand->statements = dialect->render(errand->id, job->record.document, errand->table);
    bf_flight_clear(&errand->flight);
    bf_flight_add(&errand->flight, BF_STATEMENT_JOURNAL_SIZE, errand->statements->text[BF_STATEMENT_JOURNAL_SIZE]);
    bf_flight_add(&errand->flight, BF_STATEMENT_COMPARE_JOURNAL, errand->statements->text[BF_STATEMENT_COMPARE_JOURNAL]);
    errand->target->database->execute(session, &errand->flight, compared, errand);
}

static void look(struct bf_undo_errand *errand)
{
    const struct bf_dialect *dialect = errand->target->database->dialect;
    const struct bf_job *job = bf_engine_by_id(errand->engine, errand->id);
    bf_flight_add(&errand->flight, BF_STATEMENT_SERVER, dialect->common(BF_STATEMENT_SERVER));
    dialect->survey(job->record.document, &errand->flight);
    errand->flight.steps[1].new_group = true;
    errand->target->database->execute(errand->session, &errand->flight, surveyed, errand);
}

/* ---- its end ---- */

enum bf_left { BF_LEFT_NOTHING, BF_LEFT_JOURNAL, BF_LEFT_BAD_ROWS, BF_LEFT_EMPTY };

/* What is left of the job on the target beside its records, when it is at its end. Rows in quarantine have to be spared by an
 * inverse, whenever it is asked for. */
static enum bf_left left(const struct bf_job *job)
{
    const struct bf_record *record = &job->record;
    bool journal = record->document->undo == BF_UNDO_JOURNAL;
    if (!bf_state_final(record->state) || record->back.dropped)
        return BF_LEFT_NOTHING;
    if (record->started)
        return journal ? BF_LEFT_JOURNAL
               : record->document->undo == BF_UNDO_NONE && record->progress.rows_bad > 0 ? BF_LEFT_BAD_ROWS : BF_LEFT_NOTHING;
    /* InnoDB makes a table by itself, so the job may have ended between that and its first record there. */
    return journal && record->state == BF_STATE_ABORTED && record->started_at ? BF_LEFT_EMPTY : BF_LEFT_NOTHING;
}

static void say_dropped(struct bf_job *job, enum bf_left what, const char *actor)
{
    static const char *const texts[] = {
        [BF_LEFT_JOURNAL] = "the undo journal was kept for as long as it is to be kept, and dropped: there is no way back any more",
        [BF_LEFT_BAD_ROWS] = "the list of rows in quarantine was kept for as long as it is to be kept, and dropped",
        [BF_LEFT_EMPTY] = "the empty undo journal, if it was made, was dropped: nothing was changed",
    };
    bf_job_record_event(job, "undo", actor ? actor : "daemon",
                        actor ? "the undo journal was dropped: there is no way back any more" : texts[what], NULL);
}

static void dropped(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    struct bf_undo_errand *errand = argument;
    if (!bf_undo_fine(errand, answers, lost, "drop the undo journal"))
        return;
    struct bf_engine *engine = errand->engine;
    struct bf_job *job = bf_engine_by_id(engine, errand->id);
    bf_ordered *done = errand->done;
    void *waiting = errand->argument;
    BF_AUTO_STRING char *actor = errand->actor;
    errand->actor = NULL;
    bf_undo_free_errand(errand);
    if (!job) { /* who waits is told all the same */
        answer_drop(BF_NOT_FOUND, NULL, "the job was forgotten meanwhile; its undo journal is dropped", done, waiting);
        return;
    }
    enum bf_left what = left(job);
    if (what == BF_LEFT_BAD_ROWS) {
        for (size_t i = 0; i < bf_job_walks(job); i++)
            bf_bad_rows_count(bf_job_walk(job, i), -bf_job_walk(job, i)->part.rows_bad);
        job->record.progress.rows_bad = 0;
    } else {
        job->record.back.dropped = true;
        job->record.back.bytes = 0;
    }
    say_dropped(job, what, actor);
    answer_drop(BF_OK, job, "", done, waiting);
    bf_engine_retain(engine);
}

static void drop(struct bf_undo_errand *errand)
{
    bf_flight_clear(&errand->flight);
    free(errand->sql);
    errand->sql = NULL;
    if (bf_engine_by_id(errand->engine, errand->id)->record.document->undo == BF_UNDO_JOURNAL) {
        errand->sql = errand->target->database->dialect->journal(BF_STATEMENT_DROP_JOURNAL, errand->id);
        bf_flight_add(&errand->flight, BF_STATEMENT_DROP_JOURNAL, errand->sql);
    }
    struct bf_step *step = bf_flight_add(&errand->flight, BF_STATEMENT_DROP_BAD,
                                         errand->target->database->dialect->common(BF_STATEMENT_DROP_BAD));
    bf_step_text(step, errand->id); /* without the journal they cannot be tried once more */
    step->new_group = true;
    errand->target->database->execute(errand->session, &errand->flight, dropped, errand);
}

int64_t bf_job_keep_undo(const struct bf_job *job)
{
    if (job->record.document->keep_undo > 0)
        return job->record.document->keep_undo;
    return job->target && job->target->keep_undo > 0 ? job->target->keep_undo : job->engine->options.keep_undo;
}

/* The target's clock says whether it is time: ours may be wrong. */
static void asked_whether_due(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers,
                              bool lost)
{
    (void)session, (void)flight;
    struct bf_undo_errand *errand = argument;
    if (!bf_undo_fine(errand, answers, lost, "ask how long the job has been at its end"))
        return;
    if (!bf_engine_by_id(errand->engine, errand->id))
        give_up(errand, BF_NOT_FOUND, "the job was forgotten meanwhile");
    else if (bf_answer_true(&answers[0], 0, 0))
        drop(errand);
    else
        give_up(errand, BF_WRONG_STATE, "it is not time yet");
}

static void ask_whether_due(struct bf_undo_errand *errand)
{
    const struct bf_dialect *dialect = errand->target->database->dialect;
    struct bf_step *step = bf_flight_add(&errand->flight, BF_STATEMENT_JOURNAL_DUE, dialect->common(BF_STATEMENT_JOURNAL_DUE));
    bf_step_text(step, errand->id);
    bf_step_number(step, bf_job_keep_undo(bf_engine_by_id(errand->engine, errand->id)));
    errand->target->database->execute(errand->session, &errand->flight, asked_whether_due, errand);
}

/* ---- on its way ---- */

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    (void)session;
    struct bf_undo_errand *errand = argument;
    char detail[BF_ERROR_TEXT_MAX];
    if (error_class != BF_CLASS_NONE) {
        snprintf(detail, sizeof detail, "target %s: %.500s", errand->target->name, text ? text : "it does not answer");
        give_up(errand, BF_TARGET_DOWN, detail);
    } else if (!bf_engine_by_id(errand->engine, errand->id)) {
        give_up(errand, BF_NOT_FOUND, "the job was forgotten meanwhile");
    } else if (errand->what == BF_UNDO_LOOK) {
        look(errand);
    } else if (errand->what != BF_UNDO_DROP) {
        bf_undo_list(errand);
    } else if (errand->actor || left(bf_engine_by_id(errand->engine, errand->id)) == BF_LEFT_EMPTY) {
        drop(errand);
    } else {
        ask_whether_due(errand);
    }
}

static void too_late(void *argument)
{
    struct bf_undo_errand *errand = argument;
    char text[128];
    snprintf(text, sizeof text, "target %.63s: it did not answer within %d s", errand->target->name, ANSWER_TIMEOUT / 1000);
    give_up(errand, BF_TARGET_DOWN, text);
}

struct bf_undo_errand *bf_undo_new_errand(const struct bf_job *job, enum bf_undo_errand_kind what)
{
    struct bf_engine *engine = job->engine;
    struct bf_undo_errand *errand = BF_NEW(struct bf_undo_errand);
    *errand = (struct bf_undo_errand){.engine = engine, .target = job->target, .what = what, .next = engine->errands};
    memcpy(errand->id, job->record.id, sizeof errand->id);
    if (engine->errands)
        engine->errands->previous = errand;
    engine->errands = errand;
    return errand;
}

void bf_undo_send(struct bf_undo_errand *errand)
{
    const struct bf_world *world = errand->engine->world;
    struct bf_session_options options = {.application_name = "backfilld undo",
                                         .lock_timeout = 1000,
                                         .statement_timeout = ANSWER_TIMEOUT,
                                         .connect_timeout = CONNECT_TIMEOUT};
    errand->deadline = world->timer_new(world->context, too_late, errand);
    world->timer_start(errand->deadline, ANSWER_TIMEOUT);
    errand->session = errand->target->database->connect(errand->target->database->context, &options, connected, errand);
}

/* Why there is nothing to be asked, or to be dropped; BF_OK: there is. */
static enum bf_code no_journal(const struct bf_engine *engine, const struct bf_job *job, char *text, size_t size)
{
    enum bf_code code = BF_WRONG_STATE;
    const char *name = job ? job->record.document->name : "";
    if (!job) {
        snprintf(text, size, "there is no such job");
        code = BF_NOT_FOUND;
    } else if (job->record.document->undo == BF_UNDO_INVERSE) {
        snprintf(text, size, "the way back of job %s is its author's inverse: there is no undo journal", name);
    } else if (job->record.document->undo == BF_UNDO_NONE) {
        snprintf(text, size, "there is no way back for job %s: its document says \"undo\": \"none\"", name);
    } else if (!job->record.started) {
        snprintf(text, size, "job %s has not changed anything", name);
    } else if (job->record.back.dropped || job->dropping) {
        snprintf(text, size, "there is no way back for job %s any more: its undo journal was dropped", name);
    } else if (!job->target) {
        snprintf(text, size, "target %s is not in the configuration any more", job->record.document->target);
        code = BF_TARGET_DOWN;
    } else if (engine->draining) {
        snprintf(text, size, "the daemon is stopping; try again when it is back");
        code = BF_STOPPING;
    } else {
        code = BF_OK;
    }
    return code;
}

/* How many rows it goes over, and how long that takes, is known here; what they hold by now, only the inverse itself sees. */
static void tell_of_inverse(const struct bf_job *job, bf_undo_answered *answered, void *argument)
{
    const struct bf_progress *progress = &job->record.progress;
    struct bf_undo_answer answer = {.code = BF_OK, .text = "", .inverse = true, .rows = progress->rows_changed, .bytes = -1,
                                    .seconds = time_back(job, progress->rows_changed)};
    answered(argument, &answer);
}

void bf_engine_look_back(struct bf_engine *engine, const char *job_id, bf_undo_answered *answered, void *argument)
{
    char text[256];
    const struct bf_job *job = bf_engine_by_id(engine, job_id);
    bool inverse = job && job->record.document->undo == BF_UNDO_INVERSE && job->record.started;
    enum bf_code code = inverse ? BF_OK : no_journal(engine, job, text, sizeof text);
    if (code == BF_OK && job->record.state == BF_STATE_ROLLED_BACK) {
        code = BF_WRONG_STATE;
        snprintf(text, sizeof text, "job %s is rolled back", job->record.document->name);
    } else if (inverse) {
        tell_of_inverse(job, answered, argument);
        return;
    }
    if (code != BF_OK) {
        bf_undo_refuse(code, text, answered, argument);
        return;
    }
    struct bf_undo_errand *errand = bf_undo_new_errand(job, BF_UNDO_LOOK);
    errand->answered = answered;
    errand->argument = argument;
    bf_undo_send(errand);
}

static void send_drop(struct bf_job *job, const char *actor, bf_ordered *done, void *argument)
{
    struct bf_undo_errand *errand = bf_undo_new_errand(job, BF_UNDO_DROP);
    job->dropping = true; /* a rollback that is ordered now is too late */
    errand->actor = bf_copy_string(actor);
    errand->done = done;
    errand->argument = argument;
    bf_undo_send(errand);
}

void bf_engine_forget(struct bf_engine *engine, const char *job_id, const char *confirm, const char *actor, bf_ordered *done,
                      void *argument)
{
    char text[256];
    struct bf_job *job = bf_engine_by_id(engine, job_id);
    enum bf_code code = no_journal(engine, job, text, sizeof text);
    if (code == BF_OK && (!bf_state_final(job->record.state) || job->record.back.wanted || job->moving)) {
        code = BF_WRONG_STATE;
        snprintf(text, sizeof text, "job %s is %s: its way back can be dropped when it is at its end", job->record.document->name,
                 bf_state_name(job->record.state));
    } else if (code == BF_OK && (!confirm || strcmp(confirm, job->record.document->name) != 0)) {
        code = BF_CONFIRM;
        snprintf(text, sizeof text, "`confirm` must be the job's name, %s", job->record.document->name);
    }
    if (code != BF_OK)
        answer_drop(code, job, text, done, argument);
    else
        send_drop(job, actor, done, argument);
}

/* 0: for good. */
static int64_t kept_until(const struct bf_job *job, enum bf_left what)
{
    const struct bf_record *record = &job->record;
    if (what == BF_LEFT_NOTHING || !record->ended_at || bf_job_keep_undo(job) <= 0)
        return 0;
    return record->ended_at + (what == BF_LEFT_EMPTY ? 0 : bf_job_keep_undo(job));
}

int64_t bf_job_undo_until(const struct bf_job *job)
{
    return left(job) == BF_LEFT_JOURNAL ? kept_until(job, BF_LEFT_JOURNAL) : 0;
}

/* One at a time: what is due is not in a hurry. */
int64_t bf_undo_retain(struct bf_engine *engine, int64_t now)
{
    bool busy = engine->draining;
    int64_t next = engine->options.keep_undo > 0 ? engine->options.keep_undo : INT64_MAX; /* of a job that ends just now */
    for (size_t i = 0; i < engine->target_count; i++)
        if (engine->targets[i]->keep_undo > 0 && engine->targets[i]->keep_undo < next)
            next = engine->targets[i]->keep_undo;
    for (const struct bf_undo_errand *errand = engine->errands; errand; errand = errand->next)
        busy |= errand->what == BF_UNDO_DROP;
    for (struct bf_job *job = engine->oldest; job; job = job->newer) {
        int64_t until = kept_until(job, left(job));
        if (until == 0)
            continue;
        next = until - now < next ? until - now : next;
        if (busy || until > now || job->record.back.wanted || job->moving || job->dropping || !job->target)
            continue;
        busy = true;
        send_drop(job, NULL, NULL, NULL);
    }
    return next > 0 ? next : RETRY;
}
