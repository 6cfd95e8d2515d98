#include "dialect.h"

#include "allocate.h"
#include "buffer.h"

static void free_column(struct bf_column *column)
{
    free(column->name);
    free(column->type);
    free(column->collation);
    free(column->declared);
}

void bf_table_free(struct bf_table *table)
{
    if (!table)
        return;
    free(table->display);
    free(table->reference);
    free(table->target_identity);
    free(table->definition);
    for (size_t i = 0; i < table->key_count; i++)
        free_column(&table->key[i]);
    for (size_t i = 0; i < table->set_count + table->stamp_count; i++)
        free_column(&table->set[i]);
    free(table->set);
    free(table);
}

void bf_statements_free(struct bf_statements *statements)
{
    if (!statements)
        return;
    for (size_t i = 0; i < BF_STATEMENT_KINDS; i++)
        free(statements->text[i]);
    for (size_t split = 0; split <= BF_KEY_COLUMNS_MAX; split++) {
        for (size_t leg = 0; leg < BF_COUNT(statements->update[split]); leg++) {
            free(statements->update[split][leg]);
            free(statements->attempt[split][leg]);
            free(statements->lock[split][leg]);
            free(statements->update_rest[split][leg]);
            free(statements->set_aside[split][leg]);
            free(statements->quarantine[split][leg]);
        }
        free(statements->recount[split]);
        free(statements->count[split]);
        free(statements->probe[split]);
        free(statements->cap[split]);
    }
    for (size_t shape = 0; shape < 2; shape++) {
        free(statements->boundary[shape]);
        free(statements->split[shape]);
    }
    free(statements);
}

void bf_step_range(struct bf_step *step, const struct bf_document *document)
{
    size_t columns = document->after_count ? document->after_count : document->through_count;
    for (size_t i = 0; i < columns; i++)
        bf_step_text(step, document->after_count ? document->after[i] : NULL);
    for (size_t i = 0; i < columns; i++)
        bf_step_text(step, document->through_count ? document->through[i] : NULL);
}

size_t bf_leg_count(size_t split, size_t key_count)
{
    return split == 0 ? key_count : 2 * (key_count - split) + 1;
}

char *bf_set_pointer(const char *column)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "/set/");
    for (const char *p = column; *p; p++) {
        if (*p == '~' || *p == '/')
            bf_buffer_text(&buffer, *p == '~' ? "~0" : "~1");
        else
            bf_buffer_append(&buffer, p, 1);
    }
    return bf_buffer_take(&buffer);
}
