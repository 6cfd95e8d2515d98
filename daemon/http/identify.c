#include "identify.h"

#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "stream.h"

#define BEARER "Bearer "

static bool has_tokens(const struct bf_http *http)
{
    return http->access && http->access->tokens_file;
}

static enum bf_role needed_role(const struct bf_http_request *request)
{
    const struct bf_http *http = request->http;
    if (request->route->name == BF_ROUTE_METRICS && has_tokens(http) && http->access->metrics_need_viewer)
        return BF_ROLE_VIEWER;
    return request->route->role;
}

/* Nobody has to be somebody for it, but it says who that is. */
static bool tells_who(const struct bf_http_request *request)
{
    return request->route->name == BF_ROUTE_IDENTITY;
}

/* ---- what the role allows ---- */

static bool authorize(struct bf_http_request *request)
{
    enum bf_role needed = needed_role(request), role = request->identity.role;
    if (bf_role_allows(role, needed)) return true;
    if (role == BF_ROLE_ANYONE)
        bf_http_problem(request, BF_FORBIDDEN, "%s %s needs the role %s, and %s has none here (socket_roles gives them)",
                        request->route->method, request->route->path, bf_role_name(needed), request->identity.actor);
    else
        bf_http_problem(request, BF_FORBIDDEN, "%s %s needs the role %s, and %s is %s", request->route->method,
                        request->route->path, bf_role_name(needed), request->identity.actor, bf_role_name(role));
    return false;
}

bool bf_http_sees(const struct bf_http_request *request, const char *target)
{
    return bf_identity_sees(&request->identity, target);
}

const char *bf_http_actor(const struct bf_http_request *request)
{
    return request->identity.actor;
}

/* ---- who it is ---- */

static void is_token(struct bf_http_request *request, const struct bf_token *token)
{
    bf_identity_clear(&request->identity);
    request->identity = (struct bf_identity){.role = token->role, .targets = bf_copy_string(token->targets)};
    snprintf(request->identity.actor, sizeof request->identity.actor, "%s", token->name);
    request->shown = true;
}

static void is_anybody(struct bf_http_request *request)
{
    request->identity = (struct bf_identity){.actor = BF_ACTOR_ANYBODY, .role = BF_ROLE_ADMIN};
}

static void is_user(struct bf_http_request *request, uid_t uid, const char *name)
{
    const struct bf_peer *peer = bf_http_connection_of(request)->peer;
    request->identity = (struct bf_identity){.role = bf_socket_role_of(&request->http->access->socket_roles, peer)};
    snprintf(request->identity.actor, sizeof request->identity.actor, name[0] ? "uid:%u (%s)" : "uid:%u", (unsigned)uid, name);
}

/* The text behind "Bearer "; NULL: it is something else. */
static const char *bearer_of(const struct bf_http_request *request)
{
    const char *header = bf_http_header(request, "Authorization");
    if (!header || strncasecmp(header, BEARER, strlen(BEARER)) != 0) return NULL;
    header += strlen(BEARER);
    return header + strspn(header, " ");
}

/* A token that was compared before is known at once, another one when its turn on the thread pool has come. */
static bool take_token(struct bf_http_request *request)
{
    const char *bearer = bearer_of(request);
    if (!bearer) {
        bf_http_problem_unauthenticated(request, true, "Authorization has to be \"Bearer\" and a token");
        return false;
    }
    const struct bf_token *token = bf_http_proven_before(request->http, bearer);
    if (!token) {
        request->to_identify = BF_IDENTIFY_TOKEN;
        return true;
    }
    is_token(request, token);
    return authorize(request);
}

static bool take_session(struct bf_http_request *request)
{
    int64_t until;
    const struct bf_token *token = bf_http_session(request, &until);
    if (!token) return false;
    is_token(request, token);
    request->until = until;
    return true;
}

static const struct bf_known_user *known_user(const struct bf_http_doors *doors, uid_t uid)
{
    for (size_t i = 0; i < doors->user_count; i++)
        if (doors->users[i].uid == uid) return &doors->users[i];
    return NULL;
}

static bool take_peer(struct bf_http_request *request, const struct bf_peer *peer)
{
    const struct bf_known_user *known = known_user(request->http->doors, peer->uid);
    if (!known) {
        request->to_identify = BF_IDENTIFY_USER;
        return true;
    }
    is_user(request, peer->uid, known->name);
    return authorize(request);
}

/* A browser sends a cookie along whoever asks; SameSite=Strict keeps other sites from that, and the Origin, which it sends with
 * every change, says it once more. */
