/* The forms of a batch, and when which (P6). */
#include <stdio.h>

#include "internal.h"

enum {
    QUICK_WAIT = 2,      /* milliseconds: far under every deadlock_timeout, so nobody is ever a deadlock's victim */
    CAREFUL_WAIT = 50,   /* the rows are locked already; this is for an index page, a referenced row, the file's growth */
    SIFTED_BATCHES = 10, /* in a row without a row that somebody held, then the quick form is tried again */
    CAREFUL_BATCHES = 3
};

static bool built(const struct bf_walk *walk)
{
    return walk->statements && walk->statements->set_aside[0][0];
}

enum bf_form bf_walk_form(const struct bf_walk *walk)
{
    const struct bf_locks *locks = &walk->locks;
    return locks->careful > 0 ? BF_FORM_CAREFUL : locks->sifted > 0 ? BF_FORM_SIFTED : BF_FORM_QUICK;
}

void bf_walk_add_lock(struct bf_walk *walk, const struct bf_legs *range)
{
    struct bf_legs plain = *range;
    plain.seq = 0;
    if (walk->statements->lock[plain.split][0])
        bf_walk_add_legs(walk, BF_STATEMENT_LOCK, walk->statements->lock[plain.split], &plain);
}

static void add_update(struct bf_walk *walk, const struct bf_legs *range)
{
    struct bf_legs own = *range;
    if (walk->job->record.document->undo != BF_UNDO_JOURNAL)
        own.seq = 0;
    bf_walk_add_legs(walk, BF_STATEMENT_UPDATE, walk->statements->update[own.split], &own);
}

void bf_walk_add_try(struct bf_walk *walk, const struct bf_legs *range)
{
    char *const *legs = walk->statements->attempt[range->split];
    if (!legs[0]) {
        add_update(walk, range);
        return;
    }
    struct bf_legs own = *range;
    if (walk->job->record.document->undo != BF_UNDO_JOURNAL)
        own.seq = 0;
    bf_walk_add_legs(walk, BF_STATEMENT_TRY, legs, &own);
}

void bf_walk_add_change(struct bf_walk *walk, const struct bf_legs *range, enum bf_form form)
{
    const struct bf_statements *statements = walk->statements;
    struct bf_legs own = *range;
    if (form == BF_FORM_QUICK) {
        bf_walk_add_lock(walk, range);
        add_update(walk, range);
        return;
    }
    own.careful = form == BF_FORM_CAREFUL;
    bf_walk_add_legs(walk, BF_STATEMENT_SET_ASIDE, statements->set_aside[own.split], &own);
    bf_walk_add_legs(walk, BF_STATEMENT_UPDATE, statements->update_rest[own.split], &own);
}

int64_t bf_walk_lock_wait(const struct bf_walk *walk, enum bf_form form)
{
    int64_t most = walk->lock_timeout, wait = form == BF_FORM_CAREFUL ? CAREFUL_WAIT : QUICK_WAIT;
    return built(walk) && wait < most ? wait : most;
}

bool bf_walk_go_careful(struct bf_walk *walk)
{
    if (walk->bisect.on) {
        if (!walk->owner || !built(walk) || walk->bisect.careful)
            return false;
        walk->bisect.careful = true;
        walk->phase = BF_PHASE_READY;
        return true;
    }
    if (!walk->owner || !walk->have_next || walk->done || !built(walk) || walk->locks.form == BF_FORM_CAREFUL)
        return false;
    if (walk->locks.form == BF_FORM_SIFTED)
        walk->locks.careful = CAREFUL_BATCHES;
    walk->locks.sifted = SIFTED_BATCHES;
    walk->locks.form = BF_FORM_CAREFUL; /* until a batch is sent: what else fails is no reason */
    walk->phase = BF_PHASE_READY;
    return true;
}

void bf_walk_set_aside(struct bf_walk *walk, int64_t rows)
{
    struct bf_locks *locks = &walk->locks;
    locks->holder[0] = '\0';
    if (rows)
        locks->sifted = SIFTED_BATCHES;
    else if (locks->form == BF_FORM_SIFTED && locks->sifted > 0)
        locks->sifted--;
    if (locks->form == BF_FORM_CAREFUL && locks->careful > 0)
        locks->careful--;
    bf_walk_count(walk, 0, 0, 0, rows);
}

void bf_walk_name_holder(const struct bf_walk *walk, char *text, size_t size)
{
    const char *holder = walk->locks.holder;
    snprintf(text, size, "%s%s", *holder ? "; held by " : "", holder);
}
