#include "impostor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct message {
    char bytes[2048];
    size_t length;
};

static void put(struct message *message, const void *bytes, size_t length)
{
    memcpy(message->bytes + message->length, bytes, length);
    message->length += length;
}

static void put_number(struct message *message, uint32_t number)
{
    uint32_t network = htonl(number);
    put(message, &network, sizeof network);
}

static void put_short(struct message *message, uint16_t number)
{
    uint16_t network = htons(number);
    put(message, &network, sizeof network);
}

/* A message of one kind with these bytes. */
static void put_message(struct message *message, char kind, const void *bytes, size_t length)
{
    put(message, &kind, 1);
    put_number(message, (uint32_t)length + 4);
    put(message, bytes, length);
}

static bool take(int socket, void *bytes, size_t length)
{
    return !length || recv(socket, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static bool take_message(int socket, bool first, char *ret_kind)
{
    char rest[4096];
    uint32_t length;
    if ((!first && !take(socket, ret_kind, 1)) || !take(socket, &length, sizeof length))
        return false;
    length = ntohl(length) - 4;
    return length <= sizeof rest && take(socket, rest, length);
}

static void greet(const struct impostor *impostor, struct message *answer)
{
    struct message parameter = {0}, key = {0};
    put_message(answer, 'R', "\0\0\0", 4);
    put(&parameter, "server_version", 15);
    put(&parameter, impostor->server_version, strlen(impostor->server_version) + 1);
    put_message(answer, 'S', parameter.bytes, parameter.length);
    put_number(&key, (uint32_t)impostor->login_pid);
    put_number(&key, 4711);
    put_message(answer, 'K', key.bytes, key.length);
    put_message(answer, 'Z', "I", 1);
}

static void introduce(const struct impostor *impostor, struct message *answer)
{
    struct message columns = {0}, row = {0};
    char pid[16];
    snprintf(pid, sizeof pid, "%d", impostor->asked_pid);
    put_message(answer, '1', NULL, 0);
    put_message(answer, '2', NULL, 0);
    put_short(&columns, 2);
    for (int i = 0; i < 2; i++) {
        put(&columns, "c", 2);
        put(&columns, "\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0", 18); /* a text */
    }
    put_message(answer, 'T', columns.bytes, columns.length);
    put_short(&row, 2);
    const char *values[] = {pid, impostor->version};
    for (int i = 0; i < 2; i++) {
        put_number(&row, (uint32_t)strlen(values[i]));
        put(&row, values[i], strlen(values[i]));
    }
    put_message(answer, 'D', row.bytes, row.length);
    put_message(answer, 'C', "SELECT 1", 9);
    put_message(answer, 'Z', "I", 1);
}

static void *serve(void *argument)
{
    struct impostor *impostor = argument;
    int socket = accept(impostor->listener, NULL, NULL);
    struct message answer = {0};
    char kind = 0;

    /* libpq asks for encryption first; N says no, and then comes the login. */
    if (socket >= 0 && take_message(socket, true, &kind) && send(socket, "N", 1, MSG_NOSIGNAL) == 1 &&
        take_message(socket, true, &kind)) {
        greet(impostor, &answer);
        bool on = send(socket, answer.bytes, answer.length, MSG_NOSIGNAL) > 0;
        while (on && take_message(socket, false, &kind) && kind != 'X') {
            if (kind != 'S')
                continue;
            answer.length = 0;
            if (!impostor->version)
                break;
            introduce(impostor, &answer);
            on = send(socket, answer.bytes, answer.length, MSG_NOSIGNAL) > 0;
        }
    }
    close(socket);
    return NULL;
}

void impostor_start(struct impostor *impostor)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    impostor->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(impostor->listener, (struct sockaddr *)&address, length) || listen(impostor->listener, 1) ||
        getsockname(impostor->listener, (struct sockaddr *)&address, &length))
        perror("impostor");
    impostor->port = ntohs(address.sin_port);
    pthread_create(&impostor->thread, NULL, serve, impostor);
}

void impostor_stop(struct impostor *impostor)
{
    pthread_join(impostor->thread, NULL);
    close(impostor->listener);
}
