/* The shapes of ranges, and that every statement is there and says whose it is. What they do is tested on a server. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "document.h"
#include "mysql_dialect.h"

static struct bf_table table_of(size_t key_count)
{
    static char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    static char type[] = "bigint", reference[] = "ONLY \"s\".\"t\"";
    static struct bf_column set[] = {{.name = names[0], .type = type, .declared = type}};
    struct bf_table table = {.reference = reference, .key_count = key_count, .set = set, .set_count = 1};
    for (size_t i = 0; i < key_count; i++)
        table.key[i] = (struct bf_column){.name = names[i], .type = type, .declared = type};
    return table;
}

static struct bf_document document(void)
{
    static char name[] = "n\"", value[] = "n + 1", where[] = "x OR y";
    struct bf_document document = {.set_count = 1, .where = where};
    document.set[0] = (struct bf_pair){name, value};
    return document;
}

static void legs(void **state)
{
    (void)state;
    static const struct {
        size_t split, keys, legs;
    } cases[] = {{0, 1, 1}, {1, 1, 1}, {0, 2, 2}, {1, 2, 3}, {2, 2, 1}, {1, 3, 5}, {2, 3, 3}, {1, 8, 15}, {8, 8, 1}};
    for (size_t i = 0; i < BF_COUNT(cases); i++)
        assert_int_equal(bf_leg_count(cases[i].split, cases[i].keys), cases[i].legs);
}

/* dialect.h's own words for two columns, as SQL. */
static void two_columns(void **state)
{
    (void)state;
#define HEAD "/* backfilld J */ UPDATE ONLY \"s\".\"t\" SET \"n\"\"\" = (n + 1) WHERE "
#define TAIL " AND (x OR y)"
    static const struct {
        size_t split, leg;
        const char *text;
    } cases[] = {
        {0, 0, HEAD "\"a\" < $3::text::bigint" TAIL},
        {0, 1, HEAD "\"a\" = $3::text::bigint AND \"b\" <= $4::text::bigint" TAIL},
        {1, 0, HEAD "\"a\" = $1::text::bigint AND \"b\" > $2::text::bigint" TAIL},
        {1, 1, HEAD "\"a\" > $1::text::bigint AND \"a\" < $3::text::bigint" TAIL},
        {1, 2, HEAD "\"a\" = $3::text::bigint AND \"b\" <= $4::text::bigint" TAIL},
        {2, 0, HEAD "\"a\" = $1::text::bigint AND \"b\" > $2::text::bigint AND \"b\" <= $4::text::bigint" TAIL},
    };
    struct bf_table table = table_of(2);
    struct bf_document text = document();
    struct bf_statements *statements = bf_dialect_postgresql.render("J", &text, &table);
    for (size_t i = 0; i < BF_COUNT(cases); i++)
        assert_string_equal(statements->update[cases[i].split][cases[i].leg], cases[i].text);
    assert_null(statements->update[1][3]);
    bf_statements_free(statements);
}

/* An author's inverse touches neither what is still to be done nor what was passed over. */
static void an_inverse_spares(void **state)
{
    (void)state;
    static const struct bf_dialect *const dialects[] = {&bf_dialect_postgresql, &bf_dialect_mysql};
    static char unless[] = "n IS NULL OR n = 0";
    struct bf_table table = table_of(1);
    for (size_t i = 0; i < BF_COUNT(dialects); i++) {
        struct bf_document inverse = document();
        inverse.unless = unless;
        BF_AUTO_STRING char *pass = dialects[i]->tried(&inverse, &table, 1, 0);
        assert_non_null(strstr(pass, " AND (x OR y) AND (n IS NULL OR n = 0) IS NOT TRUE"));
        inverse.unless = NULL;
        inverse.spared = dialects[i]->spared("J", &table);
        assert_non_null(strstr(inverse.spared, "FROM backfilld.aside WHERE job = 'J' AND slice >= 0"));
        assert_non_null(strstr(inverse.spared, "FROM backfilld.bad_row WHERE job = 'J'"));
        BF_AUTO_STRING char *end = bf_format(" AND (x OR y) AND NOT (%s)", inverse.spared);
        BF_AUTO_STRING char *once = dialects[i]->tried(&inverse, &table, 1, 0);
        assert_non_null(strstr(once, end));
        free(inverse.spared);
    }
}

