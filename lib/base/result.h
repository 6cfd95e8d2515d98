/* One result for every floor: a code and a text. Functions that can fail return the code and write the text; each floor
 * that passes a failure up may put a prefix before it ("checkpoint: lost connection: ..."). Nothing below the daemon
 * logs: the daemon writes one line for one failure. */
#ifndef BF_BASE_RESULT_H
#define BF_BASE_RESULT_H

#include <stdbool.h>

#include "backfilld/codes.h"

enum bf_code {
#define X(constant, name, status, title) BF_##constant,
    BF_CODES(X)
#undef X
        BF_CODE_COUNT
};

enum { BF_ERROR_TEXT_MAX = 768 }; /* bytes, with the final NUL; longer texts are cut at a UTF-8 boundary */

struct bf_error {
    enum bf_code code;
    char text[BF_ERROR_TEXT_MAX];
};

/* Name ("name_in_use"), HTTP status (0: never an answer) and title of a code; static storage. */
const char *bf_code_name(enum bf_code code);
int bf_code_status(enum bf_code code);
const char *bf_code_title(enum bf_code code);
/* The code of that name; BF_CODE_COUNT when there is none. */
enum bf_code bf_code_by_name(const char *name);

/* Sets code and text and returns the code; `error` may be NULL. */
enum bf_code bf_fail(struct bf_error *error, enum bf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text and returns the code that is in `error`. */
enum bf_code bf_prefix(struct bf_error *error, const char *prefix);

#endif
