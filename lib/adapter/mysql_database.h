/* The database port (lib/port/database.h) on MySQL and MariaDB: the blocking client library, a thread for each
 * call. */
#ifndef BF_ADAPTER_MYSQL_DATABASE_H
#define BF_ADAPTER_MYSQL_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "database.h"

/* Once, before the first thread: no connection reads the system's authorities, which it would do for nothing. The whole process
 * cannot ask them any more, but by naming their file. */
void bf_mysql_spare_authorities(void);
/* url: mysql://user@host1,host2:3307/database?socket=/path&ssl-mode=verify_identity&ssl-ca=/path&ssl-cert=/path&ssl-key=
 * /path; mariadb:// too. ssl-mode: preferred (the default: TLS where the server offers it, nothing is verified), disabled,
 * required (TLS or nothing), verify_ca, verify_identity (the certificate names the host too). Of
 * several hosts the one that is writable; two writable ones are refused. password_file: may be NULL; its first line is
 * the password, read anew at each connect. Both are copied. Call it before other threads use the client library. */
struct bf_database *bf_mysql_new(uv_loop_t *loop, const char *url, const char *password_file);
/* Every session has to be closed before. NULL is fine. */
void bf_mysql_free(struct bf_database *database);
/* Does the URL begin like one of ours? */
bool bf_mysql_is_url(const char *url);
/* Is it one that can be used? Writes why not; the text never quotes the URL. */
bool bf_mysql_valid(const char *url, char *text, size_t size);
/* Of a replica: it has one host, and need not name a database. `url` is one of ours. */
bool bf_mysql_valid_replica(const char *url, char *text, size_t size);
/* The primary's URL, with another host and port, and without a socket. The caller frees it. */
char *bf_mysql_url_at(const char *primary, const char *address);
/* A replica's URL, with the primary's database where it names none; both are valid. The caller frees it. */
char *bf_mysql_replica_url(const char *url, const char *primary);

#endif
