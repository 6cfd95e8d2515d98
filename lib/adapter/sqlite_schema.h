/* The store's file: opened with its settings, its schema brought forward step by step. Blocking; for this floor only. */
#ifndef BF_ADAPTER_SQLITE_SCHEMA_H
#define BF_ADAPTER_SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "result.h"

/* Step n (counted from 1) makes a store of version n out of one of version n - 1. Steps are only ever added: a step that
 * once was in a release never changes. */
struct bf_schema_steps {
    const char *const *sql;
    int count;
};
extern const struct bf_schema_steps bf_store_steps;

/* All failures are BF_STORE_FAILED with a text that names the file. A store of a newer version than the steps know, or a
 * database of something else, is refused before anything is changed. All steps run in one transaction. */
enum bf_code bf_schema_open(const char *path, const struct bf_schema_steps *steps, sqlite3 **ret_connection,
                            struct bf_error *error);
/* The lock on PATH.lock; *ret_descriptor holds it until it is closed, or until the process ends in whatever way. */
enum bf_code bf_schema_lock(const char *path, int *ret_descriptor, struct bf_error *error);

#endif
