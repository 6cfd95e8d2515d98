/* Everything that is durable of a job stands on its target twice over: document, plan and state in backfilld.job, how far it is
 * in its checkpoints, and what only the state store knew in backfilld.job_record (P4). Read here as what others may have
 * written into: what does not fit together is refused, for a person to look at. */
#include "adopt_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "submission.h"
#include "target_record.h"

enum { OWNER_SILENT = 30 /* seconds; P3 */ };

bool bf_engine_owner_may_live(const struct bf_engine *engine, const char *owner, double silent)
{
    const struct bf_world *world = engine->world;
    if (!owner || !*owner || strcmp(owner, world->owner) == 0)
        return false;
    return silent < OWNER_SILENT && !world->owner_gone(world->context, owner);
}

bool bf_engine_knows(const struct bf_engine *engine, const char *job_id)
{
    return bf_engine_by_id(engine, job_id) != NULL;
}

void bf_engine_ask_foreign(const struct bf_engine *engine, const struct bf_target *target, const struct bf_answer *server,
                           struct bf_flight *flight)
{
    struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_FOREIGN_JOBS, target->database->dialect->common(BF_STATEMENT_FOREIGN_JOBS));
    bf_step_text(step, bf_answer_value(server, 0, BF_SERVER_IDENTITY));
    bf_step_number(step, engine->options.keep_jobs);
    bf_step_number(step, BF_FOREIGN_MAX);
}

static const char *text_of(const struct bf_adopted *adopted, enum bf_adopted_column column)
{
    return bf_answer_value(adopted->job, 0, column);
}

static int64_t number_of(const struct bf_adopted *adopted, size_t row, enum bf_adopted_slice_column column)
{
    return bf_answer_number(adopted->slices, row, column);
}

/* ---- may it be adopted? ---- */

/* The checkpoint of the way back stands in front of those of the slices. */
static bool goes_back(const struct bf_adopted *adopted)
{
    return adopted->slices->rows > 0 && number_of(adopted, 0, BF_ADOPTED_SLICE) == BF_SLICE_BACK;
}

static size_t slice_count(const struct bf_adopted *adopted)
{
    return adopted->slices->rows - goes_back(adopted);
}

static bool counts(const struct bf_adopted *adopted, size_t row)
{
    static const enum bf_adopted_slice_column columns[] = {BF_ADOPTED_SCANNED, BF_ADOPTED_CHANGED, BF_ADOPTED_BATCHES,
                                                           BF_ADOPTED_BATCH_ROWS, BF_ADOPTED_PASS, BF_ADOPTED_ASIDE, BF_ADOPTED_BAD};
    int64_t count;
    for (size_t i = 0; i < BF_COUNT(columns); i++)
        if (!bf_answer_count(adopted->slices, row, columns[i], &count))
            return false;
    return true;
}

/* A slice that is missing would be a range that nobody walks. */
static enum bf_code check_slices(const struct bf_adopted *adopted, struct bf_error *error)
{
    size_t count = slice_count(adopted), first = goes_back(adopted);
    bool whole = count > 0 && count <= BF_SLICES_MAX;
    for (size_t i = 0; whole && i < adopted->slices->rows; i++)
        whole = counts(adopted, i);
    for (size_t i = 0; whole && i < count; i++) {
        const char *before = i ? bf_answer_value(adopted->slices, first + i - 1, BF_ADOPTED_THROUGH) : NULL;
        const char *after = bf_answer_value(adopted->slices, first + i, BF_ADOPTED_AFTER);
        whole = number_of(adopted, first + i, BF_ADOPTED_SLICE) == (int64_t)i && (i == 0 || (before && after && strcmp(before, after) == 0));
    }
    if (whole)
        return BF_OK;
    return bf_fail(error, BF_CHECKPOINT_LOST, "the rows of job %s in backfilld.checkpoint on target %s are not one whole: how far it "
                   "came is not known", adopted->id, adopted->target->name);
}

static enum bf_code check_identity(const struct bf_adopted *adopted, struct bf_error *error)
{
    const char *here = bf_answer_value(adopted->server, 0, BF_SERVER_IDENTITY);
    for (size_t i = 0; i < adopted->slices->rows; i++) {
        const char *identity = bf_answer_value(adopted->slices, i, BF_ADOPTED_IDENTITY);
        if (!here || !identity || strcmp(here, identity) != 0)
            return bf_fail(error, BF_TARGET_CHANGED, "job %s belongs to another database than target %s: this one is a copy of it, and "
                           "was not changed by the job since", adopted->id, adopted->target->name);
    }
    return BF_OK;
}

static enum bf_code check_owners(const struct bf_adopted *adopted, struct bf_error *error)
{
    for (size_t i = 0; i < adopted->slices->rows; i++) {
        const char *owner = bf_answer_value(adopted->slices, i, BF_ADOPTED_OWNER);
        double silent = bf_answer_real(adopted->slices, i, BF_ADOPTED_SILENT, 0);
        if (bf_engine_owner_may_live(adopted->engine, owner, silent))
            return bf_fail(error, BF_OWNED_ELSEWHERE, "job %s is owned by another daemon (%.200s), which wrote its checkpoint %.0f s ago: "
                           "stop that one, or try again when it has been silent for %d s", adopted->id, owner, silent, OWNER_SILENT);
    }
    return BF_OK;
}