static void tagged(const char *text)
{
    assert_non_null(text);
    assert_int_equal(strncmp(text, "/* backfilld J */ ", 18), 0);
}

/* Statements that are rendered only where an undo journal is kept. */
static bool of_journal(enum bf_statement statement)
{
    static const enum bf_statement list[] = {BF_STATEMENT_MAKE_JOURNAL, BF_STATEMENT_STORE_JOURNAL, BF_STATEMENT_LOOK_BACK,
                                             BF_STATEMENT_RESTORE, BF_STATEMENT_LEAVE, BF_STATEMENT_COMPARE_JOURNAL,
                                             BF_STATEMENT_RECOMPUTE_FACTS, BF_STATEMENT_JOURNAL_SIZE};
    for (size_t i = 0; i < BF_COUNT(list); i++)
        if (list[i] == statement)
            return true;
    return false;
}

static void check_statements(enum bf_undo undo)
{
    for (size_t keys = 1; keys <= BF_KEY_COLUMNS_MAX; keys++) {
        struct bf_table table = table_of(keys);
        struct bf_document text = document();
        text.undo = undo;
        struct bf_statements *statements = bf_dialect_postgresql.render("J", &text, &table);
        assert_int_equal(statements->key_count, keys);
        for (enum bf_statement statement = 0; statement < BF_STATEMENT_KINDS; statement++)
            switch (statement) {
            case BF_STATEMENT_SURVEY:
            case BF_STATEMENT_CHECK:
            case BF_STATEMENT_SCHEMA:
            case BF_STATEMENT_QUERY:
            case BF_STATEMENT_MEASURE:
            case BF_STATEMENT_WRITES:
            case BF_STATEMENT_MARK:
            case BF_STATEMENT_SAMPLE:
            case BF_STATEMENT_SAMPLE_SLOW:
            case BF_STATEMENT_SAMPLE_ARCHIVE:
            case BF_STATEMENT_SAMPLE_FLOW:
            case BF_STATEMENT_SAMPLE_TABLE:
            case BF_STATEMENT_BEAT:
            case BF_STATEMENT_REPLICA_HOSTS:
            case BF_STATEMENT_LOG_READERS:
            case BF_STATEMENT_READ_BEAT:
            case BF_STATEMENT_REPLICA_SERVER:
            case BF_STATEMENT_REPLICA_STATUS:
            case BF_STATEMENT_LOG_WRITTEN:
            case BF_STATEMENT_CONFLICTS:
            case BF_STATEMENT_FOREIGN_JOBS:
            case BF_STATEMENT_FOREIGN_JOB:
            case BF_STATEMENT_FOREIGN_SLICES:
            case BF_STATEMENT_QUARANTINE:
            case BF_STATEMENT_BAD_ROWS:
            case BF_STATEMENT_PROVE:
            case BF_STATEMENT_JOURNAL_DUE:
            case BF_STATEMENT_DROP_JOURNAL:
            case BF_STATEMENT_DROP_BAD:
            case BF_STATEMENT_RECOUNT:
            case BF_STATEMENT_RECOMPUTE:
            case BF_STATEMENT_LOCK:
            case BF_STATEMENT_SET_ASIDE:
            case BF_STATEMENT_UPDATE:
            case BF_STATEMENT_TRY:
            case BF_STATEMENT_WATCH:
            case BF_STATEMENT_WATCHED:
            case BF_STATEMENT_BOUNDARY:
            case BF_STATEMENT_SPLIT:
            case BF_STATEMENT_COUNT:
            case BF_STATEMENT_PROBE:
            case BF_STATEMENT_CAP:
                assert_null(statements->text[statement]);
                break;
            default:
                if (of_journal(statement) && undo != BF_UNDO_JOURNAL)
                    assert_null(statements->text[statement]);
                else
                    tagged(statements->text[statement]);
            }
        for (size_t split = 0; split <= keys; split++) {
            for (size_t leg = 0; leg < bf_leg_count(split, keys); leg++) {
                tagged(statements->update[split][leg]);
                tagged(statements->update_rest[split][leg]);
                tagged(statements->set_aside[split][leg]);
                assert_null(statements->lock[split][leg]);
            }
            tagged(statements->recount[split]);
            tagged(statements->count[split]);
            tagged(statements->probe[split]);
            tagged(statements->cap[split]);
        }
        for (size_t shape = 0; shape < 2; shape++) {
            tagged(statements->boundary[shape]);
            tagged(statements->split[shape]);
        }
        bf_statements_free(statements);
    }
}

