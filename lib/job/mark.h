/* What the daemon has to remember of others: which alert it acted on, and up to which event a target's webhook was told. Plain
 * data; pure. */
#ifndef BF_JOB_MARK_H
#define BF_JOB_MARK_H

#include <stdint.h>

enum { BF_MARK_NAME = 72, BF_MARK_MORE = 48 };

enum bf_mark_kind {
    BF_MARK_ALERT,   /* name: its fingerprint, more: its startsAt; number: when it was seen last, unix milliseconds */
    BF_MARK_WEBHOOK, /* name: the target; number: the event */
    BF_MARK_AUDIT    /* of the audit log's newest record: name: its hash; number: its own; there is one such mark at most */
};

struct bf_mark {
    enum bf_mark_kind kind;
    char name[BF_MARK_NAME], more[BF_MARK_MORE];
    int64_t number;
};

#endif
