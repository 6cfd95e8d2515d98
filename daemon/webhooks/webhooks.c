#include "webhooks.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "allocate.h"
#include "curl_client.h"
#include "engine.h"
#include "log.h"

/* Milliseconds, but for PAGE: events. */
enum {
    PAGE = 100,
    SOON = 50,               /* an event happened: it may be in the store by then, */
    LOOK_EVERY = 500,        /* or by then, */
    HOT_FOR = 10000,         /* for so long; then it is looked once in */
    REST_LOOK = 30000,
    TIMEOUT = 10000,         /* of one message */
    FIRST_RETRY = 1000,      /* doubles, */
    LAST_RETRY = 300000,     /* up to this */
    GIVE_UP = 86400000
};

/* One target's. */
struct hook {
    struct hook *next;
    struct bf_webhooks *webhooks;
    char *target, *url, *secret_file; /* owned */
    enum bf_webhook_format format;
    bool gone;               /* it is not configured any more: freed when nothing is under way */
    int64_t told;            /* the last event that it was told of, or that was none of its business; -1: not known yet */
    int64_t stored;          /* the same, as the store has it */
    bool reading;
    struct bf_curl_call *call;
    int64_t sending;         /* the event of the call */
    uv_timer_t retry;
    int attempts;            /* of the message that is due */
    int64_t lost;            /* given up, and not said yet */
};

struct bf_webhooks {
    struct bf_webhooks_options options;
    char *address;           /* owned; NULL: none */
    struct hook *hooks;
    struct bf_mark *marks;   /* owned; as they were loaded */
    size_t mark_count;
    uv_timer_t timer;
    uint64_t hot_until;      /* of the loop's time */
    bool started, closing;
    int handles;             /* of the loop that are open */
    int reads;               /* under way in the store */
};

static void look(struct hook *hook);

