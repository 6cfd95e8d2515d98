/* What is said to others of an event. */
#include <jansson.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "record.h"
#include "webhooks.h"

static const char *const kinds[] = {"state", "trigger", "alert", "stuck", "break_glass"};

bool bf_webhook_tells(const struct bf_event *event)
{
    for (size_t i = 0; i < BF_COUNT(kinds); i++)
        if (strcmp(event->type, kinds[i]) == 0)
            return true;
    return false;
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

/* "job orders-archive on shop: running → paused: why" */
static char *sentence_of(const struct bf_record *record, const struct bf_event *event)
{
    struct bf_buffer text = {0};
    bf_buffer_format(&text, "job %s on %s: ", record->document->name, record->document->target);
    if (event->to[0])
        bf_buffer_format(&text, "%s → %s: ", event->from, event->to);
    bf_buffer_text(&text, event->text);
    return bf_buffer_take(&text);
}

/* Slack's control characters (&, <, >): a text of ours neither makes links nor calls people. */
static char *for_slack(const char *text, const char *link, const char *name, int64_t lost)
{
    struct bf_buffer escaped = {0};
    for (; *text; text++)
        switch (*text) {
        case '&':
            bf_buffer_text(&escaped, "&amp;");
            break;
        case '<':
            bf_buffer_text(&escaped, "&lt;");
            break;
        case '>':
            bf_buffer_text(&escaped, "&gt;");
            break;
        default:
            bf_buffer_append(&escaped, text, 1);
            break;
        }
    if (link)
        bf_buffer_format(&escaped, " <%s|%s>", link, name);
    if (lost)
        bf_buffer_format(&escaped, " (%lld messages before this one were lost)", (long long)lost);
    return bf_buffer_take(&escaped);
}

static json_t *event_view(const struct bf_event *event)
{
    char at[BF_TIME_TEXT];
    json_t *view = json_object();
    json_object_set_new(view, "id", json_integer(event->id));
    json_object_set_new(view, "at", json_string(bf_time_format(event->at, at)));
    json_object_set_new(view, "type", json_string(event->type));
    json_object_set_new(view, "from", text_or_null(event->from));
    json_object_set_new(view, "to", text_or_null(event->to));
    json_object_set_new(view, "actor", text_or_null(event->actor));
    json_object_set_new(view, "text", text_or_null(event->text));
    return view;
}

static json_t *job_view(const struct bf_record *record)
{
    const struct bf_document *document = record->document;
    json_t *view = json_object(), *labels = json_object();
    json_object_set_new(view, "id", json_string(record->id));
    json_object_set_new(view, "name", json_string(document->name));
    json_object_set_new(view, "target", json_string(document->target));
    json_object_set_new(view, "table", text_or_null(document->table));
    json_object_set_new(view, "state", json_string(bf_state_name(record->state))); /* now, not when it happened */
    json_object_set_new(view, "owner", text_or_null(document->owner));
    json_object_set_new(view, "description", text_or_null(document->description));
    for (size_t i = 0; i < document->label_count; i++)
        json_object_set_new(labels, document->labels[i].name, json_string(document->labels[i].value));
    json_object_set_new(view, "labels", labels);
    return view;
}

char *bf_webhook_message(enum bf_webhook_format format, const struct bf_record *record, const struct bf_event *event,
                         const char *address, int64_t lost)
{
    char *link BF_AUTO_STRING = address ? bf_format("%s/#/jobs/%s", address, record->id) : NULL;
    char *sentence BF_AUTO_STRING = sentence_of(record, event);
    json_t *message = json_object();
    if (format == BF_WEBHOOK_SLACK) {
        char *text BF_AUTO_STRING = for_slack(sentence, link, record->document->name, lost);
        json_object_set_new(message, "text", json_string(text));
    } else {
        char *text BF_AUTO_STRING = link ? bf_format("%s %s", sentence, link) : bf_copy_string(sentence);
        json_object_set_new(message, "text", json_string(text));
        json_object_set_new(message, "event", event_view(event));
        json_object_set_new(message, "job", job_view(record));
        json_object_set_new(message, "link", text_or_null(link));
        json_object_set_new(message, "lost", json_integer(lost));
    }
    char *body = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    return body ? body : bf_copy_string("{}");
}
