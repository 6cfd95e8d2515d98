#include "slices.h"

#include <jansson.h>
#include <stdlib.h>

#include "allocate.h"

void bf_slice_clear(struct bf_slice *slice)
{
    free(slice->after);
    free(slice->through);
    free(slice->position);
    *slice = (struct bf_slice){0};
}

/* The keys' texts stay texts: nobody here looks into them. */
static json_t *text(const char *key)
{
    return key ? json_string(key) : json_null();
}

char *bf_slices_json(const struct bf_slice *const slices[], size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            array, json_pack("{so so so sI sI sI sI sI sI sb}", "after", text(slices[i]->after), "through",
                             text(slices[i]->through), "position", text(slices[i]->position), "rows_scanned",
                             (json_int_t)slices[i]->rows_scanned, "rows_changed", (json_int_t)slices[i]->rows_changed,
                             "rows_set_aside", (json_int_t)slices[i]->rows_set_aside, "rows_bad",
                             (json_int_t)slices[i]->rows_bad, "batches",
                             (json_int_t)slices[i]->batches, "epoch", (json_int_t)slices[i]->epoch, "done",
                             slices[i]->done));
    char *json = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return json;
}

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static char *copy(const json_t *object, const char *name)
{
    return bf_copy_string(json_string_value(json_object_get(object, name)));
}

size_t bf_slices_read(const char *json, struct bf_slice slices[BF_SLICES_MAX])
{
    json_t *array = json ? json_loads(json, 0, NULL) : NULL;
    size_t count = json_array_size(array);
    if (count > BF_SLICES_MAX)
        count = BF_SLICES_MAX;
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(array, i);
        slices[i] = (struct bf_slice){.after = copy(object, "after"),
                                      .through = copy(object, "through"),
                                      .position = copy(object, "position"),
                                      .rows_scanned = number(object, "rows_scanned"),
                                      .rows_changed = number(object, "rows_changed"),
                                      .rows_set_aside = number(object, "rows_set_aside"),
                                      .rows_bad = number(object, "rows_bad"),
                                      .batches = number(object, "batches"),
                                      .epoch = number(object, "epoch"),
                                      .done = json_is_true(json_object_get(object, "done"))};
    }
    json_decref(array);
    return count;
}
