/* The document's triggers, and what alerts of others may do to the job. What a trigger may ask for (signals, sources) the
 * engine and the target know; here is what its fields say about one another. */
#include <math.h>
#include <string.h>

#include "allocate.h"
#include "document_reader.h"

static void read_name(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_document_trigger *trigger = reader->trigger;
    trigger->name = bf_read_name(reader, pointer, value, "must be 1 to 40 of a-z, 0-9, \".\", \"_\" and \"-\"");
    for (const struct bf_document_trigger *other = reader->document->triggers; trigger->name && other < trigger; other++)
        if (other->name && strcmp(other->name, trigger->name) == 0)
            bf_reader_invalid(reader, pointer, "another trigger has this name already");
}

static void read_signal(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->trigger->signal = bf_read_line(reader, pointer, value, (size_t)reader->field->max);
}

static void read_sql(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->trigger->sql = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

static void read_source(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->trigger->source = bf_read_line(reader, pointer, value, (size_t)reader->field->max);
}

static void read_query(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->trigger->query = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

/* "2x baseline", with any number in front. */
static bool parse_relative(const char *text, double *ret_factor)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *ret_factor = strtod(text, &end);
    return (end[0] == 'x' || end[0] == 'X') && strcmp(end + 1, " baseline") == 0 && *ret_factor > 0 && isfinite(*ret_factor);
}

static void read_limit(struct bf_reader *reader, const char *pointer, const json_t *value, bool below)
{
    struct bf_document_trigger *trigger = reader->trigger;
    if (trigger->limited) {
        bf_reader_invalid(reader, pointer, "a trigger has one limit: `above` or `below`");
        return;
    }
    trigger->limited = true;
    trigger->below = below;
    trigger->relative = json_is_string(value);
    if (json_is_number(value) && isfinite(json_number_value(value)))
        trigger->limit = json_number_value(value);
    else if (!trigger->relative)
        bf_reader_invalid(reader, pointer, "must be a number, or a text such as \"2x baseline\", not %s", bf_json_type(value));
    else if (!parse_relative(json_string_value(value), &trigger->limit))
        bf_reader_invalid(reader, pointer, "a text has the form \"2x baseline\": how many times what is measured while the job "
                                           "begins");
}

static void read_above(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_limit(reader, pointer, value, false);
}

static void read_below(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_limit(reader, pointer, value, true);
}

static void read_baseline(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->trigger->baseline);
}

static void read_every(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->trigger->every);
}

static void read_for(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->trigger->hold);
}

static void read_settle(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->trigger->settle);
}

/* What is done to a job by itself; -1 after a complaint. */
static int read_stop(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    static const enum bf_order orders[] = {BF_ORDER_PAUSE, BF_ORDER_ABORT, BF_ORDER_ROLLBACK}; /* as BF_STOP_WORDS */
    const char *text = json_string_value(value), *word = BF_STOP_WORDS;
    for (size_t i = 0; text && i < BF_COUNT(orders); i++, word += strcspn(word, "|") + 1)
        if (strlen(text) == strcspn(word, "|") && strncmp(text, word, strlen(text)) == 0)
            return orders[i];
    bf_reader_invalid(reader, pointer, "must be \"pause\", \"abort\" or \"rollback\"");
    return -1;
}

static void read_then(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    int then = read_stop(reader, pointer, value);
    if (then >= 0)
        reader->trigger->then = (enum bf_order)then;
}

void bf_read_alerts(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    int most = read_stop(reader, pointer, value);
    reader->document->takes_alerts = most >= 0;
    if (most >= 0)
        reader->document->alerts = (enum bf_order)most;
}

