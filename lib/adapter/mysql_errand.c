/* What has to be said to the server while the session itself waits for it: KILL QUERY, and the question whether it waits
 * for a lock. Each goes on a connection and a thread of its own, to the same host.
 *
 * The session's number alone proves nothing (after a restart it may be another's), so the errand first asks who holds the
 * lock that the session took when it began: only then it is ours. A KILL that arrives between two statements stops those
 * behind it, or nothing; it is repeated until the flight is over, the next flight waits until it has arrived, and begins
 * with a statement that takes what may be left of it. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "allocate.h"
#include "mysql_session.h"

enum { CONNECT_SECONDS = 3 };

struct bf_mysql_errand {
    struct bf_mysql_work work;
    struct bf_session *session;
    enum bf_mysql_kill kill; /* NONE: look */
    bool killed, refused;    /* refused: the account may not see what we ask for */
    bool elsewhere;          /* this connection came to another server than the session */
    char waits_for[64];      /* the lock; "" when it waits for none */
};

/* The first value of the answer; false when there is none (error or NULL). */
static bool value_of(MYSQL *connection, const char *query, char *value, size_t size)
{
    bool found = false;
    if (mysql_real_query(connection, query, (unsigned long)strlen(query)))
        return false;
    MYSQL_RES *result = mysql_store_result(connection);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (row && row[0]) {
        snprintf(value, size, "%s", row[0]);
        found = true;
    }
    mysql_free_result(result);
    return found;
}

static void look(struct bf_mysql_errand *errand, MYSQL *connection)
{
    char query[400];
    snprintf(query, sizeof query,
             "/* backfilld */ SELECT COALESCE((SELECT trx_requested_lock_id FROM information_schema.INNODB_TRX WHERE "
             "trx_mysql_thread_id = %lu AND trx_state = 'LOCK WAIT'), (SELECT STATE FROM information_schema.PROCESSLIST "
             "WHERE ID = %lu AND STATE LIKE 'Waiting for%%lock'))",
             errand->session->thread, errand->session->thread);
    if (!value_of(connection, query, errand->waits_for, sizeof errand->waits_for))
        errand->refused = mysql_errno(connection) != 0;
}

static void run(struct bf_mysql_work *work)
{
    struct bf_mysql_errand *errand = work->data;
    struct bf_session *session = errand->session;
    char text[700], query[128];
    unsigned number;

    MYSQL *connection = bf_mysql_open(session, session->host, CONNECT_SECONDS, &number, text, sizeof text);
    if (!connection)
        return; /* no news: the answer to the flight tells, and it is tried again */
    errand->elsewhere = value_of(connection, "/* backfilld */ SELECT " BF_MYSQL_INSTANCE, text, sizeof text) &&
                        strcmp(text, session->instance);
    snprintf(query, sizeof query, "/* backfilld */ SELECT IS_USED_LOCK('%s')", session->lock);
    if (!errand->elsewhere && value_of(connection, query, text, sizeof text) && strtoull(text, NULL, 10) == session->thread) {
        if (errand->kill == BF_MYSQL_KILL_NONE) {
            look(errand, connection);
        } else {
            atomic_store(&session->kill, errand->kill); /* before its effect, which the flight's work judges by this */
            int length = snprintf(query, sizeof query, "KILL QUERY %lu", session->thread);
            errand->killed = !mysql_real_query(connection, query, (unsigned long)length);
        }
    }
    mysql_close(connection);
}

static void ran(struct bf_mysql_work *work)
{
    struct bf_mysql_errand *errand = work->data;
    struct bf_session *session = errand->session;
    uint64_t now = bf_mysql_clock();

    session->errand = NULL;
    if (errand->kill == BF_MYSQL_KILL_NONE)
        session->looked_at = now;
    session->absorb = session->absorb || errand->killed;
    session->no_look = session->no_look || errand->refused;
    if (errand->elsewhere && !session->closed) {
        session->mysql->between = true;
        shutdown(session->socket, SHUT_RDWR); /* nothing can be cancelled there: the flight is lost at once */
    }
    if (errand->kill == BF_MYSQL_KILL_NONE) {
        if (!errand->waits_for[0])
            session->waiting_since = 0;
        else if (!session->waiting_since || strcmp(session->waiting_for, errand->waits_for))
            session->waiting_since = now;
        snprintf(session->waiting_for, sizeof session->waiting_for, "%s", errand->waits_for);
        bool too_long = session->waiting_since &&
                        (now - session->waiting_since) * 4 >= (uint64_t)session->options.lock_timeout * 3;
        if (!session->closed && session->state == BF_MYSQL_FLYING && too_long)
            bf_mysql_kill_query(session, BF_MYSQL_KILL_LOCK);
    }
    if (!session->closed && session->flight && session->state != BF_MYSQL_FLYING)
        bf_mysql_soon(session);
    free(errand);
    bf_mysql_release(session);
}

static void begin(struct bf_session *session, enum bf_mysql_kill why)
{
    struct bf_mysql_errand *errand = BF_NEW(struct bf_mysql_errand);
    errand->session = session;
    errand->kill = why;
    errand->work.data = errand;
    session->errand = errand;
    session->references++;
    bf_mysql_work(session->loop, &errand->work, run, ran);
}

void bf_mysql_kill_query(struct bf_session *session, enum bf_mysql_kill why)
{
    if (!session->errand)
        begin(session, why);
}

void bf_mysql_look(struct bf_session *session)
{
    if (!session->errand)
        begin(session, BF_MYSQL_KILL_NONE);
}
