/* What the tests of the store share: a store in a directory of its own, records, and what is heard back. */
#ifndef BF_TESTS_STORE_CASE_H
#define BF_TESTS_STORE_CASE_H

#include <uv.h>

#include "sqlite_store.h"
#include "unit.h"

#define ULID(end) "01JD0000000000000000000" end
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

struct fixture {
    char directory[64];
    char *path;
    uv_loop_t loop;
    struct bf_store *store;
};

/* The results of writes, in the order in which they came. */
struct heard {
    int order[16];
    enum bf_code code[16];
    char text[BF_ERROR_TEXT_MAX];
    size_t count;
    bool inside; /* a call into the store is under way */
};

struct call {
    struct heard *heard;
    int number;
};

struct loaded {
    struct bf_record list[16];
    size_t count;
};

struct found {
    struct bf_event list[BF_STORE_EVENTS_MAX];
    size_t count;
    int calls;
    enum bf_code code;
};

void open_store(struct fixture *fixture);
/* Runs the loop too, so that nothing is left of the store. */
void close_store(struct fixture *fixture);
/* A store in a directory of its own, not yet open; and its end. */
int set_up(void **state);
int tear_down(void **state);
/* A record of job "orders", in planning; the caller clears it. */
struct bf_record make_record(const char *id);
char *read_file(const char *path, size_t *ret_length);
void copy_file(const char *from, const char *to);
/* call NULL: nobody wants to hear how it ended. */
void save(struct fixture *fixture, const struct bf_record *record, const struct bf_event *events, size_t count,
                 struct call *call);
void on_loaded(void *argument, struct bf_record *record);
void load(struct fixture *fixture, struct loaded *loaded);
void forget(struct loaded *loaded);
void on_events(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error);
/* Runs the loop until the answer is there. */
void read_events(struct fixture *fixture, const char *job, int64_t after, size_t limit, struct found *found);
void add_event(struct fixture *fixture, struct bf_record *record, const char *text);

#endif
