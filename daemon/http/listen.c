#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocate.h"

enum { BACKLOG = SOMAXCONN }; /* a crowd must not make a client wait for its next SYN */

/* Ends in -1; the errno of the failed call is told, except for an address in use, which has a code of its own. */
static enum bf_code open_socket(const struct sockaddr *address, socklen_t length, int mode, const char *text,
                                int *ret_socket, struct bf_error *error)
{
    int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return bf_fail(error, BF_INTERNAL, "listen = %s: %s", text, strerror(errno));
    int on = 1;
    /* A unix socket file takes its mode from the socket, so nobody connects before it is what it should be. */
    bool prepared = mode ? fchmod(descriptor, (mode_t)mode) == 0
                         : setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (prepared && bind(descriptor, address, length) == 0 && listen(descriptor, BACKLOG) == 0) {
        *ret_socket = descriptor;
        return BF_OK;
    }
    int failure = errno;
    close(descriptor);
    return failure == EADDRINUSE ? bf_fail(error, BF_BUSY, "listen = %s: the address is in use", text)
                                 : bf_fail(error, BF_INTERNAL, "listen = %s: %s", text, strerror(failure));
}

/* A daemon that was killed leaves its socket file: it is removed when nobody answers there. */
static enum bf_code remove_stale(const struct sockaddr_un *address, const char *text, struct bf_error *error)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? BF_OK : bf_fail(error, BF_INTERNAL, "listen = %s: %s", text, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: that is a file and no socket; name another path", text);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return bf_fail(error, BF_INTERNAL, "listen = %s: %s", text, strerror(errno));
    bool nobody = connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(probe);
    if (!nobody) return bf_fail(error, BF_BUSY, "listen = %s: another process listens there", text);
    if (unlink(address->sun_path) != 0)
        return bf_fail(error, BF_INTERNAL, "listen = %s: the stale socket cannot be removed: %s", text,
                       strerror(errno));
    return BF_OK;
}

static enum bf_code open_unix(const char *text, const char *path, struct bf_listen *made, struct bf_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] != '/')
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: the socket's path has to begin with /", text);
    if (strlen(path) >= sizeof address.sun_path)
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: the socket's path is longer than %zu bytes", text,
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    enum bf_code code = remove_stale(&address, text, error);
    if (code == BF_OK)
        code = open_socket((const struct sockaddr *)&address, sizeof address, 0660, text, &made->socket, error);
    if (code != BF_OK) return code;
    made->path = bf_copy_string(path);
    made->address = bf_copy_string(text);
    return BF_OK;
}

/* "host:port" taken apart in place; false: there is no port, or it is no number. */
static bool split_port(char *text, int *ret_port)
{
    char *colon = strrchr(text, ':');
    if (!colon || colon[1] == '\0' || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    int port = 0;
    for (const char *digit = colon + 1; *digit; digit++) port = port * 10 + (*digit - '0');
    *colon = '\0';
    *ret_port = port;
    return port <= 65535;
}

static enum bf_code refuse_public(const char *text, struct bf_error *error)
{
    return bf_fail(error, BF_BAD_REQUEST,
                   "listen = %s: without tokens (not built yet) it has to be a loopback address or a unix socket",
                   text);
}

static enum bf_code open_ipv4(const char *text, const char *host, int port, struct bf_listen *made,
                              struct bf_error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &address.sin_addr) != 1)
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: %s is no IP address", text, host);
    if (ntohl(address.sin_addr.s_addr) >> 24 != 127)
        return refuse_public(text, error);
    socklen_t length = sizeof address;
    enum bf_code code = open_socket((const struct sockaddr *)&address, length, 0, text, &made->socket, error);
    if (code != BF_OK) return code;
    getsockname(made->socket, (struct sockaddr *)&address, &length);
    char shown[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &address.sin_addr, shown, sizeof shown);
    made->host = bf_copy_string(shown);
    made->port = ntohs(address.sin_port);
    return BF_OK;
}

static enum bf_code open_ipv6(const char *text, const char *host, int port, struct bf_listen *made,
                              struct bf_error *error)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (strcmp(host, "[::1]") != 0)
        return refuse_public(text, error);
    address.sin6_addr = in6addr_loopback;
    socklen_t length = sizeof address;
    enum bf_code code = open_socket((const struct sockaddr *)&address, length, 0, text, &made->socket, error);
    if (code != BF_OK) return code;
    getsockname(made->socket, (struct sockaddr *)&address, &length);
    made->host = bf_copy_string("[::1]");
    made->port = ntohs(address.sin6_port);
    return BF_OK;
}

enum bf_code bf_listen_open(const char *text, struct bf_listen *ret_listen, struct bf_error *error)
{
    *ret_listen = (struct bf_listen){.socket = -1};
    if (strncmp(text, "unix:", 5) == 0) return open_unix(text, text + 5, ret_listen, error);
    char *host BF_AUTO_STRING = bf_copy_string(text);
    int port = 0;
    if (!split_port(host, &port))
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: expected ADDRESS:PORT or unix:/PATH", text);
    enum bf_code code = host[0] == '[' ? open_ipv6(text, host, port, ret_listen, error)
                                       : open_ipv4(text, host, port, ret_listen, error);
    if (code == BF_OK) ret_listen->address = bf_format("http://%s:%d", ret_listen->host, ret_listen->port);
    return code;
}

void bf_listen_clear(struct bf_listen *made)
{
    if (made->path) unlink(made->path);
    free(made->path);
    free(made->address);
    free(made->host);
    *made = (struct bf_listen){.socket = -1};
}

bool bf_listen_host_ours(const struct bf_listen *made, const char *host)
{
    if (made->path) return true; /* the file's mode decides who connects; the name says nothing */
    if (!host) return false;
    char *name BF_AUTO_STRING = bf_copy_string(host);
    int port = 80;
    size_t length = strlen(name);
    bool has_port = length > 0 && name[length - 1] != ']' && strchr(name, ':');
    if (has_port && !split_port(name, &port)) return false;
    if (port != made->port) return false;
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0 || strcmp(name, "[::1]") == 0 ||
           strcmp(name, made->host) == 0;
}

bool bf_listen_origin_ours(const struct bf_listen *made, const char *origin)
{
    /* No web page comes from a unix socket. */
    return !made->path && strncmp(origin, "http://", 7) == 0 && bf_listen_host_ours(made, origin + 7);
}
