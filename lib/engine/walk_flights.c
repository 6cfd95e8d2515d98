/* What is said to the server in each phase. The order of the steps inside a flight is protocol (docs/architecture.md):
 * the fence comes first in a batch's transaction, the epoch is raised before the checkpoint is read. */
#include <string.h>

#include "allocate.h"
#include "internal.h"

static struct bf_flight *begin_flight(struct bf_walk *walk)
{
    bf_flight_clear(&walk->flight);
    return &walk->flight;
}

struct bf_step *bf_walk_add(struct bf_walk *walk, enum bf_statement statement)
{
    const char *sql = walk->statements ? walk->statements->text[statement] : NULL;
    if (!sql)
        sql = walk->job->target->database->dialect->common(statement);
    return bf_flight_add(&walk->flight, statement, sql);
}

static struct bf_step *add_for_job(struct bf_walk *walk, enum bf_statement statement)
{
    struct bf_step *step = bf_walk_add(walk, statement);
    bf_step_text(step, walk->job->record.id);
    return step;
}

struct bf_step *bf_walk_add_for_slice(struct bf_walk *walk, enum bf_statement statement)
{
    struct bf_step *step = add_for_job(walk, statement);
    bf_step_number(step, walk->slice);
    return step;
}

static void step_key(struct bf_walk *walk, struct bf_step *step, const struct bf_key *key)
{
    for (size_t i = 0; i < walk->table->key_count; i++)
        bf_step_text(step, key->text[i]);
}

/* Where the walk has come to, for its checkpoint. */
static void step_position(struct bf_walk *walk, struct bf_step *step, const struct bf_key *key)
{
    BF_AUTO_STRING char *json = bf_walk_place_json(walk, key);
    bf_step_text(step, json);
}

static void step_key_json(struct bf_walk *walk, struct bf_step *step, const struct bf_key *key)
{
    BF_AUTO_STRING char *json = bf_key_json(key, walk->table->key_count);
    bf_step_text(step, json);
}

static struct bf_step *add_shaped(struct bf_walk *walk, enum bf_statement statement, const char *sql, int split, int leg)
{
    struct bf_step *step = bf_flight_add(&walk->flight, statement, sql);
    step->split = split;
    step->leg = leg;
    return step;
}

/* low (absent in shape 0, where its parameters are NULL) and high of a range */
static void step_range(struct bf_walk *walk, struct bf_step *step, const struct bf_key *low, const struct bf_key *high)
{
    step_key(walk, step, low);
    step_key(walk, step, high);
}

void bf_walk_send_recognise(struct bf_walk *walk)
{
    const struct bf_dialect *dialect = walk->job->target->database->dialect;
    struct bf_flight *flight = begin_flight(walk);
    bf_flight_add(flight, BF_STATEMENT_SERVER, dialect->common(BF_STATEMENT_SERVER));
    dialect->survey(walk->job->record.document, flight);
    flight->steps[1].new_group = true;
    bf_walk_send(walk, BF_PHASE_RECOGNISING);
}

void bf_walk_send_schema(struct bf_walk *walk)
{
    begin_flight(walk);
    bf_walk_add(walk, BF_STATEMENT_BEGIN);
    for (const char *const *ddl = walk->job->target->database->dialect->schema_ddl; *ddl; ddl++)
        bf_flight_add(&walk->flight, BF_STATEMENT_SCHEMA, *ddl);
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    bf_walk_send(walk, BF_PHASE_MAKING_SCHEMA);
}

static void send_peek(struct bf_walk *walk)
{
    begin_flight(walk);
    bf_walk_add_for_slice(walk, BF_STATEMENT_PEEK_OWNER);
    /* For identity and definition alone: a position read before the epoch is raised means nothing. */
    bf_walk_add_for_slice(walk, BF_STATEMENT_READ_CHECKPOINT);
    bf_walk_send(walk, BF_PHASE_PEEKING);
}

void bf_walk_send_peek(struct bf_walk *walk)
{
    if (walk->job->record.direction == BF_DIRECTION_BACK)
        walk->slice = BF_SLICE_BACK;
    send_peek(walk);
}

