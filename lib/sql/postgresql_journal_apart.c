/* The UPDATE of a batch with its journal where the old rows need not be joined to the new ones: two walks over the range, one that
 * gathers the old values and one that changes the rows, in one statement and so in one snapshot. A join of the two takes a
 * quarter of what the journal costs, for each row goes through a hash table and is carried along with the change.
 * That each new value has its own old one is said by the versions (the UPDATE is of the rows that the snapshot shows, and
 * of no others), and by the keys, which both walks gather. */
#include "postgresql_dialect.h"

/* Is the version at hand the one that the statement's snapshot shows? What was written before all that was under way when it was
 * taken cannot be another, and that is a look at two numbers. Of other rows, and of those that were frozen so long ago that their
 * numbers have come round again, the version is looked up. */
static void same_version(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "CASE WHEN age(xmin) > (SELECT age((txid_snapshot_xmin(txid_current_snapshot()) & 4294967295)::text::xid)) "
                           "THEN true WHEN (SELECT backfilld_version FROM (SELECT xmin AS backfilld_version");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, ", ");
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_format(buffer, " AS backfilld_k%zu", i);
    }
    bf_buffer_format(buffer, " FROM %s) backfilld_old WHERE ", table->reference);
    bf_postgresql_same_key(buffer, table);
    bf_buffer_text(buffer, ") = xmin THEN true ELSE backfilld.changed_meanwhile() END");
}

/* The old value of each row that was changed, as an array in their order. Both walks over the range nearly always meet the same
 * rows in the same order, which their keys tell. Otherwise (somebody deleted a row, the server reads in two ways, or there is a trigger
 * since the job was begun) they are looked up; a key that is not there was given to the row by a trigger. */
static void old_value(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table, size_t column)
{
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, "%sbackfilld_made.backfilld_k%zu = backfilld_found.backfilld_k%zu", i ? " AND " : ", CASE WHEN ", i, i);
    bf_buffer_format(buffer, " THEN backfilld_found.backfilld_b%zu ELSE (SELECT array_agg(CASE WHEN ", column);
    bf_postgresql_quote(buffer, table->key[0].name);
    bf_buffer_text(buffer, " IS NOT NULL OR backfilld.changed_meanwhile() THEN ");
    bf_postgresql_quote(buffer, document->set[column].name);
    bf_buffer_format(buffer, "%s END ORDER BY backfilld_place) FROM unnest(", table->set[column].as_text ? "::text" : "");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, "%sbackfilld_made.backfilld_k%zu", i ? ", " : "", i);
    bf_buffer_text(buffer, ") WITH ORDINALITY AS backfilld_key (");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, "backfilld_k%zu, ", i);
    bf_buffer_format(buffer, "backfilld_place) LEFT JOIN %s ON ", table->reference);
    bf_postgresql_same_key(buffer, table);
    bf_buffer_text(buffer, ") END");
}

/* SELECT count(*), array_agg(the keys); of the table, or of what was changed. */
static void key_arrays(struct bf_buffer *buffer, const struct bf_table *table, bool of_table)
{
    bf_buffer_text(buffer, "SELECT count(*) AS backfilld_rows");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, ", array_agg(");
        if (of_table)
            bf_postgresql_quote(buffer, table->key[i].name);
        else
            bf_buffer_format(buffer, "backfilld_k%zu", i);
        bf_buffer_format(buffer, ") AS backfilld_k%zu", i);
    }
}

/* INSERT INTO the journal, each image from a walk of its own. The condition on the number of rows that were found, which is
 * always true, makes the server look at the old ones first: behind the UPDATE the index leads to each row twice. */
static void keep_apart(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_range *range,
                       size_t leg, const char *address)
{
    const struct bf_table *table = range->table;

    bf_postgresql_journal_insert(buffer, job, document, table, address);
    bf_buffer_text(buffer, "backfilld_made.backfilld_rows");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, ", backfilld_made.backfilld_k%zu", i);
    for (size_t i = 0; i < document->set_count; i++) {
        old_value(buffer, document, table, i);
        bf_buffer_format(buffer, ", backfilld_made.backfilld_a%zu", i);
    }
    bf_buffer_text(buffer, " FROM (");
    key_arrays(buffer, table, true);
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, ", array_agg(");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, "%s) AS backfilld_b%zu", table->set[i].as_text ? "::text" : "", i);
    }
    bf_buffer_format(buffer, " FROM %s WHERE ", table->reference);
    bf_range_leg(buffer, &bf_postgresql_grammar, range, leg);
    bf_postgresql_where(buffer, document);
    bf_buffer_text(buffer, ") backfilld_found, LATERAL (");
    key_arrays(buffer, table, false);
    for (size_t i = 0; i < document->set_count; i++)
        bf_buffer_format(buffer, ", array_agg(backfilld_a%zu) AS backfilld_a%zu", i, i);
    bf_buffer_text(buffer, " FROM backfilld_new WHERE backfilld_found.backfilld_rows >= 0) backfilld_made "
                           "WHERE backfilld_made.backfilld_rows > 0 RETURNING rows)");
}

void bf_postgresql_journal_apart(struct bf_buffer *buffer, const char *job, const struct bf_document *document,
                                 const struct bf_range *range, size_t leg, const char *address)
{
    const struct bf_table *table = range->table;

    bf_buffer_format(buffer, "backfilld_new AS (UPDATE %s SET ", table->reference);
    bf_postgresql_set(buffer, document);
    bf_buffer_text(buffer, " WHERE ");
    bf_range_leg(buffer, &bf_postgresql_grammar, range, leg);
    bf_postgresql_where(buffer, document);
    bf_buffer_text(buffer, " AND ");
    same_version(buffer, table);
    bf_buffer_text(buffer, " RETURNING ");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_format(buffer, " AS backfilld_k%zu", i);
    }
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, ", ");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, "%s AS backfilld_a%zu", table->set[i].as_text ? "::text" : "", i);
    }
    bf_buffer_text(buffer, "), ");
    keep_apart(buffer, job, document, range, leg, address);
}
