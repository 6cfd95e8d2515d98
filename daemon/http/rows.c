/* Lists of single rows that stand on the target, page by page: the changes that a rollback left alone, and the rows in
 * quarantine, which the server refused to change. */
#include "server.h"

#include <errno.h>

#include "allocate.h"

enum { PLACE_NUMBERS = 4 };

/* One of the lists. `numbers`: by so many of its place's numbers a row is found again. */
struct list {
    const char *name;
    size_t numbers;
    void (*tell)(json_t *view, const struct bf_conflict *row); /* what stands between the key and when it was found */
};

static void tell_conflict(json_t *view, const struct bf_conflict *row)
{
    json_object_set_new(view, "kind", json_string(row->kind));
}

static void tell_bad_row(json_t *view, const struct bf_conflict *row)
{
    json_object_set_new(view, "error", bf_json_text(row->error));
    json_object_set_new(view, "sqlstate", bf_json_text(row->sqlstate));
}

static const struct list conflicts = {.name = "conflicts", .numbers = 4, .tell = tell_conflict};
static const struct list bad_rows = {.name = "bad_rows", .numbers = 2, .tell = tell_bad_row};

/* A place as `next` gives it and `after` takes it: its numbers, with a point between them. */
static json_t *next_of(const struct list *list, const struct bf_conflict_place *place)
{
    const int64_t number[PLACE_NUMBERS] = {place->slice, place->seq, place->part, place->place};
    struct bf_buffer text = {0};
    for (size_t i = 0; i < list->numbers; i++)
        bf_buffer_format(&text, "%s%lld", i ? "." : "", (long long)number[i]);
    BF_AUTO_STRING char *whole = bf_buffer_take(&text);
    return json_string(whole);
}

static bool read_after(const struct list *list, const char *text, struct bf_conflict_place *ret_place)
{
    int64_t number[PLACE_NUMBERS] = {0};
    for (size_t i = 0; i < list->numbers; i++) {
        char *end;
        if (*text < '0' || *text > '9') return false;
        errno = 0;
        number[i] = strtoll(text, &end, 10);
        bool last = i + 1 == list->numbers;
        if (errno || *end != (last ? '\0' : '.')) return false;
        text = end + 1;
    }
    *ret_place = (struct bf_conflict_place){number[0], number[1], number[2], number[3]};
    return true;
}

static void answer_page(void *wait, const struct list *list, const struct bf_undo_answer *answer)
{
    struct bf_http_request *request = bf_http_wait_end(wait);
    if (!request) return;
    if (answer->code != BF_OK) {
        bf_http_problem(request, answer->code, "%s", answer->text);
        return;
    }
    json_t *rows = json_array(), *body = json_object();
    for (size_t i = 0; i < answer->count; i++) {
        const struct bf_conflict *row = &answer->list[i];
        json_t *view = json_object(), *key = json_loads(row->key, 0, NULL);
        json_object_set_new(view, "key", key ? key : json_array());
        list->tell(view, row);
        json_object_set_new(view, "found_at", bf_json_text(row->found_at));
        json_array_append_new(rows, view);
    }
    json_object_set_new(body, list->name, rows);
    bool more = answer->more && answer->count;
    json_object_set_new(body, "next", more ? next_of(list, &answer->list[answer->count - 1].place) : json_null());
    bf_http_answer(request, 200, body);
}

static void conflicts_listed(void *wait, const struct bf_undo_answer *answer)
{
    answer_page(wait, &conflicts, answer);
}

static void bad_rows_listed(void *wait, const struct bf_undo_answer *answer)
{
    answer_page(wait, &bad_rows, answer);
}

typedef void ask_for(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                     bf_undo_answered *answered, void *argument);

static void ask(struct bf_http_request *request, const struct list *list, ask_for *engine_lists, bf_undo_answered *listed)
{
    struct bf_conflict_place after;
    const char *text = bf_http_parameter(request, "after");
    if (text && !read_after(list, text, &after)) {
        bf_http_problem(request, BF_BAD_REQUEST, "after is what `next` gave, not %.60s", text);
        return;
    }
    const struct bf_job *job = bf_http_job(request, false);
    if (job)
        engine_lists(request->http->engine, bf_job_record(job)->id, text ? &after : NULL, bf_http_number(request, "limit"), listed,
                     bf_http_wait_begin(request));
}

void bf_handle_conflicts(struct bf_http_request *request)
{
    ask(request, &conflicts, bf_engine_conflicts, conflicts_listed);
}

void bf_handle_bad_rows(struct bf_http_request *request)
{
    ask(request, &bad_rows, bf_engine_bad_rows, bad_rows_listed);
}