void bf_walk_send_peek_forward(struct bf_walk *walk)
{
    walk->slice = 0;
    send_peek(walk);
}

void bf_walk_send_limits(struct bf_walk *walk)
{
    const struct bf_document *document = walk->job->record.document;
    begin_flight(walk);
    struct bf_step *step = bf_walk_add(walk, BF_STATEMENT_QUANTILES);
    for (size_t i = 0; i < walk->table->key_count; i++)
        bf_step_text(step, document->after_count ? document->after[i] : NULL);
    step_key(walk, step, &walk->through);
    bf_step_number(step, document->pace.slices);
    bf_step_number(step, walk->size.rows);
    bf_walk_send(walk, BF_PHASE_FINDING_LIMITS);
}

/* Slice after slice: each begins where the one before it ends. */
static void add_register_slice(struct bf_walk *walk, int slice, const struct bf_key *after, const struct bf_key *through)
{
    struct bf_step *step = add_for_job(walk, BF_STATEMENT_REGISTER_CHECKPOINT);
    bf_step_number(step, slice);
    step_key_json(walk, step, after);
    step_key_json(walk, step, through);
    bf_step_text(step, walk->table->target_identity);
    bf_step_text(step, walk->table->definition);
    bf_step_number(step, walk->size.rows);
}

void bf_walk_send_register(struct bf_walk *walk, const struct bf_key limits[], size_t count)
{
    struct bf_job *job = walk->job;
    const struct bf_document *document = job->record.document;
    begin_flight(walk);
    bf_walk_add(walk, BF_STATEMENT_BEGIN);
    if (walk->statements->text[BF_STATEMENT_MAKE_JOURNAL]) /* first: MySQL's DDL ends a transaction, and begins another */
        bf_walk_add(walk, BF_STATEMENT_MAKE_JOURNAL);
    if (walk->statements->text[BF_STATEMENT_STORE_JOURNAL])
        bf_walk_add(walk, BF_STATEMENT_STORE_JOURNAL);
    struct bf_step *step = add_for_job(walk, BF_STATEMENT_REGISTER_JOB);
    bf_step_text(step, document->name);
    bf_step_text(step, document->canonical);
    bf_step_text(step, document->hash);
    bf_step_text(step, job->record.plan);
    bf_step_text(step, job->record.approver);
    bf_step_text(step, bf_state_name(job->record.state));
    step = add_for_job(walk, BF_STATEMENT_REGISTER_CONTROL);
    bf_step_text(step, document->name);
    struct bf_key after = {0};
    for (size_t i = 0; i < document->after_count; i++)
        after.text[i] = document->after[i];
    for (size_t i = 0; i <= count; i++)
        add_register_slice(walk, (int)i, i == 0 ? &after : &limits[i - 1], i == count ? &walk->through : &limits[i]);
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    bf_walk_send(walk, BF_PHASE_REGISTERING);
}

void bf_walk_send_raise(struct bf_walk *walk, const char *owner, int64_t epoch, int64_t seq)
{
    struct bf_job *job = walk->job;
    begin_flight(walk);
    bf_walk_add(walk, BF_STATEMENT_BEGIN);
    struct bf_step *step = bf_walk_add_for_slice(walk, BF_STATEMENT_RAISE_EPOCH);
    bf_step_text(step, job->engine->world->owner);
    bf_step_text(step, owner);
    bf_step_number(step, epoch);
    if (seq >= 0)
        bf_step_number(step, seq);
    else
        bf_step_text(step, NULL);
    bf_walk_add_for_slice(walk, BF_STATEMENT_READ_CHECKPOINT);
    if (bf_walk_goes_back(walk) && !bf_walk_inverts(walk))
        add_for_job(walk, BF_STATEMENT_COUNT_CONFLICTS);
    else if (walk->statements->text[BF_STATEMENT_COUNT_ASIDE])
        bf_bad_rows_add_counts(walk, epoch + 1);
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    if (bf_walk_leads(walk) && !walk->stopping) { /* P4: the target's own record says what the job does */
        step = add_for_job(walk, BF_STATEMENT_JOB_STATE);
        step->new_group = true;
        bf_step_text(step, bf_state_name(job->record.state));
        bf_step_number(step, epoch + 1); /* as the raise leaves it, if it takes place */
        bf_step_text(step, job->engine->world->owner);
        bf_walk_add_record(walk, epoch + 1, job->engine->world->owner);
    }
    bf_walk_send(walk, BF_PHASE_RAISING);
}

