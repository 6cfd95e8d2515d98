/* Who is at the other end of a unix socket, as the kernel says it, and which role that is. */
#ifndef BF_ACCESS_PEER_H
#define BF_ACCESS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "role.h"

enum { BF_SOCKET_ROLES_MAX = 64, BF_PEER_NAME_MAX = 33 /* of a user, with the final NUL */ };

struct bf_peer {
    uid_t uid;
    gid_t *groups; /* owned; its own one, then the others */
    size_t group_count;
};

/* False: it is no unix socket. */
bool bf_peer_of(int socket, struct bf_peer *ret_peer);
void bf_peer_clear(struct bf_peer *peer);

struct bf_socket_role {
    enum { BF_SOCKET_USER, BF_SOCKET_GROUP, BF_SOCKET_EVERYBODY } kind;
    unsigned id; /* of the user or group */
    enum bf_role role; /* BF_ROLE_ANYONE: none */
};
struct bf_socket_roles {
    struct bf_socket_role list[BF_SOCKET_ROLES_MAX];
    size_t count;
};

/* "ann=admin, @dba=approver, *=viewer": users, groups and everybody else; the first that fits counts. NULL and `ret_roles`, or
 * the fault, owned. Blocks while names are looked up. */
char *bf_socket_roles_parse(const char *text, struct bf_socket_roles *ret_roles);
/* Root, and the user that runs the daemon, have its files and are admin, whatever the list says. */
enum bf_role bf_socket_role_of(const struct bf_socket_roles *roles, const struct bf_peer *peer);

/* The user's name; "" where there is none. Blocks. */
void bf_peer_name(uid_t uid, char ret_name[BF_PEER_NAME_MAX]);

#endif
