/* One stream: its buffer, its connection, and what it missed before it came. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "allocate.h"
#include "server.h"
#include "stream.h"

/* A page of the store that a watcher waits for; outlives it where it has to. */
struct bf_watcher_read {
    struct bf_watcher *watcher; /* NULL: it is gone */
    int64_t newest;             /* what was handed out to the others when it was asked */
};

size_t bf_watcher_pending(const struct bf_watcher *watcher)
{
    return watcher->out.length - watcher->taken;
}

static void wake(struct bf_watcher *watcher)
{
    if (!watcher->suspended) return;
    watcher->suspended = false;
    MHD_resume_connection(watcher->request->connection);
    bf_http_run_soon(watcher->http);
}

/* The server asks for more. With nothing to say the connection is suspended; else the server would ask on and on. */
static ssize_t on_read(void *argument, uint64_t position, char *bytes, size_t room)
{
    struct bf_watcher *watcher = argument;
    (void)position;
    if (watcher->stopping) return MHD_CONTENT_READER_END_OF_STREAM;
    if (watcher->gone) return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t length = bf_watcher_pending(watcher);
    watcher->untaken = 0;
    if (length == 0) {
        watcher->suspended = true;
        MHD_suspend_connection(watcher->request->connection);
        return 0;
    }
    if (length > room) length = room;
    memcpy(bytes, watcher->out.text + watcher->taken, length);
    watcher->taken += length;
    if (bf_watcher_pending(watcher) == 0) {
        watcher->taken = 0;
        if (watcher->out.capacity > BF_STREAM_BUFFER_SOFT)
            bf_buffer_clear(&watcher->out); /* 500 of them shall not keep what one burst needed */
        else
            watcher->out.length = 0;
        bf_watcher_replay(watcher);
    }
    return (ssize_t)length;
}

static void on_free(void *argument)
{
    struct bf_watcher *watcher = argument;
    if (watcher->read) watcher->read->watcher = NULL;
    bf_hub_leave(watcher);
    bf_buffer_clear(&watcher->out);
    free(watcher->targets);
    free(watcher);
}

/* A peer that vanished without a word acknowledges nothing: the kernel gives up. And it buffers no megabytes. */
static void limit(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    unsigned milliseconds = BF_STREAM_STALLED;
    int bytes = BF_STREAM_SOCKET;
    setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    /* A unix socket has none. */
    setsockopt(info->connect_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
}

struct bf_watcher *bf_watcher_new(struct bf_http_request *request, const char *job, int64_t last)
{
    struct bf_watcher *watcher = BF_NEW(struct bf_watcher);
    watcher->http = request->http;
    watcher->request = request;
    if (job)
        memcpy(watcher->job, job, sizeof watcher->job);
    else
        watcher->targets = bf_copy_string(request->identity.targets);
    watcher->shown = request->shown;
    watcher->until = request->until;
    watcher->last = last;
    watcher->said_at = uv_now(request->http->loop);
    limit(request->connection);
    request->streams = true;
    request->status = 200;
    request->response = bf_have(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, on_read, watcher, on_free));
    MHD_add_response_header(request->response, "Content-Type", "text/event-stream");
    MHD_add_response_header(request->response, "Cache-Control", "no-store");
    MHD_add_response_header(request->response, "X-Content-Type-Options", "nosniff");
    return watcher;
}

void bf_watcher_say(struct bf_watcher *watcher, const char *text, size_t length)
{
    if (watcher->gone || length == 0) return;
    if (bf_watcher_pending(watcher) + length > BF_STREAM_BUFFER_MAX) {
        bf_watcher_drop(watcher);
        return;
    }
    if (watcher->taken > BF_STREAM_BUFFER_SOFT) {
        memmove(watcher->out.text, watcher->out.text + watcher->taken, bf_watcher_pending(watcher));
        watcher->out.length -= watcher->taken;
        watcher->taken = 0;
    }
    watcher->said_at = uv_now(watcher->http->loop);
    bf_buffer_append(&watcher->out, text, length);
    wake(watcher);
}

