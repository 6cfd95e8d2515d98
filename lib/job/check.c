#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

const char *bf_comparison_name(enum bf_comparison comparison)
{
    static const char *const names[] = {
        [BF_EQUALS] = "equals", [BF_AT_MOST] = "at_most", [BF_AT_LEAST] = "at_least", [BF_ROWS] = "rows"};
    return names[comparison];
}

const char *bf_check_kind_name(enum bf_check_kind kind)
{
    static const char *const names[] = {
        [BF_CHECK_BEFORE] = "before", [BF_CHECK_CANARY] = "canary", [BF_CHECK_AFTER] = "after"};
    return names[kind];
}

/* The whole text as a number; false when it is none. */
static bool number_of(const char *text, long double *ret_number)
{
    char *end;
    *ret_number = strtold(text, &end);
    return end != text && *end == '\0' && *ret_number == *ret_number;
}

bool bf_check_holds(const struct bf_check *check, size_t rows, const char *value)
{
    long double wanted, found;
    if (check->comparison == BF_ROWS)
        return number_of(check->value, &wanted) && (long double)rows == wanted;
    if (rows == 0 || !value)
        return false;
    if (check->comparison == BF_EQUALS)
        return strcmp(value, check->value) == 0;
    if (!number_of(value, &found) || !number_of(check->value, &wanted))
        return false;
    return check->comparison == BF_AT_MOST ? found <= wanted : found >= wanted;
}
