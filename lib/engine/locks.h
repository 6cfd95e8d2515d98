/* P6: what a walk does about locks. It waits for nobody while it holds rows, and gives way to who waits for it.
 *
 *   quick form of a batch: the plain UPDATE, that waits for a lock as good as not at all, or locks its rows before (LOCK)
 *      -> a row is held by another: the same range in the sifted form, and so for some batches
 *   sifted form: rows that others hold are set aside first: written down on the target in the same transaction, done before
 *      the job is verified, a few in one transaction; the last ones are waited for one by one. Then as the quick form
 *      -> a row was locked meanwhile: the same range in the careful form
 *   careful form: the same, and every other row is locked before the first one is changed
 */
#ifndef BF_ENGINE_LOCKS_H
#define BF_ENGINE_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"
#include "result.h"

struct bf_engine;
struct bf_job;
struct bf_walk;
struct bf_target;
struct bf_watcher;

enum { BF_WHO_TEXT = 300 };

enum bf_form { BF_FORM_QUICK, BF_FORM_SIFTED, BF_FORM_CAREFUL };

/* Part of a walk; zeroed at its beginning. */
struct bf_locks {
    int sifted, careful; /* batches that are still run in these forms, the stricter one first */
    enum bf_form form; /* of the batch under way */
    int64_t sweep_seq; /* how far the rows set aside were looked at: seq and key; NULL: from the first */
    char *sweep_key;   /* owned */
    int64_t swept;     /* how many of them were done since the first */
    int singly;        /* so many of them are still done one by one, for one of them was refused */
    bool alone;        /* the one under way is */
    bool refused;      /* it was refused: it is on its way into the quarantine */
    int64_t struck;    /* that many rows are */
    bool patient;      /* every one of them is held: the first is waited for */
    bool said_short;   /* that batches are shorter, because others wait for what they hold */
    bool yielding;     /* what is under way was cancelled by us, because somebody waits */
    char waiter[BF_WHO_TEXT]; /* who waits, for people */
    char holder[BF_WHO_TEXT]; /* whom we were last seen waiting for; "" */
};

/* walk_locks.c */
enum bf_form bf_walk_form(const struct bf_walk *walk); /* of the next batch */
int64_t bf_walk_lock_wait(const struct bf_walk *walk, enum bf_form form); /* milliseconds, for a batch that holds rows */
/* A batch met a lock. True: the same range is tried at once in a more careful form. */
bool bf_walk_go_careful(struct bf_walk *walk);
void bf_walk_set_aside(struct bf_walk *walk, int64_t rows); /* a batch was committed */
/* ", held by ..." of whom the walk was last seen waiting for; "" */
void bf_walk_name_holder(const struct bf_walk *walk, char *text, size_t size);

/* walk_aside.c */
bool bf_walk_aside_due(const struct bf_walk *walk); /* rows set aside have their turn now */
void bf_walk_redo_aside(struct bf_walk *walk);
void bf_walk_aside_redone(struct bf_walk *walk); /* the answer came */
/* Several of them were taken back, for one of them was refused. True: they are done one by one. */
bool bf_walk_aside_singly(struct bf_walk *walk);

/* watcher.c: a second session for each target, that looks who waits for us while a batch runs or is tried. */
void bf_watcher_batch_sent(struct bf_engine *engine, const struct bf_target *target); /* of a job, or of a plan's trial */
/* A session of a walk or a plan was closed: the last one of a target closes the watcher. */
void bf_watcher_left(struct bf_engine *engine, const struct bf_target *target);
void bf_watchers_drop(struct bf_engine *engine);

#endif
