#include "walk_inverse.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

/* (after, through] of each slice that has come anywhere, in their order. */
struct bf_passed {
    struct {
        int slice;
        struct bf_key after, through;
    } ranges[BF_SLICES_MAX];
    size_t count;
};

bool bf_job_inverts(const struct bf_job *job)
{
    return job->record.direction == BF_DIRECTION_BACK && job->record.document->undo == BF_UNDO_INVERSE;
}

bool bf_walk_inverts(const struct bf_walk *walk)
{
    return bf_walk_goes_back(walk) && bf_job_inverts(walk->job);
}

struct bf_document *bf_walk_document(const struct bf_walk *walk)
{
    struct bf_document *document = walk->job->record.document;
    return bf_job_inverts(walk->job) ? document->inverse : document;
}

struct bf_table *bf_walk_describe(const struct bf_walk *walk, struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = walk->job->target->database->dialect;
    struct bf_document *document = walk->job->record.document;
    const struct bf_answer *server = &walk->answers[0], *survey = walk->answers + 1;
    struct bf_table *table = dialect->read_survey(document, server, survey, walk->answer_count - 1, complaints);
    document->started_at = walk->job->record.started_at;
    if (!table || !bf_job_inverts(walk->job))
        return table;
    struct bf_document *inverse = document->inverse;
    struct bf_table *written = dialect->read_survey(inverse, server, survey, walk->answer_count - 1, complaints);
    if (written) { /* it is the job that must find its table as it was */
        char *definition = written->definition;
        written->definition = table->definition;
        table->definition = definition;
        inverse->started_at = document->started_at;
        free(inverse->spared); /* with `remaining` the rows say it themselves: one refused in a pass may be done in the next */
        inverse->spared = inverse->unless ? NULL : dialect->spared(walk->job->record.id, written);
    }
    bf_table_free(table);
    return written;
}

/* ---- where it is ---- */

void bf_inverse_forget(struct bf_walk *walk)
{
    for (size_t i = 0; walk->passed && i < walk->passed->count; i++) {
        bf_key_clear(&walk->passed->ranges[i].after);
        bf_key_clear(&walk->passed->ranges[i].through);
    }
    free(walk->passed);
    walk->passed = NULL;
}

char *bf_inverse_json(const struct bf_walk *walk, const struct bf_key *key)
{
    BF_AUTO_STRING char *text = bf_key_json(key, walk->table->key_count);
    return text ? bf_format("[\"%d\",%s", walk->back_slice, text + 1) : NULL;
}

/* ["2","17"]: in the range of slice 2, behind key 17. */
static bool read_position(struct bf_walk *walk, const char *text)
{
    bf_key_clear(&walk->low);
    walk->back_slice = 0;
    if (!text)
        return true;
    json_t *json = json_loads(text, 0, NULL);
    const char *slice = json_string_value(json_array_get(json, 0));
    char *end = NULL;
    long number = slice ? strtol(slice, &end, 10) : -1;
    bool good = end && *slice && !*end && number >= 0 && number < BF_SLICES_MAX;
    if (good) {
        walk->back_slice = (int)number;
        json_array_remove(json, 0);
        BF_AUTO_STRING char *key = json_dumps(json, JSON_COMPACT);
        good = bf_key_read(key, walk->table->key_count, &walk->low);
    }
    json_decref(json);
    return good;
}

bool bf_inverse_take_position(struct bf_walk *walk, const struct bf_answer *checkpoint)
{
    struct bf_way_back *back = &walk->job->record.back;
    bf_bisect_clear(&walk->bisect); /* its range may be that of another slice than this place */
    walk->have_next = false;
    bf_bisect_clear(&walk->bisect); /* its range may lie in the slice behind the one that the checkpoint names */
    walk->batch_split = (int)bf_answer_number(checkpoint, 0, BF_CHECKPOINT_SPLIT);
    back->conflicts = back->seen - bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_CHANGED);
    return read_position(walk, bf_answer_value(checkpoint, 0, BF_CHECKPOINT_POSITION)) &&
           bf_key_read(bf_answer_value(checkpoint, 0, BF_CHECKPOINT_LOW), walk->table->key_count, &walk->batch_low);
}