static void every_statement(void **state)
{
    (void)state;
    check_statements(BF_UNDO_NONE);
    check_statements(BF_UNDO_JOURNAL);
    bf_statements_free(NULL);
    bf_table_free(NULL);
    static const enum bf_statement common[] = {BF_STATEMENT_BEGIN, BF_STATEMENT_COMMIT, BF_STATEMENT_ROLLBACK,
                                               BF_STATEMENT_SERVER, BF_STATEMENT_FIND_DONE,
                                               BF_STATEMENT_LOG_END, BF_STATEMENT_REPLAYED, BF_STATEMENT_WATCH,
                                               BF_STATEMENT_WATCHED};
    for (size_t i = 0; i < BF_COUNT(common); i++)
        assert_non_null(bf_dialect_postgresql.common(common[i]));
}

/* The same for MySQL, whose texts are templates: RECOUNT has none, and every text expands. */
static void every_statement_of_mysql(void **state)
{
    (void)state;
    static char remaining[] = "m = '?' AND at < :started_at";
    struct bf_table table = table_of(3);
    struct bf_document text = document();
    text.remaining = remaining;
    struct bf_statements *statements = bf_dialect_mysql.render("J", &text, &table);
    static const enum bf_statement of_no_job[] = {BF_STATEMENT_SAMPLE, BF_STATEMENT_SAMPLE_SLOW, BF_STATEMENT_SAMPLE_FLOW,
                                                  BF_STATEMENT_BEAT, BF_STATEMENT_READ_BEAT,
                                                  BF_STATEMENT_REPLICA_SERVER, BF_STATEMENT_REPLICA_STATUS,
                                                  BF_STATEMENT_LOG_WRITTEN, BF_STATEMENT_REPLAYED,
                                                  BF_STATEMENT_REPLICA_HOSTS, BF_STATEMENT_LOG_READERS,
                                                  BF_STATEMENT_CONFLICTS, BF_STATEMENT_JOURNAL_DUE, BF_STATEMENT_DROP_BAD,
                                                  BF_STATEMENT_FOREIGN_JOBS,
                                                  BF_STATEMENT_FOREIGN_JOB, BF_STATEMENT_FOREIGN_SLICES,
                                                  BF_STATEMENT_WATCH, BF_STATEMENT_WATCHED};
    bool common[BF_STATEMENT_KINDS] = {false};
    for (size_t i = 0; i < BF_COUNT(of_no_job); i++) {
        common[of_no_job[i]] = true;
        assert_int_equal(strncmp(bf_dialect_mysql.common(of_no_job[i]), "/* backfilld */ ", 16), 0);
    }
    common[BF_STATEMENT_BAD_ROWS] = true;
    common[BF_STATEMENT_WRITES] = common[BF_STATEMENT_MARK] = true; /* of plans */
    for (enum bf_statement statement = 0; statement < BF_STATEMENT_KINDS; statement++)
        if ((bf_dialect_mysql.common(statement) && !common[statement]) || statement == BF_STATEMENT_HORIZON ||
            statement == BF_STATEMENT_FENCE || statement == BF_STATEMENT_NEXT_PASS || statement == BF_STATEMENT_TOUCH ||
            statement == BF_STATEMENT_LOG_END)
            tagged(statements->text[statement]);
    for (enum bf_statement statement = BF_STATEMENT_COUNT_ASIDE; statement <= BF_STATEMENT_REDO_ASIDE; statement++)
        tagged(statements->text[statement]);
    static const char asked[] = " AND (x OR y) AND (m = '?" "?' AND at <  TIMESTAMP'1970-01-01 00:00:00.000')";
    for (size_t split = 0; split <= 3; split++) {
        assert_null(statements->recount[split]);
        for (size_t leg = 0; leg < bf_leg_count(split, 3); leg++) {
            const char *quarantine = statements->quarantine[split][leg];
            tagged(quarantine);
            assert_null(strstr(quarantine, asked)); /* the row is known: `where` may be what the server stumbles over */
            assert_non_null(strstr(quarantine, "ON DUPLICATE KEY UPDATE slice = ?#8, seq = ?#9 + backfilld_number, error = ?10, `sqlstate` = ?11"));
            assert_non_null(strstr(statements->update[split][leg], asked));
            assert_non_null(strstr(statements->attempt[split][leg], asked));
        }
        assert_null(strstr(statements->count[split], asked));
        assert_non_null(strstr(statements->probe[split], asked));
        assert_non_null(strstr(statements->cap[split], asked));
    }
    bf_statements_free(statements);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

/* Does that statement of a step say this? And has the step so many? */
static void says(const char *text, size_t statement, const char *part, size_t count)
{
    const char *at = text;
    assert_int_equal(count_of(text, "?;") + 1, count);
    for (size_t i = 0; i < statement; i++)
        at = strstr(at, "?;") + 2;
    const char *end = strstr(at, "?;");
    BF_AUTO_STRING char *alone = bf_copy_bytes(at, end ? (size_t)(end - at) : strlen(at));
    assert_non_null(strstr(alone, part));
}

/* The held rows are met by a scan with any other timeout, and not at all by who goes to the free ones, or reads them in stretches. */
static void sets_aside(const char *aside, bool alone, bool one_by_one, bool stretches, size_t kept, bool wishes)
{
    assert_int_equal(!!strstr(aside, " innodb_lock_wait_timeout = 0, optimizer_max_sel_arg_weight = 0 FOR UPDATE"), one_by_one);
    assert_int_equal(count_of(aside, " = 0 FOR */ INSERT INTO backfilld.checkpoint"), wishes ? 0 : 1 + stretches);
    assert_int_equal(count_of(aside, " SKIP LOCKED ON DUPLICATE KEY UPDATE backfilld.checkpoint.slice = "), wishes ? 0 : 1 + stretches);
    assert_int_equal(!!strstr(aside, " AND (x OR y)?}, COALESCE(CONCAT(?{ AND ((`b`) IN (?}, @backfilld_free"), one_by_one && alone && !stretches);
    assert_int_equal(!!strstr(aside, " AND (x OR y)?}, COALESCE(CONCAT(?{ AND ((`a`, `b`) IN (?}, @backfilld_free"), one_by_one && !alone);
    assert_int_equal(!!strstr(aside, " AND (x OR y)?}, COALESCE(CONCAT(?{ AND NOT ((`b`) IN (?}, @backfilld_free"), alone && !stretches);
    assert_int_equal(!!strstr(aside, " AND NOT ((`a`, `b`) IN (?}, @backfilld_keys"), !one_by_one);
    size_t count = stretches ? 17 + 3 * kept : (one_by_one ? 11 : 13) + kept;
    assert_int_equal(count_of(aside, "?;") + 1, count);
    assert_int_equal(!!strstr(aside, " FOR UPDATE SKIP LOCKED?; "), wishes);
    if (!stretches)
        return;
    says(aside, 1, " FOR UPDATE SKIP LOCKED", count);
    says(aside, 3, " WHERE @backfilld_stretches IS NULL AND ", count);
    says(aside, 6, "IF(@backfilld_warned = 0, 1, ", count);
    says(aside, 7, ")), COALESCE(CONCAT(?{ AND NOT ((`b`) IN (?}, @backfilld_free", count);
    if (kept)
        says(aside, 10, " + (@backfilld_place := @backfilld_place + 1)", count);
    says(aside, 10 + kept, ")), COALESCE(CONCAT(?{ AND ((`b`) IN (?}, @backfilld_free, '))'), ' AND FALSE'))", count);
    says(aside, 12 + 2 * kept, "@backfilld_stretches, ", count);
    says(aside, count - 3, "EXECUTE backfilld_most_", count);
    says(aside, count - 2, "@backfilld_warned = IF(@@warning_count = 0, 0, ", count);
    says(aside, count - 1, "SELECT COUNT(*), @backfilld_most_", count);
}

/* Nothing waits for a lock while rows are held. mysql_control.c knows the statements of a step by their numbers. */
static void locks_of_mysql(void **state)
{
    (void)state;
    static char reference[] = "`s`.`t` FORCE INDEX (`PRIMARY`)", string[] = "varchar(20)";
    struct bf_document text = document();
    for (int kind = 0; kind < 16; kind++) {
        struct bf_table table = table_of(2);
        table.reference = reference;
        table.clustered = kind & 1;
        table.locks_first = kind & 2;
        if (kind & 4)
            table.key[1].type = string;
        bool journal = kind & 8;
        text.undo = journal ? BF_UNDO_JOURNAL : BF_UNDO_NONE;
        struct bf_statements *statements = bf_dialect_mysql.render("J", &text, &table);
        for (size_t split = 0; split <= 2; split++)
            for (size_t leg = 0; leg < bf_leg_count(split, 2); leg++) {
                size_t first = split == 1 ? 1 : 0; /* the leg of two columns in which the first one varies */
                bool alone = split == 2 || leg != first, one_by_one = !table.locks_first;
                assert_non_null(strstr(statements->update[split][leg], "innodb_lock_wait_timeout = 0 FOR */ UPDATE"));
                assert_int_equal(!!statements->lock[split][leg], table.locks_first && !journal);
                if (table.locks_first && !journal)
                    assert_non_null(strstr(statements->lock[split][leg], " AND (x OR y) FOR UPDATE NOWAIT"));
                assert_int_equal(!!statements->set_aside[split][leg], table.clustered);
                assert_int_equal(!!statements->update_rest[split][leg], table.clustered);
                if (table.clustered)
                    sets_aside(statements->set_aside[split][leg], alone, one_by_one, one_by_one && alone && !(kind & 4), journal ? 2 : 0, kind & 2);
            }
        const char *redo = statements->text[BF_STATEMENT_REDO_ASIDE];
        assert_int_equal(count_of(redo, "?;"), journal ? 16 : 10);
        assert_true(journal || strstr(redo, "= ROW_COUNT() + IF(@@warning_count") > strstr(redo, "EXECUTE"));
        bf_statements_free(statements);
    }
}

/* What a journal keeps stands around the UPDATE, which is of nothing else; the numbers are those of mysql_control.c. */
static void journal_of_mysql(void **state)
{
    (void)state;
    static char reference[] = "`s`.`t` FORCE INDEX (`PRIMARY`)", stamp[] = "at", time[] = "timestamp(6)";
    static char warned[] = "@@warning_count = 0", asked[] = "CAST(@@global.read_only AS CHAR)";
    struct bf_table table = table_of(2);
    struct bf_document text = document();
    struct bf_column set[] = {table.set[0], {.name = stamp, .type = time, .declared = time}};
    text.undo = BF_UNDO_JOURNAL;
    table.reference = reference;
    table.set = set;
    table.stamp_count = 1;
    table.clustered = table.locks_first = true;
    struct bf_statements *statements = bf_dialect_mysql.render("J", &text, &table);
    for (size_t split = 0; split <= 2; split++)
        for (size_t leg = 0, legs = bf_leg_count(split, 2); leg < legs; leg++) {
            char *const both[] = {statements->update[split][leg], statements->update_rest[split][leg]};
            assert_null(statements->lock[split][leg]); /* what is kept is locked as it is read */
            size_t asks = leg + 1 == legs ? 2 : 0;
            for (size_t i = 0; i < BF_COUNT(both); i++) {
                size_t counts = i == 0 ? 1 : 0, count = 5 + counts + asks;
                says(both[i], 1, "@backfilld_changed + IF(ROW_COUNT() < 0, ", count);
                says(both[i], 3, warned, count);
                says(both[i], 4 + counts, "INSERT INTO backfilld.`undo_j_after`", count);
                if (asks)
                    says(both[i], count - 1, asked, count);
            }
            says(both[0], 0, " AND (x OR y) FOR UPDATE NOWAIT", 6 + asks);
            says(both[0], 3, "SET @backfilld_found = ROW_COUNT()", 6 + asks);
            says(both[0], 4, "IF(@backfilld_found = @backfilld_kept, 0, ", 6 + asks);
            says(both[0], 5, " b STRAIGHT_JOIN ", 6 + asks);
        }
    says(statements->text[BF_STATEMENT_REDO_ASIDE], 9, warned, 17);
    says(statements->text[BF_STATEMENT_REDO_ASIDE], 15, asked, 17);
    const char *restore = statements->text[BF_STATEMENT_RESTORE];
    says(restore, 5, "SET t.`a` = b.`before_a`, t.`at` = IF(t.`at` <=> a.`after_at`, b.`before_at`, t.`at`) WHERE", 10);
    says(restore, 6, warned, 10);
    says(restore, 8, asked, 10);
    says(statements->text[BF_STATEMENT_LEAVE], 1, asked, 3);
    says(statements->text[BF_STATEMENT_MAKE_JOURNAL], 3, "BEGIN", 4);
    bf_statements_free(statements);

    static char clock[] = "b < now() OR y";
    text.where = clock;
    statements = bf_dialect_mysql.render("J", &text, &table);
    says(statements->update[2][0], 2, "`s`.`t`.`b` = b.`key_b`) LIMIT 18446744073709551615", 7);
    bf_statements_free(statements);
    text.where = NULL;
    statements = bf_dialect_mysql.render("J", &text, &table);
    says(statements->update[2][0], 4, "IF(@backfilld_found = @backfilld_kept, 0, ", 8);
    says(statements->update[2][0], 5, " FROM `s`.`t` FORCE INDEX (`PRIMARY`) WHERE ", 8);
    bf_statements_free(statements);
}

/* How a value is told from any other one: by its bytes, where equality says too little. */
static void images_of_mysql(void **state)
{
    (void)state;
    static const struct {
        const char *type, *same;
    } cases[] = {
        {"bigint(20) unsigned", "t.`a` <=> b.`before_a`"},
        {"varbinary(7)", "t.`a` <=> b.`before_a`"},
        {"varchar(7)", "CAST(t.`a` AS BINARY) <=> CAST(b.`before_a` AS BINARY)"},
        {"json", "CAST(CAST(t.`a` AS CHAR) AS BINARY) <=> CAST(CAST(b.`before_a` AS CHAR) AS BINARY)"},
        {"double", "t.`a` <=> b.`before_a` AND CAST(t.`a` AS CHAR) <=> CAST(b.`before_a` AS CHAR)"},
        {"enum('x','y')", "(t.`a` + 0 = 0) <=> (b.`before_a` + 0 = 0) AND CAST(t.`a` AS BINARY) <=> CAST(b.`before_a` AS BINARY)"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_table table = table_of(1);
        struct bf_column set = table.set[0];
        struct bf_buffer buffer = {0};
        BF_AUTO_STRING char *type = bf_copy_string(cases[i].type);
        set.type = type;
        table.set = &set;
        bf_mysql_image_same(&buffer, &table, 0, "t.", "before", "b.");
        BF_AUTO_STRING char *same = bf_buffer_take(&buffer);
        assert_string_equal(same, cases[i].same);
    }
    static const struct {
        const char *type, *charset, *kept;
        int64_t octets;
        size_t columns;
    } kept[] = {
        {"int(11)", NULL, "int(11)", 0, 3},
        {"varchar(60)", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "varchar(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", 240, 3},
        {"varchar(64)", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", 256, 3},
        {"varchar(60)", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", 240, 40},
        {"binary(255)", NULL, "binary(255)", 255, 1},
        {"varbinary(3000)", NULL, "blob", 3000, 1},
        {"text /*M!100301 COMPRESSED*/", " CHARACTER SET latin1 COLLATE latin1_bin", "text CHARACTER SET latin1 COLLATE latin1_bin",
         65535, 1},
    };
    for (size_t i = 0; i < BF_COUNT(kept); i++) {
        BF_AUTO_STRING char *type = bf_mysql_kept_type(kept[i].type, kept[i].charset, kept[i].octets, kept[i].columns);
        assert_string_equal(type, kept[i].kept);
    }
}

/* A text to be prepared: what it holds is one literal, the parameters in it too. */
static void quoted_by_mysql(void **state)
{
    (void)state;
    struct bf_step step = {.statement = BF_STATEMENT_SURVEY,
                           .sql = "SET @s = CONCAT(?{a = ?1 AND b = ?#2?}, 'x', ?{)?})?; EXECUTE s"};
    struct bf_buffer buffer = {0};
    bf_step_text(&step, "it's");
    bf_step_number(&step, 7);
    assert_int_equal(bf_mysql_expand(&buffer, &step), 2);
    BF_AUTO_STRING char *sql = bf_buffer_take(&buffer);
    assert_string_equal(sql, "SET @s = CONCAT(_utf8mb4 X'61203D205F757466386D62342058273639373432373733272"
                             "0414E442062203D2037', 'x', ')'); EXECUTE s");
    free(step.parameters[0]);
    free(step.parameters[1]);
}

/* A number is a number; what is none is made one by the server, which warns of it. */
static void integers_of_mysql(void **state)
{
    (void)state;
    struct bf_step step = {.statement = BF_STATEMENT_SURVEY, .sql = "?s1 ?u2 ?s3 ?u3 ?s4"};
    struct bf_buffer buffer = {0};
    bf_step_text(&step, "-5");
    bf_step_text(&step, "18446744073709551615");
    bf_step_text(&step, "7 OR 1");
    bf_mysql_expand(&buffer, &step);
    BF_AUTO_STRING char *sql = bf_buffer_take(&buffer);
    assert_string_equal(sql, "-5 18446744073709551615 CAST('7 OR 1' AS SIGNED) CAST('7 OR 1' AS UNSIGNED) NULL");
    for (size_t i = 0; i < step.parameter_count; i++)
        free(step.parameters[i]);
}

/* The rows that a trial changes are named by their keys, in whatever form the server can read them again. */
static void trial_of_mysql(void **state)
{
    (void)state;
    static char remaining[] = "m = '?'", odd[] = "b?", binary[] = "binary(16)", reference[] = "`s`.`t` FORCE INDEX (`PRIMARY`)";
    struct bf_table table = table_of(2);
    struct bf_document text = document();
    text.remaining = remaining;
    table.reference = reference;
    table.key[1] = (struct bf_column){.name = odd, .type = binary};
    struct bf_step step = {.statement = BF_STATEMENT_SURVEY};
    struct bf_buffer buffer = {0};
    char *template = bf_dialect_mysql.trial(&text, &table);
    step.sql = template;
    assert_int_equal(bf_mysql_expand(&buffer, &step), 10);
    BF_AUTO_STRING char *sql = bf_buffer_take(&buffer);
    free(template);
    assert_non_null(strstr(sql, "CAST(`a` AS CHAR)"));
    assert_non_null(strstr(sql, "'X''', HEX(`b?`), ''''"));
    assert_non_null(strstr(sql, " AS k FROM `s`.`t` WHERE TRUE AND (x OR y) AND (m = '?') LIMIT 100) picked)"));
    assert_null(strstr(sql, "?" "?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legs), cmocka_unit_test(two_columns), cmocka_unit_test(an_inverse_spares),
        cmocka_unit_test(every_statement), cmocka_unit_test(every_statement_of_mysql), cmocka_unit_test(locks_of_mysql),
        cmocka_unit_test(quoted_by_mysql), cmocka_unit_test(integers_of_mysql), cmocka_unit_test(journal_of_mysql),
        cmocka_unit_test(images_of_mysql), cmocka_unit_test(trial_of_mysql)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
