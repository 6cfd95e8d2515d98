/* Host names, before libpq sees them. libpq looks names up by blocking calls, so they are looked up here and given to it
 * as hostaddr beside host (which stays for TLS and ~/.pgpass). One name may have several addresses; each becomes an entry
 * of its own. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "postgresql_session.h"

enum { HOSTS_MAX = 16, ADDRESSES_MAX = 8 };

struct host {
    char *name, *port;
    char *addresses[ADDRESSES_MAX]; /* none: a socket, an address, or nothing to look up */
    size_t address_count;
    bool failed; /* its name could not be resolved */
};

struct bf_resolver {
    uv_getaddrinfo_t request;
    struct bf_session *session; /* NULL once nobody waits */
    struct host hosts[HOSTS_MAX];
    size_t count, next;
    char failure[256];
};

void bf_resolver_free(struct bf_resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t i = 0; i < resolver->count; i++) {
        free(resolver->hosts[i].name);
        free(resolver->hosts[i].port);
        for (size_t a = 0; a < resolver->hosts[i].address_count; a++)
            free(resolver->hosts[i].addresses[a]);
    }
    free(resolver);
}

size_t bf_resolver_addresses(const struct bf_resolver *resolver, struct bf_buffer *hosts, struct bf_buffer *addresses,
                             struct bf_buffer *ports)
{
    size_t count = 0;
    for (size_t i = 0; i < resolver->count; i++) {
        const struct host *host = &resolver->hosts[i];
        for (size_t a = 0; !host->failed && (a < host->address_count || (a == 0 && !host->address_count)); a++) {
            const char *comma = count++ ? "," : "";
            bf_buffer_format(hosts, "%s%s", comma, host->name);
            bf_buffer_format(addresses, "%s%s", comma, host->address_count ? host->addresses[a] : "");
            bf_buffer_format(ports, "%s%s", comma, host->port);
        }
    }
    return count;
}

const char *bf_resolver_failure(const struct bf_resolver *resolver)
{
    return resolver->failure[0] ? resolver->failure : NULL;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *option = options; option->keyword; option++)
        if (!strcmp(option->keyword, keyword))
            return option->val && *option->val ? option->val : NULL;
    return NULL;
}

static bool is_name(const char *host)
{
    struct in6_addr address;
    return *host && *host != '/' && *host != '@' && inet_pton(AF_INET, host, &address) != 1 &&
           inet_pton(AF_INET6, host, &address) != 1;
}

/* The index-th entry of a list with commas, or its only one; the caller frees it. */
static char *list_entry(const char *list, size_t index)
{
    if (!list)
        return bf_copy_string("");
    if (!strchr(list, ','))
        index = 0;
    for (; index && (list = strchr(list, ',')); index--)
        list++;
    return list ? bf_copy_bytes(list, strcspn(list, ",")) : bf_copy_string("");
}

static void resolve_next(struct bf_session *session);

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct bf_resolver *resolver = request->data;
    struct host *host = &resolver->hosts[resolver->next];

    if (!resolver->session) {
        uv_freeaddrinfo(list);
        bf_resolver_free(resolver);
        return;
    }
    for (struct addrinfo *entry = status ? NULL : list; entry; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (host->address_count < ADDRESSES_MAX &&
            !getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            host->addresses[host->address_count++] = bf_copy_string(text);
    }
    uv_freeaddrinfo(list);
    if (!host->address_count) {
        host->failed = true;
        snprintf(resolver->failure, sizeof resolver->failure, "the host name %s cannot be resolved: %s", host->name,
                 status ? uv_strerror(status) : "no address");
    }
    resolver->next++;
    resolve_next(resolver->session);
}

static void resolve_next(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    while (resolver->next < resolver->count && !is_name(resolver->hosts[resolver->next].name))
        resolver->next++;
    if (resolver->next == resolver->count) {
        bf_session_start(session);
        return;
    }
    resolver->request.data = resolver;
    int status = uv_getaddrinfo(session->loop, &resolver->request, resolved, resolver->hosts[resolver->next].name, NULL,
                                &hints);
    if (status)
        resolved(&resolver->request, status, NULL);
}

void bf_session_forget_resolver(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver;
    if (!resolver)
        return;
    session->resolver = NULL;
    resolver->session = NULL;
    /* Its callback comes in any case and frees it. */
    uv_cancel((uv_req_t *)&resolver->request);
}

void bf_session_begin(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver = BF_NEW(struct bf_resolver);
    PQconninfoOption *options = PQconninfoParse(session->conninfo, NULL);

    resolver->session = session;
    if (options && !option_value(options, "hostaddr") && !option_value(options, "service")) {
        const char *hosts = option_value(options, "host"), *ports = option_value(options, "port");
        hosts = hosts ? hosts : getenv("PGHOST");
        for (size_t i = 0; hosts && i < HOSTS_MAX; i++) {
            resolver->hosts[i].name = list_entry(hosts, i);
            resolver->hosts[i].port = list_entry(ports, i);
            resolver->count = i + 1;
            const char *rest = hosts;
            for (size_t commas = 0; rest && commas <= i; commas++)
                rest = (rest = strchr(rest, ',')) ? rest + 1 : NULL;
            if (!rest)
                break;
        }
    }
    PQconninfoFree(options);
    resolve_next(session);
}
