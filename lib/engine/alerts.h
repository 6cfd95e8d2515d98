/* Alerts of others (POST /v1/alerts): each does to the job that it names at most what the job's document allows, and acts once,
 * also over a restart. */
#ifndef BF_ENGINE_ALERTS_H
#define BF_ENGINE_ALERTS_H

#include "engine.h"

/* Its texts are borrowed for the call; those that may be NULL say so. */
struct bf_alert {
    const char *fingerprint, *starts_at; /* under BF_MARK_NAME and BF_MARK_MORE bytes */
    bool firing;
    const char *name;    /* label alertname; NULL */
    const char *job;     /* label backfill: id or name of a job; NULL: it names none */
    const char *action;  /* label backfill_action: does no more than this; NULL: as much as the document allows */
    const char *summary; /* an annotation; NULL */
};

struct bf_alert_outcome {
    char fingerprint[72];
    char job[BF_ULID_TEXT]; /* "": none */
    bool acted;
    enum bf_order did;      /* where it acted */
    bool durable;           /* false: it is in effect and could not be stored */
    char text[256];         /* what it did, or why it did nothing */
};

/* In the order of the alerts; valid during the call. */
typedef void bf_alerted(void *argument, const struct bf_alert_outcome *outcomes, size_t count);
/* `done` comes when what follows is in effect and stored, from the loop or from inside the call. */
void bf_engine_take_alerts(struct bf_engine *engine, const struct bf_alert *alerts, size_t count, bf_alerted *done,
                           void *argument);

#endif
