/* What stands in the control schema of a target, as somebody may have written it: the row of a job, then those of its checkpoints,
 * a field a line; and what is read of the texts in them. */
#include <stdlib.h>
#include <string.h>

#include "adopt_record.h"
#include "allocate.h"
#include "fuzz.h"
#include "ledger.h"
#include "plan_text.h"
#include "target_record.h"
#include "walk_key.h"

enum { ROWS_MAX = 20 };

static int64_t now(void *context)
{
    (void)context;
    return 1700000000000;
}

static bool gone(void *context, const char *owner)
{
    (void)context;
    return owner[0] == 'g';
}

static void take_row(struct bf_answer *answer, size_t columns, struct fuzz_fields *fields)
{
    answer->columns = columns;
    answer->values = bf_reallocate(answer->values, (answer->rows + 1) * columns * sizeof *answer->values);
    for (size_t i = 0; i < columns; i++)
        answer->values[answer->rows * columns + i] = fuzz_next(fields);
    answer->rows++;
}

static void read_texts(const struct bf_record *record)
{
    struct bf_slice slices[BF_SLICES_MAX];
    struct bf_facts facts = {0};
    struct bf_ledger ledger;
    struct bf_key key = {0};
    enum bf_risk risk;
    size_t count = bf_slices_read(record->progress.slices, slices);
    for (size_t i = 0; i < count; i++)
        bf_slice_clear(&slices[i]);
    bf_plan_read_facts(record->plan, &facts);
    bf_facts_clear(&facts);
    bf_plan_risk(record->plan, &risk);
    free(bf_plan_text(record->plan, "identity"));
    bf_ledger_read(&ledger, record->plan);
    for (size_t columns = 1; columns <= BF_KEY_COLUMNS_MAX; columns++)
        bf_key_read(record->progress.position, columns, &key);
    bf_key_clear(&key);
    free(bf_record_on_target(record));
    bf_record_fraction(record);
    bf_record_eta(record, 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bf_world world = {.unix_time = now, .owner_gone = gone, .owner = "us"};
    struct bf_database database = {.dialect = &bf_dialect_postgresql};
    const struct bf_target target = {.name = (char *)"shop", .database = &database};
    const struct bf_target *targets[] = {&target};
    struct bf_engine engine = {.world = &world, .targets = targets, .target_count = 1};
    struct fuzz_fields fields = fuzz_fields(data, size);
    struct bf_answer server = {0}, job = {0}, slices = {0};
    struct bf_complaints complaints = {0};
    struct bf_record record = {0};
    struct bf_event event;
    struct bf_error error = {0};
    BF_AUTO_STRING char *confirm = fuzz_next(&fields);
    take_row(&server, 1, &fields);
    take_row(&job, BF_ADOPTED_COLUMNS, &fields);
    while (fields.at && slices.rows < ROWS_MAX)
        take_row(&slices, BF_ADOPTED_SLICE_COLUMNS, &fields);
    const struct bf_adopted adopted = {.engine = &engine, .target = &target, .id = "01JD5Z0000000000000000000A", .confirm = confirm,
                                       .actor = "somebody", .server = &server, .job = &job, .slices = &slices};
    if (bf_adopted_check(&adopted, &error) == BF_OK &&
        bf_adopted_record(&adopted, &record, &event, &complaints, &error) == BF_OK) {
        const struct bf_progress *progress = &record.progress;
        if (progress->rows_scanned < 0 || progress->rows_changed < 0 || progress->batches < 0 || progress->rows_bad < 0)
            __builtin_trap();
        read_texts(&record);
    }
    bf_record_clear(&record);
    bf_complaints_clear(&complaints);
    bf_answer_clear(&server);
    bf_answer_clear(&job);
    bf_answer_clear(&slices);
    return 0;
}
