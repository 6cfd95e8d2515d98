/* The limits of documents against what the monitor of their target measures, for every kind of signal that is the server's
 * or a table's. Replicas and the documents' own queries are the walk's business (walk_hold.c). */
#ifndef BF_ENGINE_SIGNALS_H
#define BF_ENGINE_SIGNALS_H

#include "monitor.h"

/* The signal of this kind in the eyes of a job that has a limit for it, under a name of its own; BF_SIGNAL_NEVER where it
 * could not be measured. */
void bf_signal_measure(const struct bf_job *job, const struct bf_monitor *monitor, enum bf_signal_kind kind,
                       struct bf_signal *ret_signal);
/* As people and GET /v1/targets call it. */
void bf_signal_label(const struct bf_signal *signal, char label[BF_SIGNAL_NAME]);
enum { BF_SUBJECT_TEXT = BF_SIGNAL_NAME + 64, BF_AMOUNT_TEXT = 32 };
void bf_signal_subject(const struct bf_signal *signal, char subject[BF_SUBJECT_TEXT]); /* "the log kept by slot a" */
void bf_signal_amount(const struct bf_signal *signal, double value, char amount[BF_AMOUNT_TEXT]); /* "5.2 GiB" */
enum bf_code bf_signal_code(enum bf_signal_kind kind); /* of the reason of who holds because of it */
/* Does the target have this kind at all? */
bool bf_signal_is_measured(const struct bf_target *target, enum bf_signal_kind kind);

#endif
