/* Numbers, times and bars as people read them; tables. All texts that are returned are owned by the caller. */
#ifndef BF_CLIENT_FORMAT_H
#define BF_CLIENT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

char *bf_format_number(int64_t number);     /* "1,234,567"; "?" below 0 */
char *bf_format_percent(double fraction);   /* "42.1 %", rounded down; "?" below 0 */
char *bf_format_rate(double rate);          /* "1,234 rows/s"; "" below 0 */
char *bf_format_eta(int64_t seconds);       /* "3 min 12 s"; "" below 0 */
char *bf_format_bar(double fraction, size_t columns);
char *bf_format_time(const char *time);     /* RFC 3339 UTC to "2026-11-21 02:40:00 UTC"; another text stays as it is */
char *bf_format_ago(const char *time);      /* "3 min 12 s"; "" when the time is not one */

/* A colour of the terminal (static text), chosen by a job's state; "" where none fits. */
const char *bf_colour_of_state(const char *state);
#define BF_COLOUR_END "\033[0m"

/* Prints "label value", the value wrapped into lines of at most `columns` with the label's. */
void bf_print_field(const char *label, const char *value, size_t columns);

/* Rows of cells, printed in columns as wide as their widest cell. A cell is owned by the table. */
struct bf_table {
    size_t columns, count, capacity;
    char **cells;
};
void bf_table_start(struct bf_table *table, size_t columns, const char *const *headings);
void bf_table_add(struct bf_table *table, char *cell);
/* `right`: bits of the columns that are numbers. Clears the table. */
void bf_table_print(struct bf_table *table, unsigned right);

#endif
