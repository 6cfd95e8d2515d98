/* What the document says of rows, written once for every statement of every dialect: which of them, and what is put into them. */
#include "grammar.h"

#include "allocate.h"

void bf_author_where(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_document *document)
{
    const char *const predicates[] = {document->where, document->remaining};
    for (size_t i = 0; i < BF_COUNT(predicates); i++) {
        if (!predicates[i])
            continue;
        bf_buffer_text(buffer, " AND (");
        grammar->predicate(buffer, predicates[i], document->started_at);
        bf_buffer_text(buffer, ")");
    }
    if (document->unless) {
        bf_buffer_text(buffer, " AND (");
        grammar->predicate(buffer, document->unless, document->started_at);
        bf_buffer_text(buffer, ") IS NOT TRUE");
    }
    if (document->spared)
        bf_buffer_format(buffer, " AND NOT (%s)", document->spared);
}

void bf_author_set(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_document *document)
{
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        grammar->quote(buffer, document->set[i].name);
        bf_buffer_text(buffer, " = (");
        grammar->value(buffer, document->set[i].value);
        bf_buffer_text(buffer, ")");
    }
}

static void check_end(const char *pointer, size_t count, const struct bf_table *table, struct bf_complaints *complaints)
{
    if (count && count != table->key_count)
        bf_complain(complaints, BF_INVALID, pointer, "the key has %zu column%s, so this needs as many values, not %zu",
                    table->key_count, table->key_count == 1 ? "" : "s", count);
}

void bf_author_check_range(const struct bf_document *document, const struct bf_table *table, struct bf_complaints *complaints)
{
    check_end("/range/after", document->after_count, table, complaints);
    check_end("/range/through", document->through_count, table, complaints);
}