static bool check_cookie(struct bf_http_request *request)
{
    if (strcmp(request->route->method, "GET") == 0 || bf_http_header(request, "Origin")) return true;
    bf_http_problem(request, BF_NOT_ALLOWED, "who signed in with a cookie changes something with an Origin header only");
    return false;
}

bool bf_http_identify(struct bf_http_request *request)
{
    const struct bf_http *http = request->http;
    if (needed_role(request) == BF_ROLE_ANYONE && !tells_who(request)) return true;
    const struct bf_peer *peer = http->access ? bf_http_connection_of(request)->peer : NULL;
    if (has_tokens(http) && bf_http_header(request, "Authorization")) return take_token(request);
    if (has_tokens(http) && take_session(request)) return check_cookie(request) && authorize(request);
    if (peer) return take_peer(request, peer);
    if (!has_tokens(http)) {
        is_anybody(request);
        return authorize(request);
    }
    if (tells_who(request)) return true;
    bf_http_problem_unauthenticated(request, false, "%s %s needs a token: Authorization: Bearer TOKEN (backfillctl: "
                                    "--token-file, or BACKFILLD_TOKEN)", request->route->method, request->route->path);
    return false;
}

/* ---- what takes a while ---- */

static void on_proven(struct bf_http_request *request, const struct bf_token *token)
{
    request->to_identify = BF_IDENTIFY_NOTHING;
    if (!token) {
        bf_http_problem_unauthenticated(request, true, "the token is nobody's");
        return;
    }
    is_token(request, token);
    if (authorize(request)) bf_http_resume(request); /* which comes back, to the handler */
}

/* A user's name, looked up on the thread pool: a directory service may take its time. */
struct naming {
    uv_work_t work;
    struct bf_http_wait *wait;
    uid_t uid;
    char name[BF_PEER_NAME_MAX];
};

static void on_name_work(uv_work_t *work)
{
    struct naming *naming = work->data;
    bf_peer_name(naming->uid, naming->name);
}

static void on_named(uv_work_t *work, int status)
{
    struct naming *naming = work->data;
    struct bf_http_request *request = bf_http_wait_end(naming->wait);
    (void)status; /* it is never cancelled */
    if (request) {
        struct bf_http_doors *doors = request->http->doors;
        if (!known_user(doors, naming->uid)) {
            struct bf_known_user *user = &doors->users[doors->next_user];
            user->uid = naming->uid;
            memcpy(user->name, naming->name, sizeof user->name);
            doors->next_user = (doors->next_user + 1) % BF_NAMES_MAX;
            if (doors->user_count < BF_NAMES_MAX) doors->user_count++;
        }
        request->to_identify = BF_IDENTIFY_NOTHING;
        is_user(request, naming->uid, naming->name);
        if (authorize(request)) bf_http_resume(request);
    }
    free(naming);
}

static void look_up_name(struct bf_http_request *request)
{
    struct naming *naming = BF_NEW(struct naming);
    naming->uid = bf_http_connection_of(request)->peer->uid;
    naming->wait = bf_http_wait_begin(request);
    naming->work.data = naming;
    if (uv_queue_work(request->http->loop, &naming->work, on_name_work, on_named) != 0) abort(); /* no function: never */
}

bool bf_http_identified(struct bf_http_request *request)
{
    switch (request->to_identify) {
    case BF_IDENTIFY_NOTHING:
        break;
    case BF_IDENTIFY_TOKEN:
        bf_http_prove(request, bearer_of(request), on_proven);
        break;
    case BF_IDENTIFY_USER:
        look_up_name(request);
        break;
    }
    return request->to_identify == BF_IDENTIFY_NOTHING && !request->response;
}

/* ---- what is remembered ---- */

struct bf_http_doors *bf_http_doors_new(void)
{
    return BF_NEW(struct bf_http_doors);
}

void bf_http_set_access(struct bf_http *http, const struct bf_access *access)
{
    struct bf_http_doors *doors = http->doors;
    http->access = access;
    free(doors->proven);
    doors->proven = access ? bf_allocate((access->tokens.count + 1) * sizeof *doors->proven) : NULL;
    doors->user_count = doors->next_user = 0;
    bf_hub_identities_changed(http);
}

void bf_http_doors_free(struct bf_http_doors *doors)
{
    free(doors->proven);
    bf_throttle_clear(&doors->throttle);
    bf_sessions_clear(&doors->sessions);
    free(doors);
}
