#include "audit.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "allocate.h"
#include "audit_file.h"
#include "audit_records.h"
#include "duration.h"
#include "json_text.h"
#include "log.h"
#include "record.h"

enum {
    AGAIN = 2000,                /* milliseconds until what could not be written is tried again */
    HOURLY = 3600 * 1000,        /* milliseconds */
    WAITING_MAX = 1000,          /* records that are kept while nothing can be written; then the oldest goes */
    BATCH_MAX = 100              /* records of one write */
};

struct item {
    struct item *next;
    json_t *record; /* owned */
    bool keep;
    bf_audit_written *written; /* NULL: nobody waits, or heard already */
    void *argument;
};

struct bf_audit {
    uv_loop_t *loop;
    const struct bf_store *store;
    struct item *first, **last; /* what waits */
    size_t waiting;
    int64_t lost;   /* of what waited */
    char trouble[BF_ERROR_TEXT_MAX]; /* "": none */
    uv_timer_t again, hourly;
    int handles;
    bool closing;
    struct bf_audit_head head; /* what is known to be written */
    /* Of the write that is under way, else of the loop. */
    struct bf_audit_file file;
    struct bf_audit_findings findings;
    struct item *under_way;
    struct bf_error error;
    uv_work_t work;
    uv_mutex_t mutex; /* held while something is written, which only has to be known at the end */
    bool writing, written;
};

static void write_soon(struct bf_audit *audit);

static void free_if_closed(struct bf_audit *audit)
{
    if (!audit->closing || audit->handles > 0 || audit->writing)
        return;
    uv_mutex_destroy(&audit->mutex);
    bf_audit_findings_clear(&audit->findings);
    free(audit->file.path);
    free(audit);
}

static void free_items(struct item *item)
{
    while (item) {
        struct item *next = item->next;
        json_decref(item->record);
        free(item);
        item = next;
    }
}

static void say_head(const struct bf_audit *audit, const char *when)
{
    bf_log(BF_LEVEL_NOTICE, NULL, "audit log: record %lld is the newest %s, its hash is %s", (long long)audit->file.head.number,
           when, audit->file.head.hash);
}

static void store_head(const struct bf_audit *audit)
{
    struct bf_mark mark = {.kind = BF_MARK_AUDIT, .number = audit->file.head.number};

    snprintf(mark.name, sizeof mark.name, "%s", audit->file.head.hash);
    audit->store->save_mark(audit->store->context, &mark, NULL, NULL);
}

static json_t *of_daemon(const char *action, const char *detail)
{
    json_t *record = json_pack("{s:s, s:s}", "action", action, "actor", "daemon");
    if (detail)
        json_object_set_new(record, "detail", bf_json_text(detail));
    return record;
}

static void set_time(json_t *record)
{
    struct timeval time;
    char text[BF_TIME_TEXT];

    gettimeofday(&time, NULL);
    json_object_set_new(record, "at", json_string(bf_time_format((int64_t)time.tv_sec * 1000 + time.tv_usec / 1000, text)));
}

static void say_findings(struct bf_audit *audit)
{
    struct bf_audit_findings *findings = &audit->findings;

    for (size_t i = 0; i < findings->count; i++) {
        if (!findings->list[i].text)
            continue; /* said already */
        bf_log(BF_LEVEL_ERROR, NULL, "%s", findings->list[i].text);
        free(findings->list[i].text);
        findings->list[i].text = NULL;
    }
    if (findings->note)
        bf_log(BF_LEVEL_NOTICE, NULL, "%s", findings->note);
    free(findings->note);
    findings->note = NULL;
}

/* ---- writing ---- */

/* In any thread, one at a time. */
static void write_items(struct bf_audit *audit, const struct item *items)
{
    json_t *records[BATCH_MAX];
    size_t count = 0;

    for (const struct item *item = items; item; item = item->next)
        records[count++] = item->record;
    for (size_t i = 0; i < audit->findings.count; i++)
        set_time(audit->findings.list[i].record);
    audit->error = (struct bf_error){0};
    bf_audit_file_append(&audit->file, records, count, &audit->findings, &audit->error);
}

