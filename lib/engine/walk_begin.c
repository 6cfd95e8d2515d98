/* The way in: connect, recognise the server and the table, register, and take the checkpoint (P2, P3, P4). */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"
#include "monitor.h"
#include "target_record.h"

enum {
    CONNECT_TIMEOUT = 5000, /* milliseconds */
    OWNED_ELSEWHERE_POLL = 1000,
    RAISE_AGAIN = 200,
    OWNER_SILENT = 30, /* seconds; P3 */
    ENDED_TOGETHER = 5000
};

void bf_walk_on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    (void)session;
    struct bf_walk *walk = argument;
    walk->connect_class = error_class;
    snprintf(walk->connect_text, sizeof walk->connect_text, "%s", text ? text : "");
    walk->arrived = true;
    bf_engine_mark(walk->job);
}

void bf_walk_connect(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    char name[64], session[BF_SESSION_NAME];
    snprintf(name, sizeof name, "backfilld %s", bf_walk_session(walk, session));
    struct bf_session_options options = {.application_name = name,
                                         .lock_timeout = job->record.document->limits.lock_timeout,
                                         .statement_timeout = job->record.document->limits.statement_timeout,
                                         .connect_timeout = CONNECT_TIMEOUT,
                                         .query_timeout = bf_walk_longest_check(job->record.document),
                                         .counts_found = job->record.document->undo == BF_UNDO_JOURNAL};
    const struct bf_database *database = job->target->database;
    bf_hold_prepare(job);
    bf_monitor_need(job);
    walk->lock_timeout = options.lock_timeout;
    walk->statement_timeout = options.statement_timeout;
    walk->phase = BF_PHASE_CONNECTING;
    walk->arrived = false;
    walk->session = database->connect(database->context, &options, bf_walk_on_connected, walk);
}

void bf_walk_connected(struct bf_walk *walk)
{
    if (walk->connect_class != BF_CLASS_NONE)
        bf_walk_connect_failed(walk);
    else
        bf_walk_send_recognise(walk);
}

/* Someone ended our session while the server stayed up: once may be an accident, twice in 10 minutes is a word (P10). The
 * sessions of several slices that end together were ended once. */
static bool ended_by_person(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (!walk->count_ended)
        return false;
    walk->count_ended = false;
    if (strcmp(walk->ended_server, walk->server_started) != 0)
        return false;
    int64_t since = bf_job_now(job) - job->ended_at;
    if (job->ended_at != 0 && job->ended_slice != walk->slice && since < ENDED_TOGETHER)
        return false;
    bool again = job->ended_at != 0 && since < 10 * 60 * 1000;
    job->ended_at = bf_job_now(job);
    job->ended_slice = walk->slice;
    bf_job_note(job, "note", "someone ended the job's session while the server stayed up");
    return again;
}

/* Before anything is made or looked for on it: is it the database that the job was planned on? P4 */
static bool planned_here(struct bf_walk *walk, const struct bf_answer *server)
{
    struct bf_job *job = walk->job;
    const char *identity = bf_answer_value(server, 0, BF_SERVER_IDENTITY);
    if (!job->identity || !identity || strcmp(job->identity, identity) == 0)
        return true;
    bf_walk_end(walk, BF_STATE_PAUSED, BF_TARGET_CHANGED,
                "target %s is another database than the one that the job was planned on: was it repointed, or is it a copy? "
                "Point it back and resume the job, or abort it and submit it anew", job->target->name);
    return false;
}

