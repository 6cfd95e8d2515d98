/* The bare loop that backfilld is measured against: one prepared UPDATE per key range, each its own transaction, without
 * checkpoint, fence or pace. loop CONNINFO TABLE LAST BATCH */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static void check(PGconn *connection, PGresult *result, ExecStatusType wanted)
{
    if (PQresultStatus(result) != wanted) {
        fprintf(stderr, "loop: %s", PQerrorMessage(connection));
        exit(1);
    }
    PQclear(result);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: loop CONNINFO TABLE LAST BATCH\n");
        return 2;
    }
    long long last = strtoll(argv[3], NULL, 10), batch = strtoll(argv[4], NULL, 10);
    PGconn *connection = PQconnectdb(argv[1]);
    if (PQstatus(connection) != CONNECTION_OK || batch < 1) {
        fprintf(stderr, "loop: %s", PQerrorMessage(connection));
        return 1;
    }
    char sql[256];
    snprintf(sql, sizeof sql, "UPDATE %s SET v = (id %% 100)::int WHERE id > $1::bigint AND id <= $2::bigint", argv[2]);
    check(connection, PQprepare(connection, "u", sql, 0, NULL), PGRES_COMMAND_OK);
    for (long long low = 0; low < last; low += batch) {
        char from[24], to[24];
        const char *values[] = {from, to};
        snprintf(from, sizeof from, "%lld", low);
        snprintf(to, sizeof to, "%lld", low + batch);
        check(connection, PQexecPrepared(connection, "u", 2, values, NULL, NULL, 0), PGRES_COMMAND_OK);
    }
    PQfinish(connection);
    return 0;
}
