/* A request that is refused by its headers is answered before its body was read. Closing then would make the kernel
 * send a reset, and a client that is still sending would see that instead of the answer. So a duplicate of the socket
 * stays open for a while, and what comes is read and thrown away (nginx: lingering_close). */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocate.h"

enum {
    LINGER_MILLISECONDS = 2000,
    LINGER_BYTES_MAX = 16 * 1024 * 1024,
    LINGERING_MAX = 64 /* at once; further connections are closed at once */
};

struct bf_http_linger {
    struct bf_http *http;
    struct bf_http_linger *next;
    uv_poll_t poll;
    uv_timer_t timer;
    int socket;
    int open_handles;
    size_t received;
};

static void on_closed(uv_handle_t *handle)
{
    struct bf_http_linger *linger = handle->data;
    if (--linger->open_handles > 0) return;
    close(linger->socket);
    free(linger);
}

static void end(struct bf_http_linger *linger)
{
    struct bf_http *http = linger->http;
    struct bf_http_linger **place = &http->lingering;
    while (*place != linger) place = &(*place)->next;
    *place = linger->next;
    http->lingering_count--;
    uv_close((uv_handle_t *)&linger->poll, on_closed);
    uv_close((uv_handle_t *)&linger->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
    end(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bf_http_linger *linger = poll->data;
    char part[16384];
    (void)events;
    ssize_t received = status == 0 ? recv(linger->socket, part, sizeof part, MSG_DONTWAIT) : 0;
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received > 0) linger->received += (size_t)received;
    if (received <= 0 || linger->received > LINGER_BYTES_MAX) end(linger);
}

void bf_http_linger_begin(struct bf_http *http, int socket)
{
    if (http->lingering_count == LINGERING_MAX) return;
    int copy = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return;
    struct bf_http_linger *linger = BF_NEW(struct bf_http_linger);
    if (uv_poll_init(http->loop, &linger->poll, copy) != 0) {
        close(copy);
        free(linger);
        return;
    }
    uv_timer_init(http->loop, &linger->timer);
    linger->http = http;
    linger->socket = copy;
    linger->open_handles = 2;
    linger->poll.data = linger->timer.data = linger;
    linger->next = http->lingering;
    http->lingering = linger;
    http->lingering_count++;
    shutdown(copy, SHUT_WR);
    uv_poll_start(&linger->poll, UV_READABLE, on_readable);
    uv_timer_start(&linger->timer, on_timer, LINGER_MILLISECONDS, 0);
}

void bf_http_linger_end_all(struct bf_http *http)
{
    while (http->lingering) end(http->lingering);
}