void bf_watcher_say_event(struct bf_watcher *watcher, int64_t id, const struct bf_buffer *text)
{
    if (!watcher->live) return;
    if (bf_watcher_pending(watcher) > BF_STREAM_BUFFER_SOFT) {
        watcher->live = false;
        return;
    }
    watcher->last = id;
    bf_watcher_say(watcher, text->text, text->length);
}

void bf_watcher_say_progress(struct bf_watcher *watcher, const struct bf_buffer *text)
{
    size_t pending = bf_watcher_pending(watcher);
    if (watcher->behind && pending == 0 && watcher->live)
        bf_watcher_reset(watcher, watcher->last, "progress was left out: read it anew");
    else if (watcher->behind || pending > BF_STREAM_BUFFER_SOFT)
        watcher->behind = true;
    else
        bf_watcher_say(watcher, text->text, text->length);
}

void bf_watcher_reset(struct bf_watcher *watcher, int64_t newest, const char *why)
{
    char *text BF_AUTO_STRING = bf_format("id: %lld\nevent: reset\ndata: {\"reason\":\"%s\"}\n\n", (long long)newest, why);
    watcher->last = newest;
    watcher->live = true;
    watcher->behind = false;
    watcher->replayed = 0;
    bf_watcher_say(watcher, text, strlen(text));
}

/* The server learns of it by the end of the connection, or when it asks for more. */
void bf_watcher_drop(struct bf_watcher *watcher)
{
    if (watcher->gone) return;
    watcher->gone = true;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(watcher->request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    shutdown(info->connect_fd, SHUT_RDWR);
    wake(watcher);
}

static void on_page(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct bf_watcher_read *read = argument;
    struct bf_watcher *watcher = read->watcher;
    int64_t newest = read->newest;
    free(read);
    if (!watcher) return;
    watcher->read = NULL;
    if (watcher->gone || (error && error->code != BF_OK)) return; /* the next tick tries again */
    struct bf_buffer text = {0};
    for (size_t i = 0; i < count; i++) {
        bf_stream_write_event(&text, &events[i]);
        watcher->last = events[i].id;
    }
    watcher->replayed += (int64_t)count;
    bf_watcher_say(watcher, text.text, text.length);
    bf_buffer_clear(&text);
    if (count == BF_STREAM_PAGE) {
        if (watcher->replayed >= BF_STREAM_REPLAY_MAX)
            bf_watcher_reset(watcher, bf_hub_newest(watcher->http), "more was missed than is sent again: read it anew");
        return; /* there may be more: when this page was taken */
    }
    /* What the others were told meanwhile may be missing here: then once more. */
    if (bf_hub_newest(watcher->http) != newest) return;
    if (newest > watcher->last) watcher->last = newest;
    watcher->live = true;
    watcher->replayed = 0;
}

void bf_watcher_replay(struct bf_watcher *watcher)
{
    int64_t newest = bf_hub_newest(watcher->http);
    if (watcher->live || watcher->gone || watcher->read || newest < 0 || bf_watcher_pending(watcher) > 0) return;
    if (watcher->last < 0 || watcher->last == newest) {
        watcher->last = newest;
        watcher->live = true;
        return;
    }
    if (watcher->last > newest) {
        bf_watcher_reset(watcher, newest, "there is no such event: read everything anew");
        return;
    }
    struct bf_watcher_read *read = BF_NEW(struct bf_watcher_read);
    read->watcher = watcher;
    read->newest = newest;
    watcher->read = read;
    /* To the store 0 means the newest ones. */
    bf_http_read_events(watcher->http, watcher->job[0] ? watcher->job : NULL, watcher->targets,
                        watcher->last > 0 ? watcher->last : -1, BF_STREAM_PAGE, on_page, read);
}
