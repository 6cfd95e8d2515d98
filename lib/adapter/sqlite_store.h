/* lib/port/store.h made real: one SQLite file (WAL, synchronous = FULL) and one connection, used on libuv's thread pool.
 *
 * Happy path: a write waits while another is under way; when that one has ended, everything that waits by then goes into
 * one transaction, so that many jobs share one fsync. Callbacks come in the order of the calls.
 * Failure: the whole transaction is taken back and its writes are tried again, each in a transaction of its own, so that
 * one bad row does not fail the others; each caller hears its own result.
 * On close: whatever is outstanding is carried out and its callbacks are called, in order, before it returns: every
 * call is answered once, so that whoever waits can free what it keeps for the answer. */
#ifndef BF_ADAPTER_SQLITE_STORE_H
#define BF_ADAPTER_SQLITE_STORE_H

#include <uv.h>

#include "store.h"

enum { BF_STORE_EVENTS_MAX = 1000 }; /* most events that one read gives, whatever its limit */

/* Creates the file (mode 0600, its directory must exist) or brings an older one to the newest schema. BF_STORE_FAILED
 * with a text that names the file: it cannot be opened, is no store of ours, is of a newer version (then no byte of it
 * is changed), or another daemon has it open (a lock on PATH.lock, which stays there; a copy of the file has a lock of
 * its own). */
enum bf_code bf_sqlite_store_open(uv_loop_t *loop, const char *path, struct bf_store **ret_store,
                                  struct bf_error *error);
/* Not from inside a callback of the store. NULL is fine. Memory that the thread pool still holds is freed when the loop
 * has run once more. */
void bf_sqlite_store_close(struct bf_store *store);

#endif