static void on_work(uv_work_t *work)
{
    struct bf_audit *audit = work->data;

    uv_mutex_lock(&audit->mutex);
    if (!audit->written)
        write_items(audit, audit->under_way);
    audit->written = true;
    uv_mutex_unlock(&audit->mutex);
}

static void append_item(struct bf_audit *audit, struct item *item)
{
    item->next = NULL;
    *audit->last = item;
    audit->last = &item->next;
    audit->waiting++;
}

/* The next batch of what waits; what was lost before it is its first record. */
static struct item *take_batch(struct bf_audit *audit)
{
    struct item *batch = NULL, **end = &batch;

    if (audit->lost > 0) {
        struct item *item = BF_NEW(struct item);
        *item = (struct item){.record = of_daemon("lost", NULL), .keep = true};
        json_object_set_new(item->record, "count", json_integer(audit->lost));
        set_time(item->record);
        audit->lost = 0;
        *end = item;
        end = &item->next;
    }
    for (int i = 1; i < BATCH_MAX && audit->first; i++) {
        struct item *item = audit->first;
        audit->first = item->next;
        audit->waiting--;
        item->next = NULL;
        *end = item;
        end = &item->next;
    }
    if (!audit->first)
        audit->last = &audit->first;
    return batch;
}

/* What could not be written waits again, in front of what came meanwhile; what is not to be kept is gone. */
static void put_back(struct bf_audit *audit, struct item *batch)
{
    struct item *came = audit->first, *next;

    audit->first = NULL;
    audit->last = &audit->first;
    audit->waiting = 0;
    for (struct item *item = batch; item; item = next) {
        next = item->next;
        item->next = NULL;
        item->written = NULL; /* it was told */
        if (item->keep)
            append_item(audit, item);
        else
            free_items(item);
    }
    for (struct item *item = came; item; item = next) {
        next = item->next;
        append_item(audit, item);
    }
}

static void take_trouble(struct bf_audit *audit, const char *text)
{
    if (text[0] && strcmp(audit->trouble, text) != 0)
        bf_log(BF_LEVEL_ERROR, NULL, "%s. Jobs go on and can be paused and aborted, which is recorded later; nothing else can be "
               "ordered", text);
    else if (!text[0] && audit->trouble[0])
        bf_log(BF_LEVEL_NOTICE, NULL, "the audit log takes records again: what was missing is written");
    snprintf(audit->trouble, sizeof audit->trouble, "%s", text);
}

static void on_again(uv_timer_t *timer)
{
    write_soon(timer->data);
}

static void on_worked(uv_work_t *work, int status)
{
    struct bf_audit *audit = work->data;
    struct item *batch = audit->under_way;
    const struct bf_error trouble = audit->error; /* the next write may begin below */
    bool good = trouble.code == BF_OK;
    struct {
        bf_audit_written *written;
        void *argument;
        int64_t number;
    } told[BATCH_MAX];
    size_t count = 0;

    (void)status; /* it is never cancelled */
    audit->writing = false;
    audit->under_way = NULL;
    if (audit->closing) { /* bf_audit_free saw to the rest */
        free_items(batch);
        free_if_closed(audit);
        return;
    }
    for (const struct item *item = batch; item; item = item->next)
        if (item->written) {
            told[count].written = item->written;
            told[count].number = json_integer_value(json_object_get(item->record, "n"));
            told[count++].argument = item->argument;
        }
    say_findings(audit);
    take_trouble(audit, good ? "" : trouble.text);
    if (good) {
        free_items(batch);
        bf_audit_findings_clear(&audit->findings);
        audit->head = audit->file.head;
        store_head(audit);
        write_soon(audit);
    } else {
        put_back(audit, batch);
        uv_timer_start(&audit->again, on_again, AGAIN, 0);
    }
    for (size_t i = 0; i < count; i++)
        told[i].written(told[i].argument, good ? NULL : trouble.text, told[i].number);
}

