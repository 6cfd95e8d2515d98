/* What the optimizer of MySQL and MariaDB says of a plan's questions, in its table of old. */
#include "mysql_dialect.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* The columns of EXPLAIN, counted from its end: only MySQL has the one of partitions. */
enum { EXTRA_BACK = 1, FILTERED_BACK, ROWS_BACK, POSSIBLE_KEYS_BACK = 7, TYPE_BACK, TABLE_COLUMN = 2, OF_MARIADB = 11 };

static const char *explained(const struct bf_answer *answer, size_t row, size_t back)
{
    return answer->columns >= back ? bf_answer_value(answer, row, answer->columns - back) : NULL;
}

/* The line that is the table's own: the predicate may bring others, and they may come first. */
static size_t own_line(const struct bf_document *document, const struct bf_answer *answer)
{
    char *schema = NULL, *name = NULL;
    size_t own = 0;

    bf_mysql_table_name(document->table, &schema, &name);
    for (size_t row = answer->rows; row-- > 0;) {
        const char *table = bf_answer_value(answer, row, TABLE_COLUMN);
        if (table && name && !strcmp(table, name))
            own = row;
    }
    free(schema);
    free(name);
    return own;
}

void bf_mysql_read_rows(const struct bf_document *document, const struct bf_answer *answer, enum bf_fact_name fact,
                        struct bf_facts *facts)
{
    if (answer->outcome != BF_OUTCOME_OK || answer->rows == 0) {
        bf_facts_unknown(facts, fact, answer->message);
        return;
    }
    size_t own = own_line(document, answer);
    const char *extra = explained(answer, 0, EXTRA_BACK);
    if (explained(answer, own, ROWS_BACK))
        bf_facts_set(facts, fact,
                     bf_answer_real(answer, own, answer->columns - ROWS_BACK, 0) *
                         bf_answer_real(answer, own, answer->columns - FILTERED_BACK, 100) / 100, NULL);
    else if (extra && (strstr(extra, "Impossible WHERE") || strstr(extra, "no matching row")))
        bf_facts_set(facts, fact, 0, extra);
    else
        bf_facts_unknown(facts, fact, extra);
}

/* What neither an index nor a histogram tells the optimizer takes to be so by rules: MySQL says a tenth or a third of the rows,
 * MariaDB all of them. That the key's index is looked at for the document's range tells nothing of its predicates. */
void bf_mysql_read_guess(const struct bf_document *document, const struct bf_answer *answer, struct bf_facts *facts)
{
    bool guessed = bf_fact_over(facts, BF_FACT_MATCHING_GUESSED, 0) && (document->where || document->remaining);
    if (guessed && answer->outcome == BF_OUTCOME_OK && answer->rows > 0) {
        size_t own = own_line(document, answer);
        const char *keys = explained(answer, own, POSSIBLE_KEYS_BACK);
        bool by_index = keys && !(bf_document_has_range(document) && strcmp(keys, "PRIMARY") == 0);
        bool by_statistics = answer->columns == OF_MARIADB && bf_answer_real(answer, own, answer->columns - FILTERED_BACK, 100) < 100;
        guessed = !by_index && !by_statistics;
    }
    bf_facts_set(facts, BF_FACT_MATCHING_GUESSED, guessed, guessed ? "the server has no statistics of these columns" : NULL);
}

/* The reference forces the key's index; where that gives no order, or is not used at all, the table would be sorted. */
void bf_mysql_read_boundary(const struct bf_answer *answer, struct bf_facts *facts)
{
    const char *type = explained(answer, 0, TYPE_BACK), *extra = explained(answer, 0, EXTRA_BACK);

    if (answer->outcome != BF_OUTCOME_OK || !type) {
        bf_facts_unknown(facts, BF_FACT_KEY_USED, answer->outcome == BF_OUTCOME_OK ? extra : answer->message);
        return;
    }
    bool ordered = !extra || !strstr(extra, "filesort");
    bool by_key = ordered && (!strcmp(type, "index") || !strcmp(type, "range"));
    BF_AUTO_STRING char *found = by_key ? NULL : bf_format("%s%s%s", type, extra && *extra ? ", " : "", extra ? extra : "");
    bf_facts_set(facts, BF_FACT_KEY_USED, by_key ? 1 : 0, found);
}