/* What the inverse does not change counts as left alone. */
void bf_inverse_count(struct bf_walk *walk, int64_t scanned, int64_t changed, int64_t batches, int64_t set_aside)
{
    struct bf_way_back *back = &walk->job->record.back;
    struct bf_slice *part = &walk->part;
    part->rows_scanned = back->seen += scanned;
    back->conflicts += scanned - changed;
    part->rows_changed = back->seen - back->conflicts;
    part->batches = back->batches += batches;
    part->rows_set_aside += set_aside;
    walk->job->record.progress.rows_set_aside += set_aside;
}

/* ---- what the job has passed ---- */

static void send_read_passed(struct bf_walk *walk)
{
    bf_flight_clear(&walk->flight);
    for (int slice = 0; slice < BF_SLICES_MAX; slice++) {
        struct bf_step *step = bf_flight_add(&walk->flight, BF_STATEMENT_READ_CHECKPOINT,
                                             walk->statements->text[BF_STATEMENT_READ_CHECKPOINT]);
        bf_step_text(step, walk->job->record.id);
        bf_step_number(step, slice);
    }
    bf_walk_send(walk, BF_PHASE_READING_PASSED);
}

/* A pass that is not the first one goes over what the passes before it have done: all of the range. False: the checkpoint
 * cannot be read. */
static bool add_passed(struct bf_walk *walk, int slice, const struct bf_answer *checkpoint)
{
    struct bf_passed *passed = walk->passed;
    size_t keys = walk->table->key_count;
    bool later = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_PASS) > 1;
    const char *through = bf_answer_value(checkpoint, 0, later ? BF_CHECKPOINT_THROUGH : BF_CHECKPOINT_POSITION);
    if (!through)
        return true;
    passed->ranges[passed->count].slice = slice;
    return bf_key_read(bf_answer_value(checkpoint, 0, BF_CHECKPOINT_AFTER), keys, &passed->ranges[passed->count].after) &&
           bf_key_read(through, keys, &passed->ranges[passed->count++].through);
}

static void enter_range(struct bf_walk *walk, size_t range, bool from_its_begin)
{
    struct bf_passed *passed = walk->passed;
    walk->back_slice = passed->ranges[range].slice;
    bf_key_set(&walk->through, &passed->ranges[range].through);
    if (from_its_begin)
        bf_key_set(&walk->low, &passed->ranges[range].after);
    walk->done = walk->have_next = false;
}

void bf_inverse_passed_read(struct bf_walk *walk)
{
    struct bf_way_back *back = &walk->job->record.back;
    const struct bf_progress *progress = &walk->job->record.progress;
    bool good = true, begun = bf_key_known(&walk->low), found = false;
    int64_t scanned = 0;
    if (!bf_walk_fine(walk, "read how far the job had come"))
        return;
    walk->passed = BF_NEW(struct bf_passed);
    for (int slice = 0; good && slice < BF_SLICES_MAX; slice++) {
        const struct bf_answer *checkpoint = &walk->answers[slice];
        if (checkpoint->rows == 0)
            continue;
        good = add_passed(walk, slice, checkpoint);
        scanned += bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_SCANNED);
    }
    back->rows = progress->pass > 1 ? progress->rows_estimated : scanned;
    for (size_t i = 0; good && begun && !found && i < walk->passed->count; i++)
        if (walk->passed->ranges[i].slice == walk->back_slice) {
            enter_range(walk, i, false);
            found = true;
        }
    if (!good || (begun && !found)) {
        bf_walk_end(walk, BF_STATE_FAILED, BF_CHECKPOINT_LOST, "in backfilld.checkpoint on target %s the place of slice %d cannot "
                    "be read any more: how far the job had come is not known", walk->job->target->name, walk->back_slice);
        return;
    }
    if (!begun && walk->passed->count > 0)
        enter_range(walk, 0, true);
    else if (!begun)
        walk->done = true; /* it has passed nothing */
    walk->phase = BF_PHASE_READY;
}

/* Behind the range of this slice: the next one's. */
static bool next_range(struct bf_walk *walk)
{
    for (size_t i = 0; i < walk->passed->count; i++)
        if (walk->passed->ranges[i].slice > walk->back_slice) {
            enter_range(walk, i, true);
            return true;
        }
    return false;
}

void bf_inverse_ready(struct bf_walk *walk)
{
    if (!walk->passed) {
        send_read_passed(walk);
        return;
    }
    if (walk->done && next_range(walk))
        return;
    if (walk->done && !bf_walk_aside_due(walk))
        bf_walk_send_flush(walk, true, false, BF_PHASE_FLUSHING);
    else if (!bf_walk_slow_down(walk))
        bf_walk_next_batch(walk);
}
