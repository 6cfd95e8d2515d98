/* What the author wrote, shown to the server before anything runs. Each check is a CHECK step in a group of its own, so
 * that the server's error belongs to one place of the document.
 *
 * A CHECK without parameters is only prepared: that finds syntax, missing columns and functions, misplaced aggregates,
 * and what the server warns of, for a warning would fail the batch. A CHECK with parameters is executed: the bounds of
 * the range are cast by the server, and compared with each other by it; the adapter makes an error of a warning. */
#include "mysql_dialect.h"

#include "allocate.h"

/* In this order, for as many as the document has. */
enum part { PART_WHERE, PART_REMAINING, PART_OTHERS, PART_SET, PART_AFTER, PART_THROUGH, PART_ORDER };

struct place {
    enum part part;
    size_t index; /* of the column in `set` or in the key */
};

/* What step number `step` of a document's checks is about; false when there are no more. */
static bool place_of(const struct bf_document *document, size_t step, struct place *ret_place)
{
    size_t counts[] = {[PART_WHERE] = document->where ? 1 : 0,
                       [PART_REMAINING] = document->remaining ? 1 : 0,
                       [PART_OTHERS] = document->remaining ? 1 : 0,
                       [PART_SET] = document->set_count,
                       [PART_AFTER] = document->after_count,
                       [PART_THROUGH] = document->through_count,
                       [PART_ORDER] = document->after_count && document->through_count ? 1 : 0};
    for (enum part part = PART_WHERE; part <= PART_ORDER; part++) {
        if (step < counts[part]) {
            *ret_place = (struct place){part, step};
            return true;
        }
        step -= counts[part];
    }
    return false;
}

static void tuple(struct bf_buffer *buffer, const struct bf_table *table, size_t first)
{
    bf_buffer_text(buffer, "(");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        bf_mysql_key_collated(buffer, table, i, first);
    }
    bf_buffer_text(buffer, ")");
}

/* A pass waits for older transactions, so the account has to see those of others; and it sees those of this server only.
 * MySQL reads the one comment, MariaDB the other. */
#define OTHERS                                                                                                        \
    "SELECT (SELECT 0 * COUNT(*) FROM information_schema.innodb_trx) + "                                      \
    "/*!80000 (SELECT COUNT(*) FROM performance_schema.global_variables g JOIN information_schema.PLUGINS p "         \
    "ON p.PLUGIN_NAME = 'group_replication' AND p.PLUGIN_STATUS = 'ACTIVE' "                                          \
    "WHERE g.VARIABLE_NAME = 'group_replication_single_primary_mode' AND g.VARIABLE_VALUE = 'OFF') */"                \
    "/*M!100600 (SELECT COUNT(*) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_cluster_size' "   \
    "AND CAST(VARIABLE_VALUE AS UNSIGNED) > 1) */"

static char *text_of(const struct bf_document *document, const struct bf_table *table, struct place place)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "/* backfilld */ ");
    switch (place.part) {
    case PART_WHERE:
    case PART_REMAINING:
        bf_buffer_format(&buffer, "SELECT 1 FROM %s WHERE (", table->reference);
        bf_mysql_author_predicate(&buffer, place.part == PART_WHERE ? document->where : document->remaining,
                                  document->started_at);
        bf_buffer_text(&buffer, ")");
        break;
    case PART_OTHERS:
        bf_buffer_text(&buffer, OTHERS);
        break;
    case PART_SET:
        bf_buffer_format(&buffer, "UPDATE %s SET ", table->reference);
        bf_mysql_quote(&buffer, document->set[place.index].name);
        bf_buffer_text(&buffer, " = (");
        bf_mysql_author(&buffer, document->set[place.index].value);
        bf_buffer_text(&buffer, ") WHERE FALSE");
        break;
    case PART_AFTER:
    case PART_THROUGH:
        bf_buffer_text(&buffer, "SELECT ");
        bf_mysql_key_collated(&buffer, table, place.index, 1);
        break;
    case PART_ORDER:
        bf_buffer_text(&buffer, "SELECT ");
        tuple(&buffer, table, 1);
        bf_buffer_text(&buffer, " < ");
        tuple(&buffer, table, table->key_count + 1);
        break;
    }
    return bf_buffer_take(&buffer);
}

