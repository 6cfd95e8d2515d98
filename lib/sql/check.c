/* What the author wrote, shown to the server before anything runs. Each check is a CHECK step in a group of its own, so
 * that the server's error belongs to one place of the document.
 *
 * A CHECK without parameters is only prepared: that finds syntax, missing tables, columns, functions and rights, types that do
 * not fit, and what may not stand where it stands (where a warning would fail the batch, that too). So a query of the author's that
 * is asked hours later, as that of a check, is known to be one before the job begins. A CHECK with parameters is executed:
 * the bounds of the range are cast by the server, and compared with each other by it. */
#include "grammar.h"

#include "allocate.h"

/* In this order, for as many as the document has. */
enum part {
    PART_WHERE,
    PART_REMAINING,
    PART_OTHERS,
    PART_SET,
    PART_AFTER,
    PART_THROUGH,
    PART_ORDER,
    PART_SIGNALS,
    PART_TRIGGERS,
    PART_CHECKS, /* of all kinds, one after the other */
    PARTS
};

struct place {
    enum part part;
    size_t index; /* of the column in `set` or in the key, in the list of signals or triggers; checks: all kinds have BF_CHECKS_MAX */
};

/* The document's query number `index` of that part; NULL: that is no query. */
static const char *query_of(const struct bf_document *document, enum part part, size_t index)
{
    enum bf_check_kind kind = (enum bf_check_kind)(index / BF_CHECKS_MAX);
    size_t nth = index % BF_CHECKS_MAX;
    switch (part) {
    case PART_SIGNALS:
        return index < document->query_count ? document->queries[index].sql : NULL;
    case PART_TRIGGERS:
        return index < document->trigger_count ? document->triggers[index].sql : NULL;
    case PART_CHECKS:
        return nth < document->check_count[kind] ? document->checks[kind][nth].sql : NULL;
    default:
        return NULL;
    }
}

/* The place of query number `step` of that part, counted without those that are none; else how many there are. */
static bool query_place(const struct bf_document *document, enum part part, size_t step, struct place *ret_place, size_t *ret_count)
{
    static const size_t most[PARTS] = {[PART_SIGNALS] = BF_QUERIES_MAX, [PART_TRIGGERS] = BF_TRIGGERS_MAX,
                                       [PART_CHECKS] = (size_t)BF_CHECK_KINDS * BF_CHECKS_MAX};
    size_t count = 0;
    for (size_t i = 0; i < most[part]; i++) {
        if (!query_of(document, part, i))
            continue;
        *ret_place = (struct place){part, i};
        if (count++ == step)
            return true;
    }
    *ret_count = count;
    return false;
}

