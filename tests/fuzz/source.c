/* What a source of triggers answers: a first line with the status and, of JSON, the pointer; then the body. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "fuzz.h"
#include "source_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_fields fields = fuzz_fields(data, size);
    BF_AUTO_STRING char *line = fuzz_next(&fields);
    char trouble[BF_ANSWER_TROUBLE] = "", *pointer = NULL;
    double value = 0;
    size_t length;
    const char *body = fuzz_rest(&fields, &length);
    int status = line ? (int)strtol(line, &pointer, 10) : 200;
    bool known = pointer && *pointer == ' ' ? bf_answer_at_pointer(status, body, length, pointer + 1, &value, trouble)
                                            : bf_answer_of_prometheus(status, body, length, &value, trouble);
    if (known ? !isfinite(value) : !trouble[0])
        __builtin_trap();
    return 0;
}
