/* Two persons (two_person of a target): who approves a job is not who submitted it. */
#ifndef BF_ENGINE_PERSONS_H
#define BF_ENGINE_PERSONS_H

#include <stdbool.h>
#include <stddef.h>

struct bf_job;

/* Actors of events: "ann", and "uid:1000 (ann)" is the same ann; who cannot be told from others is nobody in particular. */
bool bf_same_person(const char *one, const char *other);
/* Would `actor` be the only person behind what is approved here? Then `text` says so, and ends with what somebody else has to do. */
bool bf_job_takes_another(const struct bf_job *job, const char *actor, const char *what, char *text, size_t size);

#endif