static int64_t unix_now(void)
{
    struct timeval time;
    gettimeofday(&time, NULL);
    return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static void free_if_closed(struct bf_webhooks *webhooks)
{
    if (!webhooks->closing || webhooks->handles > 0 || webhooks->reads > 0)
        return;
    free(webhooks->marks);
    free(webhooks->address);
    free(webhooks);
}

/* ---- up to where it was told ---- */

static void save(struct hook *hook)
{
    struct bf_mark mark = {.kind = BF_MARK_WEBHOOK, .number = hook->told};
    const struct bf_store *store = hook->webhooks->options.store;
    if (hook->told == hook->stored)
        return;
    snprintf(mark.name, sizeof mark.name, "%s", hook->target);
    hook->stored = hook->told;
    store->save_mark(store->context, &mark, NULL, NULL);
}

static void give_up(struct hook *hook, const char *why)
{
    hook->told = hook->sending;
    hook->attempts = 0;
    hook->lost++;
    save(hook);
    bf_log_target(BF_LEVEL_ERROR, hook->target, "webhook: the message of event %lld is lost: %s",
                  (long long)hook->sending, why);
}

static void on_retry(uv_timer_t *timer)
{
    look(timer->data);
}

static void try_again(struct hook *hook, const char *why)
{
    int64_t delay = FIRST_RETRY;
    for (int i = 1; i < hook->attempts && delay < LAST_RETRY; i++)
        delay *= 2;
    if (delay > LAST_RETRY)
        delay = LAST_RETRY;
    if (hook->attempts == 1)
        bf_log_target(BF_LEVEL_WARNING, hook->target, "webhook: not delivered: %s; it is tried again", why);
    uv_timer_start(&hook->retry, on_retry, (uint64_t)delay, 0);
}

/* Of the message, and not of the way to it: trying again would not help. */
static bool is_refusal(int status)
{
    return status == 400 || status == 410 || status == 413 || status == 415 || status == 422;
}

static void on_sent(void *argument, const char *trouble, int status, const char *body, size_t length)
{
    struct hook *hook = argument;
    char why[256];
    (void)body, (void)length;
    hook->call = NULL;
    hook->attempts++;
    if (!trouble && status >= 200 && status < 300) {
        if (hook->attempts > 1)
            bf_log_target(BF_LEVEL_NOTICE, hook->target, "webhook: delivered at try %d", hook->attempts);
        hook->told = hook->sending;
        hook->attempts = 0;
        hook->lost = 0;
        save(hook);
        look(hook);
        return;
    }
    if (trouble)
        snprintf(why, sizeof why, "%s", trouble);
    else
        snprintf(why, sizeof why, "it answered with status %d", status);
    if (!trouble && is_refusal(status)) {
        give_up(hook, why);
        look(hook);
    } else {
        try_again(hook, why);
    }
}

/* ---- what is to be told ---- */

static const struct bf_record *record_of(const struct hook *hook, const struct bf_event *event)
{
    const struct bf_job *job = NULL;
    struct bf_error error;
    if (!event->job[0] || bf_engine_find(hook->webhooks->options.engine, event->job, false, &job, &error) != BF_OK)
        return NULL;
    const struct bf_record *record = bf_job_record(job);
    return strcmp(record->document->target, hook->target) == 0 ? record : NULL;
}

static void send_message(struct hook *hook, const struct bf_record *record, const struct bf_event *event)
{
    char *body BF_AUTO_STRING = bf_webhook_message(hook->format, record, event, hook->webhooks->address, hook->lost);
    struct bf_curl_request request = {.url = hook->url, .body = body, .secret_file = hook->secret_file, .timeout = TIMEOUT};
    hook->sending = event->id;
    hook->call = bf_curl_ask(hook->webhooks->options.curl, &request, on_sent, hook);
}

/* True when a message is on its way. */
static bool tell(struct hook *hook, const struct bf_event *event)
{
    const struct bf_record *record = bf_webhook_tells(event) ? record_of(hook, event) : NULL;
    bool old = record && unix_now() - event->at > GIVE_UP;
    hook->lost += old;
    if (record && !old)
        send_message(hook, record, event);
    else
        hook->told = event->id;
    return record && !old;
}

static void free_hook(struct hook *hook);

static void on_read(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct hook *hook = argument;
    struct bf_webhooks *webhooks = hook->webhooks;
    webhooks->reads--;
    hook->reading = false;
    if (hook->gone) {
        free_hook(hook);
        free_if_closed(webhooks);
        return;
    }
    if (error->code != BF_OK)
        return; /* it is looked again */
    if (hook->told < 0) { /* new: it is told of what happens from now on */
        hook->told = count ? events[count - 1].id : 0;
        save(hook);
        return;
    }
    bool sends = false;
    int64_t lost = hook->lost;
    for (size_t i = 0; i < count && !sends; i++)
        sends = tell(hook, &events[i]);
    if (hook->lost > lost) {
        bf_log_target(BF_LEVEL_ERROR, hook->target, "webhook: %lld messages could not be delivered for a day and are lost",
                      (long long)(hook->lost - lost));
        hook->attempts = 0;
        save(hook);
    }
    if (!sends && count == PAGE)
        look(hook);
}

static void look(struct hook *hook)
{
    const struct bf_store *store = hook->webhooks->options.store;
    if (hook->reading || hook->call || hook->gone || uv_is_active((uv_handle_t *)&hook->retry))
        return;
    hook->reading = true;
    hook->webhooks->reads++;
    bool new = hook->told < 0;
    store->read_events(store->context, NULL, new ? 0 : hook->told, new ? 1 : PAGE, on_read, hook);
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_webhooks *webhooks = timer->data;
    for (struct hook *hook = webhooks->hooks; hook; hook = hook->next)
        look(hook);
    bool hot = uv_now(webhooks->options.loop) < webhooks->hot_until;
    if (webhooks->hooks)
        uv_timer_start(&webhooks->timer, on_timer, hot ? LOOK_EVERY : REST_LOOK, 0);
}

void bf_webhooks_heard(struct bf_webhooks *webhooks, const struct bf_event *event)
{
    if (!webhooks->hooks || !bf_webhook_tells(event))
        return;
    webhooks->hot_until = uv_now(webhooks->options.loop) + HOT_FOR;
    if (uv_timer_get_due_in(&webhooks->timer) > SOON || !uv_is_active((uv_handle_t *)&webhooks->timer))
        uv_timer_start(&webhooks->timer, on_timer, SOON, 0);
}

/* ---- which there are ---- */

static void on_hook_closed(uv_handle_t *handle)
{
    struct hook *hook = handle->data;
    struct bf_webhooks *webhooks = hook->webhooks;
    free(hook->target);
    free(hook->url);
    free(hook->secret_file);
    free(hook);
    webhooks->handles--;
    free_if_closed(webhooks);
}

static void free_hook(struct hook *hook)
{
    uv_close((uv_handle_t *)&hook->retry, on_hook_closed);
}

/* It is not among the hooks any more. */
static void end_hook(struct hook *hook)
{
    save(hook);
    if (hook->call)
        bf_curl_cancel(hook->call);
    hook->call = NULL;
    uv_timer_stop(&hook->retry);
    hook->gone = true;
    if (!hook->reading)
        free_hook(hook);
}

static void on_mark(void *argument, const struct bf_mark *mark)
{
    struct bf_webhooks *webhooks = argument;
    if (mark->kind != BF_MARK_WEBHOOK)
        return;
    webhooks->marks = bf_reallocate(webhooks->marks, (webhooks->mark_count + 1) * sizeof *webhooks->marks);
    webhooks->marks[webhooks->mark_count++] = *mark;
}

static struct hook *new_hook(struct bf_webhooks *webhooks, const char *target)
{
    struct hook *hook = BF_NEW(struct hook);
    hook->webhooks = webhooks;
    hook->target = bf_copy_string(target);
    hook->told = hook->stored = -1;
    for (size_t i = 0; i < webhooks->mark_count; i++)
        if (strcmp(webhooks->marks[i].name, target) == 0)
            hook->told = hook->stored = webhooks->marks[i].number;
    uv_timer_init(webhooks->options.loop, &hook->retry);
    hook->retry.data = hook;
    webhooks->handles++;
    return hook;
}

static struct hook *take_hook(struct hook **list, const char *target)
{
    for (struct hook **at = list; *at; at = &(*at)->next)
        if (strcmp((*at)->target, target) == 0) {
            struct hook *found = *at;
            *at = found->next;
            return found;
        }
    return NULL;
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = bf_copy_string(value);
}

/* Its target has no webhook any more. The next one there begins anew, also after a restart: what happens meanwhile is told to
 * nobody. */
static void forget(struct bf_webhooks *webhooks, struct hook *hook)
{
    hook->told = -1;
    for (size_t i = 0; i < webhooks->mark_count; i++)
        if (strcmp(webhooks->marks[i].name, hook->target) == 0)
            webhooks->marks[i].number = -1;
    end_hook(hook);
}

enum bf_code bf_webhooks_apply(struct bf_webhooks *webhooks, const struct bf_config *config, struct bf_error *error)
{
    const struct bf_store *store = webhooks->options.store;
    if (!webhooks->started) {
        enum bf_code code = store->load_marks(store->context, on_mark, webhooks, error);
        if (code != BF_OK)
            return code;
        webhooks->started = true;
    }
    set_text(&webhooks->address, config->public_url ? config->public_url : webhooks->options.address);
    struct hook *before = webhooks->hooks, *hooks = NULL;
    for (size_t i = 0; i < config->target_count; i++) {
        const struct bf_target_config *target = &config->targets[i];
        if (!target->webhook)
            continue;
        struct hook *hook = take_hook(&before, target->name);
        if (!hook)
            hook = new_hook(webhooks, target->name);
        bool same = hook->url && strcmp(hook->url, target->webhook) == 0;
        set_text(&hook->url, target->webhook);
        set_text(&hook->secret_file, target->webhook_secret_file);
        hook->format = target->webhook_format;
        if (!same) {
            uv_timer_stop(&hook->retry); /* another address is tried at once */
            hook->attempts = 0;
        }
        hook->next = hooks;
        hooks = hook;
    }
    webhooks->hooks = hooks;
    for (struct hook *next; before; before = next) {
        next = before->next;
        forget(webhooks, before);
    }
    if (hooks)
        uv_timer_start(&webhooks->timer, on_timer, 0, 0);
    return BF_OK;
}

static const struct bf_target_config *target_called(const struct bf_config *config, const char *name)
{
    for (size_t i = 0; i < config->target_count; i++)
        if (strcmp(config->targets[i].name, name) == 0)
            return &config->targets[i];
    return NULL;
}

size_t bf_webhooks_changes(const struct bf_config *before, const struct bf_config *now)
{
    size_t changes = 0;
    for (size_t i = 0; i < now->target_count; i++) {
        const struct bf_target_config *new = &now->targets[i], *old = target_called(before, new->name);
        if (!old || (bf_same_string(old->webhook, new->webhook) && old->webhook_format == new->webhook_format &&
                     bf_same_string(old->webhook_secret_file, new->webhook_secret_file)))
            continue;
        changes++;
        bf_log_target(BF_LEVEL_NOTICE, new->name, "its webhook is another one");
    }
    if (!bf_same_string(before->public_url, now->public_url) && ++changes)
        bf_log(BF_LEVEL_NOTICE, NULL, "public_url: %s -> %s", before->public_url ? before->public_url : "none",
               now->public_url ? now->public_url : "none");
    return changes;
}

struct bf_webhooks *bf_webhooks_new(const struct bf_webhooks_options *options)
{
    struct bf_webhooks *webhooks = BF_NEW(struct bf_webhooks);
    webhooks->options = *options;
    uv_timer_init(options->loop, &webhooks->timer);
    webhooks->timer.data = webhooks;
    webhooks->handles = 1;
    return webhooks;
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_webhooks *webhooks = handle->data;
    webhooks->handles--;
    free_if_closed(webhooks);
}

void bf_webhooks_free(struct bf_webhooks *webhooks)
{
    if (!webhooks)
        return;
    for (struct hook *hook = webhooks->hooks, *next; hook; hook = next) {
        next = hook->next;
        end_hook(hook);
    }
    webhooks->hooks = NULL;
    webhooks->closing = true;
    uv_close((uv_handle_t *)&webhooks->timer, on_closed);
}
