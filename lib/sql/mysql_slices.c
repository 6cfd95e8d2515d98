/* Where the slices of a job end. These servers sample no table; but the index says about how many rows lie between two
 * keys, by a look at the two ends. So the range is halved again and again by the values of one key column, the first one in
 * which its ends differ, until the parts are small, and the adapter asks the index about each (mysql_quantiles.c). What is
 * found are rows of the table, and the server itself says that they rise: how good a guess was decides how even the slices
 * are, and nothing else. */
#include "mysql_dialect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* ---- the texts ---- */

static void begin(struct bf_buffer *buffer, const char *job)
{
    bf_buffer_format(buffer, "%s/* backfilld %s */ ", buffer->length ? BF_MYSQL_PART : "", job);
}

/* c1 = low, ..., c(column) = low, each followed by AND */
static void prefix(struct bf_buffer *buffer, const struct bf_table *table, size_t column)
{
    for (size_t i = 0; i < column; i++) {
        bf_mysql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, " = ");
        bf_mysql_key_parameter(buffer, table, i, 1);
        bf_buffer_text(buffer, " AND ");
    }
}

static void end_at_high(struct bf_buffer *buffer, const struct bf_table *table, size_t column)
{
    bf_mysql_quote(buffer, table->key[column].name);
    bf_buffer_text(buffer, " <= ");
    bf_mysql_key_parameter(buffer, table, column, table->key_count + 1);
}

static char kind_of(const struct bf_column *column)
{
    switch (bf_mysql_key_kind(column->type)) {
    case BF_MYSQL_KEY_INTEGER: return BF_MYSQL_CUT_INTEGER;
    case BF_MYSQL_KEY_DECIMAL: return BF_MYSQL_CUT_DECIMAL;
    case BF_MYSQL_KEY_BINARY: return BF_MYSQL_CUT_HEX;
    case BF_MYSQL_KEY_STRING: return BF_MYSQL_CUT_TEXT;
    default: break;
    }
    if (!strncmp(column->type, "date", 4) || !strncmp(column->type, "timestamp", 9))
        return BF_MYSQL_CUT_TIME;
    return !strncmp(column->type, "uuid", 4) ? BF_MYSQL_CUT_HEX : BF_MYSQL_CUT_NONE;
}

/* MySQL does not look into an index that it is forced to use. */
static char *use_index(const char *reference)
{
    static const char force[] = " FORCE INDEX (";
    const char *last = NULL; /* a table's name may be anything */
    for (const char *at = reference; (at = strstr(at, force)) != NULL; at++)
        last = at;
    return last ? bf_format("%.*s USE INDEX (%s", (int)(last - reference), reference, last + strlen(force))
                : bf_copy_string(reference);
}

char *bf_mysql_quantiles(const char *job, const struct bf_table *table, const char *compare)
{
    struct bf_buffer buffer = {0};
    BF_AUTO_STRING char *used = use_index(table->reference);
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(&buffer, "%c", kind_of(&table->key[i]));
    begin(&buffer, job);
    bf_buffer_text(&buffer, "SELECT ");
    bf_mysql_key_output(&buffer, table, "");
    bf_buffer_format(&buffer, " FROM %s ORDER BY ", table->reference);
    bf_mysql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, " LIMIT 1");
    begin(&buffer, job);
    bf_buffer_format(&buffer, "EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM %s", table->reference);
    bf_buffer_format(&buffer, "%s%s", BF_MYSQL_PART, compare);
    for (size_t column = 0; column < table->key_count; column++) {
        begin(&buffer, job);
        bf_buffer_format(&buffer, "EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM %s WHERE ", used);
        bf_range_after(&buffer, &bf_mysql_grammar, table, column, 1);
        bf_buffer_text(&buffer, " AND ");
        end_at_high(&buffer, table, column);
        begin(&buffer, job);
        bf_buffer_text(&buffer, "SELECT ");
        bf_mysql_key_output(&buffer, table, "");
        bf_buffer_format(&buffer, " FROM %s WHERE ", table->reference);
        prefix(&buffer, table, column);
        end_at_high(&buffer, table, column);
        bf_buffer_text(&buffer, " ORDER BY ");
        bf_mysql_key_list(&buffer, table, 0, "", " DESC");
        bf_buffer_text(&buffer, " LIMIT 1");
    }
    return bf_buffer_take(&buffer);
}

/* ---- a value between two others ---- */

static bool between_integers(const char *low, const char *high, char *text)
{
    __extension__ __int128 from = 0, to = 0;
    const char *const texts[] = {low, high};
    for (int i = 0; i < 2; i++) {
        const char *digits = texts[i] + (*texts[i] == '-');
        __extension__ __int128 number = 0;
        for (; isdigit((unsigned char)*digits) && number < ((__int128)1 << 66); digits++)
            number = number * 10 + (*digits - '0');
        *(i ? &to : &from) = *texts[i] == '-' ? -number : number;
    }
    if (to - from < 2)
        return false;
    from += (to - from) / 2;
    if (from < 0)
        snprintf(text, BF_MYSQL_CUT_MAX, "%lld", (long long)from);
    else
        snprintf(text, BF_MYSQL_CUT_MAX, "%llu", (unsigned long long)from);
    return true;
}

static bool between_decimals(const char *low, const char *high, char *text)
{
    long double from = strtold(low, NULL), to = strtold(high, NULL), half = from + (to - from) / 2;
    if (!(half > from && half < to))
        return false;
    return snprintf(text, BF_MYSQL_CUT_MAX, "%.9Lf", half) < BF_MYSQL_CUT_MAX;
}

