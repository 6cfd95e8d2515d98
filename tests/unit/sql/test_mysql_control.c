/* Which statement of a step raised an error of ours, and what that means. */
#include "unit.h"

#include "allocate.h"
#include "mysql_dialect.h"

static void raised_by_mysql(void **state)
{
    (void)state;
    static const struct {
        enum bf_statement step;
        size_t statement, count;
        enum bf_error_class error_class;
        bool warned;
    } cases[] = {
        {BF_STATEMENT_FENCE, 0, 4, BF_CLASS_NOT_PRIMARY, false},      {BF_STATEMENT_FENCE, 2, 4, BF_CLASS_FENCE, false},
        {BF_STATEMENT_UPDATE, 0, 2, BF_CLASS_DATA, false},            {BF_STATEMENT_UPDATE, 1, 2, BF_CLASS_DATA, true},
        {BF_STATEMENT_UPDATE, 1, 4, BF_CLASS_DATA, true},             {BF_STATEMENT_UPDATE, 3, 4, BF_CLASS_NOT_PRIMARY, false},
        {BF_STATEMENT_UPDATE, 2, 5, BF_CLASS_DATA, false},            {BF_STATEMENT_UPDATE, 3, 5, BF_CLASS_DATA, true},
        {BF_STATEMENT_UPDATE, 3, 7, BF_CLASS_DATA, true},             {BF_STATEMENT_UPDATE, 6, 7, BF_CLASS_NOT_PRIMARY, false},
        {BF_STATEMENT_UPDATE, 4, 5, BF_CLASS_DATA, false},            {BF_STATEMENT_UPDATE, 4, 7, BF_CLASS_DATA, false},
        {BF_STATEMENT_UPDATE, 3, 6, BF_CLASS_DATA, true},             {BF_STATEMENT_UPDATE, 4, 6, BF_CLASS_LOCK, false},
        {BF_STATEMENT_UPDATE, 3, 8, BF_CLASS_DATA, true},             {BF_STATEMENT_UPDATE, 4, 8, BF_CLASS_LOCK, false},
        {BF_STATEMENT_UPDATE, 2, 8, BF_CLASS_DATA, false},            {BF_STATEMENT_UPDATE, 7, 8, BF_CLASS_NOT_PRIMARY, false},
        {BF_STATEMENT_TRY, 0, 3, BF_CLASS_DATA, false},               {BF_STATEMENT_TRY, 1, 3, BF_CLASS_DATA, true},
        {BF_STATEMENT_TRY, 3, 6, BF_CLASS_DATA, true},                {BF_STATEMENT_TRY, 4, 6, BF_CLASS_DATA, false},
        {BF_STATEMENT_TRY, 3, 7, BF_CLASS_DATA, true},                {BF_STATEMENT_TRY, 4, 7, BF_CLASS_LOCK, false},
        {BF_STATEMENT_LOCK, 0, 1, BF_CLASS_DATA, false},              {BF_STATEMENT_SET_ASIDE, 1, 13, BF_CLASS_DATA, false},
        {BF_STATEMENT_SET_ASIDE, 3, 13, BF_CLASS_DATA, true},         {BF_STATEMENT_SET_ASIDE, 4, 13, BF_CLASS_RESOURCES, false},
        {BF_STATEMENT_SET_ASIDE, 7, 13, BF_CLASS_DATA, false},        {BF_STATEMENT_SET_ASIDE, 9, 13, BF_CLASS_RESOURCES, false},
        {BF_STATEMENT_SET_ASIDE, 3, 15, BF_CLASS_DATA, true},         {BF_STATEMENT_SET_ASIDE, 13, 15, BF_CLASS_DATA, false},
        {BF_STATEMENT_SET_ASIDE, 3, 17, BF_CLASS_DATA, false},        {BF_STATEMENT_SET_ASIDE, 4, 17, BF_CLASS_DATA, false},
        {BF_STATEMENT_SET_ASIDE, 5, 17, BF_CLASS_DATA, true},         {BF_STATEMENT_SET_ASIDE, 6, 17, BF_CLASS_RESOURCES, false},
        {BF_STATEMENT_SET_ASIDE, 15, 17, BF_CLASS_DATA, true},        {BF_STATEMENT_SET_ASIDE, 21, 23, BF_CLASS_DATA, true},
        {BF_STATEMENT_REDO_ASIDE, 3, 11, BF_CLASS_DATA, false},
        {BF_STATEMENT_REDO_ASIDE, 4, 11, BF_CLASS_DATA, true},        {BF_STATEMENT_REDO_ASIDE, 9, 11, BF_CLASS_NOT_PRIMARY, false},
        {BF_STATEMENT_REDO_ASIDE, 9, 17, BF_CLASS_DATA, true},        {BF_STATEMENT_REDO_ASIDE, 15, 17, BF_CLASS_NOT_PRIMARY, false},
        {BF_STATEMENT_RESTORE, 5, 10, BF_CLASS_DATA, false},          {BF_STATEMENT_RESTORE, 6, 10, BF_CLASS_DATA, true},
        {BF_STATEMENT_RESTORE, 8, 10, BF_CLASS_NOT_PRIMARY, false},   {BF_STATEMENT_LEAVE, 1, 3, BF_CLASS_NOT_PRIMARY, false},
        {BF_STATEMENT_QUERY, 0, 1, BF_CLASS_DATA, false},             {BF_STATEMENT_SURVEY, 0, 1, BF_CLASS_DATA, false},
        {BF_STATEMENT_PROBE, 0, 1, BF_CLASS_DATA, false},             {BF_STATEMENT_CAP, 0, 1, BF_CLASS_DATA, false},
        {BF_STATEMENT_FLUSH, 0, 2, BF_CLASS_NOT_PRIMARY, false},      {BF_STATEMENT_WATCH, 1, 1, BF_CLASS_DATA, false},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        assert_int_equal(bf_mysql_raised(cases[i].step, cases[i].statement, cases[i].count), cases[i].error_class);
        assert_int_equal(bf_mysql_warned(cases[i].step, cases[i].statement, cases[i].count), cases[i].warned);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(raised_by_mysql)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
