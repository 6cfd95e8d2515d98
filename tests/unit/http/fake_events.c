/* The canned store's events of some targets. */
#include "fake_engine.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* "shop,legacy" and "shop" */
static bool has(const char *targets, const char *target)
{
    BF_AUTO_STRING char *list = bf_format(",%s,", targets), *one = bf_format(",%s,", target);
    return strstr(list, one) != NULL;
}

static bool is_on(const char *targets, const char *job)
{
    for (size_t i = 0; i < fake.job_count; i++)
        if (strcmp(fake.jobs[i].record.id, job) == 0)
            return has(targets, fake.jobs[i].record.document->target);
    return false;
}

void fake_read_events_on(void *context, const char *targets, int64_t after, size_t limit, bf_store_events *read, void *argument)
{
    struct bf_event *found = bf_allocate((fake.log_count + 1) * sizeof *found);
    size_t count = 0;
    (void)context;
    fake.calls++;
    for (size_t i = 0; i < fake.log_count; i++)
        if (is_on(targets, fake.log[i].job) && (after <= 0 || fake.log[i].id > after))
            found[count++] = fake.log[i];
    size_t skipped = after == 0 && count > limit ? count - limit : 0;
    read(argument, found + skipped, count - skipped < limit ? count - skipped : limit, &fake.store_error);
    free(found);
}