void bf_mysql_check(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                    char **ret_texts[], size_t *ret_count)
{
    char **texts = bf_allocate(BF_STEPS_MAX * sizeof *texts);
    size_t count = 0;
    struct place place;

    while (place_of(document, count, &place)) {
        texts[count] = text_of(document, table, place);
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_CHECK, texts[count++]);
        step->new_group = true;
        if (place.part == PART_OTHERS)
            bf_step_text(step, NULL); /* so that it is executed */
        /* the parameter of one column is numbered as if it were that of the first */
        for (size_t i = 0; i < place.index && (place.part == PART_AFTER || place.part == PART_THROUGH); i++)
            bf_step_text(step, NULL);
        if (place.part == PART_AFTER)
            bf_step_text(step, document->after[place.index]);
        if (place.part == PART_THROUGH)
            bf_step_text(step, document->through[place.index]);
        for (size_t i = 0; place.part == PART_ORDER && i < document->after_count; i++)
            bf_step_text(step, document->after[i]);
        for (size_t i = 0; place.part == PART_ORDER && i < document->through_count; i++)
            bf_step_text(step, document->through[i]);
    }
    *ret_texts = texts;
    *ret_count = count;
}

static char *pointer_of(const struct bf_document *document, struct place place)
{
    switch (place.part) {
    case PART_WHERE:
        return bf_copy_string("/where");
    case PART_REMAINING:
    case PART_OTHERS:
        return bf_copy_string("/remaining");
    case PART_SET:
        return bf_set_pointer(document->set[place.index].name);
    case PART_AFTER:
        return bf_format("/range/after/%zu", place.index);
    case PART_THROUGH:
        return bf_format("/range/through/%zu", place.index);
    case PART_ORDER:
        break;
    }
    return bf_copy_string("/range");
}

static void read_others(const struct bf_answer *answer, struct bf_complaints *complaints)
{
    if (answer->outcome != BF_OUTCOME_OK)
        bf_complain(complaints, BF_INVALID, "/remaining",
                    "a pass waits for older transactions to end, and the account may not see them; GRANT PROCESS ON *.* to "
                    "it (%s)", answer->message ? answer->message : "no answer");
    else if (bf_answer_number(answer, 0, 0) > 0)
        bf_complain(complaints, BF_UNSUPPORTED, "/remaining",
                    "several servers of this cluster write, and which transactions are under way on the others cannot be "
                    "seen from here; leave `remaining` out");
}

void bf_mysql_read_checks(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                          struct bf_complaints *complaints)
{
    bool bounds_fit = true;
    struct place place;

    for (size_t i = 0; i < count && place_of(document, i, &place); i++) {
        const struct bf_answer *answer = &answers[i];
        BF_AUTO_STRING char *pointer = pointer_of(document, place);
        bool bound = place.part == PART_AFTER || place.part == PART_THROUGH;

        if (place.part == PART_OTHERS) {
            read_others(answer, complaints);
            continue;
        }
        if (answer->outcome == BF_OUTCOME_OK && (!bound || bf_answer_value(answer, 0, 0))) {
            if (place.part == PART_ORDER && !bf_answer_true(answer, 0, 0) && bounds_fit)
                bf_complain(complaints, BF_INVALID, pointer,
                            "`after` is not less than `through` in the order of the server, the range is empty");
            continue;
        }
        if (place.part == PART_ORDER && !bounds_fit)
            continue; /* said already, where it belongs */
        bf_complain(complaints, BF_INVALID, pointer, "the server refuses it: %s",
                    answer->message                       ? answer->message
                    : answer->outcome == BF_OUTCOME_OK    ? "it is no value of the key's type (binary keys are written "
                                                            "as hexadecimal digits)"
                                                          : "no answer");
        bounds_fit = bounds_fit && !bound;
    }
}