enum bf_code bf_adopted_check(const struct bf_adopted *adopted, struct bf_error *error)
{
    if (adopted->job->rows == 0)
        return bf_fail(error, BF_NOT_FOUND, "target %s knows no job %s", adopted->target->name, adopted->id);
    const char *name = text_of(adopted, BF_ADOPTED_NAME);
    enum bf_code code = check_slices(adopted, error);
    if (code == BF_OK)
        code = check_identity(adopted, error);
    if (code == BF_OK)
        code = check_owners(adopted, error);
    if (code == BF_OK && (!adopted->confirm || !name || strcmp(adopted->confirm, name) != 0))
        code = bf_fail(error, BF_CONFIRM, "`confirm` must be the job's name, %.63s", name ? name : "which it has not");
    return code;
}

/* ---- its record ---- */

/* At its end it stays there; whatever else it was doing, it is paused until a person says what it shall do. */
static enum bf_state state_of(const struct bf_adopted *adopted)
{
    const char *name = text_of(adopted, BF_ADOPTED_STATE);
    enum bf_state state = bf_state_by_name(name ? name : "");
    return state != BF_STATE_COUNT && bf_state_final(state) ? state : BF_STATE_PAUSED;
}

/* As it was submitted, then with the pace and limits that were in force; where the target does not know these (it was begun by a
 * former release) they are the defaults of the target as they are now. */
static enum bf_code read_document(const struct bf_adopted *adopted, bool known, const char *in_force, struct bf_record *record,
                                  struct bf_complaints *complaints, struct bf_error *error)
{
    const char *text = text_of(adopted, BF_ADOPTED_DOCUMENT), *hash = text_of(adopted, BF_ADOPTED_HASH);
    size_t length = text ? strlen(text) : 0;
    enum bf_code code = bf_document_parse_for(text ? text : "", length, NULL, known ? NULL : bf_engine_rules_of,
                                              (void *)adopted->engine, &record->document, complaints, error);
    if (code == BF_OK && in_force)
        code = bf_document_restore(record->document, in_force, complaints, error);
    if (code != BF_OK)
        return code;
    if (!known)
        bf_document_settle(record->document);
    if (!hash || strcmp(hash, record->document->hash) != 0)
        return bf_fail(error, BF_CHECKPOINT_LOST, "the document of job %s on target %s is not the one that it was begun with: it "
                       "does not fit its hash", adopted->id, adopted->target->name);
    if (strcmp(record->document->target, adopted->target->name) != 0)
        return bf_fail(error, BF_WRONG_STATE, "job %s was submitted for a target of the name %.63s: call this one so in the "
                       "configuration, and adopt the job there", adopted->id, record->document->target);
    bf_submission_check_texts(adopted->target, record->document, complaints);
    return bf_complaints_code(complaints);
}

static void read_progress(const struct bf_adopted *adopted, struct bf_record *record)
{
    struct bf_progress *progress = &record->progress;
    struct bf_slice list[BF_SLICES_MAX] = {0};
    const struct bf_slice *slices[BF_SLICES_MAX];
    size_t count = slice_count(adopted), first = goes_back(adopted);
    for (size_t i = 0; i < count; i++) {
        size_t row = first + i;
        /* The store's writer does not change them. */
        list[i] = (struct bf_slice){.after = (char *)bf_answer_value(adopted->slices, row, BF_ADOPTED_AFTER),
                                    .through = (char *)bf_answer_value(adopted->slices, row, BF_ADOPTED_THROUGH),
                                    .position = (char *)bf_answer_value(adopted->slices, row, BF_ADOPTED_POSITION),
                                    .rows_scanned = number_of(adopted, row, BF_ADOPTED_SCANNED),
                                    .rows_changed = number_of(adopted, row, BF_ADOPTED_CHANGED),
                                    .rows_set_aside = number_of(adopted, row, BF_ADOPTED_ASIDE),
                                    .rows_bad = number_of(adopted, row, BF_ADOPTED_BAD),
                                    .batches = number_of(adopted, row, BF_ADOPTED_BATCHES),
                                    .done = bf_answer_true(adopted->slices, row, BF_ADOPTED_DONE)};
        slices[i] = &list[i];
        progress->rows_scanned += list[i].rows_scanned;
        progress->rows_changed += list[i].rows_changed;
        progress->rows_set_aside += list[i].rows_set_aside;
        progress->rows_bad += list[i].rows_bad;
        progress->batches += list[i].batches;
    }
    progress->pass = number_of(adopted, first, BF_ADOPTED_PASS);
    progress->batch_rows = number_of(adopted, first, BF_ADOPTED_BATCH_ROWS);
    if (count > 1) {
        progress->slices = bf_slices_json(slices, count);
        return;
    }
    progress->after = bf_copy_string(list[0].after);
    progress->through = bf_copy_string(list[0].through);
    progress->position = bf_copy_string(list[0].position);
    progress->done = list[0].done;
}

