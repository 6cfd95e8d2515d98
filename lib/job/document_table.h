/* The fields of the job document as a table (docs/interface.md section 2). What reads a document checks it against this
 * table, and the schema at /v1/openapi.json and backfill-job(5) are made from it. */
#ifndef BF_JOB_DOCUMENT_TABLE_H
#define BF_JOB_DOCUMENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bf_reader;
struct bf_section;
struct json_t;

/* What a field holds, and what `min`, `max` and `entry_max` count. */
enum bf_field_kind {
    BF_FIELD_NOT_BUILT, /* known, refused */
    BF_FIELD_NAME,      /* a character of `first`, then those of `rest`: `min` to `max` of them */
    BF_FIELD_LINE,      /* a text of up to `max` bytes without control characters, not blank */
    BF_FIELD_TEXT,      /* a text of up to `max` bytes, not blank */
    BF_FIELD_LINE_OR_INTEGER, /* a line, or a whole number */
    BF_FIELD_LINE_OR_NUMBER,  /* a line, or any number */
    BF_FIELD_WORD,      /* one of the texts in `word`, which has "|" between them */
    BF_FIELD_WORD_OR_SECTION, /* one of the texts in `word`, or an object as `section` says */
    BF_FIELD_DURATION,  /* "250ms": `min` to `max` milliseconds */
    BF_FIELD_INTEGER,   /* `min` to `max` */
    BF_FIELD_NUMBER,    /* `min` to `max`, with a fraction or without */
    BF_FIELD_SIZE,      /* "8MiB", or a whole number of bytes: `min` to `max` */
    BF_FIELD_COUNT_OR_SHARE, /* a whole number from `min` to `max`, or "0.1%" (share.h) */
    BF_FIELD_BOOLEAN,
    BF_FIELD_LINES,     /* a list of `min` to `max` different lines of up to `entry_max` bytes; of `word`, where there is one */
    BF_FIELD_VALUES,    /* a list of `min` to `max` texts of up to `entry_max` bytes, empty ones too */
    BF_FIELD_LINE_OF,   /* an object of `min` to `max` names and lines: of up to `name_max` and `entry_max` bytes */
    BF_FIELD_TEXT_OF,   /* the same with texts */
    BF_FIELD_SECTIONS,  /* a list of `min` to `max` objects, each as `section` says */
    BF_FIELD_SECTION    /* an object of its own: `section` */
};

struct bf_field {
    const char *name;
    void (*read)(struct bf_reader *reader, const char *pointer, const struct json_t *value); /* NULL: not built */
    enum bf_field_kind kind;
    bool required;
    bool nullable; /* null says that there is none; it has its `place`, which is BF_NO_LIMIT then, as a double too */
    int64_t min, max;
    int64_t name_max, entry_max;
    const char *first, *rest; /* sets of characters with ranges: "a-z0-9._-" */
    const char *word;
    const char *standard; /* the default, in JSON; NULL: none */
    const struct bf_section *section;
    size_t place;     /* of an int64_t (DURATION, INTEGER) or a double (NUMBER) in struct bf_document, where a target may have
                       * a say in it; 0: it has none */
    const char *help; /* sentences without the final full stop */
};

/* The fields of one object of the document. */
struct bf_section {
    const char *pointer; /* "" or "/pace" */
    const struct bf_field *fields;
    size_t count;
};

/* Every object of the document, the document itself first; NULL past the end. */
const struct bf_section *bf_document_section(size_t index);

/* The value of a field that has its `place`: milliseconds, rows, a ratio; BF_NO_LIMIT. */
struct bf_document;
double bf_field_value(const struct bf_field *field, const struct bf_document *document);

#endif
