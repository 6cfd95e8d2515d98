/* One session of a monitor's: it comes, carries one flight at a time, and goes when it does not answer. */
#include <stdio.h>

#include "monitor.h"

enum { CONNECT_TIMEOUT = 4000, STATEMENT_TIMEOUT = 3000, LOCK_TIMEOUT = 1000 /* milliseconds */ };

static int64_t now_of(const struct bf_line *line)
{
    const struct bf_world *world = line->monitor->engine->world;
    return world->monotonic(world->context);
}

void bf_line_hang_up(struct bf_line *line, const char *why)
{
    if (line->session)
        line->database->close(line->session);
    line->session = NULL;
    line->connected = line->flying = false;
    if (!why)
        return;
    snprintf(line->trouble, sizeof line->trouble, "%s", why);
    if (line->lost)
        line->lost(line);
}

static const struct bf_answer *first_error(const struct bf_flight *flight, const struct bf_answer *answers)
{
    for (size_t i = 0; i < flight->count; i++)
        if (answers[i].outcome == BF_OUTCOME_ERROR || answers[i].outcome == BF_OUTCOME_UNKNOWN)
            return &answers[i];
    return NULL;
}

static void on_done(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    (void)session;
    struct bf_line *line = argument;
    const struct bf_answer *error = first_error(flight, answers);
    line->flying = false;
    if (lost) {
        bf_line_hang_up(line, error && error->message ? error->message : "the connection was lost");
        return;
    }
    line->landed(line, answers);
}

void bf_line_take_off(struct bf_line *line)
{
    bf_flight_clear(&line->flight);
    line->fly(line);
    if (line->flight.count == 0)
        return;
    line->flying = true;
    line->since = now_of(line);
    line->database->execute(line->session, &line->flight, on_done, line);
}

static void on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    (void)session;
    struct bf_line *line = argument;
    if (error_class != BF_CLASS_NONE) {
        bf_line_hang_up(line, text ? text : "the server does not answer");
        return;
    }
    line->connected = true;
    line->connections++;
    bf_line_take_off(line);
}

static void dial(struct bf_line *line)
{
    struct bf_session_options options = {.application_name = line->application_name,
                                         .lock_timeout = LOCK_TIMEOUT,
                                         .statement_timeout = STATEMENT_TIMEOUT,
                                         .connect_timeout = CONNECT_TIMEOUT,
                                         .needs_no_database = line->needs_no_database};
    line->since = now_of(line);
    line->connected = line->flying = false;
    line->session = line->database->connect(line->database->context, &options, on_connected, line);
}

void bf_line_attend(struct bf_line *line)
{
    bool waits = line->session && (!line->connected || line->flying);
    if (waits && now_of(line) - line->since < BF_MONITOR_PATIENCE)
        return;
    if (waits)
        bf_line_hang_up(line, "the server does not answer");
    if (!line->session)
        dial(line);
    else
        bf_line_take_off(line);
}
