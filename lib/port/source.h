/* What triggers may ask besides the target: the sources of the configuration, by their names. Answers come by callback from
 * the loop, never from inside the call; they and the texts have no secrets in them. */
#ifndef BF_PORT_SOURCE_H
#define BF_PORT_SOURCE_H

#include <stdbool.h>

struct bf_inquiry; /* the adapter's */

/* Good: there is a finite value. Else `text` says why not; valid during the call. */
typedef void bf_inquired(void *argument, bool good, double value, const char *text);

struct bf_sources {
    void *context;
    /* Can that be asked? NULL: yes; else a sentence about `query` (which may be NULL), owned by the caller. *ret_found: there
     * is a source of that name. */
    char *(*check)(void *context, const char *source, const char *query, bool *ret_found);
    /* Never NULL; `done` comes once, after which the inquiry is gone. The texts are copied. */
    struct bf_inquiry *(*ask)(void *context, const char *source, const char *query, bf_inquired *done, void *argument);
    void (*cancel)(struct bf_inquiry *inquiry); /* no callback comes any more */
};

#endif
