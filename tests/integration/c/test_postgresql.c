/* The PostgreSQL dialect and adapter together, against the server that BACKFILLD_TEST_PG names (run-with-server). */
#include "test_postgresql.h"

int main(void)
{
    int failed = test_sessions();
    failed += test_ranges();
    failed += test_protocol();
    failed += test_survey();
    return failed ? 1 : 0;
}
