/* What is wrong with the store, in words for the person who has to mend it. */
#ifndef BF_ADAPTER_SQLITE_REASON_H
#define BF_ADAPTER_SQLITE_REASON_H

#include <sqlite3.h>

/* Of the call on this connection that failed last: why, and what to do. system_error: the errno that it left, 0: not known
 * (SQLite has a copy only of some). The caller frees it. */
char *bf_sqlite_reason(sqlite3 *connection, int system_error);

#endif