void bf_walk_recognised(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    const struct bf_dialect *dialect = job->target->database->dialect;
    if (!bf_walk_fine(walk, "recognise the server"))
        return;
    const struct bf_answer *server = &walk->answers[0];
    const char *started = bf_answer_value(server, 0, BF_SERVER_STARTED);
    snprintf(walk->server_started, sizeof walk->server_started, "%s", started ? started : "");
    if (!bf_answer_true(server, 0, BF_SERVER_WRITABLE)) {
        bf_walk_back_off(walk, BF_NOT_PRIMARY, "the server is read-only: waiting for the primary", true);
        return;
    }
    if (ended_by_person(walk)) {
        bf_walk_end(walk, BF_STATE_PAUSED, BF_ENDED_BY_DBA,
                    "someone ended the job's sessions twice within 10 minutes; resume it when that was not meant");
        return;
    }
    struct bf_complaints complaints = {0};
    bf_table_free(walk->table);
    walk->table = bf_walk_describe(walk, &complaints);
    if (!planned_here(walk, server)) {
        bf_complaints_clear(&complaints);
        return;
    }
    if (!walk->table) {
        bf_walk_end(walk, job->record.started ? BF_STATE_PAUSED : BF_STATE_FAILED, BF_TABLE_CHANGED, "%s",
                    complaints.count ? complaints.list[0].detail : "the table cannot be described");
        bf_complaints_clear(&complaints);
        return;
    }
    bf_complaints_clear(&complaints);
    free(job->table);
    job->table = bf_copy_string(walk->table->display);
    bf_statements_free(walk->statements);
    walk->statements = dialect->render(job->record.id, bf_walk_document(walk), walk->table);
    walk->recognised = true;
    if (bf_walk_leads(walk))
        job->log_seen = 0; /* it may be another server, with a log of its own */
    bool schema = bf_answer_value(server, 0, BF_SERVER_SCHEMA) != NULL;
    int64_t version = bf_answer_number(server, 0, BF_SERVER_SCHEMA);
    if (schema && version > dialect->schema_version)
        bf_walk_end(walk, BF_STATE_FAILED, BF_SCHEMA_NEWER,
                    "the schema backfilld on the target is version %lld, this daemon knows %d: use the newer release",
                    (long long)version, dialect->schema_version);
    else if (!schema || version < dialect->schema_version)
        bf_walk_send_schema(walk);
    else
        bf_walk_send_peek(walk);
}

/* The end of the range is known: into how many slices is it cut? */
static void cut_or_register(struct bf_walk *walk)
{
    bool several = walk->job->record.document->pace.slices > 1 && bf_key_known(&walk->through);
    if (several && walk->statements->text[BF_STATEMENT_QUANTILES])
        bf_walk_send_limits(walk);
    else
        bf_walk_send_register(walk, NULL, 0);
}

static void find_end_or_register(struct bf_walk *walk)
{
    const struct bf_document *document = walk->job->record.document;
    if (document->through_count == 0) {
        bf_walk_send_one(walk, BF_STATEMENT_END, BF_PHASE_FINDING_END);
        return;
    }
    for (size_t i = 0; i < document->through_count; i++)
        walk->through.text[i] = bf_copy_string(document->through[i]);
    cut_or_register(walk);
}

void bf_walk_read_end(struct bf_walk *walk, struct bf_key *ret_end)
{
    const struct bf_answer *end = &walk->answers[0];
    bf_key_clear(ret_end);
    for (size_t i = 0; end->rows && i < walk->table->key_count; i++)
        ret_end->text[i] = bf_copy_string(bf_answer_value(end, 0, i));
}

void bf_walk_end_found(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "find the end of the table"))
        return;
    bf_walk_read_end(walk, &walk->through);
    cut_or_register(walk);
}

/* Fewer where the table has not rows enough. They become durable with the registration, and never change. */
void bf_walk_limits_found(struct bf_walk *walk)
{
    struct bf_key limits[BF_SLICES_MAX] = {0};
    if (!bf_walk_fine(walk, "find where the slices end"))
        return;
    const struct bf_answer *found = &walk->answers[0];
    size_t count = found->rows < BF_SLICES_MAX ? found->rows : BF_SLICES_MAX - 1;
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < walk->table->key_count; i++)
            limits[row].text[i] = (char *)bf_answer_value(found, row, i);
    bf_walk_send_register(walk, limits, count);
}

static void store(struct bf_walk *walk)
{
    walk->phase = BF_PHASE_STORING;
    walk->arrived = false;
    bf_job_save(walk->job, walk);
}

/* The row is there: is it this target's, and this table's? P4. */
static bool right_target(struct bf_walk *walk, const struct bf_answer *checkpoint)
{
    const char *identity = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_IDENTITY);
    const char *definition = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_DEFINITION);
    if (!identity || strcmp(identity, walk->table->target_identity) != 0)
        bf_walk_end(walk, BF_STATE_PAUSED, BF_TARGET_CHANGED,
                    "the checkpoint on target %s belongs to another database: was it repointed, or is it a copy?",
                    walk->job->target->name);
    else if (!definition || strcmp(definition, walk->table->definition) != 0)
        bf_walk_end(walk, BF_STATE_PAUSED, BF_TABLE_CHANGED,
                    "the definition of %s changed since the job began; abort it and submit it anew if it still applies",
                    walk->table->display);
    else
        return true;
    return false;
}

