/* QUANTILES on these servers: the search of lib/sql/mysql_slices.c, carried out on the session's thread. Each question is
 * a look into the index of some tens of microseconds; a search has a few dozen of them. */
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "mysql_dialect.h"
#include "mysql_session.h"
#include "slices.h"

enum { DEPTH = 80, LOOKS = 2000, PARTS = 4 /* kinds, first row, all rows, comparison; then two for each column */ };

struct key {
    char *text[BF_KEY_COLUMNS_MAX]; /* owned */
};

struct bf_mysql_cut {
    char *sql; /* owned; with its parts cut apart */
    char *parts[PARTS + 2 * BF_KEY_COLUMNS_MAX];
    size_t keys;
    struct key after, through;
    int64_t slices, rows;
};

struct search {
    struct bf_session *session;
    const struct bf_mysql_cut *cut;
    size_t column; /* the first one in which the ends differ */
    struct key first;
    double grain;  /* rows of a pile */
    struct pile {
        struct key end;
        double rows_to_here;
    } *piles;      /* owned */
    size_t pile_count;
    double total;
    int looks;
    bool failed;   /* the server said no; its words are the connection's */
};

static void clear(struct key *key)
{
    for (size_t i = 0; i < BF_KEY_COLUMNS_MAX; i++) {
        free(key->text[i]);
        key->text[i] = NULL;
    }
}

static void copy(struct key *to, const struct key *from)
{
    clear(to);
    for (size_t i = 0; i < BF_KEY_COLUMNS_MAX; i++)
        to->text[i] = bf_copy_string(from->text[i]);
}

struct bf_mysql_cut *bf_mysql_cut_new(const struct bf_step *step)
{
    struct bf_mysql_cut *cut = BF_NEW(struct bf_mysql_cut);
    size_t count = 0;
    cut->sql = bf_copy_string(step->sql);
    for (char *part = cut->sql; part; count++) {
        char *end = strstr(part, BF_MYSQL_PART);
        if (end)
            *end = '\0';
        cut->parts[count] = part;
        part = end ? end + strlen(BF_MYSQL_PART) : NULL;
    }
    cut->keys = strlen(cut->parts[0]);
    for (size_t i = 0; i < cut->keys; i++) {
        cut->after.text[i] = bf_copy_string(step->parameters[i]);
        cut->through.text[i] = bf_copy_string(step->parameters[cut->keys + i]);
    }
    cut->slices = strtoll(step->parameters[2 * cut->keys], NULL, 10);
    cut->rows = strtoll(step->parameters[2 * cut->keys + 1], NULL, 10);
    return cut;
}

void bf_mysql_cut_free(struct bf_mysql_cut *cut)
{
    if (!cut)
        return;
    clear(&cut->after);
    clear(&cut->through);
    free(cut->sql);
    free(cut);
}

/* The answer to a part of the text, of a range from low to high; NULL: the server said no. The caller frees it. */
static MYSQL_RES *ask(struct search *search, const char *part, const struct key *low, const struct key *high)
{
    MYSQL *connection = search->session->connection;
    struct bf_flight flight = {0};
    struct bf_buffer buffer = {0};
    struct bf_step *step = bf_flight_add(&flight, BF_STATEMENT_QUANTILES, part);
    for (size_t i = 0; i < search->cut->keys; i++)
        bf_step_text(step, low ? low->text[i] : NULL);
    for (size_t i = 0; i < search->cut->keys; i++)
        bf_step_text(step, high ? high->text[i] : NULL);
    bf_mysql_expand(&buffer, step);
    bf_flight_clear(&flight);
    bool cancelled = atomic_load(&search->session->kill) != BF_MYSQL_KILL_NONE;
    bool failed = search->failed || cancelled || mysql_real_query(connection, buffer.text, (unsigned long)buffer.length);
    MYSQL_RES *result = failed ? NULL : mysql_store_result(connection);
    bf_buffer_clear(&buffer);
    atomic_store(&search->session->progressed, bf_mysql_clock());
    search->failed = search->failed || !result;
    return result;
}

/* The estimate that EXPLAIN gives, of all its lines. */
static double weigh(struct search *search, const char *part, const struct key *low, const struct key *high)
{
    MYSQL_RES *result = ask(search, part, low, high);
    double rows = 0;
    unsigned column = 0;
    if (!result)
        return 0;
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    while (column + 1 < mysql_num_fields(result) && strcmp(fields[column].name, "rows") != 0)
        column++;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        rows += row[column] ? strtod(row[column], NULL) : 0;
    mysql_free_result(result);
    return rows;
}

