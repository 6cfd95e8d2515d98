/* Inside floor 1 only: how a JSON object is read field by field, and what is said when it is not as it should be. Every
 * function complains where something is wrong and goes on, so that all complaints come at once. */
#ifndef BF_JOB_DOCUMENT_READER_H
#define BF_JOB_DOCUMENT_READER_H

#include <jansson.h>

#include "complaints.h"
#include "document.h"
#include "document_table.h"

enum { BF_COLUMN_MAX = 255 /* bytes of a name; the server's own limit (PostgreSQL: 63) is the survey's to check */ };

struct bf_reader {
    struct bf_document *document;
    struct bf_complaints *complaints;
    const struct bf_section *const *sections; /* all there are, for "did you mean" */
    size_t section_count;
    const struct bf_field *field; /* that is being read: its bounds */
    bool start_said, min_said; /* batch_rows: which are not defaults */
    struct bf_check *check;    /* that is being read */
    struct bf_window *window;  /* the same */
    struct bf_signal_query *query;    /* the same */
    struct bf_document_trigger *trigger; /* the same */
};

/* Says BF_INVALID at the pointer. */
#define bf_reader_invalid(reader, pointer, ...) bf_complain((reader)->complaints, BF_INVALID, pointer, __VA_ARGS__)

const char *bf_json_type(const json_t *value); /* "a string", "null": what a complaint says it got */
char *bf_child_pointer(const char *pointer, const char *name); /* the caller frees */

/* These give a copy that the caller owns, or NULL after a complaint. Text: 1 to `max` bytes, not blank. Line: a text
 * without control characters. */
char *bf_read_text(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max);
char *bf_read_line(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max);
/* A name of the field's characters; `rule` is the sentence of the complaint. */
char *bf_read_name(struct bf_reader *reader, const char *pointer, const json_t *value, const char *rule);

/* These set *ret only when the value is good. Bounds are the field's, and inclusive. */
void bf_read_duration(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t *ret);
void bf_read_integer(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t *ret);
void bf_read_size(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t *ret);

/* True when it is an object that says something. */
bool bf_check_object(struct bf_reader *reader, const char *pointer, const json_t *value);
/* True when it is a list of as many entries as the field may have; `of` says of what. */
bool bf_check_list(struct bf_reader *reader, const char *pointer, const json_t *value, const char *of);

/* An object of names (lines) and values (as `read` reads them), as many and as long as the field says; returns how many
 * are good. */
size_t bf_read_pairs(struct bf_reader *reader, const char *pointer, const json_t *value,
                     char *(*read)(struct bf_reader *, const char *, const json_t *, size_t), struct bf_pair *pairs);

/* Calls the function of each field that is there; complains about those that are unknown or not built. */
void bf_read_section(struct bf_reader *reader, const struct bf_section *section, const json_t *object);

/* An object of its own: the fields of its section. */
void bf_read_object(struct bf_reader *reader, const char *pointer, const json_t *value);
/* One object of a list: the section's fields, complained about at `pointer`; every required one has to be there. */
void bf_read_entry(struct bf_reader *reader, const struct bf_section *section, const char *pointer, const json_t *value);

/* In document_pace.c and document_signals.c. */
extern const struct bf_section bf_pace_section, bf_batch_rows_section, bf_window_section, bf_limits_section,
    bf_query_section;
void bf_read_queries(struct bf_reader *reader, const char *pointer, const json_t *value);
void bf_read_accept(struct bf_reader *reader, const char *pointer, const json_t *value);

/* In document_undo.c. */
extern const struct bf_section bf_inverse_section;
void bf_read_undo(struct bf_reader *reader, const char *pointer, const json_t *value);
void bf_check_undo(struct bf_reader *reader); /* behind everything else: completes an inverse */
void bf_check_set(struct bf_reader *reader, const struct bf_document *written, const char *pointer); /* no key columns */

/* In document_triggers.c. */
extern const struct bf_section bf_trigger_section;
void bf_check_stops(struct bf_reader *reader); /* what rolls back needs a way back */
void bf_read_alerts(struct bf_reader *reader, const char *pointer, const json_t *value);
void bf_read_triggers(struct bf_reader *reader, const char *pointer, const json_t *value);

/* In document_checks.c: the section /checks, and those two sections by number (NULL past them). */
extern const struct bf_section bf_checks_section;
const struct bf_section *bf_checks_sections(size_t index);

/* In document_fields.c. The first sets every default of the tables; the second fills `document` from `root` and leaves
 * what is in it where the root says nothing. */
void bf_document_defaults(struct bf_document *document);
/* Defaults of start and min give way to what is written: {"max": 100} alone is a whole answer. */
void bf_pace_give_way(struct bf_pace *pace, bool start_said, bool min_said);
void bf_document_read(const json_t *root, struct bf_document *document, struct bf_complaints *complaints);

#endif