/* What step number `step` of a document's checks is about; false when there are no more. */
static bool place_of(const struct bf_grammar *grammar, const struct bf_document *document, size_t step, struct place *ret_place)
{
    size_t counts[] = {[PART_WHERE] = document->where ? 1 : 0,
                       [PART_REMAINING] = document->remaining ? 1 : 0,
                       [PART_OTHERS] = document->remaining && grammar->others ? 1 : 0,
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
    for (enum part part = PART_SIGNALS; part < PARTS; part++) {
        size_t count = 0;
        if (query_place(document, part, step, ret_place, &count))
            return true;
        step -= count;
    }
    return false;
}

static char *text_of(const struct bf_grammar *grammar, const struct bf_document *document, const struct bf_table *table,
                     struct place place)
{
    struct bf_buffer buffer = {0};
    const char *query = query_of(document, place.part, place.index);
    bf_buffer_text(&buffer, "/* backfilld */ ");
    switch (place.part) {
    case PART_WHERE:
    case PART_REMAINING:
        bf_buffer_format(&buffer, "SELECT 1 FROM %s WHERE (", table->reference);
        grammar->predicate(&buffer, place.part == PART_WHERE ? document->where : document->remaining, document->started_at);
        bf_buffer_text(&buffer, ")");
        break;
    case PART_OTHERS:
        bf_buffer_text(&buffer, grammar->others);
        break;
    case PART_SET:
        bf_buffer_format(&buffer, "UPDATE %s SET ", table->reference);
        grammar->quote(&buffer, document->set[place.index].name);
        bf_buffer_text(&buffer, " = (");
        grammar->value(&buffer, document->set[place.index].value);
        bf_buffer_text(&buffer, ") WHERE false");
        break;
    case PART_AFTER:
    case PART_THROUGH:
        bf_buffer_text(&buffer, "SELECT ");
        grammar->key_collated(&buffer, table, place.index, 1);
        break;
    case PART_ORDER:
        bf_buffer_text(&buffer, "SELECT ");
        bf_range_key(&buffer, grammar, table, 1);
        bf_buffer_text(&buffer, " < ");
        bf_range_key(&buffer, grammar, table, table->key_count + 1);
        break;
    case PART_SIGNALS:
    case PART_TRIGGERS:
    case PART_CHECKS:
        grammar->value(&buffer, query);
        break;
    case PARTS:
        break;
    }
    return bf_buffer_take(&buffer);
}

static void add_texts(struct bf_step *step, char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bf_step_text(step, texts[i]);
}

static void add_parameters(struct bf_step *step, const struct bf_document *document, struct place place)
{
    switch (place.part) {
    case PART_WHERE:
    case PART_REMAINING:
    case PART_SET:
    case PART_SIGNALS:
    case PART_TRIGGERS:
    case PART_CHECKS:
    case PARTS:
        break;
    case PART_OTHERS:
        bf_step_text(step, NULL); /* so that it is executed */
        break;
    case PART_AFTER:
    case PART_THROUGH: /* that of one column is numbered as if all were there */
        for (size_t i = 0; i < place.index; i++)
            bf_step_text(step, NULL);
        bf_step_text(step, place.part == PART_AFTER ? document->after[place.index] : document->through[place.index]);
        break;
    case PART_ORDER:
        add_texts(step, document->after, document->after_count);
        add_texts(step, document->through, document->through_count);
        break;
    }
}

void bf_check_add(const struct bf_dialect *dialect, const struct bf_document *document, const struct bf_table *table,
                  struct bf_flight *flight, char **ret_texts[], size_t *ret_count)
{
    char **texts = bf_allocate(BF_STEPS_MAX * sizeof *texts);
    size_t count = 0;
    struct place place;

    while (place_of(dialect->grammar, document, count, &place)) {
        texts[count] = text_of(dialect->grammar, document, table, place);
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_CHECK, texts[count++]);
        step->new_group = true;
        add_parameters(step, document, place);
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
    case PART_SIGNALS:
        return bf_format("/signals/%zu/sql", place.index);
    case PART_TRIGGERS:
        return bf_format("/triggers/%zu/sql", place.index);
    case PART_CHECKS:
        return bf_format("/checks/%s/%zu/sql", bf_check_kind_name((enum bf_check_kind)(place.index / BF_CHECKS_MAX)),
                         place.index % BF_CHECKS_MAX);
    case PART_ORDER:
    case PARTS:
        break;
    }
    return bf_copy_string("/range");
}

static void read_others(const struct bf_grammar *grammar, const struct bf_answer *answer, struct bf_complaints *complaints)
{
    if (answer->outcome != BF_OUTCOME_OK)
        bf_complain(complaints, BF_INVALID, "/remaining",
                    "a pass waits for older transactions to end, and the account may not see them; %s (%s)", grammar->others_hint,
                    answer->message ? answer->message : "no answer");
    else if (bf_answer_number(answer, 0, 0) > 0)
        bf_complain(complaints, BF_UNSUPPORTED, "/remaining",
                    "several servers of this cluster write, and which transactions are under way on the others cannot be "
                    "seen from here; leave `remaining` out");
}

static const char *refusal(const struct bf_answer *answer)
{
    if (answer->message)
        return answer->message;
    if (answer->outcome == BF_OUTCOME_OK)
        return "it is no value of the key's type (binary keys are written as hexadecimal digits)";
    return "no answer";
}

void bf_check_read(const struct bf_dialect *dialect, const struct bf_document *document, const struct bf_answer *answers,
                   size_t count, struct bf_complaints *complaints)
{
    bool bounds_fit = true;
    struct place place;

    for (size_t i = 0; i < count && place_of(dialect->grammar, document, i, &place); i++) {
        const struct bf_answer *answer = &answers[i];
        BF_AUTO_STRING char *pointer = pointer_of(document, place);
        bool bound = place.part == PART_AFTER || place.part == PART_THROUGH;

        if (place.part == PART_OTHERS) {
            read_others(dialect->grammar, answer, complaints);
        } else if (place.part == PART_ORDER && !bounds_fit) {
            continue; /* said already, where it belongs */
        } else if (answer->outcome != BF_OUTCOME_OK || (bound && !bf_answer_value(answer, 0, 0))) {
            bf_complain(complaints, BF_INVALID, pointer, "the server refuses it: %s", refusal(answer));
            bounds_fit = bounds_fit && !bound;
        } else if (place.part == PART_ORDER && !bf_answer_true(answer, 0, 0)) {
            bf_complain(complaints, BF_INVALID, pointer,
                        "`after` is not less than `through` in the order of the server, the range is empty");
        }
    }
}
