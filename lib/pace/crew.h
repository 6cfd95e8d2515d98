/* How many slices of a job run at once: fewer while the target is under pressure. Each of them is a session that writes,
 * so a target that is half way to a limit is given fewer writers before it is given longer sleeps. Pure. */
#ifndef BF_PACE_CREW_H
#define BF_PACE_CREW_H

#include <stdint.h>

/* What a job remembers of it; zeroed at its beginning. */
struct bf_crew {
    int running;       /* how many may run; 0: not asked yet */
    int64_t full_at;   /* monotonic milliseconds: then there was no room for more of them */
};

/* pressure: the worst signal as a share of its limit. From half of a limit on there are fewer at once, at the limit there is
 * one; as the pressure falls, they come back one at a time. */
int bf_crew_size(struct bf_crew *crew, int slices, double pressure, int64_t now);

#endif