/* As many slices as the job began with? One that is missing would be a range that nobody walks. */
static bool right_slices(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    size_t slices = (size_t)bf_answer_number(&walk->answers[1], 0, BF_CHECKPOINT_SLICES);
    if (job->record.direction == BF_DIRECTION_BACK)
        return true; /* one walk for all of them */
    if (slices == 0) {
        walk->without_release = true;
        bf_walk_end(walk, BF_STATE_PAUSED, BF_FENCED, "target %s says that the job is being rolled back, by another daemon; it "
                    "never goes forward again", job->target->name);
        return false;
    }
    if (bf_crew_engage(job, slices))
        return true;
    bf_walk_end(walk, BF_STATE_FAILED, BF_CHECKPOINT_LOST,
                "the job began with %zu slices, and backfilld.checkpoint on target %s has %zu of it: how far it came is not "
                "known", bf_job_walks(job), job->target->name, slices);
    return false;
}

/* P3: who owns the checkpoint, and may we take it? */
void bf_walk_peeked(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    const struct bf_world *world = job->engine->world;
    if (!bf_walk_fine(walk, "look at the checkpoint's owner"))
        return;
    const struct bf_answer *peek = &walk->answers[0];
    if (peek->rows == 0 && bf_walk_goes_back(walk)) { /* not yet: the way forward is taken up, to be closed */
        bf_walk_send_peek_forward(walk);
        return;
    }
    if (peek->rows == 0) {
        if (!job->record.started)
            find_end_or_register(walk);
        else
            bf_walk_end(walk, BF_STATE_FAILED, BF_CHECKPOINT_LOST,
                        "the job's row in backfilld.checkpoint is gone from target %s; how far it came is not known, so it "
                        "never starts again by itself", job->target->name);
        return;
    }
    if (!right_target(walk, &walk->answers[1]))
        return;
    if (!right_slices(walk))
        return;
    if (!job->record.started) {
        job->record.started = true;
        store(walk);
        return;
    }
    const char *owner = bf_answer_value(peek, 0, 0);
    int64_t epoch = bf_answer_number(peek, 0, 1), seq = bf_answer_number(peek, 0, 2);
    int64_t silent = bf_answer_number(peek, 0, 3);
    if (!owner)
        owner = "";
    bool ours = *owner && (strcmp(owner, world->owner) == 0 || world->owner_gone(world->context, owner));
    if (ours && walk->stopping && walk->unsettled && !walk->lost_ended) {
        /* A stop does not wait for what our own lost session may still be doing. */
        bf_walk_send_one(walk, BF_STATEMENT_END_LOST_SESSIONS, BF_PHASE_ENDING_LOST);
        return;
    }
    if (!*owner || ours) {
        bf_walk_send_raise(walk, owner, epoch, -1);
        return;
    }
    /* Of a dead owner one transaction at the most may still be committed; what moves once more, or further, is alive. */
    bool moves = walk->peeked_seq >= 0 && seq > walk->peeked_seq;
    walk->peeked_moves += moves;
    bool moved = walk->peeked_moves > 1 || (moves && seq > walk->peeked_seq + BF_BISECT_NUMBERS);
    int64_t known = *bf_walk_known_epoch(walk);
    bool another = moved || (known != 0 && epoch > known);
    if (walk->stopping && (another || known == 0)) { /* nothing of ours is at work there */
        walk->unsettled = walk->courtesy = false;
        walk->phase = BF_PHASE_READY;
        return;
    }
    if (silent >= OWNER_SILENT && !moved) {
        /* Its long batch may hold the row just now: when that commits, seq has moved and the raise finds nothing. */
        bf_walk_send_raise(walk, owner, epoch, seq);
        return;
    }
    if (another) {
        walk->without_release = true;
        bf_walk_end(walk, BF_STATE_PAUSED, BF_FENCED,
                    "another daemon (%.100s) works on this job; resume it here only when that one is stopped", owner);
        return;
    }
    if (seq < walk->peeked_seq)
        walk->peeked_moves = 0;
    walk->peeked_seq = seq;
    bf_walk_back_off(walk, BF_OWNED_ELSEWHERE, "another daemon may still own the job: waiting until its checkpoint was "
                     "silent for 30 s", false);
    walk->sleep_until = bf_job_now(job) + OWNED_ELSEWHERE_POLL;
}