static void write_soon(struct bf_audit *audit)
{
    if (audit->writing || audit->closing || (!audit->first && audit->lost == 0))
        return;
    uv_timer_stop(&audit->again);
    audit->writing = true;
    audit->written = false;
    audit->under_way = take_batch(audit);
    audit->work.data = audit;
    if (uv_queue_work(audit->loop, &audit->work, on_work, on_worked) != 0)
        abort(); /* only for a work function that is NULL */
}

void bf_audit_add(struct bf_audit *audit, json_t *record, bool keep, bf_audit_written *written, void *argument)
{
    struct item *item = BF_NEW(struct item);

    set_time(record);
    *item = (struct item){.record = record, .keep = keep, .written = written, .argument = argument};
    /* While nothing can be written; what somebody still waits for stays, and there are no more of these than connections. */
    if (audit->waiting >= WAITING_MAX && !audit->first->written) {
        struct item *oldest = audit->first;
        audit->first = oldest->next;
        audit->waiting--;
        audit->lost++;
        oldest->next = NULL;
        free_items(oldest);
    }
    append_item(audit, item);
    write_soon(audit);
}

void bf_audit_note(struct bf_audit *audit, const char *action, const char *detail)
{
    if (audit)
        bf_audit_add(audit, of_daemon(action, detail), true, NULL, NULL);
}

/* ---- what happened without an order over HTTP ---- */