void bf_walk_send_recount(struct bf_walk *walk, const char *transaction, const struct bf_key *low, int split)
{
    begin_flight(walk);
    struct bf_step *step = add_shaped(walk, BF_STATEMENT_RECOUNT, walk->statements->recount[split], split, 0);
    bf_step_text(step, transaction);
    step_key(walk, step, low);
    step_key(walk, step, &walk->low);
    bf_walk_send(walk, BF_PHASE_RECOUNTING);
}

void bf_walk_add_boundary(struct bf_walk *walk, const struct bf_key *low, const struct bf_key *through, int64_t rows)
{
    int shape = bf_key_known(low) ? 1 : 0;
    struct bf_step *step = add_shaped(walk, BF_STATEMENT_BOUNDARY, walk->statements->boundary[shape], shape, 0);
    step->new_group = true;
    step_range(walk, step, low, through);
    bf_step_number(step, rows - 1);
}

/* Rows for the batch behind the one of `ahead` rows: what the size says, but no further than the canary. */
static int64_t wanted_rows(const struct bf_walk *walk, int64_t ahead)
{
    int64_t rows = walk->size.rows < walk->rows_allowed ? walk->size.rows : walk->rows_allowed;
    int64_t canary = walk->job->record.document->canary_rows - walk->part.rows_scanned - ahead;
    return walk->slice != 0 || walk->canary_done || canary <= 0 || canary > rows ? rows : canary;
}

void bf_walk_send_boundary(struct bf_walk *walk)
{
    begin_flight(walk);
    walk->asked_rows = wanted_rows(walk, 0);
    bf_walk_add_boundary(walk, &walk->low, &walk->through, walk->asked_rows);
    bf_walk_send(walk, BF_PHASE_BOUNDING);
}

void bf_walk_add_split(struct bf_walk *walk, const struct bf_key *low, const struct bf_key *through)
{
    int shape = bf_key_known(low) ? 1 : 0;
    struct bf_step *step = add_shaped(walk, BF_STATEMENT_SPLIT, walk->statements->split[shape], shape, 0);
    step_range(walk, step, low, through);
}

void bf_walk_send_split(struct bf_walk *walk)
{
    begin_flight(walk);
    bf_walk_add_split(walk, &walk->low, &walk->through);
    bf_walk_send(walk, BF_PHASE_SPLITTING);
}

void bf_walk_send_count(struct bf_walk *walk)
{
    begin_flight(walk);
    int split = walk->next.split;
    step_range(walk, add_shaped(walk, BF_STATEMENT_COUNT, walk->statements->count[split], split, 0), &walk->low, &walk->next.high);
    bf_walk_send(walk, BF_PHASE_COUNTING);
}

void bf_walk_send_probe(struct bf_walk *walk)
{
    begin_flight(walk);
    int split = walk->next.split;
    struct bf_step *step = add_shaped(walk, BF_STATEMENT_PROBE, walk->statements->probe[split], split, 0);
    step_range(walk, step, &walk->low, &walk->next.high);
    bf_step_number(step, walk->size.max + 1);
    bf_walk_send(walk, BF_PHASE_PROBING);
}

void bf_walk_send_cap(struct bf_walk *walk)
{
    begin_flight(walk);
    int split = walk->next.split;
    struct bf_step *step = add_shaped(walk, BF_STATEMENT_CAP, walk->statements->cap[split], split, 0);
    step_range(walk, step, &walk->low, &walk->next.high);
    bf_step_number(step, walk->size.max - 1);
    bf_walk_send(walk, BF_PHASE_CAPPING);
}

