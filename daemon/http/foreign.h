/* What a target knows of jobs that are not this daemon's, for /v1/targets. */
#ifndef BF_HTTP_FOREIGN_H
#define BF_HTTP_FOREIGN_H

#include "server.h"

/* The answer to FOREIGN_JOBS as it is shown, with what this daemon knows by itself; owned. */
json_t *bf_foreign_read(const struct bf_engine *engine, const struct bf_answer *answer);
/* What of it this daemon does not know now; owned. `read` NULL: it is not known, and null. */
json_t *bf_foreign_view(const struct bf_engine *engine, json_t *read);

#endif
