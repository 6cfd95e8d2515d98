#include "crew.h"

enum { COME_BACK = 2000 /* milliseconds that there has to be room for another */ };

static const double pressure_from = 0.5;

static int room(int slices, double pressure)
{
    if (pressure <= pressure_from)
        return slices;
    if (pressure >= 1)
        return 1;
    return 1 + (int)((slices - 1) * (1 - pressure) / (1 - pressure_from));
}

int bf_crew_size(struct bf_crew *crew, int slices, double pressure, int64_t now)
{
    int most = room(slices, pressure);
    if (crew->running == 0 || most <= crew->running) {
        crew->running = most;
        crew->full_at = now;
    } else if (now - crew->full_at >= COME_BACK) {
        crew->running++;
        crew->full_at = now;
    }
    return crew->running;
}