static struct bf_step *add_mark(struct bf_walk *walk, enum bf_statement statement, const struct bf_mark_at *at)
{
    struct bf_step *step = bf_walk_add_for_slice(walk, statement);
    bf_step_number(step, walk->epoch);
    bf_step_number(step, at->seq);
    step_position(walk, step, at->position);
    step_key_json(walk, step, at->low);
    bf_step_number(step, at->split);
    bf_step_number(step, at->scanned);
    bf_step_number(step, at->changed);
    bf_step_number(step, at->batches);
    bf_step_number(step, walk->size.rows);
    return step;
}

void bf_walk_add_fence(struct bf_walk *walk, const struct bf_mark_at *at, int64_t lock_wait)
{
    struct bf_step *step = add_mark(walk, BF_STATEMENT_FENCE, at);
    bf_step_number(step, lock_wait);
    bf_step_number(step, 1 + at->more);
}

void bf_walk_add_flush(struct bf_walk *walk, const struct bf_mark_at *at, bool done, bool release)
{
    struct bf_step *step = add_mark(walk, BF_STATEMENT_FLUSH, at);
    bf_step_text(step, done ? "t" : "f");
    bf_step_text(step, release ? "t" : "f");
}

struct bf_mark_at bf_walk_mark_here(const struct bf_walk *walk)
{
    return (struct bf_mark_at){.position = &walk->low, .low = &walk->batch_low, .split = walk->batch_split, .seq = walk->seq,
                               .scanned = walk->part.rows_scanned, .changed = walk->part.rows_changed,
                               .batches = walk->part.batches};
}

void bf_walk_add_back_fence(struct bf_walk *walk, int64_t rows, int64_t lock_wait)
{
    struct bf_mark_at at = bf_walk_mark_here(walk);
    at.split = 0;
    at.scanned += rows;
    at.batches++;
    bf_walk_add_fence(walk, &at, lock_wait);
}

void bf_walk_add_legs(struct bf_walk *walk, enum bf_statement statement, char *const sql[], const struct bf_legs *legs)
{
    size_t count = bf_leg_count((size_t)legs->split, walk->table->key_count);
    for (size_t leg = 0; leg < count; leg++) {
        struct bf_step *step = add_shaped(walk, statement, sql[leg], legs->split, (int)leg);
        step_range(walk, step, legs->low, legs->high);
        if (!legs->seq)
            continue;
        bf_step_text(step, walk->job->record.id);
        bf_step_number(step, walk->slice);
        bf_step_number(step, legs->seq);
        if (statement == BF_STATEMENT_SET_ASIDE)
            bf_step_text(step, legs->careful ? "t" : "f");
    }
}

/* P1: one transaction, the fence first; and behind its COMMIT, in the same round trip, the boundary of the next one. */
void bf_walk_send_batch(struct bf_walk *walk)
{
    const struct bf_range *range = &walk->next;
    enum bf_form form = bf_walk_form(walk);
    const struct bf_mark_at at = {.position = &range->high, .low = &walk->low, .split = range->split, .seq = walk->seq,
                                  .scanned = walk->part.rows_scanned + range->rows,
                                  .changed = walk->part.rows_changed, .batches = walk->part.batches + 1};
    begin_flight(walk);
    bool logged = bf_walk_begin_log(walk);
    bf_walk_add(walk, BF_STATEMENT_BEGIN)->new_group = true;
    bf_walk_add_fence(walk, &at, bf_walk_lock_wait(walk, form));
    bf_walk_add_change(walk, &(struct bf_legs){.low = &walk->low, .high = &range->high, .split = range->split,
                                               .seq = walk->seq + 1}, form);
    walk->locks.form = form;
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    walk->asked_rows = wanted_rows(walk, range->rows);
    if (!range->last)
        bf_walk_add_boundary(walk, &range->high, &walk->through, walk->asked_rows);
    if (bf_walk_leads(walk) && !walk->record_told)
        bf_walk_add_record(walk, walk->epoch, walk->job->engine->world->owner)->new_group = true;
    if (logged)
        bf_walk_end_log(walk);
    walk->unsettled = true; /* until the answer says what became of it */
    bf_walk_send(walk, BF_PHASE_BATCHING);
}

