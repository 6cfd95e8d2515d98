/* Signing in with a token, which a browser keeps as a cookie that no script can read; signing out; and who it is that asks. */
#include <string.h>

#include "allocate.h"
#include "identify.h"
#include "stream.h"

enum { COOKIE_NAME = 32 };

/* A host has one jar of cookies, whatever the port. */
static const char *cookie_name(const struct bf_http *http, char name[COOKIE_NAME])
{
    snprintf(name, COOKIE_NAME, "backfilld-%d", http->listen.port);
    return name;
}

static const char *cookie_of(const struct bf_http_request *request)
{
    char name[COOKIE_NAME];
    return MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, cookie_name(request->http, name));
}

const struct bf_token *bf_http_session(const struct bf_http_request *request, int64_t *ret_until)
{
    const struct bf_http *http = request->http;
    const char *secret = cookie_of(request);
    return secret ? bf_sessions_find(&http->doors->sessions, secret, &http->access->tokens, (int64_t)uv_now(http->loop), ret_until)
                  : NULL;
}

/* `role` ANYONE: nobody. */
static json_t *view(const struct bf_http *http, const struct bf_identity *identity, int64_t seconds)
{
    json_t *body = json_object(), *targets = identity->targets ? json_array() : json_null();
    for (const char *at = identity->targets; at && *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        json_array_append_new(targets, json_stringn(at, length));
        at += length;
    }
    bool somebody = identity->actor[0] != '\0';
    json_object_set_new(body, "name", bf_json_text(somebody ? identity->actor : NULL));
    json_object_set_new(body, "role", identity->role == BF_ROLE_ANYONE ? json_null() : json_string(bf_role_name(identity->role)));
    json_object_set_new(body, "targets", targets);
    json_object_set_new(body, "tokens", json_boolean(http->access && http->access->tokens_file));
    json_object_set_new(body, "session_seconds", seconds > 0 ? json_integer(seconds) : json_null());
    return body;
}

void bf_handle_identity(struct bf_http_request *request)
{
    int64_t left = request->until ? request->until - (int64_t)uv_now(request->http->loop) : 0;
    bf_http_answer(request, 200, view(request->http, &request->identity, left / 1000));
}

/* Secure wherever the browser speaks TLS, with us or with a proxy in front of us: the page's own Origin says so, and was
 * checked. */
static char *cookie(const struct bf_http_request *request, const char *secret, int seconds)
{
    char name[COOKIE_NAME];
    const char *origin = bf_http_header(request, "Origin");
    bool secure = origin && strncmp(origin, "https://", 8) == 0;
    return bf_format("%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s", cookie_name(request->http, name), secret, seconds,
                     secure ? "; Secure" : "");
}

static void signed_in(struct bf_http_request *request, const struct bf_token *token)
{
    struct bf_http *http = request->http;
    char secret[BF_TOKEN_TEXT_MAX];
    if (!token) {
        bf_http_problem_unauthenticated(request, true, "the token is nobody's");
        return;
    }
    if (token->role == BF_ROLE_ALERTS) {
        bf_http_problem(request, BF_FORBIDDEN, "%s is for alerts alone: there is nothing for it to see", token->name);
        return;
    }
    const char *former = cookie_of(request); /* whom this browser was until now */
    if (former) bf_sessions_end(&http->doors->sessions, former);
    struct bf_identity identity = {.role = token->role, .targets = bf_copy_string(token->targets)};
    snprintf(identity.actor, sizeof identity.actor, "%s", token->name);
    bf_http_audit_actor(request, identity.actor);
    bf_sessions_add(&http->doors->sessions, token, (int64_t)uv_now(http->loop), secret);
    char *set BF_AUTO_STRING = cookie(request, secret, BF_SESSION_SECONDS);
    bf_http_answer_with(request, 200, view(http, &identity, BF_SESSION_SECONDS), (const char *const[]){"Set-Cookie", set, NULL});
    bf_token_wipe(set);
    bf_token_wipe(secret);
    bf_identity_clear(&identity);
}

void bf_handle_sign_in(struct bf_http_request *request)
{
    struct bf_http *http = request->http;
    json_t *body = bf_http_body(request);
    if (!body) return;
    const char *sent = json_string_value(json_object_get(body, "token"));
    const struct bf_token *token = NULL;
    if (!http->access || !http->access->tokens_file)
        bf_http_problem(request, BF_NOT_FOUND, "there are no tokens (tokens = in the configuration): nobody has to sign in");
    else if ((token = bf_http_proven_before(http, sent)))
        signed_in(request, token);
    else
        bf_http_prove(request, sent, signed_in);
    json_decref(body);
}

void bf_handle_sign_out(struct bf_http_request *request)
{
    struct bf_http *http = request->http;
    json_t *body = bf_http_body(request);
    if (!body) return;
    const char *secret = cookie_of(request);
    int64_t until = 0;
    const struct bf_token *token = secret && http->access ? bf_http_session(request, &until) : NULL;
    if (token) {
        bf_http_audit_actor(request, token->name);
        bf_sessions_end(&http->doors->sessions, secret);
        bf_hub_session_ended(http, until);
    }
    char *set BF_AUTO_STRING = cookie(request, "", 0);
    struct bf_identity nobody = {.role = BF_ROLE_ANYONE};
    bf_http_answer_with(request, 200, view(http, &nobody, 0), (const char *const[]){"Set-Cookie", set, NULL});
    json_decref(body);
}
