/* `undo`: a journal, none, or an inverse that the author states. An inverse is read into a document of its own, so that
 * whatever reads, checks and writes a document's `set` and `where` does the same with its. */
#include <string.h>

#include "allocate.h"
#include "document_reader.h"

static void read_inverse_set(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_document *inverse = reader->document->inverse;
    inverse->set_count = bf_read_pairs(reader, pointer, value, bf_read_text, inverse->set);
}

static void read_inverse_where(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->inverse->where = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

static const struct bf_field inverse_fields[] = {
    {"set", read_inverse_set, BF_FIELD_TEXT_OF, .required = true, .min = 1, .max = BF_SET_COLUMNS_MAX, .name_max = BF_COLUMN_MAX,
     .entry_max = BF_EXPRESSION_MAX, .help = "Each column and the SQL expression over the row that a rollback sets it to"},
    {"where", read_inverse_where, BF_FIELD_TEXT, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "Of the rows that the job has passed, only those for which this SQL predicate holds. Without it: all of them"},
};
const struct bf_section bf_inverse_section = {"/undo", inverse_fields, BF_COUNT(inverse_fields)};

void bf_read_undo(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_document *document = reader->document;
    const char *text = json_string_value(value);
    if (json_is_object(value)) {
        document->undo = BF_UNDO_INVERSE;
        document->inverse = BF_NEW(struct bf_document);
        bf_read_entry(reader, &bf_inverse_section, pointer, value);
    } else if (text && strcmp(text, "journal") == 0) {
        document->undo = BF_UNDO_JOURNAL;
    } else if (text && strcmp(text, "none") == 0) {
        document->undo = BF_UNDO_NONE;
    } else {
        bf_reader_invalid(reader, pointer, "must be \"journal\", \"none\", or an inverse: {\"set\": {...}, \"where\": \"...\"}%s%s",
                          text ? "" : ", not ", text ? "" : bf_json_type(value));
    }
}

void bf_check_set(struct bf_reader *reader, const struct bf_document *written, const char *pointer)
{
    const struct bf_document *document = reader->document;
    for (size_t i = 0; i < written->set_count; i++)
        for (size_t k = 0; k < document->key_count; k++)
            if (strcmp(written->set[i].name, document->key[k]) == 0) {
                BF_AUTO_STRING char *at = bf_child_pointer(pointer, written->set[i].name);
                bf_reader_invalid(reader, at, "a key column cannot be written");
                break;
            }
}

/* The inverse as a document of its own: of the same table, by the same key. */
static void complete_inverse(const struct bf_document *document)
{
    struct bf_document *inverse = document->inverse;
    inverse->table = bf_copy_string(document->table);
    inverse->unless = bf_copy_string(document->remaining);
    for (size_t i = 0; i < document->key_count; i++)
        inverse->key[inverse->key_count++] = bf_copy_string(document->key[i]);
}

void bf_check_undo(struct bf_reader *reader)
{
    struct bf_document *document = reader->document;
    if (!document->verify_said)
        document->verify_sample = document->undo == BF_UNDO_JOURNAL ? BF_VERIFY_SAMPLE : 0;
    else if (document->verify_sample > 0 && document->undo != BF_UNDO_JOURNAL)
        bf_reader_invalid(reader, "/verify_sample", "there is no undo journal from which rows could be recomputed: `undo` is %s",
                          document->undo == BF_UNDO_NONE ? "\"none\"" : "an inverse");
    if (document->undo != BF_UNDO_JOURNAL && document->keep_undo)
        bf_reader_invalid(reader, "/keep_undo", "%s", document->undo == BF_UNDO_NONE
                                                          ? "there is no way back to be kept: `undo` is \"none\""
                                                          : "there is no undo journal to be kept: `undo` is an inverse");
    if (!document->inverse)
        return;
    bf_check_set(reader, document->inverse, "/undo/set");
    complete_inverse(document);
}
