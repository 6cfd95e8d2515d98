/* Would a column of that type hold backfilld_after after backfilld_new was assigned to it? A SELECT does not convert a value as
 * an assignment does, and no CAST names every type; so what a conversion may do (rounding, padding, another case of the word of
 * an ENUM) is taken for the same. */
#include "mysql_dialect.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

static bool is_type(const char *type, const char *list)
{
    BF_AUTO_STRING char *wanted = bf_format(" %.*s ", (int)strcspn(type, "( "), type);
    return strstr(list, wanted) != NULL;
}

/* Of decimal(10,2), float(7,4) the last number; of datetime(3) the only one; 0: it says none. */
static long digits(const char *type, bool last_of_two)
{
    const char *open = strchr(type, '('), *comma = open ? strchr(open, ',') : NULL, *number = last_of_two ? comma : open;
    return number ? strtol(number + 1, NULL, 10) : 0;
}

/* Half of the last digit that is kept. */
static void half(struct bf_buffer *buffer, long kept)
{
    bf_buffer_text(buffer, "0.");
    for (long i = 0; i < kept; i++)
        bf_buffer_text(buffer, "0");
    bf_buffer_text(buffer, "5");
}

static void same_bytes(struct bf_buffer *buffer, const char *before, const char *behind)
{
    bf_buffer_format(buffer, "%sbackfilld_new%s = %sbackfilld_after%s", before, behind, before, behind);
}

static void same_string(struct bf_buffer *buffer, const char *type)
{
    bool padded = is_type(type, " char varchar "), word = is_type(type, " enum ");
    same_bytes(buffer, padded ? "CAST(TRIM(TRAILING ' ' FROM CONVERT(" : word ? "CAST(LOWER(CONVERT(" : "CAST((CONVERT(",
               " USING utf8mb4)) AS BINARY)");
    bf_buffer_text(buffer, " OR ");
    same_bytes(buffer, "CAST(", " AS BINARY)");
    if (word) /* or its number */
        bf_buffer_text(buffer, " OR backfilld_after + 0 = backfilld_new");
}

static void same_time(struct bf_buffer *buffer, const char *type)
{
    static const char *const microseconds[] = {"1000000", "100000", "10000", "1000", "100", "10", "1"};
    long kept = digits(type, false);
    same_bytes(buffer, "CAST(", " AS CHAR)");
    bf_buffer_text(buffer, " OR backfilld_after = backfilld_new OR ");
    if (is_type(type, " date "))
        bf_buffer_text(buffer, "TIMESTAMPDIFF(MICROSECOND, backfilld_after, CAST(backfilld_new AS DATETIME(6))) BETWEEN -500000 AND "
                               "86399999999");
    else if (is_type(type, " time "))
        bf_buffer_text(buffer, "ABS(TIME_TO_SEC(TIMEDIFF(backfilld_after, CAST(backfilld_new AS TIME(6))))) <= 1");
    else
        bf_buffer_format(buffer, "ABS(TIMESTAMPDIFF(MICROSECOND, backfilld_after, CAST(backfilld_new AS DATETIME(6)))) <= %s",
                         microseconds[kept >= 0 && kept <= 6 ? kept : 0]);
}

static void same(struct bf_buffer *buffer, const char *type)
{
    if (is_type(type, " tinyint smallint mediumint int bigint decimal year ")) {
        bf_buffer_text(buffer, "backfilld_after = backfilld_new OR ABS(CAST(backfilld_new AS DECIMAL(65,30)) - "
                               "CAST(backfilld_after AS DECIMAL(65,30))) <= ");
        half(buffer, digits(type, true));
    } else if (is_type(type, " float double ")) {
        bf_buffer_format(buffer, "backfilld_after = backfilld_new OR ABS(backfilld_new - backfilld_after) <= %s * ABS(backfilld_after)",
                         is_type(type, " float ") ? "1e-6" : "1e-14");
        if (strchr(type, ',')) {
            bf_buffer_text(buffer, " + ");
            half(buffer, digits(type, true));
        }
    } else if (is_type(type, " date datetime timestamp time ")) {
        same_time(buffer, type);
    } else if (is_type(type, " bit ")) {
        bf_buffer_text(buffer, "backfilld_after + 0 = backfilld_new + 0 OR HEX(backfilld_after) = HEX(backfilld_new)");
    } else if (is_type(type, " json ")) {
        bf_buffer_text(buffer, "backfilld_after = CAST(backfilld_new AS JSON)");
    } else if (is_type(type, " binary ")) {
        same_bytes(buffer, "TRIM(TRAILING X'00' FROM CAST(", " AS BINARY))");
    } else if (is_type(type, " varbinary tinyblob blob mediumblob longblob ")) {
        same_bytes(buffer, "CAST(", " AS BINARY)");
    } else {
        same_string(buffer, type);
    }
}

void bf_mysql_recompute_same(struct bf_buffer *buffer, const char *type)
{
    bf_buffer_text(buffer, "(backfilld_new IS NULL AND backfilld_after IS NULL) OR COALESCE(");
    same(buffer, type);
    bf_buffer_text(buffer, ", FALSE)");
}
