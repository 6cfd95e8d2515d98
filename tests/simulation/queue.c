/* Virtual time: a heap of events, and chance from the seed. */
#include <stdlib.h>

#include "allocate.h"
#include "server.h"

struct sim_event {
    int64_t at;
    uint64_t order; /* events of one moment run in the order in which they were made */
    sim_run *run;   /* NULL: cancelled */
    void *argument;
};

/* splitmix64, public domain (Vigna) */
uint64_t sim_random(struct sim *sim)
{
    uint64_t z = (sim->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t sim_between(struct sim *sim, int64_t from, int64_t to)
{
    return from + (int64_t)(sim_random(sim) % (uint64_t)(to - from + 1));
}

bool sim_chance(struct sim *sim, int percent)
{
    return sim_between(sim, 1, 100) <= percent;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

struct sim_event *sim_at(struct sim *sim, int64_t delay_microseconds, sim_run *run, void *argument)
{
    struct sim_event *event = BF_NEW(struct sim_event);
    *event = (struct sim_event){sim->now + delay_microseconds, sim->order++, run, argument};
    if (sim->heap_count == sim->heap_capacity) {
        sim->heap_capacity = sim->heap_capacity ? 2 * sim->heap_capacity : 64;
        sim->heap = bf_reallocate(sim->heap, sim->heap_capacity * sizeof *sim->heap);
    }
    size_t at = sim->heap_count++;
    while (at && before(event, sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
    return event;
}

void sim_cancel(struct sim_event *event)
{
    if (event)
        event->run = NULL;
}

bool sim_step(struct sim *sim)
{
    if (!sim->heap_count)
        return false;
    struct sim_event *event = sim->heap[0], *last = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < sim->heap_count; at = child) {
        if (child + 1 < sim->heap_count && before(sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!before(sim->heap[child], last))
            break;
        sim->heap[at] = sim->heap[child];
    }
    if (sim->heap_count)
        sim->heap[at] = last;
    sim->now = event->at;
    sim_run *run = event->run;
    void *argument = event->argument;
    free(event);
    if (run)
        run(argument);
    return true;
}

void sim_queue_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->heap_count; i++) {
        if (sim->heap[i]->run == sim_cancel_arrives) /* the one event that owns its argument */
            free(sim->heap[i]->argument);
        free(sim->heap[i]);
    }
    free(sim->heap);
}
