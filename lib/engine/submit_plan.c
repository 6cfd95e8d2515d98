/* What a submission becomes when both we and the target agree: the plan and the record. */
#include <jansson.h>

#include "allocate.h"
#include "submission.h"

char *bf_plan_text(const char *plan, const char *field)
{
    json_t *root = plan ? json_loads(plan, 0, NULL) : NULL;
    char *text = bf_copy_string(json_string_value(json_object_get(root, field)));
    json_decref(root);
    return text;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static char *make_plan(const struct bf_submission *submission)
{
    const struct bf_table *table = submission->table;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    json_t *key = json_array();
    for (size_t i = 0; i < table->key_count; i++)
        json_array_append_new(key, json_pack("{ss,ss}", "column", table->key[i].name, "type", table->key[i].type));
    struct bf_statements *statements = dialect->render("plan", submission->document, table);
    json_t *plan = json_pack(
        "{ss,ss,so,so,so,so,so,sb,ss,so,sO*}", "table", table->display, "engine", dialect->name, "identity",
        text_or_null(table->target_identity), "server_version", text_or_null(submission->server_version),
        "key", key, "rows_estimated", number_or_null(table->rows_estimated), "bytes", number_or_null(table->bytes),
        "partitioned", table->partitioned, "undo", "none", "statement", text_or_null(statements->update[1][0]), "replicas",
        submission->replicas);
    bf_statements_free(statements);
    char *text = json_dumps(plan, JSON_COMPACT);
    json_decref(plan);
    return text;
}

void bf_submission_record(struct bf_submission *submission, struct bf_record *record)
{
    const struct bf_world *world = submission->engine->world;
    uint8_t random[10];
    world->random(world->context, random, sizeof random);
    *record = (struct bf_record){.state = BF_STATE_PLANNING,
                                 .direction = BF_DIRECTION_FORWARD,
                                 .created_at = world->unix_time(world->context)};
    record->updated_at = record->created_at;
    bf_ulid_format(record->created_at, random, record->id);
    record->progress.rows_estimated = submission->table->rows_estimated;
    record->progress.batch_rows = submission->document->pace.batch_rows_start;
    record->plan = make_plan(submission);
    record->submitter = bf_copy_string(submission->actor);
    record->idempotency_key = bf_copy_string(submission->key);
    record->document = submission->document;
    submission->document = NULL;
}
