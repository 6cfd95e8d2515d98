/* The job document, and what changes one: the bytes of a submission; behind the first line of NULs, a change for PATCH. */
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "bounds.h"
#include "document.h"
#include "fuzz.h"

static void change(const struct bf_document *document, const char *text, size_t length)
{
    struct bf_complaints complaints = {0};
    struct bf_document *changed = NULL;
    struct bf_error error = {0};
    if (bf_document_merge(document, text, length, NULL, NULL, &changed, &complaints, &error) == BF_OK) {
        BF_AUTO_STRING char *bounds = bf_bounds_make(document);
        free(bf_document_difference(document, changed));
        free(bf_bounds_passed(bounds, changed));
    }
    bf_complaints_clear(&complaints);
    bf_document_free(changed);
}

/* What is accepted once is accepted again as what it was stored as, under the same hash. */
static void read_again(const struct bf_document *document)
{
    struct bf_complaints complaints = {0};
    struct bf_document *again = NULL;
    struct bf_error error = {0};
    if (bf_document_parse(document->canonical, strlen(document->canonical), NULL, &again, &complaints, &error) != BF_OK ||
        strcmp(again->hash, document->hash) != 0)
        __builtin_trap();
    bf_document_settle(again);
    const char *current = bf_document_current(again);
    if (bf_document_restore(again, current, &complaints, &error) != BF_OK)
        __builtin_trap();
    bf_complaints_clear(&complaints);
    bf_document_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bf_complaints complaints = {0};
    struct bf_document *document = NULL;
    struct bf_error error = {0};
    const char *text = (const char *)data, *parting = size ? memchr(text, '\0', size) : NULL;
    size_t length = parting ? (size_t)(parting - text) : size;
    if (bf_document_parse(text, length, NULL, &document, &complaints, &error) == BF_OK) {
        read_again(document);
        free(bf_document_clone(document, "clone", "[\"7\"]"));
        if (parting)
            change(document, parting + 1, size - length - 1);
    }
    bf_complaints_clear(&complaints);
    bf_document_free(document);
    return 0;
}