static void copy_text(char **to, const char *text)
{
    free(*to);
    *to = bf_copy_string(text);
}

/* What the first slice's checkpoint says of the whole job. */
static void lead(struct bf_walk *walk, int64_t pass)
{
    struct bf_job *job = walk->job;
    struct bf_progress *progress = &job->record.progress;
    if (pass != progress->pass) /* what the others have done was done in another pass */
        for (size_t i = 0; i < job->crew_count; i++)
            if (job->crew[i].phase == BF_PHASE_OVER)
                bf_walk_reset_one(&job->crew[i], false);
    progress->pass = pass;
    progress->done = walk->done && job->crew_count == 0;
    if (progress->batches > 0)
        progress->resumed++;
    bf_rate_forget(&job->rate);
}

/* Were its numbers written by us? What is none of ours would be counted on, or be the number of a statement that there is not. */
static bool believable(const struct bf_walk *walk, const struct bf_answer *checkpoint)
{
    static const enum bf_checkpoint_column counts[] = {BF_CHECKPOINT_ROWS_SCANNED, BF_CHECKPOINT_ROWS_CHANGED, BF_CHECKPOINT_BATCHES,
                                                       BF_CHECKPOINT_BATCH_ROWS, BF_CHECKPOINT_PASS, BF_CHECKPOINT_PASS_ROWS_CHANGED,
                                                       BF_CHECKPOINT_SPLIT};
    int64_t count = 0;
    for (size_t i = 0; i < BF_COUNT(counts); i++)
        if (!bf_answer_count(checkpoint, 0, counts[i], &count))
            return false;
    return count <= (int64_t)walk->table->key_count; /* the last one */
}

void bf_walk_take_epoch(struct bf_walk *walk, const struct bf_answer *checkpoint)
{
    int64_t rows = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_BATCH_ROWS);
    walk->owner = true;
    walk->unsettled = walk->courtesy = false;
    walk->peeked_seq = -1;
    walk->peeked_moves = 0;
    walk->epoch = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_EPOCH);
    walk->seq = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_SEQ);
    if (rows >= walk->size.min && walk->size.history == 0)
        walk->size.rows = rows > walk->size.max ? walk->size.max : rows;
}

/* From here on what READ_CHECKPOINT said is the truth. False when it cannot be read: then it is no
 * open end and no beginning, but a case for a person. */
static bool take_over(struct bf_walk *walk, const struct bf_answer *checkpoint)
{
    struct bf_job *job = walk->job;
    struct bf_progress *progress = &job->record.progress;
    struct bf_slice *part = &walk->part;
    size_t keys = walk->table->key_count;
    if (!believable(walk, checkpoint))
        return false;
    if (bf_walk_goes_back(walk))
        return bf_back_take_over(walk, checkpoint);
    bf_walk_take_epoch(walk, checkpoint);
    const char *after = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_AFTER), *position = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_POSITION);
    const char *low = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_LOW);
    const char *through = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_THROUGH);
    if (!bf_key_read(position ? position : after, keys, &walk->low) || !bf_key_read(low, keys, &walk->batch_low) ||
        !bf_key_read(through, keys, &walk->through))
        return false;
    walk->batch_split = (int)bf_answer_number(checkpoint, 0, BF_CHECKPOINT_SPLIT);
    walk->through_known = bf_key_known(&walk->through);
    walk->pass_rows_changed = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_PASS_ROWS_CHANGED);
    const char *found_before = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_PASS_FOUND_BEFORE);
    walk->pass_found_before = found_before ? strtoll(found_before, NULL, 10) : -1;
    walk->canary_done = bf_answer_true(checkpoint, 0, BF_CHECKPOINT_CANARY);
    walk->done = bf_answer_true(checkpoint, 0, BF_CHECKPOINT_DONE);
    walk->touched_at = bf_job_now(job);
    walk->reason = (struct bf_reason){0};
    int64_t pass = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_PASS);
    int64_t batches = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_BATCHES);
    if (job->record.direction == BF_DIRECTION_BACK) { /* only to be closed: what was counted stays as it was seen last */
        part->rows_scanned = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_SCANNED);
        part->rows_changed = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_CHANGED);
        part->batches = batches;
        *bf_walk_known_epoch(walk) = walk->epoch;
        return true;
    }
    if (batches < part->batches)
        bf_job_note(job, "note", "the target remembers %lld batches of %lld: a fail-over lost the last ones, rows and "
                    "checkpoint together; they are done again", (long long)batches, (long long)part->batches);
    bf_walk_count(walk, bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_SCANNED) - part->rows_scanned,
                  bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_CHANGED) - part->rows_changed, batches - part->batches, 0);
    progress->batch_rows = walk->size.rows;
    part->done = walk->done;
    copy_text(&part->after, after);
    copy_text(&part->position, position);
    copy_text(&part->through, through);
    bf_walk_show_place(walk);
    *bf_walk_known_epoch(walk) = walk->epoch;
    if (walk->slice == 0)
        lead(walk, pass);
    return true;
}