void bf_walk_send_one(struct bf_walk *walk, enum bf_statement statement, enum bf_phase phase)
{
    char session[BF_SESSION_NAME];
    begin_flight(walk);
    if (statement == BF_STATEMENT_ROLLBACK || statement == BF_STATEMENT_COMMIT || statement == BF_STATEMENT_END ||
        statement == BF_STATEMENT_HORIZON)
        bf_walk_add(walk, statement);
    else if (statement == BF_STATEMENT_END_LOST_SESSIONS)
        bf_step_text(bf_walk_add(walk, statement), bf_walk_session(walk, session));
    else {
        struct bf_step *step = bf_walk_add_for_slice(walk, statement);
        if (statement == BF_STATEMENT_TOUCH || statement == BF_STATEMENT_CANARY_DONE)
            bf_step_number(step, walk->epoch);
    }
    bf_walk_send(walk, phase);
}

/* A batch may be committed before it is on the disk; TOUCH, a transaction of its own, ends when all before it is. */
void bf_walk_send_log_end(struct bf_walk *walk)
{
    begin_flight(walk);
    bf_step_number(bf_walk_add_for_slice(walk, BF_STATEMENT_TOUCH), walk->epoch);
    bf_walk_add(walk, BF_STATEMENT_LOG_END)->new_group = true;
    bf_walk_send(walk, BF_PHASE_FINDING_LOG_END);
}

void bf_walk_send_ask(struct bf_walk *walk)
{
    begin_flight(walk);
    add_for_job(walk, BF_STATEMENT_READ_CONTROL);
    bf_walk_add_for_slice(walk, BF_STATEMENT_PEEK_OWNER);
    bf_walk_send(walk, BF_PHASE_ASKING);
}

/* What the server says of the table that the job leaves, where it counts that. */
static void add_table_sample(struct bf_walk *walk)
{
    const char *text = walk->job->target->database->dialect->common(BF_STATEMENT_SAMPLE_TABLE);
    if (!text)
        return;
    struct bf_step *step = bf_flight_add(&walk->flight, BF_STATEMENT_SAMPLE_TABLE, text);
    step->new_group = true;
    bf_step_text(step, walk->table->reference);
}

void bf_walk_send_flush(struct bf_walk *walk, bool done, bool release, enum bf_phase phase)
{
    struct bf_job *job = walk->job;
    begin_flight(walk);
    struct bf_mark_at at = bf_walk_mark_here(walk);
    struct bf_step *step;
    bf_walk_add_flush(walk, &at, done, release);
    if (release && bf_walk_leads(walk)) {
        step = add_for_job(walk, BF_STATEMENT_JOB_STATE);
        step->new_group = true;
        enum bf_state state = bf_crew_ending(job)->ending;
        if (state == BF_STATE_PLANNING) /* no ending of its own: what people asked for */
            state = job->record.state == BF_STATE_PAUSING    ? BF_STATE_PAUSED
                    : job->record.state == BF_STATE_ABORTING ? BF_STATE_ABORTED
                                                             : job->record.state;
        if (state == BF_STATE_COMPLETED && bf_walk_goes_back(walk))
            state = BF_STATE_ROLLED_BACK;
        bf_step_text(step, bf_state_name(state));
        bf_step_number(step, walk->epoch);
        bf_step_text(step, ""); /* as the release leaves it, if it takes place */
        bf_walk_add_record(walk, walk->epoch, "");
        if (walk->statements->text[BF_STATEMENT_JOURNAL_SIZE])
            bf_walk_add(walk, BF_STATEMENT_JOURNAL_SIZE)->new_group = true;
        if (state == BF_STATE_COMPLETED)
            add_table_sample(walk);
    } else if (!release) {
        /* P8: completed is what the target itself says, of every slice. */
        bf_walk_add_for_slice(walk, BF_STATEMENT_READ_CHECKPOINT)->new_group = true;
        for (size_t i = 0; i < job->crew_count; i++)
            bf_step_number(add_for_job(walk, BF_STATEMENT_READ_CHECKPOINT), job->crew[i].slice);
    }
    bf_walk_send(walk, phase);
}