/* Microseconds since year 0, of the proleptic calendar; what is no date gives some number. */
static long long microseconds_of(const char *text)
{
    int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
    const char *point = strchr(text, '.');
    double fraction = point ? strtod(point, NULL) : 0;
    sscanf(text, "%d-%d-%d %d:%d:%d", &year, &month, &day, &hour, &minute, &second);
    long long y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    long long doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    long long days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + (long long)(fraction * 1e6 + 0.5);
}

static bool between_times(const char *low, const char *high, char *text)
{
    long long from = microseconds_of(low), to = microseconds_of(high), half = from + (to - from) / 2;
    if (half <= from || half < 0)
        return false;
    long long fraction = half % 1000000, days = half / 1000000 / 86400, rest = half / 1000000 % 86400;
    long long era = days / 146097, doe = days - era * 146097;
    long long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    long long mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9;
    long long year = yoe + era * 400 + (month <= 2);
    snprintf(text, BF_MYSQL_CUT_MAX, "%04lld-%02lld-%02lld %02lld:%02lld:%02lld.%06lld", year, month,
             doy - (153 * mp + 2) / 5 + 1, rest / 3600, rest / 60 % 60, rest % 60, fraction);
    return true;
}

enum { DIGITS = 16 };

/* The digits of one text behind what both have in common; what it has not is the lowest. */
static void digits_of(const char *text, const char *alphabet, int digits[DIGITS])
{
    bool over = false;
    for (int i = 0; i < DIGITS; i++) {
        over = over || !*text;
        const char *at = over ? NULL : strchr(alphabet, *text++);
        digits[i] = over ? 0 : at ? (int)(at - alphabet) : (int)strlen(alphabet) - 1;
    }
}

/* Bytes that both have in common, whole characters. */
static size_t in_common(const char *low, const char *high)
{
    size_t common = 0;
    while (low[common] && low[common] == high[common])
        common++;
    while (common && (high[common] & 0xc0) == 0x80)
        common--;
    return common;
}

/* What both have in common and a letter behind it: where the server's order is not that of the bytes. The letters from the
 * middle outward. */
static bool between_letters(const char *low, const char *high, int attempt, char *text)
{
    static const char letters[] = "mhrdtkpfwbnyjlgqisecuovaxz5283716940";
    size_t common = in_common(low, high);
    if (attempt > (int)sizeof letters - 1 || common + 2 > BF_MYSQL_CUT_MAX)
        return false;
    memcpy(text, high, common);
    text[common] = letters[attempt - 1];
    text[common + 1] = '\0';
    return true;
}

static bool between_texts(const char *low, const char *high, const char *alphabet, char *text)
{
    int base = (int)strlen(alphabet), from[DIGITS], to[DIGITS], carry = 0;
    size_t common = in_common(low, high);
    bool differs = false;
    if (common + DIGITS >= BF_MYSQL_CUT_MAX)
        return false;
    digits_of(low + common, alphabet, from);
    digits_of(high + common, alphabet, to);
    memcpy(text, high, common);
    for (int i = DIGITS - 1; i >= 0; i--) { /* the sum; its digit before the first is the carry */
        from[i] += to[i] + carry;
        carry = from[i] / base;
        from[i] %= base;
    }
    for (int i = 0; i < DIGITS; i++) { /* halved */
        int digit = from[i] + carry * base;
        carry = digit % 2;
        text[common + (size_t)i] = alphabet[digit / 2];
        differs = differs || digit / 2 != to[i];
    }
    text[common + DIGITS] = '\0';
    return differs;
}

/* With dashes where the type writes them. */
static bool between_hex(const char *low, const char *high, char *text)
{
    size_t length = strlen(high);
    char one[BF_MYSQL_CUT_MAX], other[BF_MYSQL_CUT_MAX], half[BF_MYSQL_CUT_MAX];
    const char *const texts[] = {low, high};
    for (int i = 0; i < 2; i++) {
        char *to = i ? other : one;
        size_t count = 0;
        for (const char *from = texts[i]; *from && count + 1 < BF_MYSQL_CUT_MAX; from++)
            if (*from != '-')
                to[count++] = (char)toupper((unsigned char)*from);
        to[count] = '\0';
    }
    if (!between_texts(one, other, "0123456789ABCDEF", half))
        return false;
    if (!strchr(high, '-')) {
        half[strlen(half) & ~(size_t)1] = '\0'; /* whole bytes */
        memcpy(text, half, sizeof half);
        return true;
    }
    size_t at = 0;
    for (size_t i = 0; i < length && i + 1 < BF_MYSQL_CUT_MAX; i++)
        text[i] = high[i] == '-' ? '-' : half[at] ? half[at++] : '0';
    text[length] = '\0';
    return true;
}

bool bf_mysql_between(char kind, const char *low, const char *high, int attempt, char text[BF_MYSQL_CUT_MAX])
{
    static const char printable[] = " !#$%&()*+,-./0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_"
                                    "abcdefghijklmnopqrstuvwxyz{|}~";
    if (attempt > 0)
        return kind == BF_MYSQL_CUT_TEXT && between_letters(low, high, attempt, text);
    switch (kind) {
    case BF_MYSQL_CUT_INTEGER: return between_integers(low, high, text);
    case BF_MYSQL_CUT_DECIMAL: return between_decimals(low, high, text);
    case BF_MYSQL_CUT_TIME: return between_times(low, high, text);
    case BF_MYSQL_CUT_HEX: return between_hex(low, high, text);
    case BF_MYSQL_CUT_TEXT: return between_texts(low, high, printable, text);
    default: return false;
    }
}
