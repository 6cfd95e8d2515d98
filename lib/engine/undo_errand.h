/* An errand about a job's undo journal, or its rows in quarantine, beside its walk: undo.c makes it and carries it, undo_list.c
 * lists. */
#ifndef BF_ENGINE_UNDO_ERRAND_H
#define BF_ENGINE_UNDO_ERRAND_H

#include "internal.h"

enum bf_undo_errand_kind { BF_UNDO_LOOK, BF_UNDO_LIST, BF_UNDO_LIST_BAD, BF_UNDO_DROP };

struct bf_undo_errand {
    struct bf_undo_errand *previous, *next;
    struct bf_engine *engine;
    const struct bf_target *target;
    enum bf_undo_errand_kind what;
    char id[BF_ULID_TEXT]; /* of the job */
    char *actor;           /* owned; of BF_UNDO_DROP; NULL: it was kept for long enough */
    char *sql;             /* owned */
    struct bf_conflict_place after;
    int64_t limit;
    struct bf_table *table;
    struct bf_statements *statements;
    struct bf_session *session;
    struct bf_flight flight;
    struct bf_timer *deadline;
    bf_undo_answered *answered; /* NULL: of BF_UNDO_DROP */
    bf_ordered *done;           /* of BF_UNDO_DROP; NULL: nobody waits */
    void *argument;
};

struct bf_undo_errand *bf_undo_new_errand(const struct bf_job *job, enum bf_undo_errand_kind what);
void bf_undo_send(struct bf_undo_errand *errand); /* connects; then what it is about is asked */
void bf_undo_free_errand(struct bf_undo_errand *errand);
void bf_undo_refuse(enum bf_code code, const char *text, bf_undo_answered *answered, void *argument);
/* False: what came back is an error, and the errand was given up. */
bool bf_undo_fine(struct bf_undo_errand *errand, const struct bf_answer *answers, bool lost, const char *doing);

void bf_undo_list(struct bf_undo_errand *errand); /* undo_list.c: it is connected */

#endif
