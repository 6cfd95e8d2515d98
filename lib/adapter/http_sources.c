#include "http_sources.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "curl_client.h"
#include "source_answer.h"

struct http_sources {
    struct bf_sources port; /* first: freed through it */
    struct bf_curl *curl;
    struct bf_source_settings *list; /* owned */
    size_t count;
};

struct bf_inquiry {
    struct bf_curl_call *call;
    enum bf_source_type type;
    char *pointer; /* owned; of JSON */
    bf_inquired *done;
    void *argument;
};

static const struct bf_source_settings *find(const struct http_sources *sources, const char *name)
{
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->list[i].name, name) == 0)
            return &sources->list[i];
    return NULL;
}

static char *check(void *context, const char *name, const char *query, bool *ret_found)
{
    const struct bf_source_settings *source = find(context, name);
    *ret_found = source != NULL;
    if (!source)
        return NULL;
    if (source->type == BF_SOURCE_STATUS && query)
        return bf_format("[source %s] gives the status of an answer: there is nothing to be asked, leave `query` out", name);
    if (source->type == BF_SOURCE_PROMETHEUS && !query)
        return bf_format("[source %s] is a Prometheus and needs a `query` in PromQL", name);
    if (source->type == BF_SOURCE_JSON && (!query || *query != '/'))
        return bf_format("[source %s] gives JSON: `query` says where the number stands, as in \"/ratio\" or \"/shops/0/errors\"", name);
    return NULL;
}

static void answered(void *argument, const char *trouble, int status, const char *body, size_t length)
{
    struct bf_inquiry *inquiry = argument;
    char why[BF_ANSWER_TROUBLE] = "";
    double value = status;
    bool good = !trouble;
    if (good && inquiry->type == BF_SOURCE_PROMETHEUS)
        good = bf_answer_of_prometheus(status, body, length, &value, why);
    else if (good && inquiry->type == BF_SOURCE_JSON)
        good = bf_answer_at_pointer(status, body, length, inquiry->pointer, &value, why);
    inquiry->done(inquiry->argument, good, value, trouble ? trouble : why);
    free(inquiry->pointer);
    free(inquiry);
}

static char *url_of(const struct bf_source_settings *source, const char *query)
{
    if (source->type != BF_SOURCE_PROMETHEUS)
        return bf_copy_string(source->url);
    size_t length = strlen(source->url);
    while (length > 0 && source->url[length - 1] == '/')
        length--;
    char *escaped = curl_easy_escape(NULL, query, (int)strlen(query));
    char *url = bf_format("%.*s/api/v1/query?query=%s", (int)length, source->url, escaped ? escaped : "");
    curl_free(escaped);
    return url;
}

static struct bf_inquiry *ask(void *context, const char *name, const char *query, bf_inquired *done, void *argument)
{
    struct http_sources *sources = context;
    const struct bf_source_settings *source = find(sources, name);
    struct bf_inquiry *inquiry = BF_NEW(struct bf_inquiry);
    inquiry->done = done;
    inquiry->argument = argument;
    if (!source) {
        inquiry->call = bf_curl_say(sources->curl, "it is not in the daemon's configuration any more", answered, inquiry);
        return inquiry;
    }
    inquiry->type = source->type;
    inquiry->pointer = bf_copy_string(query ? query : "");
    char *url BF_AUTO_STRING = url_of(source, query ? query : "");
    struct bf_curl_request request = {.url = url, .token_file = source->token_file, .timeout = source->timeout};
    inquiry->call = bf_curl_ask(sources->curl, &request, answered, inquiry);
    return inquiry;
}

static void cancel(struct bf_inquiry *inquiry)
{
    bf_curl_cancel(inquiry->call);
    free(inquiry->pointer);
    free(inquiry);
}

struct bf_sources *bf_http_sources_new(struct bf_curl *curl)
{
    struct http_sources *sources = BF_NEW(struct http_sources);
    sources->port = (struct bf_sources){.context = sources, .check = check, .ask = ask, .cancel = cancel};
    sources->curl = curl;
    return &sources->port;
}

static void clear(struct http_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        free(sources->list[i].name);
        free(sources->list[i].url);
        free(sources->list[i].token_file);
    }
    free(sources->list);
    sources->list = NULL;
    sources->count = 0;
}

void bf_http_sources_set(struct bf_sources *port, const struct bf_source_settings *list, size_t count)
{
    struct http_sources *sources = port->context;
    clear(sources);
    sources->list = bf_allocate(count * sizeof *list + 1);
    sources->count = count;
    for (size_t i = 0; i < count; i++)
        sources->list[i] = (struct bf_source_settings){.name = bf_copy_string(list[i].name), .url = bf_copy_string(list[i].url),
                                                       .token_file = bf_copy_string(list[i].token_file),
                                                       .type = list[i].type, .timeout = list[i].timeout};
}

void bf_http_sources_free(struct bf_sources *port)
{
    if (!port)
        return;
    clear(port->context);
    free(port->context);
}
