/* What the fuzzers share. Each is one file with LLVMFuzzerTestOneInput; tests/fuzz/run makes libFuzzer programs of them, and the
 * normal build links them with replay.c, which runs what is in their corpus. */
#ifndef BF_FUZZ_FUZZ_H
#define BF_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input as fields, one a line; what is behind the last line is a field, too. */
struct fuzz_fields {
    const char *at, *end;
};
struct fuzz_fields fuzz_fields(const uint8_t *data, size_t size);
/* The next one, owned by the caller; a NUL ends it early. The line \N, and behind the last one: NULL. */
char *fuzz_next(struct fuzz_fields *fields);
/* What is left as it is; not owned. */
const char *fuzz_rest(const struct fuzz_fields *fields, size_t *ret_length);

#endif
