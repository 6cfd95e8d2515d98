#include "latch.h"

#include <string.h>

#include "allocate.h"

void bf_latch_copy(struct bf_latch *to, const struct bf_latch *from)
{
    *to = (struct bf_latch){.kind = from->kind,
                            .name = bf_copy_string(from->name ? from->name : ""),
                            .value = bf_copy_string(from->value ? from->value : ""),
                            .reason = bf_copy_string(from->reason),
                            .actor = bf_copy_string(from->actor ? from->actor : ""),
                            .since = from->since};
}

void bf_latch_clear(struct bf_latch *latch)
{
    free(latch->name);
    free(latch->value);
    free(latch->reason);
    free(latch->actor);
    *latch = (struct bf_latch){0};
}

bool bf_latch_same_scope(const struct bf_latch *latch, const struct bf_latch *other)
{
    if (latch->kind != other->kind)
        return false;
    switch (latch->kind) {
    case BF_LATCH_ALL:
        return true;
    case BF_LATCH_TARGET:
        return strcmp(latch->name, other->name) == 0;
    case BF_LATCH_LABEL:
        return strcmp(latch->name, other->name) == 0 && strcmp(latch->value, other->value) == 0;
    }
    return false;
}

bool bf_latch_covers(const struct bf_latch *latch, const struct bf_document *document)
{
    switch (latch->kind) {
    case BF_LATCH_ALL:
        return true;
    case BF_LATCH_TARGET:
        return strcmp(latch->name, document->target) == 0;
    case BF_LATCH_LABEL:
        for (size_t i = 0; i < document->label_count; i++)
            if (strcmp(latch->name, document->labels[i].name) == 0 &&
                strcmp(latch->value, document->labels[i].value) == 0)
                return true;
        return false;
    }
    return false;
}

char *bf_latch_scope(const struct bf_latch *latch)
{
    switch (latch->kind) {
    case BF_LATCH_ALL:
        break;
    case BF_LATCH_TARGET:
        return bf_format("target %s", latch->name);
    case BF_LATCH_LABEL:
        return bf_format("label %s=%s", latch->name, latch->value);
    }
    return bf_copy_string("all jobs");
}