enum { SIGNAL_MAX = 120, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct bf_field trigger_fields[] = {
    {"name", read_name, BF_FIELD_NAME, .required = true, .min = 1, .max = BF_TRIGGER_NAME_MAX, .first = "a-z0-9._-",
     .rest = "a-z0-9._-", .help = "What the trigger is called. What it does stands in the events with the actor trigger:NAME"},
    {"signal", read_signal, BF_FIELD_LINE, .min = 1, .max = SIGNAL_MAX,
     .help = "What is looked at, one of signal, sql and source: error_rate (share of the batches of the last 10 s that were "
             "taken back) or batch_time (seconds, mean of the last 10 s) of the job itself; a kind of the limits, such as "
             "active_sessions or replication_lag; a name of the target's signals, such as lag:replica-2; or a name of the "
             "document's signals"},
    {"sql", read_sql, BF_FIELD_TEXT, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "One query, run in a read-only transaction on the primary. The first column of the first row is the value"},
    {"source", read_source, BF_FIELD_LINE, .min = 1, .max = BF_NAME_MAX,
     .help = "A [source NAME] of the daemon's configuration, by its name"},
    {"query", read_query, BF_FIELD_TEXT, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "What the source is asked: PromQL that gives one number; or where in its JSON the number stands (\"/ratio\")"},
    {"above", read_above, BF_FIELD_LINE_OR_NUMBER, .min = 1, .max = 40,
     .help = "The condition is true while the value is above this number; or, as in \"2x baseline\", above so many times the "
             "baseline. One of above and below"},
    {"below", read_below, BF_FIELD_LINE_OR_NUMBER, .min = 1, .max = 40, .help = "The same, below it"},
    {"baseline", read_baseline, BF_FIELD_DURATION, .min = SECOND, .max = 7 * DAY,
     .help = "The baseline is the median of the values in the first so long of the job's work (10m), and again after it did "
             "not write for so long. While it is measured the trigger does not fire"},
    {"every", read_every, BF_FIELD_DURATION, .min = SECOND / 5, .max = HOUR,
     .help = "How often is looked (1s). What cannot be evaluated 5 times in a row pauses the job"},
    {"for", read_for, BF_FIELD_DURATION, .min = 0, .max = DAY,
     .help = "The condition has to be true for so long; without it once is enough"},
    {"settle", read_settle, BF_FIELD_DURATION, .min = SECOND / 10, .max = DAY,
     .help = "The job is paused, and what then says is done only if the condition is true for so long in the pause, too"},
    {"then", read_then, BF_FIELD_WORD, .word = BF_STOP_WORDS,
     .help = "What comes of it (pause): every trigger pauses the job first, with pause it stays paused"},
};
const struct bf_section bf_trigger_section = {"/triggers/*", trigger_fields, BF_COUNT(trigger_fields)};

/* What its fields say about one another. */
static void check_trigger(struct bf_reader *reader, const char *at, const json_t *value)
{
    const struct bf_document_trigger *trigger = reader->trigger;
    size_t subjects = 0;
    static const char *const names[] = {"signal", "sql", "source"};
    for (size_t i = 0; i < BF_COUNT(names); i++)
        subjects += json_object_get(value, names[i]) != NULL;
    BF_AUTO_STRING char *query = bf_format("%s/query", at), *then = bf_format("%s/then", at),
                        *settle = bf_format("%s/settle", at), *baseline = bf_format("%s/baseline", at);
    if (subjects != 1)
        bf_reader_invalid(reader, at, "a trigger needs one of `signal`, `sql`, `source`");
    if (!json_object_get(value, "above") && !json_object_get(value, "below"))
        bf_reader_invalid(reader, at, "a trigger needs `above` or `below`");
    if (json_object_get(value, "query") && !json_object_get(value, "source"))
        bf_reader_invalid(reader, query, "is what a `source` is asked; a query of the database is `sql`");
    if (json_object_get(value, "baseline") && trigger->limited && !trigger->relative)
        bf_reader_invalid(reader, baseline, "only a limit such as \"2x baseline\" has one");
    if (trigger->relative && trigger->then == BF_ORDER_ROLLBACK)
        bf_reader_invalid(reader, then, "a limit that is measured may pause or abort; what rolls back needs a number");
    if (trigger->settle > 0 && trigger->then == BF_ORDER_PAUSE)
        bf_reader_invalid(reader, settle, "the job is paused already: `settle` is for \"then\": \"abort\" or \"rollback\"");
    if (trigger->settle > 0 && trigger->signal && bf_trigger_is_own(trigger->signal))
        bf_reader_invalid(reader, settle, "%s is the job's own, and a paused job has none: it cannot outlive the pause",
                          trigger->signal);
}

bool bf_trigger_is_own(const char *signal)
{
    return strcmp(signal, "error_rate") == 0 || strcmp(signal, "batch_time") == 0;
}

void bf_read_triggers(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_document *document = reader->document;
    if (!bf_check_list(reader, pointer, value, "triggers"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        if (!bf_check_object(reader, at, json_array_get(value, i)))
            continue;
        reader->trigger = &document->triggers[document->trigger_count++];
        *reader->trigger = (struct bf_document_trigger){.baseline = 10 * MINUTE, .every = SECOND, .then = BF_ORDER_PAUSE};
        bf_read_entry(reader, &bf_trigger_section, at, json_array_get(value, i));
        check_trigger(reader, at, json_array_get(value, i));
    }
}

void bf_check_stops(struct bf_reader *reader)
{
    const struct bf_document *document = reader->document;
    const char *none = document->undo == BF_UNDO_NONE ? "there is no way back: \"undo\" is \"none\""
                                                      : "an inverse of the author's does not see what others wrote since: only a "
                                                        "person rolls back by it; \"undo\": \"journal\" is safe";
    if (document->undo == BF_UNDO_JOURNAL)
        return;
    for (size_t i = 0; i < document->trigger_count; i++) {
        BF_AUTO_STRING char *then = bf_format("/triggers/%zu/then", i);
        if (document->triggers[i].then == BF_ORDER_ROLLBACK)
            bf_reader_invalid(reader, then, "%s", none);
    }
    if (document->takes_alerts && document->alerts == BF_ORDER_ROLLBACK)
        bf_reader_invalid(reader, "/alerts", "%s", none);
}
