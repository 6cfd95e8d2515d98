#include "peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocate.h"

enum { GROUPS_AT_FIRST = 32, LOOKUP_BYTES = 16 * 1024, LOOKUP_BYTES_MAX = 1024 * 1024 };

/* The kernel knows all groups that the peer had when it connected: no database of users has to be asked. */
static void read_groups(int socket, gid_t own, struct bf_peer *peer)
{
    socklen_t length = GROUPS_AT_FIRST * sizeof(gid_t);
    gid_t *groups = bf_allocate(length);
    int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
    if (result != 0 && errno == ERANGE) { /* `length` is what it takes */
        groups = bf_reallocate(groups, length);
        result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
    }
    size_t count = result == 0 ? length / sizeof(gid_t) : 0;
    peer->groups = bf_allocate((count + 1) * sizeof(gid_t));
    peer->groups[0] = own;
    memcpy(peer->groups + 1, groups, count * sizeof(gid_t));
    peer->group_count = count + 1;
    free(groups);
}

bool bf_peer_of(int socket, struct bf_peer *ret_peer)
{
    struct ucred credentials;
    struct sockaddr_storage address;
    socklen_t length = sizeof credentials, address_length = sizeof address;
    *ret_peer = (struct bf_peer){0};
    if (getsockname(socket, (struct sockaddr *)&address, &address_length) != 0 || address.ss_family != AF_UNIX ||
        getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
        return false;
    ret_peer->uid = credentials.uid;
    read_groups(socket, credentials.gid, ret_peer);
    return true;
}

void bf_peer_clear(struct bf_peer *peer)
{
    free(peer->groups);
    *peer = (struct bf_peer){0};
}

static bool has_group(const struct bf_peer *peer, unsigned group)
{
    for (size_t i = 0; i < peer->group_count; i++)
        if (peer->groups[i] == group)
            return true;
    return false;
}

enum bf_role bf_socket_role_of(const struct bf_socket_roles *roles, const struct bf_peer *peer)
{
    if (peer->uid == 0 || peer->uid == geteuid())
        return BF_ROLE_ADMIN;
    for (size_t i = 0; i < roles->count; i++) {
        const struct bf_socket_role *each = &roles->list[i];
        if (each->kind == BF_SOCKET_EVERYBODY || (each->kind == BF_SOCKET_USER && each->id == peer->uid) ||
            (each->kind == BF_SOCKET_GROUP && has_group(peer, each->id)))
            return each->role;
    }
    return BF_ROLE_ANYONE;
}

/* ---- names ---- */

/* One of the two is asked: getpwnam_r, getpwuid_r. `text` has what `ret_user` points to and is the caller's to free. */
static bool look_up_user(const char *name, uid_t uid, struct passwd *ret_user, char **text)
{
    struct passwd *found = NULL;
    for (size_t size = LOOKUP_BYTES; size <= LOOKUP_BYTES_MAX; size *= 4) {
        *text = bf_reallocate(*text, size);
        int fault = name ? getpwnam_r(name, ret_user, *text, size, &found) : getpwuid_r(uid, ret_user, *text, size, &found);
        if (fault != ERANGE)
            break;
    }
    return found != NULL;
}

static bool look_up_group(const char *name, unsigned *ret_id)
{
    struct group group, *found = NULL;
    BF_AUTO_STRING char *text = NULL;
    for (size_t size = LOOKUP_BYTES; size <= LOOKUP_BYTES_MAX; size *= 4) {
        text = bf_reallocate(text, size);
        if (getgrnam_r(name, &group, text, size, &found) != ERANGE)
            break;
    }
    if (found)
        *ret_id = group.gr_gid;
    return found != NULL;
}

void bf_peer_name(uid_t uid, char ret_name[BF_PEER_NAME_MAX])
{
    struct passwd user;
    BF_AUTO_STRING char *text = NULL;
    bool found = look_up_user(NULL, uid, &user, &text);
    snprintf(ret_name, BF_PEER_NAME_MAX, "%.*s", BF_PEER_NAME_MAX - 1, found ? user.pw_name : "");
}

/* A name, or a number. */
static bool id_of(const char *name, bool group, unsigned *ret_id)
{
    struct passwd user;
    BF_AUTO_STRING char *text = NULL;
    size_t length = strlen(name);
    if (length > 0 && length <= 9 && strspn(name, "0123456789") == length)
        return sscanf(name, "%9u", ret_id) == 1;
    if (group)
        return look_up_group(name, ret_id);
    if (!look_up_user(name, 0, &user, &text))
        return false;
    *ret_id = user.pw_uid;
    return true;
}

/* "@dba=approver", in place. */
static char *read_entry(char *text, struct bf_socket_role *entry)
{
    char *equals = strrchr(text, '=');
    if (!equals || equals == text || (equals == text + 1 && text[0] == '@'))
        return bf_format("%.100s: expected USER=ROLE, @GROUP=ROLE or *=ROLE", text);
    *equals = '\0';
    *entry = (struct bf_socket_role){.role = BF_ROLE_ANYONE};
    if (strcmp(equals + 1, "none") != 0 && !bf_role_by_name(equals + 1, &entry->role))
        return bf_format("%.100s is no role; there are viewer, operator, approver, admin, alerts and none", equals + 1);
    bool group = text[0] == '@';
    if (strcmp(text, "*") == 0) {
        entry->kind = BF_SOCKET_EVERYBODY;
        return NULL;
    }
    entry->kind = group ? BF_SOCKET_GROUP : BF_SOCKET_USER;
    if (!id_of(text + group, group, &entry->id))
        return bf_format("no %s is called %.100s", group ? "group" : "user", text + group);
    return NULL;
}

char *bf_socket_roles_parse(const char *text, struct bf_socket_roles *ret_roles)
{
    BF_AUTO_STRING char *copy = bf_copy_string(text);
    struct bf_socket_roles roles = {0};
    char *rest = copy, *word;
    while ((word = strsep(&rest, ", \t"))) {
        if (!*word)
            continue;
        if (roles.count == BF_SOCKET_ROLES_MAX)
            return bf_format("there are too many entries (limit %d)", BF_SOCKET_ROLES_MAX);
        if (roles.count > 0 && roles.list[roles.count - 1].kind == BF_SOCKET_EVERYBODY)
            return bf_format("%.100s stands behind *, which everybody fits: put it in front", word);
        char *fault = read_entry(word, &roles.list[roles.count]);
        if (fault)
            return fault;
        roles.count++;
    }
    if (roles.count == 0)
        return bf_copy_string("expected USER=ROLE, @GROUP=ROLE or *=ROLE");
    *ret_roles = roles;
    return NULL;
}