static bool is_ordered_elsewhere(const char *actor)
{
    static const char *const prefixes[] = {"trigger:", "alert:", "jobs.d"};

    for (size_t i = 0; i < BF_COUNT(prefixes); i++)
        if (strncmp(actor, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return strcmp(actor, "control") == 0 || strcmp(actor, "timer") == 0;
}

void bf_audit_event(struct bf_audit *audit, const struct bf_record *record, const struct bf_event *event)
{
    if (!audit || !is_ordered_elsewhere(event->actor))
        return;
    json_t *made = json_object();
    json_object_set_new(made, "action", bf_json_text(event->type));
    json_object_set_new(made, "actor", bf_json_text(event->actor));
    json_object_set_new(made, "detail", bf_json_text(event->text));
    if (event->to[0])
        json_object_set_new(made, "outcome", json_string(event->to));
    if (record) {
        json_object_set_new(made, "job", json_string(record->id));
        if (record->document) {
            json_object_set_new(made, "name", json_string(record->document->name));
            json_object_set_new(made, "target", json_string(record->document->target));
        }
    }
    bf_audit_add(audit, made, true, NULL, NULL);
}

/* ---- reading ---- */

struct reading {
    uv_work_t work;
    char *path;
    int64_t after;
    size_t limit;
    struct bf_audit_head head;
    json_t *records;
    struct bf_error error;
    bf_audit_read_done *done;
    void *argument;
};

static void on_read(uv_work_t *work)
{
    struct reading *reading = work->data;

    reading->records = bf_audit_records(reading->path, reading->after, reading->limit, &reading->error);
}

static void on_was_read(uv_work_t *work, int status)
{
    struct reading *reading = work->data;

    (void)status;
    reading->done(reading->argument, reading->records, &reading->head, reading->records ? NULL : reading->error.text);
    free(reading->path);
    free(reading);
}

void bf_audit_read(struct bf_audit *audit, int64_t after, size_t limit, bf_audit_read_done *done, void *argument)
{
    struct reading *reading = BF_NEW(struct reading);

    *reading = (struct reading){.path = bf_copy_string(audit->file.path), .after = after, .limit = limit, .head = audit->head,
                                .done = done, .argument = argument};
    reading->work.data = reading;
    if (uv_queue_work(audit->loop, &reading->work, on_read, on_was_read) != 0)
        abort(); /* only for a work function that is NULL */
}

const char *bf_audit_trouble(const struct bf_audit *audit)
{
    return audit->trouble[0] ? audit->trouble : NULL;
}

/* ---- begin and end ---- */

static void take_mark(void *argument, const struct bf_mark *mark)
{
    struct bf_audit_head *stored = argument;

    if (mark->kind != BF_MARK_AUDIT)
        return;
    stored->number = mark->number;
    snprintf(stored->hash, sizeof stored->hash, "%.*s", BF_DIGEST_TEXT - 1, mark->name);
}

static void on_hour(uv_timer_t *timer)
{
    const struct bf_audit *audit = timer->data;

    if (!audit->writing) /* else in an hour: what is being written is not known to be */
        say_head(audit, "now");
}

struct bf_audit *bf_audit_new(const struct bf_audit_options *options)
{
    struct bf_audit *audit = BF_NEW(struct bf_audit);
    struct bf_audit_head stored = {.number = -1};
    struct bf_error error = {0};

    audit->loop = options->loop;
    audit->store = options->store;
    audit->last = &audit->first;
    audit->file.path = bf_copy_string(options->path);
    uv_mutex_init(&audit->mutex);
    uv_timer_init(audit->loop, &audit->again);
    uv_timer_init(audit->loop, &audit->hourly);
    audit->handles = 2;
    audit->again.data = audit->hourly.data = audit;
    uint64_t every = options->head_every ? (uint64_t)options->head_every : HOURLY;
    uv_timer_start(&audit->hourly, on_hour, every, every);
    audit->store->load_marks(audit->store->context, take_mark, &stored, &error); /* a store that fails ends the start elsewhere */
    if (bf_audit_file_open(&audit->file, stored.number > 0 ? &stored : NULL, &audit->findings, &error) != BF_OK)
        take_trouble(audit, error.text);
    audit->head = audit->file.head;
    say_findings(audit);
    say_head(audit, "at the start");
    char process[64];
    snprintf(process, sizeof process, "backfilld " BF_VERSION ", process %d", (int)getpid());
    bf_audit_note(audit, "start", process);
    return audit;
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_audit *audit = handle->data;

    audit->handles--;
    free_if_closed(audit);
}

/* Who still waits hears that there is nothing to wait for. */
static void tell_end(struct item *items)
{
    for (struct item *item = items; item; item = item->next)
        if (item->written) item->written(item->argument, "the daemon is stopping", 0);
    for (struct item *item = items; item; item = item->next)
        item->written = NULL;
}

void bf_audit_free(struct bf_audit *audit)
{
    if (!audit)
        return;
    bf_audit_note(audit, "stop", NULL);
    audit->closing = true;
    uv_mutex_lock(&audit->mutex); /* ends the wait for a write that is under way */
    if (audit->writing && !audit->written)
        write_items(audit, audit->under_way);
    audit->written = true;
    uv_mutex_unlock(&audit->mutex);
    tell_end(audit->under_way);
    tell_end(audit->first);
    if (audit->writing && audit->error.code == BF_OK) {
        bf_audit_findings_clear(&audit->findings);
    } else if (audit->writing) {
        put_back(audit, audit->under_way);
        audit->under_way = NULL;
    }
    bool good = true;
    while (good && audit->first) {
        struct item *batch = take_batch(audit);
        write_items(audit, batch);
        good = audit->error.code == BF_OK;
        if (good) {
            bf_audit_findings_clear(&audit->findings);
            free_items(batch);
        } else {
            put_back(audit, batch);
        }
    }
    if (!good)
        bf_log(BF_LEVEL_ERROR, NULL, "%s: %zu records are lost", audit->error.text, audit->waiting);
    free_items(audit->first);
    store_head(audit);
    say_head(audit, "at the end");
    uv_close((uv_handle_t *)&audit->again, on_closed);
    uv_close((uv_handle_t *)&audit->hourly, on_closed);
}
