/* The database port (lib/port/database.h) on PostgreSQL: libpq without blocking, on libuv. */
#ifndef BF_ADAPTER_POSTGRESQL_H
#define BF_ADAPTER_POSTGRESQL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "database.h"

/* Can a connection have certificates verified against the system's authorities (sslrootcert=system)? libpq 16 and later can. */
bool bf_postgresql_asks_system(void);
/* conninfo: a libpq connection string or URI; several hosts, target_session_attrs and everything else that libpq knows.
 * password_file: may be NULL; its first line is the password, read anew at each connect. Both are copied. Nothing is
 * looked at before the first connect. */
struct bf_database *bf_postgresql_new(uv_loop_t *loop, const char *conninfo, const char *password_file);
/* Every session has to be closed before. NULL is fine. */
void bf_postgresql_free(struct bf_database *database);

#endif
