#include "share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PERCENT = 10000000 /* billionths */, DIGITS = 7 };

bool bf_share_parse(const char *text, int64_t *ret_value)
{
    int64_t billionths = 0;
    size_t whole = strspn(text, "0123456789"), digits = 0;
    const char *at = text + whole;
    if (whole == 0 || whole > 2)
        return false;
    billionths = strtoll(text, NULL, 10) * PERCENT;
    if (*at == '.') {
        int64_t worth = PERCENT;
        digits = strspn(++at, "0123456789");
        if (digits == 0 || digits > DIGITS)
            return false;
        for (size_t i = 0; i < digits; i++)
            billionths += (*at++ - '0') * (worth /= 10);
    }
    if (strcmp(at, "%") != 0 || billionths == 0)
        return false;
    *ret_value = BF_SHARES + billionths;
    return true;
}

bool bf_share_of_number(double number, int64_t *ret_value)
{
    const double one = 1e9;
    if (!(number > 0 && number < 1))
        return false;
    int64_t billionths = (int64_t)(number * one + 0.5);
    if (billionths == 0 || billionths >= (int64_t)one)
        return false;
    *ret_value = BF_SHARES + billionths;
    return true;
}

char *bf_share_format(int64_t value, char text[BF_SHARE_TEXT])
{
    if (value < BF_SHARES)
        snprintf(text, BF_SHARE_TEXT, "%lld", (long long)value);
    else
        snprintf(text, BF_SHARE_TEXT, "%.9g%%", (double)(value - BF_SHARES) / PERCENT);
    return text;
}

int64_t bf_count_or_share(int64_t value, int64_t of)
{
    if (value < BF_SHARES)
        return value;
    return (int64_t)((double)(value - BF_SHARES) * (double)of / 1e9);
}