/* Beside the state (P4): what else the state store knows, so that nothing of the job is lost with it. */
struct bf_step *bf_walk_add_record(struct bf_walk *walk, int64_t epoch, const char *owner)
{
    BF_AUTO_STRING char *record = bf_record_on_target(&walk->job->record);
    struct bf_step *step = bf_walk_add(walk, BF_STATEMENT_KEEP_RECORD);
    bf_step_text(step, walk->job->record.id);
    bf_step_number(step, epoch);
    bf_step_text(step, owner);
    bf_step_text(step, record);
    walk->record_told = true;
    return step;
}

void bf_walk_raised(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    char name[BF_SLICE_NAME];
    const struct bf_answer *raise = bf_walk_answer_to(walk, BF_STATEMENT_RAISE_EPOCH);
    const struct bf_answer *checkpoint = bf_walk_answer_to(walk, BF_STATEMENT_READ_CHECKPOINT);
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    bool taken = !walk->lost && commit->outcome == BF_OUTCOME_OK && !commit->rolled_back && raise->affected == 1;
    /* A stop may have cancelled what stands behind the COMMIT: the checkpoint is ours all the same, and has to be let go. */
    if (!(taken && walk->stopping) && !bf_walk_fine(walk, BF_DOING_RAISE))
        return;
    if (raise->affected != 1 || checkpoint->rows != 1) {
        bf_walk_back_off(walk, BF_OWNED_ELSEWHERE, "the checkpoint's owner changed just now", false);
        walk->sleep_until = bf_job_now(job) + RAISE_AGAIN;
        return;
    }
    bool counted = bf_answer_true(checkpoint, 0, BF_CHECKPOINT_COUNTED);
    const char *transaction = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_TRANSACTION);
    if (!take_over(walk, checkpoint)) {
        const char *position = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_POSITION);
        walk->without_release = true;
        bf_walk_end(walk, BF_STATE_FAILED, BF_CHECKPOINT_LOST,
                    "the job's row in backfilld.checkpoint on target %s cannot be read (position %.100s): how far it came is "
                    "not known", job->target->name, position ? position : "none");
        return;
    }
    bf_bad_rows_counted(walk);
    bf_job_note(job, "epoch", "%staken up at epoch %lld, position %s", bf_walk_name(walk, name), (long long)walk->epoch,
                walk->part.position ? walk->part.position : "start");
    bool walks_keys = job->record.direction == BF_DIRECTION_FORWARD || bf_walk_inverts(walk);
    if (!counted && transaction && walk->part.position && walks_keys)
        bf_walk_send_recount(walk, transaction, &walk->batch_low, walk->batch_split);
    else
        store(walk);
}

/* How many rows the last batch of the former life changed is known to the rows alone. Not worth failing for. */
void bf_walk_recounted(struct bf_walk *walk)
{
    if (!walk->lost && walk->answers[0].outcome == BF_OUTCOME_OK)
        bf_walk_count(walk, 0, bf_answer_number(&walk->answers[0], 0, 0), 0, 0);
    else if (!bf_walk_fine(walk, "count the rows of the last batch"))
        return;
    store(walk);
}

void bf_walk_stored(struct bf_walk *walk)
{
    if (walk->store_failed && !walk->owner) {
        walk->job->record.started = false;
        bf_walk_back_off(walk, BF_STORE_FAILED, "the state store cannot be written; see the daemon's log", false);
    } else if (walk->owner) {
        walk->phase = BF_PHASE_READY;
    } else {
        bf_walk_send_peek(walk);
    }
}

