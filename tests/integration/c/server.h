/* What the tests of dialect and adapter share: a loop, sessions that are waited for, and a plain libpq connection beside
 * them that plays the world. */
#ifndef BF_TESTS_SERVER_H
#define BF_TESTS_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <uv.h>

#include "allocate.h"
#include "buffer.h"
#include "complaints.h"
#include "database.h"
#include "dialect.h"
#include "document.h"
#include "postgresql.h"

struct server {
    uv_loop_t loop;
    const char *conninfo;
    struct bf_database *database;
    PGconn *side; /* the world: a superuser's session */
};

struct client {
    struct server *server;
    struct bf_session *session;
    bool connected, done, lost;
    enum bf_error_class error_class;
    char text[1024];
    struct bf_flight flight;
    struct bf_answer answers[BF_STEPS_MAX];
    size_t answer_count;
};

/* cmocka's group set-up: *state becomes the struct server. */
int server_up(void **state);
int server_down(void **state);

/* Connects and waits; the class is in the client. */
struct client *client_new_to(struct server *server, const char *conninfo, const char *name, int64_t timeout);
struct client *client_new(struct server *server, const char *name); /* must succeed */
void client_free(struct client *client);
void client_send(struct client *client); /* sends client->flight, does not wait */
void client_wait(struct client *client); /* for the answers */
void client_run(struct client *client);  /* sends, waits */
/* Runs one statement alone by the session; the answer is client->answers[0]. */
void client_query(struct client *client, enum bf_statement statement, const char *sql);
void wait_until(struct server *server, const bool *flag);

/* The world: fails the test when the statement fails; frees nothing that the caller gets. */
void side(struct server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *side_value(struct server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t side_number(struct server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A document with table and set, as if it had been parsed. */
struct bf_document *document_of(const char *table, const char *column, const char *expression, const char *where);
/* Surveys; NULL with complaints. */
struct bf_table *survey(struct client *client, const struct bf_document *document, struct bf_complaints *complaints);
struct bf_table *survey_well(struct client *client, const struct bf_document *document); /* must be fine */
void make_schema(struct client *client);
bool complained(const struct bf_complaints *complaints, const char *pointer, const char *word);

#endif
