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
enum { SOCKET_MODE = 0660 };   /* whoever is in the group gives orders */

/* Of a failed bind, in words that say what to do. */
static const char *why_not(int failure, bool local)
{
    if (failure == ENOENT && local) return "its directory does not exist; create it, owned by the user that runs backfilld";
    if (failure == EACCES && !local) return "Permission denied: a port under 1024 takes CAP_NET_BIND_SERVICE; take a higher one";
    if (failure == EADDRNOTAVAIL) return "this machine has no such address";
    return strerror(failure);
}

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
                                 : bf_fail(error, BF_INTERNAL, "listen = %s: %s", text, why_not(failure, mode != 0));
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
        code = open_socket((const struct sockaddr *)&address, sizeof address, SOCKET_MODE, text, &made->socket, error);
    if (code != BF_OK) return code;
    made->path = bf_copy_string(path);
    /* The umask took away what the group needs; until here nobody had more than this. */
    if (chmod(path, SOCKET_MODE) != 0) {
        code = bf_fail(error, BF_INTERNAL, "listen = %s: its mode cannot be set: %s", text, strerror(errno));
        close(made->socket);
        bf_listen_clear(made);
        return code;
    }
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
                   "listen = %s: without tokens (tokens = FILE) it has to be a loopback address or a unix socket", text);
}

static enum bf_code open_ipv4(const char *text, const char *host, int port, bool anywhere, struct bf_listen *made,
                              struct bf_error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &address.sin_addr) != 1)
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: %s is no IP address", text, host);
    made->is_public = ntohl(address.sin_addr.s_addr) >> 24 != 127;
    made->is_any = address.sin_addr.s_addr == htonl(INADDR_ANY);
    if (made->is_public && !anywhere) return refuse_public(text, error);
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

static enum bf_code open_ipv6(const char *text, const char *host, int port, bool anywhere, struct bf_listen *made,
                              struct bf_error *error)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    size_t length_of_host = strlen(host);
    char *inside BF_AUTO_STRING = bf_copy_bytes(host + 1, length_of_host > 2 ? length_of_host - 2 : 0);
    if (host[length_of_host - 1] != ']' || inet_pton(AF_INET6, inside, &address.sin6_addr) != 1)
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: %s is no IP address", text, host);
    made->is_public = !IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
    made->is_any = IN6_IS_ADDR_UNSPECIFIED(&address.sin6_addr);
    if (made->is_public && !anywhere) return refuse_public(text, error);
    socklen_t length = sizeof address;
    enum bf_code code = open_socket((const struct sockaddr *)&address, length, 0, text, &made->socket, error);
    if (code != BF_OK) return code;
    getsockname(made->socket, (struct sockaddr *)&address, &length);
    char shown[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, &address.sin6_addr, shown, sizeof shown);
    made->host = bf_format("[%s]", shown);
    made->port = ntohs(address.sin6_port);
    return BF_OK;
}

enum bf_code bf_listen_open(const char *text, bool anywhere, struct bf_listen *ret_listen, struct bf_error *error)
{
    *ret_listen = (struct bf_listen){.socket = -1};
    if (strncmp(text, "unix:", 5) == 0) return open_unix(text, text + 5, ret_listen, error);
    char *host BF_AUTO_STRING = bf_copy_string(text);
    int port = 0;
    if (!split_port(host, &port))
        return bf_fail(error, BF_BAD_REQUEST, "listen = %s: expected ADDRESS:PORT or unix:/PATH", text);
    enum bf_code code = host[0] == '[' ? open_ipv6(text, host, port, anywhere, ret_listen, error)
                                       : open_ipv4(text, host, port, anywhere, ret_listen, error);
    if (code == BF_OK) ret_listen->address = bf_format("http://%s:%d", ret_listen->host, ret_listen->port);
    return code;
}

void bf_listen_secure(struct bf_listen *made, struct bf_tls *tls)
{
    if (!tls) return;
    bool spoken = made->tls != NULL;
    bf_tls_free(made->tls);
    made->tls = tls;
    if (spoken) return; /* the address is the same, and others have it */
    free(made->address);
    made->address = bf_format("https://%s:%d", made->host, made->port);
}

void bf_listen_clear(struct bf_listen *made)
{
    if (made->path) unlink(made->path);
    free(made->path);
    free(made->address);
    free(made->host);
    bf_tls_free(made->tls);
    *made = (struct bf_listen){.socket = -1};
}

/* An address in figures came from nobody's DNS: whoever listens on all of them need not know which ones there are. */
static bool is_figures(const char *name)
{
    struct in6_addr address;
    size_t length = strlen(name);
    if (name[0] != '[') return inet_pton(AF_INET, name, &address) == 1;
    char *inside BF_AUTO_STRING = bf_copy_bytes(name + 1, length > 2 ? length - 2 : 0);
    return name[length - 1] == ']' && inet_pton(AF_INET6, inside, &address) == 1;
}

bool bf_listen_host_ours(const struct bf_listen *made, const char *host)
{
    if (made->path) return true; /* the file's mode decides who connects; the name says nothing */
    if (!host) return false;
    char *name BF_AUTO_STRING = bf_copy_string(host);
    int port = made->tls ? 443 : 80;
    size_t length = strlen(name);
    bool has_port = length > 0 && name[length - 1] != ']' && strchr(name, ':');
    if (has_port && !split_port(name, &port)) return false;
    if (port != made->port) return false;
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0 || strcmp(name, "[::1]") == 0 ||
           strcasecmp(name, made->host) == 0 || (made->is_any && is_figures(name)) || (made->tls && bf_tls_names(made->tls, name));
}

bool bf_listen_origin_ours(const struct bf_listen *made, const char *origin)
{
    /* No web page comes from a unix socket. */
    const char *scheme = made->tls ? "https://" : "http://";
    return !made->path && strncmp(origin, scheme, strlen(scheme)) == 0 && bf_listen_host_ours(made, origin + strlen(scheme));
}

/* "backfilld.example:8443" of "https://backfilld.example:8443/ops" */
static size_t authority_of(const char *public_url, const char **ret_authority)
{
    const char *scheme = strstr(public_url, "://");
    *ret_authority = scheme ? scheme + 3 : public_url;
    return strcspn(*ret_authority, "/");
}

bool bf_listen_host_public(const char *public_url, const char *host)
{
    const char *authority;
    if (!public_url || !host) return false;
    size_t length = authority_of(public_url, &authority);
    return strlen(host) == length && strncasecmp(host, authority, length) == 0;
}

bool bf_listen_origin_public(const char *public_url, const char *origin)
{
    const char *authority;
    if (!public_url) return false;
    size_t length = authority_of(public_url, &authority) + (size_t)(authority - public_url);
    return strlen(origin) == length && strncasecmp(origin, public_url, length) == 0;
}
