/* The triggers of a job while it runs, and while it is paused by one that settles. trigger_read.c gets values,
 * triggers.c has lib/pace decide and gives the orders. */
#ifndef BF_ENGINE_TRIGGERS_H
#define BF_ENGINE_TRIGGERS_H

#include "monitor.h"
#include "source.h"
#include "trigger.h"

enum { BF_TRIGGER_TROUBLE = 240, BF_METERED_SECONDS = 10 };

struct bf_watched_trigger {
    struct bf_guard *guard;
    const struct bf_document_trigger *document;
    struct bf_trigger_rule rule;
    struct bf_trigger memory;
    int64_t asked_at, due;      /* monotonic milliseconds */
    bool waiting;               /* for the session of the target's triggers */
    struct bf_inquiry *inquiry; /* of a source, under way; NULL: none */
    char trouble[BF_TRIGGER_TROUBLE]; /* why the last reading failed */
};

/* What the job itself did until then. */
struct bf_metered {
    int64_t at; /* monotonic milliseconds */
    int64_t tried, failed, done; /* batches */
    int64_t time; /* microseconds of those that were done */
};

struct bf_guard {
    struct bf_guard *next; /* of the engine's; those that are on */
    struct bf_job *job;
    bool on;
    struct bf_timer *timer;
    struct bf_metered past[BF_METERED_SECONDS + 1]; /* one a second, the newest at `newest` */
    size_t past_count, newest;
    size_t count;
    struct bf_watched_trigger list[];
};

/* triggers.c */
void bf_triggers_look(struct bf_job *job); /* after every tick: do they watch, settle or rest? */
void bf_triggers_free(struct bf_job *job);
bool bf_triggers_settle(const struct bf_job *job); /* it is paused by one that will look again */
bool bf_triggers_need(const struct bf_monitor *monitor); /* some that are on look at its target */
/* Its turn has come: may it still be carried out? Somebody may have said something else meanwhile. */
bool bf_triggers_may_order(const struct bf_job *job, const struct bf_request *request);
/* Complains at what cannot be looked at on this target. */
void bf_target_check_triggers(const struct bf_engine *engine, const struct bf_target *target,
                              const struct bf_document *document, struct bf_complaints *complaints);
void bf_trigger_took(struct bf_watched_trigger *trigger, enum bf_reading_kind kind, double value);

/* trigger_read.c */
void bf_trigger_look_up(struct bf_watched_trigger *trigger); /* bf_trigger_took follows, here or later */
void bf_trigger_stop_asking(struct bf_watched_trigger *trigger);
void bf_trigger_meter(struct bf_guard *guard);
/* "log_rate", or of a kind that there are many of: "lag:db8", "autovacuum:public.orders". BF_SIGNAL_QUERY: neither. */
enum bf_signal_kind bf_trigger_signal_kind(const char *name, bool *ret_one_of_many);
bool bf_trigger_knows_signal(const struct bf_target *target, const struct bf_document *document, const char *signal);
const char *bf_trigger_sql(const struct bf_document *document, const struct bf_document_trigger *trigger); /* NULL */
/* The session for the queries of a target's triggers, one at a time. */
void bf_triggers_attend(struct bf_monitor *monitor);
void bf_triggers_fly(struct bf_line *line);
void bf_triggers_landed(struct bf_line *line, const struct bf_answer *answers);
void bf_triggers_lost(struct bf_line *line);

#endif
