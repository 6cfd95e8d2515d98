/* Where the slices of a job end: quantiles of the keys on a sample of the table's pages, so that no table is read as a
 * whole, however large it is. */
#include "postgresql_dialect.h"

enum {
    PAGES = 400, /* with the rows of each page next to each other in the key, a limit is off by a fortieth of the table */
    PAGE = 8192
};

char *bf_postgresql_quantiles(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count;
    double pages = (double)table->row_bytes / PAGE, percent = pages > PAGES ? 100 * PAGES / pages : 100;

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH sample AS MATERIALIZED (SELECT ", job);
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_format(&buffer, " FROM %s TABLESAMPLE SYSTEM (%.9f) WHERE ($1::text IS NULL OR (", table->reference, percent);
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, ") > ");
    bf_range_key(&buffer, &bf_postgresql_grammar, table, 1);
    bf_buffer_text(&buffer, ") AND (");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, ") <= ");
    bf_range_key(&buffer, &bf_postgresql_grammar, table, n + 1);
    bf_buffer_format(&buffer,
                     "), counted AS (SELECT count(*) AS backfilld_rows, least($%zu::text::bigint, "
                     "floor(count(*) * %.9f / $%zu::text::bigint)::bigint) AS backfilld_slices FROM sample), "
                     "placed AS (SELECT *, row_number() OVER (ORDER BY ",
                     2 * n + 1, 100 / percent, 2 * n + 2);
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, ") AS backfilld_place FROM sample) SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer,
                   " FROM placed, counted WHERE backfilld_place IN (SELECT backfilld_rows * i / backfilld_slices FROM "
                   "generate_series(1, backfilld_slices - 1) i) ORDER BY backfilld_place");
    return bf_buffer_take(&buffer);
}
