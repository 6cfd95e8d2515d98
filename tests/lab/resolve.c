/* Preloaded into a daemon: a name that ends in ".link-local.test" means the address at which clouds keep credentials. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    const char *end = node ? strstr(node, ".link-local.test") : NULL;
    return next(end ? "169.254.169.254" : node, service, hints, result);
}