static bool read_key(struct search *search, MYSQL_RES *result, struct key *ret_key)
{
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    for (size_t i = 0; row && i < search->cut->keys; i++) {
        free(ret_key->text[i]);
        ret_key->text[i] = bf_copy_string(row[i]);
    }
    mysql_free_result(result);
    return row != NULL;
}

/* Does high come behind low? Only the server compares. */
static bool rises(struct search *search, const struct key *low, const struct key *high)
{
    MYSQL_RES *result = ask(search, search->cut->parts[3], low, high);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    bool rising = row && row[1] && strcmp(row[1], "0") == 0;
    mysql_free_result(result);
    return rising;
}

/* False: nothing is found that the server has between the two. */
static bool halve(struct search *search, const struct key *low, const struct key *high, struct key *ret_half)
{
    size_t column = search->column;
    char text[BF_MYSQL_CUT_MAX], kind = search->cut->parts[0][column];
    copy(ret_half, high);
    for (int attempt = 0; bf_mysql_between(kind, low->text[column], high->text[column], attempt, text); attempt++) {
        free(ret_half->text[column]);
        ret_half->text[column] = bf_copy_string(text);
        if (rises(search, low, ret_half) && rises(search, ret_half, high))
            return true;
    }
    return false;
}

/* Parts of the range, in the order of the keys, none of which has many rows. What the index says of many rows at once is too
 * much, and never more than half of the table: only what it says of few can be added up. */
static void part(struct search *search, const struct key *low, const struct key *high, int depth)
{
    struct key half = {0};
    double rows = weigh(search, search->cut->parts[PARTS + 2 * search->column], low, high);
    bool small = rows <= search->grain || depth == DEPTH || search->looks++ >= LOOKS || search->failed;
    if (small || !halve(search, low, high, &half)) {
        search->piles = bf_reallocate(search->piles, (search->pile_count + 1) * sizeof *search->piles);
        struct pile *pile = &search->piles[search->pile_count++];
        *pile = (struct pile){.rows_to_here = search->total += rows};
        copy(&pile->end, high);
    } else {
        part(search, low, &half, depth + 1);
        part(search, &half, high, depth + 1);
    }
    clear(&half);
}

static void take(struct bf_answer *answer, const struct key *key, size_t keys)
{
    answer->columns = keys;
    answer->values = bf_reallocate(answer->values, (answer->rows + 1) * keys * sizeof *answer->values);
    for (size_t i = 0; i < keys; i++)
        answer->values[answer->rows * keys + i] = bf_copy_string(key->text[i]);
    answer->rows++;
}

static void search_all(struct search *search, struct bf_answer *answer)
{
    const struct bf_mysql_cut *cut = search->cut;
    struct key limit = {0}, last = {0};
    copy(&search->first, &cut->after);
    if (!cut->after.text[0] && !read_key(search, ask(search, cut->parts[1], NULL, NULL), &search->first))
        return;
    while (search->column + 1 < cut->keys &&
           strcmp(search->first.text[search->column], cut->through.text[search->column]) == 0)
        search->column++;
    search->grain = weigh(search, cut->parts[2], NULL, NULL) / (double)cut->slices / 8;
    search->total = cut->after.text[0] ? 0 : 1; /* the first row itself */
    part(search, &search->first, &cut->through, 0);
    int64_t fit = (int64_t)(search->total / (double)cut->rows), slices = fit < cut->slices ? fit : cut->slices;
    copy(&last, &search->first);
    size_t pile = 0;
    for (int64_t i = 1; i < slices && !search->failed; i++) {
        const char *seek = cut->parts[PARTS + 2 * search->column + 1];
        while (search->piles[pile].rows_to_here < search->total * (double)i / (double)slices)
            pile++;
        const struct key *end = &search->piles[pile].end;
        if (!read_key(search, ask(search, seek, end, end), &limit) || !rises(search, &last, &limit) ||
            !rises(search, &limit, &cut->through))
            continue;
        take(answer, &limit, cut->keys);
        copy(&last, &limit);
    }
    clear(&limit);
    clear(&last);
}

bool bf_mysql_cut_run(struct bf_session *session, const struct bf_mysql_cut *cut, struct bf_answer *answer)
{
    struct search search = {.session = session, .cut = cut};
    answer->outcome = BF_OUTCOME_OK;
    answer->error_class = BF_CLASS_NONE;
    search_all(&search, answer);
    clear(&search.first);
    for (size_t i = 0; i < search.pile_count; i++)
        clear(&search.piles[i].end);
    free(search.piles);
    return !search.failed;
}
