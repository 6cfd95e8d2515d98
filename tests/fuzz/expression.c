/* What the author of a job writes in SQL, as each dialect reads it before a server does: a first line that says as what, then the
 * text. An expression that passes must not leave the parentheses that it stands in. */
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "fuzz.h"
#include "mysql_dialect.h"
#include "postgresql_dialect.h"

static void check(const struct bf_dialect *dialect, char kind, char *text)
{
    struct bf_complaints complaints = {0};
    struct bf_document document = {.table = kind == 't' ? text : (char *)"t"};
    document.set[0] = (struct bf_pair){.name = (char *)"a", .value = kind == 's' ? text : (char *)"1"};
    document.set_count = 1;
    document.where = kind == 'w' ? text : NULL;
    document.remaining = kind == 'r' ? text : NULL;
    if (kind == 'q')
        dialect->check_query(text, "/signals/0/sql", &complaints);
    else
        dialect->check_expressions(&document, &complaints);
    bool good = complaints.count == 0;
    bf_complaints_clear(&complaints);
    if (!good || (kind != 'w' && kind != 'r'))
        return;
    BF_AUTO_STRING char *predicate = dialect == &bf_dialect_mysql ? bf_mysql_predicate(text, 1700000000000)
                                                                  : bf_postgresql_predicate(text, 1700000000000);
    if (!predicate || strlen(predicate) + 64 < strlen(text))
        __builtin_trap();
}

static void table_name(const char *text)
{
    char *schema = NULL, *name = NULL;
    bf_mysql_table_name(text, &schema, &name);
    free(schema);
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_fields fields = fuzz_fields(data, size);
    BF_AUTO_STRING char *first = fuzz_next(&fields);
    size_t length;
    const char *rest = fuzz_rest(&fields, &length);
    BF_AUTO_STRING char *text = bf_copy_bytes(rest, length);
    if (!first || strlen(first) != 2 || !strchr("wrsqt", first[1]))
        return 0;
    if (first[1] == 't')
        table_name(text);
    check(first[0] == 'm' ? &bf_dialect_mysql : &bf_dialect_postgresql, first[1], text);
    return 0;
}
