/* Inside floor 1 only: how a JSON object is read field by field, and what is said when it is not as it should be. Every
 * function complains where something is wrong and goes on, so that all complaints come at once. */
#ifndef BF_JOB_DOCUMENT_READER_H
#define BF_JOB_DOCUMENT_READER_H

#include <jansson.h>

#include "complaints.h"
#include "document.h"

struct bf_reader;

/* A field of one object of the document; without a function it is known and not built. */
struct bf_field {
    const char *name;
    void (*read)(struct bf_reader *reader, const char *pointer, const json_t *value);
};

/* The fields of one object, and the pointer of that object ("" or "/pace"). */
struct bf_section {
    const char *pointer;
    const struct bf_field *fields;
    size_t count;
};

struct bf_reader {
    struct bf_document *document;
    struct bf_complaints *complaints;
    const struct bf_section *sections; /* all there are, for "did you mean" */
    size_t section_count;
    bool start_said, min_said; /* batch_rows: which are not defaults */
};

/* Says BF_INVALID at the pointer. */
#define bf_reader_invalid(reader, pointer, ...) bf_complain((reader)->complaints, BF_INVALID, pointer, __VA_ARGS__)

const char *bf_json_type(const json_t *value); /* "a string", "null": what a complaint says it got */
char *bf_child_pointer(const char *pointer, const char *name); /* the caller frees */

/* These give a copy that the caller owns, or NULL after a complaint. Text: 1 to `max` bytes, not blank. Line: a text
 * without control characters. */
char *bf_read_text(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max);
char *bf_read_line(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max);
/* A name of `first` and then `rest` characters, 1 to BF_NAME_MAX in all; `rule` is the sentence of the complaint. */
char *bf_read_name(struct bf_reader *reader, const char *pointer, const json_t *value, const char *first,
                   const char *rest, const char *rule);

/* These set *ret only when the value is good. Bounds are inclusive. */
void bf_read_duration(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t min, int64_t max,
                      int64_t *ret);
bool bf_read_integer(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t min, int64_t max,
                     int64_t *ret);

/* True when it is an object that says something. */
bool bf_check_object(struct bf_reader *reader, const char *pointer, const json_t *value);
/* True when it is a list of 1 to `max` entries; `of` says of what. */
bool bf_check_list(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max, const char *of);

/* An object of names (lines of up to `name_max` bytes) and values (as `read` reads them); returns how many are good. */
size_t bf_read_pairs(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max, size_t name_max,
                     size_t value_max, char *(*read)(struct bf_reader *, const char *, const json_t *, size_t),
                     struct bf_pair *pairs);

/* Calls the function of each field that is there; complains about those that are unknown or not built. */
void bf_read_section(struct bf_reader *reader, const struct bf_section *section, const json_t *object);

/* In document_fields.c. Fills `document` from `root`; what is in it already (the defaults) stays where the root says
 * nothing. */
void bf_document_read(const json_t *root, struct bf_document *document, struct bf_complaints *complaints);

#endif
