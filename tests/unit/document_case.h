/* What both document tests use: documents in one line, and what is wrong with them. */
#ifndef BF_TESTS_DOCUMENT_CASE_H
#define BF_TESTS_DOCUMENT_CASE_H

#include "unit.h"

#include "document.h"

/* The fields of the smallest good document, without the braces. */
#define SMALLEST "\"name\":\"a\",\"target\":\"shop\",\"table\":\"orders\",\"set\":{\"n\":\"1\"},\"undo\":\"none\""

/* Of the last parse. */
extern struct bf_complaints complaints;
extern struct bf_error error;
int clean_up(void **state); /* the group's teardown */

/* Parses; what was said before is gone. *ret is the caller's, NULL when the document is refused. */
enum bf_code parse_bytes(const char *json, size_t length, const char *target, struct bf_document **ret);
struct bf_document *parse_good(const char *json);
/* The document has exactly this one complaint, and `part` stands in its sentence. */
void assert_complaint(const char *json, enum bf_code code, const char *pointer, const char *part);

/* The smallest document and `field` ("\"key\": 1") more: good, or refused at `pointer`. */
void good(const char *field);
void invalid(const char *field, const char *pointer, const char *part);
void unsupported(const char *field, const char *pointer);

/* The smallest document with one of its own fields as written in `value`; NULL: without it. */
char *with(const char *name, const char *value);
void own_good(const char *name, const char *value);
void own_invalid(const char *name, const char *value, const char *pointer, const char *part);

/* A JSON string of `length` times "x", and a field of that value. The caller frees. */
char *long_string(size_t length);
char *field_of_length(const char *name, size_t length);

#endif
