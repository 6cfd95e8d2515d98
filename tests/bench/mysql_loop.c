/* The bare loop that backfilld is measured against on MariaDB and MySQL: one UPDATE per key range, each its own
 * transaction, without checkpoint, fence or pace. mysql_loop SOCKET DATABASE TABLE LAST BATCH */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: mysql_loop SOCKET DATABASE TABLE LAST BATCH\n");
        return 2;
    }
    long long last = strtoll(argv[4], NULL, 10), batch = strtoll(argv[5], NULL, 10);
    MYSQL *connection = mysql_init(NULL);
    if (batch < 1 || !mysql_real_connect(connection, NULL, "root", "", argv[2], 0, argv[1], 0)) {
        fprintf(stderr, "mysql_loop: %s\n", mysql_error(connection));
        return 1;
    }
    for (long long low = 0; low < last; low += batch) {
        char sql[256];
        int length = snprintf(sql, sizeof sql, "UPDATE %s SET v = id %% 100 WHERE id > %lld AND id <= %lld", argv[3], low,
                              low + batch);
        if (mysql_real_query(connection, sql, (unsigned long)length)) {
            fprintf(stderr, "mysql_loop: %s\n", mysql_error(connection));
            return 1;
        }
    }
    mysql_close(connection);
    return 0;
}
