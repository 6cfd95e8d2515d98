/* The engine in a world of one's own: time that stands still until it is told, a store that remembers over restarts and
 * can fail, and a server that lets submissions through and no job in. */
#ifndef BF_TESTS_ENGINE_WORLD_H
#define BF_TESTS_ENGINE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "unit.h"

enum { JOBS_MAX = 20, EVENTS_MAX = 400, WRITES_MAX = 400, TARGETS = 2 };

struct bf_timer;
struct bf_session;
struct write;

struct stored {
    struct bf_record record;
    bool there;
};

struct test_world {
    struct bf_world world;
    struct bf_store store;
    struct bf_database database;
    struct bf_target targets[TARGETS]; /* shop, legacy */
    const struct bf_sources *sources;  /* NULL: none */
    struct bf_engine *engine;
    int64_t monotonic, unix_time;      /* milliseconds */
    unsigned char chance;
    struct bf_timer *timers;           /* list */
    struct bf_session *sessions;       /* list */
    struct write *first, *last;        /* under way in the store */
    bool store_fails;                  /* every write that ends now */
    bool store_waits;                  /* writes do not end */
    bool server_silent;                /* nobody who connects hears anything */
    bool server_refuses;               /* ... or is turned away */
    bool pooled;                       /* ... or comes to a pooler */
    bool unmeasured;                   /* the server does not tell what a plan asks of its catalogues */
    const char *position;              /* what the server says of a checkpoint; NULL: there is none */
    int connects, cancels;
    int64_t rows_bad;                  /* of jobs that are made from now on */
    bool journal;                      /* jobs that are made from now on have begun, and a way back */
    bool counting;                     /* a flight that counts rows is under way */
    struct stored jobs[JOBS_MAX];      /* what the store holds */
    int job_count;
    struct bf_latch latches[8];
    int latch_count;
    struct bf_ignored ignored[8];
    int ignored_count;
    struct bf_mark marks[8]; /* as they were saved, one behind the other */
    int mark_count;
    struct bf_event events[EVENTS_MAX]; /* stored */
    int event_count;
};

struct test_world *world_new(void);
void world_free(struct test_world *world);
/* The engine on what is in the store. Nothing happens before world_run. */
void world_start(struct test_world *world);
void world_crash(struct test_world *world);
/* Until nothing more happens without time passing. */
void world_run(struct test_world *world);
bool world_step(struct test_world *world); /* one thing of what world_run does; false: nothing is left */
void world_pass(struct test_world *world, int64_t milliseconds);

/* A job in the store, in any state; the id of the n-th ends in n. `more`: further members of the document, or "". */
const char *world_job(struct test_world *world, const char *name, const char *target, enum bf_state state,
                      const char *more);
struct bf_record *world_stored(struct test_world *world, const char *name); /* the newest of that name */
const struct bf_job *world_find(struct test_world *world, const char *name);
enum bf_state world_state(struct test_world *world, const char *name);
/* The last stored event of a job (NULL: of no job), or of that type. */
const struct bf_event *world_event(struct test_world *world, const char *name, const char *type);

/* engine_store.c, for engine_world.c */
void world_open_store(struct test_world *world);
void world_put(struct test_world *world, struct bf_record *record); /* takes over what it owns */
bool world_write_one(struct test_world *world, bool fails);          /* false: nothing is under way */

/* What came back. */
struct heard {
    int times;
    enum bf_code code;
    bool already, durable;
    char id[BF_ULID_TEXT];
    char pointer[64]; /* of the first complaint */
    char text[BF_ERROR_TEXT_MAX];
};
void on_answer(void *argument, const struct bf_outcome_of_order *outcome);
/* Gives the order and runs until it is answered. */
struct heard order(struct test_world *world, const char *name, enum bf_order what);
struct heard pause_for(struct test_world *world, const char *name, int64_t milliseconds);
struct heard tune(struct test_world *world, const char *name, const char *change, const char *if_match);

#endif
