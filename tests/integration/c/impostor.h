/* A server that speaks just enough of PostgreSQL's protocol (version 3) to be logged in to and asked who it is. */
#ifndef BF_TESTS_IMPOSTOR_H
#define BF_TESTS_IMPOSTOR_H

#include <pthread.h>
#include <stdbool.h>

struct impostor {
    const char *server_version; /* told at login */
    int login_pid, asked_pid;   /* told at login, and by pg_backend_pid() */
    const char *version;        /* what version() says; NULL: the connection ends instead */
    int port;                   /* filled in by impostor_start */
    int listener;
    pthread_t thread;
};

/* Serves one connection. */
void impostor_start(struct impostor *impostor);
void impostor_stop(struct impostor *impostor);

#endif
