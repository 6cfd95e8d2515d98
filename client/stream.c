#include "stream.h"

#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "follow.h"
#include "http_inside.h"
#include "message.h"

enum {
    STEP = 250,      /* milliseconds, like all of these: a signal may come just before the waiting begins */
    SILENCE = 25000, /* the daemon says something every 10 s */
    AGAIN = 2000,    /* between two attempts, after a stream that broke or was not answered */
    REFUSED = 60000  /* and after another answer: no room for one more, or a daemon of before that may be replaced */
};

struct bf_stream {
    struct bf_http *http;
    bf_stream_take *take;
    void *argument;
    CURLM *multi;
    CURL *curl;                 /* NULL: nothing is under way */
    struct curl_slist *headers; /* of that */
    struct bf_message_reader reader;
    bool open;                  /* the answer is a stream */
    bool said;                  /* that it is open */
    bool heard;                 /* something came in this waiting */
    bool broken;                /* an open one ended in this waiting */
    int64_t heard_at;           /* monotonic milliseconds, like again_at */
    int64_t again_at;
};

static void on_message(void *argument, const char *event, const char *data)
{
    struct bf_stream *stream = argument;
    json_t *json = json_loads(data, 0, NULL);
    if (json_is_object(json))
        stream->take(stream->argument, event, json);
    json_decref(json);
    stream->heard = true;
}

/* Is the answer a stream? Known when its first bytes come. */
static bool is_stream(CURL *curl)
{
    static const char wanted[] = "text/event-stream";
    const char *type = NULL;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    return status == 200 && type && strncasecmp(type, wanted, sizeof wanted - 1) == 0;
}

static size_t receive(char *bytes, size_t size, size_t count, void *argument)
{
    struct bf_stream *stream = argument;
    if (!is_stream(stream->curl))
        return 0;
    stream->open = true;
    stream->heard_at = bf_now();
    return bf_message_read(&stream->reader, bytes, size * count) ? size * count : 0;
}

struct bf_stream *bf_stream_new(struct bf_http *http, bf_stream_take *take, void *argument)
{
    struct bf_stream *stream = BF_NEW(struct bf_stream);
    stream->http = http;
    stream->take = take;
    stream->argument = argument;
    stream->reader.take = on_message;
    stream->reader.argument = stream;
    stream->multi = curl_multi_init();
    if (!stream->multi)
        stream->again_at = INT64_MAX;
    return stream;
}

static void close_stream(struct bf_stream *stream)
{
    if (!stream->curl)
        return;
    curl_multi_remove_handle(stream->multi, stream->curl);
    curl_easy_cleanup(stream->curl);
    curl_slist_free_all(stream->headers);
    stream->curl = NULL;
    stream->headers = NULL;
    stream->broken = stream->open;
    stream->open = stream->said = false;
    bf_message_clear(&stream->reader);
}

void bf_stream_free(struct bf_stream *stream)
{
    if (!stream)
        return;
    close_stream(stream);
    curl_multi_cleanup(stream->multi);
    free(stream);
}

static void open_stream(struct bf_stream *stream, const char *job, int64_t last)
{
    struct bf_http *http = stream->http;
    char *url BF_AUTO_STRING =
        bf_http_address(http, job ? BF_ROUTE_JOB_EVENTS : BF_ROUTE_EVENTS, (const char *const[]){job, NULL}, NULL);
    stream->again_at = bf_now() + AGAIN;
    stream->curl = curl_easy_init();
    if (!stream->curl)
        return;
    stream->headers = curl_slist_append(NULL, "Accept: text/event-stream");
    for (const struct curl_slist *each = http->plain->next; each; each = each->next) /* behind its own Accept */
        stream->headers = curl_slist_append(stream->headers, each->data);
    if (last >= 0) {
        char *header BF_AUTO_STRING = bf_format("Last-Event-ID: %lld", (long long)last);
        stream->headers = curl_slist_append(stream->headers, header);
    }
    bf_http_prepare(http, stream->curl, url, stream->headers);
    curl_easy_setopt(stream->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(stream->curl, CURLOPT_WRITEDATA, stream);
    stream->heard_at = bf_now();
    curl_multi_add_handle(stream->multi, stream->curl);
}

/* The answer is at its end, whatever it was. */
static void end_stream(struct bf_stream *stream, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
    bool other = !stream->open && status != 0 && (code == CURLE_OK || code == CURLE_WRITE_ERROR);
    stream->again_at = bf_now() + (other ? REFUSED : AGAIN);
    close_stream(stream);
}

/* Lets curl do what there is to do. */
static void go_on(struct bf_stream *stream)
{
    int running, left;
    const CURLMsg *message;
    if (!stream->curl)
        return;
    curl_multi_perform(stream->multi, &running);
    while (stream->curl && (message = curl_multi_info_read(stream->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            end_stream(stream, message->data.result);
    if (stream->curl && bf_now() - stream->heard_at > SILENCE)
        close_stream(stream);
}

enum bf_heard bf_stream_wait(struct bf_stream *stream, const char *job, int64_t last, int64_t milliseconds)
{
    int64_t now = bf_now(), end = now + milliseconds;
    stream->heard = stream->broken = false;
    if (!stream->curl && now >= stream->again_at)
        open_stream(stream, job, last);
    for (;;) {
        go_on(stream);
        now = bf_now();
        if (bf_stop || stream->heard || stream->broken || (stream->open && !stream->said) || now >= end)
            break;
        int64_t step = end - now < STEP ? end - now : STEP;
        if (stream->curl)
            curl_multi_poll(stream->multi, NULL, 0, (int)step, NULL);
        else
            bf_sleep(step);
    }
    if (!stream->open)
        return BF_HEARD_NOTHING;
    bool first = !stream->said;
    stream->said = true;
    return first ? BF_HEARD_OPENING : BF_HEARD;
}