static void read_way_back(const struct bf_adopted *adopted, struct bf_record *record)
{
    struct bf_way_back *back = &record->back;
    back->rows = back->bytes = -1;
    back->dropped = record->document->undo == BF_UNDO_JOURNAL && !bf_answer_true(adopted->job, 0, BF_ADOPTED_JOURNAL);
    if (!goes_back(adopted))
        return;
    record->direction = BF_DIRECTION_BACK;
    back->seen = number_of(adopted, 0, BF_ADOPTED_SCANNED);
    back->batches = number_of(adopted, 0, BF_ADOPTED_BATCHES);
    back->conflicts = bf_answer_number(adopted->job, 0, BF_ADOPTED_CONFLICTS);
}

/* Who owned it when it was seen last: of the slices, the one that was silent for the shortest time. */
static size_t newest_row(const struct bf_adopted *adopted)
{
    size_t newest = 0;
    for (size_t i = 1; i < adopted->slices->rows; i++)
        if (bf_answer_real(adopted->slices, i, BF_ADOPTED_SILENT, 0) < bf_answer_real(adopted->slices, newest, BF_ADOPTED_SILENT, 0))
            newest = i;
    return newest;
}

static void tell(const struct bf_adopted *adopted, bool known, struct bf_record *record, struct bf_event *event)
{
    const char *state = text_of(adopted, BF_ADOPTED_STATE), *owner = bf_answer_value(adopted->slices, newest_row(adopted), BF_ADOPTED_OWNER);
    double silent = bf_answer_real(adopted->slices, newest_row(adopted), BF_ADOPTED_SILENT, 0);
    *event = (struct bf_event){.at = record->updated_at};
    memcpy(event->job, record->id, sizeof event->job);
    snprintf(event->type, sizeof event->type, "state");
    snprintf(event->to, sizeof event->to, "%s", bf_state_name(record->state));
    snprintf(event->actor, sizeof event->actor, "%.*s", (int)sizeof event->actor - 1, adopted->actor);
    snprintf(event->text, sizeof event->text,
             "adopted from target %.63s, which says %.24s: %" PRId64 " rows scanned, %" PRId64 " changed, %s, last written %.0f s ago%s%.200s%s%s%.150s",
             adopted->target->name, state ? state : "nothing", record->progress.rows_scanned, record->progress.rows_changed,
             owner && *owner ? "owner gone" : "no owner", silent < 0 ? 0 : silent, owner && *owner ? " by " : "",
             owner ? owner : "", known ? "" : "; pace and limits are those of the submission",
             adopted->reason ? ": " : "", adopted->reason ? adopted->reason : "");
    if (record->state != BF_STATE_PAUSED)
        return;
    record->reason = (struct bf_reason){.code = BF_ADOPTED, .since = record->updated_at};
    snprintf(record->reason.text, sizeof record->reason.text,
             "adopted by %.60s from target %.63s, where it was %.24s: resume it, or roll it back", adopted->actor,
             adopted->target->name, state ? state : "nothing");
}

enum bf_code bf_adopted_record(const struct bf_adopted *adopted, struct bf_record *record, struct bf_event *event,
                               struct bf_complaints *complaints, struct bf_error *error)
{
    const struct bf_world *world = adopted->engine->world;
    *record = (struct bf_record){.state = state_of(adopted), .direction = BF_DIRECTION_FORWARD, .started = true, .version = 1,
                                 .created_at = bf_answer_number(adopted->job, 0, BF_ADOPTED_CREATED),
                                 .started_at = bf_answer_number(adopted->job, 0, BF_ADOPTED_STARTED),
                                 .ended_at = bf_answer_number(adopted->job, 0, BF_ADOPTED_ENDED)};
    snprintf(record->id, sizeof record->id, "%s", adopted->id);
    record->progress.rows_estimated = record->progress.dead = -1;
    record->plan = bf_copy_string(text_of(adopted, BF_ADOPTED_PLAN));
    record->approver = bf_copy_string(text_of(adopted, BF_ADOPTED_APPROVER));
    record->updated_at = world->unix_time(world->context);
    BF_AUTO_STRING char *in_force = NULL;
    bool known = bf_record_from_target(text_of(adopted, BF_ADOPTED_RECORD), record, &in_force);
    enum bf_code code = read_document(adopted, known, in_force, record, complaints, error);
    if (code != BF_OK)
        return code;
    const char *user = bf_state_final(record->state) ? NULL : bf_engine_name_user(adopted->engine, record->document->name);
    if (user)
        return bf_fail(error, BF_NAME_IN_USE, "the name %s is in use by %s until that job is over", record->document->name, user);
    read_progress(adopted, record);
    read_way_back(adopted, record);
    /* It has begun, so it never asks for an approval again. */
    if (record->started_at == 0)
        record->started_at = record->created_at ? record->created_at : record->updated_at;
    if (record->created_at == 0)
        record->created_at = record->started_at;
    if (bf_state_final(record->state) && record->ended_at == 0)
        record->ended_at = record->updated_at;
    if (!bf_state_final(record->state))
        record->ended_at = 0;
    tell(adopted, known, record, event);
    return BF_OK;
}
