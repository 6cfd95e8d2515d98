/* Cancelling what a session runs. PQcancel opens a connection of its own and blocks, so it runs on the thread pool.
 *
 * A cancel that reaches the server between two statements of a flight is without effect, so it is repeated until the
 * flight is over; and a next flight waits until a cancel under way has arrived, so that none hits what it was not meant
 * for. The process id and secret are those of the session itself, which was proven to be our own backend. */
#include <string.h>

#include "allocate.h"
#include "postgresql_session.h"

enum { REPEAT_MILLISECONDS = 100 };

struct bf_cancel {
    uv_work_t work;
    PGcancel *cancel;
    struct bf_session *session; /* NULL once the session is closed */
};

static void run(uv_work_t *work)
{
    struct bf_cancel *cancel = work->data;
    char text[256];
    /* Failing is no news: the answer to the flight tells, and it is tried again. */
    PQcancel(cancel->cancel, text, sizeof text);
}

static void repeat(uv_timer_t *timer)
{
    struct bf_session *session = timer->data;
    if (!session->closed && session->cancel_wanted)
        bf_session_cancel(session);
}

static void ran(uv_work_t *work, int status)
{
    struct bf_cancel *cancel = work->data;
    struct bf_session *session = cancel->session;

    (void)status;
    PQfreeCancel(cancel->cancel);
    free(cancel);
    if (!session)
        return;
    session->cancel = NULL;
    if (session->state == BF_SESSION_FLYING && session->cancel_wanted)
        uv_timer_start(&session->timer, repeat, REPEAT_MILLISECONDS, 0);
    else if (session->flight)
        bf_session_soon(session);
}

void bf_session_cancel(struct bf_session *session)
{
    if (!session->flight || session->closed)
        return;
    session->cancel_wanted = true;
    if (session->state != BF_SESSION_FLYING || session->cancel)
        return;
    struct bf_cancel *cancel = BF_NEW(struct bf_cancel);
    cancel->cancel = PQgetCancel(session->connection);
    if (!cancel->cancel) {
        free(cancel);
        return;
    }
    cancel->session = session;
    cancel->work.data = cancel;
    session->cancel = cancel;
    uv_queue_work(session->loop, &cancel->work, run, ran);
}

void bf_session_forget_cancel(struct bf_session *session)
{
    if (session->cancel)
        session->cancel->session = NULL;
    session->cancel = NULL;
    session->cancel_wanted = false;
}
