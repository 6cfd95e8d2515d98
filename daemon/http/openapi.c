/* GET /v1/openapi.json: the interface, machine-readable, made from the table of routes. */
#include "openapi.h"

#include <ctype.h>
#include <string.h>

#include "allocate.h"
#include "backfilld/api.h"
#include "server.h"
#include "state.h"

struct operation {
    enum bf_route_name route;
    const char *constant, *method, *path, *role, *summary;
    void (*handle)(struct bf_http_request *request);
};

static const struct operation operations[] = {
#define X(constant, method, path, role, handler, summary) \
    {BF_ROUTE_##constant, #constant, #method, path, #role, summary, bf_handle_##handler},
    BF_ROUTES(X)
#undef X
};

static bool is_built(const struct operation *operation)
{
    return operation->handle != bf_handle_not_built;
}

/* What a route that is built answers when all goes well. */
static const struct success {
    enum bf_route_name route;
    const char *status, *schema, *help;
} successes[] = {
    {BF_ROUTE_SUBMIT, "201", "Job", "the job; Location is its path"},
    {BF_ROUTE_SUBMIT, "200", "Plan", "with dry_run: the plan"},
    {BF_ROUTE_LIST, "200", "JobPage", "a page of jobs"},
    {BF_ROUTE_SHOW, "200", "Job", "the job"},
    {BF_ROUTE_PLAN, "200", "Plan", "the plan"},
    {BF_ROUTE_APPROVE, "200", "Job", "the job, approved"},
    {BF_ROUTE_PAUSE, "202", "Job", "the order takes effect"},
    {BF_ROUTE_PAUSE, "200", "Job", "it was so already"},
    {BF_ROUTE_RESUME, "202", "Job", "the order takes effect"},
    {BF_ROUTE_RESUME, "200", "Job", "it was so already"},
    {BF_ROUTE_ABORT, "202", "Job", "the order takes effect"},
    {BF_ROUTE_ABORT, "200", "Job", "it was so already"},
    {BF_ROUTE_ROLLBACK, "202", "Job", "the order takes effect"},
    {BF_ROUTE_ROLLBACK, "200", "RollbackAnswer", "it was so already: the job; with dry_run: what it would do"},
    {BF_ROUTE_CONFLICTS, "200", "ConflictPage", "changes that were left alone"},
    {BF_ROUTE_BAD_ROWS, "200", "BadRowPage", "rows that the server refused to change"},
    {BF_ROUTE_RETRY_BAD_ROWS, "202", "Job", "they are tried once more when the job works"},
    {BF_ROUTE_RETRY_BAD_ROWS, "200", "Job", "there are none"},
    {BF_ROUTE_FORGET, "202", "Job", "the job, without a way back"},
    {BF_ROUTE_TUNE, "200", "Job", "the job; the change counts from its next batch on"},
    {BF_ROUTE_CLONE, "201", "Job", "the new job; Location is its path"},
    {BF_ROUTE_PAUSE_ALL, "200", "Latched", "the jobs that are held, and what is on now"},
    {BF_ROUTE_RESUME_ALL, "200", "Latched", "the jobs that go on, and what is still on"},
    {BF_ROUTE_TAKE_ALERTS, "200", "Alerted", "what came of each"},
    {BF_ROUTE_IGNORE_REPLICA, "200", "Target", "the target"},
    {BF_ROUTE_HEED_REPLICA, "200", "Target", "the target"},
    {BF_ROUTE_ADOPT, "201", "Job", "the job, paused or at its end; Location is its path"},
    {BF_ROUTE_JOB_EVENTS, "200", "EventPage", "events"},
    {BF_ROUTE_EVENTS, "200", "EventPage", "events"},
    {BF_ROUTE_SAMPLES, "200", "SamplePage", "points, rising"},
    {BF_ROUTE_JOB_FILES, "200", "JobFilePage", "the files"},
    {BF_ROUTE_AUDIT, "200", "AuditPage", "records, oldest first"},
    {BF_ROUTE_TARGETS, "200", "TargetPage", "the targets"},
    {BF_ROUTE_TARGET, "200", "Target", "the target"},
    {BF_ROUTE_DASHBOARD, "200", "string", "the page"},
    {BF_ROUTE_DASHBOARD_FILE, "200", "string", "the file"},
    {BF_ROUTE_IDENTITY, "200", "Identity", "who asks"},
    {BF_ROUTE_SIGN_IN, "200", "Identity", "signed in; Set-Cookie has the session"},
    {BF_ROUTE_SIGN_OUT, "200", "Identity", "nobody"},
    {BF_ROUTE_METRICS, "200", "string", "Prometheus' text format"},
    {BF_ROUTE_HEALTHZ, "200", "Health", "the daemon is alive"},
    {BF_ROUTE_READYZ, "200", "Ready", "the state store and every target answer"},
    {BF_ROUTE_OPENAPI, "200", "object", "this"},
};

static const struct body {
    enum bf_route_name route;
    const char *schema;
    bool required;
} bodies[] = {
    {BF_ROUTE_SUBMIT, "JobDocument", true}, {BF_ROUTE_APPROVE, "Approve", false}, {BF_ROUTE_PAUSE, "Pause", false},
    {BF_ROUTE_RESUME, "Resume", false},     {BF_ROUTE_ABORT, "Abort", false},     {BF_ROUTE_TUNE, "Change", true},
    {BF_ROUTE_ROLLBACK, "Rollback", false}, {BF_ROUTE_FORGET, "Forget", true},
    {BF_ROUTE_RETRY_BAD_ROWS, "RetryBadRows", false},
    {BF_ROUTE_CLONE, "Clone", true},        {BF_ROUTE_PAUSE_ALL, "Scope", false}, {BF_ROUTE_RESUME_ALL, "Scope", false},
    {BF_ROUTE_TAKE_ALERTS, "Alerts", true}, {BF_ROUTE_ADOPT, "Adopt", true},
    {BF_ROUTE_IGNORE_REPLICA, "Ignore", false}, {BF_ROUTE_HEED_REPLICA, "Heed", false},
    {BF_ROUTE_SIGN_IN, "SignIn", true}, {BF_ROUTE_SIGN_OUT, "SignOut", false},
};

static const struct body *body_of(enum bf_route_name route)
{
    for (size_t i = 0; i < BF_COUNT(bodies); i++)
        if (bodies[i].route == route) return &bodies[i];
    return NULL;
}

/* ---- parameters ---- */

static json_t *parameter(const char *name, const char *in, bool required, const char *help, json_t *schema)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "in", in, "required", required, "description", help,
                     "schema", schema);
}

static void add_path_parameters(json_t *parameters, const char *path)
{
    static const struct {
        const char *place, *name, *help;
    } places[] = {
        {"{job}", "job", "the id of a job, or a name: the newest job of that name"},
        {"{target}", "target", "the name of a target"},
        {"{replica}", "replica", "the name of a replica"},
        {"{file}", "file", "the name of a file of the dashboard"},
    };
    for (size_t i = 0; i < BF_COUNT(places); i++)
        if (strstr(path, places[i].place))
            json_array_append_new(parameters, parameter(places[i].name, "path", true, places[i].help,
                                                        json_pack("{s:s, s:i}", "type", "string", "minLength", 1)));
}

static json_t *choices(const char *list)
{
    json_t *words = json_array();
    for (const char *at = list; *at; at += strcspn(at, "|"), at += *at == '|')
        json_array_append_new(words, json_stringn(at, strcspn(at, "|")));
    return words;
}

static json_t *query_schema(const struct bf_query *query)
{
    json_t *schema = NULL;
    switch (query->kind) {
    case BF_QUERY_TEXT:
        schema = bf_openapi_type("string");
        break;
    case BF_QUERY_NUMBER:
        schema = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)query->low, "maximum",
                           (json_int_t)query->high);
        if (query->standard >= query->low) json_object_set_new(schema, "default", json_integer(query->standard));
        break;
    case BF_QUERY_BOOLEAN:
        schema = json_pack("{s:s, s:b}", "type", "boolean", "default", false);
        break;
    case BF_QUERY_STATE:
        schema = bf_openapi_type("State");
        break;
    case BF_QUERY_LABEL:
        schema = json_pack("{s:s, s:s}", "type", "string", "pattern", ":");
        break;
    case BF_QUERY_ID:
        schema = bf_openapi_type("Id");
        break;
    case BF_QUERY_TIME:
        schema = bf_openapi_type("time");
        break;
    case BF_QUERY_CHOICE:
        schema = json_pack("{s:s, s:o}", "type", "string", "enum", choices(query->choices));
        break;
    }
    return query->repeated ? json_pack("{s:s, s:o}", "type", "array", "items", schema) : schema;
}

static json_t *parameters_of(const struct operation *operation)
{
    json_t *parameters = json_array();
    add_path_parameters(parameters, operation->path);
    const struct bf_condition *condition;
    for (size_t i = 0; (condition = bf_condition(i)); i++)
        if (condition->routes & BF_ROUTE_BIT(operation->route))
            json_array_append_new(parameters, parameter(condition->name, "header", false, condition->help,
                                                        json_pack("{s:s, s:i}", "type", "string", "minLength", 1)));
    for (const struct bf_query *query = bf_query_of(operation->route); query->name; query++)
        json_array_append_new(parameters, parameter(query->name, "query", false, query->help, query_schema(query)));
    return parameters;
}

/* ---- answers ---- */

static json_t *content(const char *type, const char *schema)
{
    return json_pack("{s:{s:o}}", type, "schema", bf_openapi_type(schema));
}

/* JSON, or what else the route has. */
static json_t *contents(enum bf_route_name route, const char *schema)
{
    static const struct {
        enum bf_route_name route;
        const char *type;
    } others[] = {{BF_ROUTE_METRICS, "text/plain"}, {BF_ROUTE_DASHBOARD, "text/html"}, {BF_ROUTE_DASHBOARD_FILE, "text/*"}};
    for (size_t i = 0; i < BF_COUNT(others); i++)
        if (others[i].route == route) return content(others[i].type, schema);
    json_t *made = content(BF_API_JSON, schema);
    if (route == BF_ROUTE_EVENTS || route == BF_ROUTE_JOB_EVENTS)
        json_object_update_new(made, content("text/event-stream", "string"));
    return made;
}

/* Statuses with which a route that is built can refuse; 405 belongs to no operation. */
static bool can_refuse(const struct operation *operation, int status)
{
    bool post = body_of(operation->route) != NULL;
    switch (status) {
    case 404:
        return strchr(operation->path, '{') != NULL || operation->route == BF_ROUTE_SIGN_IN;
    case 409:
    case 413:
    case 415:
    case 422:
        return post;
    case 412:
        return operation->route == BF_ROUTE_TUNE;
    case 200:
    case 405:
        return false;
    default:
        return true;
    }
}

static const int statuses[] = {
#define X(constant, name, status, title) status,
    BF_CODES(X)
#undef X
};

static void add_refusal(json_t *responses, int status)
{
    char *name BF_AUTO_STRING = bf_format("%d", status);
    char *reference BF_AUTO_STRING = bf_format("#/components/responses/%d", status);
    json_object_set_new(responses, name, json_pack("{s:s}", "$ref", reference));
}

static json_t *responses_of(const struct operation *operation)
{
    json_t *responses = json_object();
    if (!is_built(operation)) {
        add_refusal(responses, bf_code_status(BF_NOT_BUILT));
        return responses;
    }
    for (size_t i = 0; i < BF_COUNT(successes); i++) {
        const struct success *success = &successes[i];
        if (success->route != operation->route) continue;
        json_t *response = json_pack("{s:s, s:o}", "description", success->help, "content",
                                     contents(operation->route, success->schema));
        json_t *headers = json_object();
        if (strcmp(success->schema, "Job") == 0)
            json_object_set_new(headers, "ETag", json_pack("{s:o}", "schema", bf_openapi_type("string")));
        if (strcmp(success->status, "201") == 0)
            json_object_set_new(headers, "Location", json_pack("{s:o}", "schema", bf_openapi_type("string")));
        if (json_object_size(headers) > 0) json_object_set(response, "headers", headers);
        json_decref(headers);
        json_object_set_new(responses, success->status, response);
    }
    for (size_t i = 0; i < BF_COUNT(statuses); i++)
        if (statuses[i] != 0 && can_refuse(operation, statuses[i])) add_refusal(responses, statuses[i]);
    return responses;
}

/* One response for each status that a code has, which names these codes. */
static json_t *refusals(void)
{
    json_t *responses = json_object();
    for (size_t i = 0; i < BF_COUNT(statuses); i++) {
        int status = statuses[i];
        char *name BF_AUTO_STRING = bf_format("%d", status);
        if (status < 400 || json_object_get(responses, name)) continue;
        struct bf_buffer codes = {0};
        for (size_t k = i; k < BF_COUNT(statuses); k++)
            if (statuses[k] == status)
                bf_buffer_format(&codes, "%s`%s`", codes.length ? ", " : "", bf_code_name((enum bf_code)k));
        json_t *response = json_pack("{s:s, s:o}", "description", codes.text, "content",
                                     content(BF_API_PROBLEM, "Problem"));
        if (status == 503)
            json_object_set_new(response, "headers",
                                json_pack("{s:{s:o}}", "Retry-After", "schema", bf_openapi_type("count")));
        json_object_set_new(responses, name, response);
        bf_buffer_clear(&codes);
    }
    return responses;
}

/* ---- the whole ---- */

static char *lower(const char *text)
{
    char *copy = bf_copy_string(text);
    for (char *at = copy; *at; at++) *at = (char)tolower((unsigned char)*at);
    return copy;
}

static json_t *describe(const struct operation *operation)
{
    char *id BF_AUTO_STRING = lower(operation->constant), *role BF_AUTO_STRING = lower(operation->role);
    json_t *description = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "operationId", id, "summary", operation->summary,
                                    "x-role", role, "x-built", is_built(operation), "parameters", parameters_of(operation),
                                    "responses", responses_of(operation));
    const struct body *body = body_of(operation->route);
    if (body)
        json_object_set_new(description, "requestBody", json_pack("{s:b, s:o}", "required", body->required, "content",
                                                                  content(BF_API_JSON, body->schema)));
    return description;
}

json_t *bf_openapi(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    for (size_t i = 0; i < BF_COUNT(operations); i++) {
        char *method BF_AUTO_STRING = lower(operations[i].method);
        if (!json_object_get(paths, operations[i].path)) json_object_set_new(paths, operations[i].path, json_object());
        json_object_set_new(json_object_get(paths, operations[i].path), method, describe(&operations[i]));
    }
    bf_openapi_add_bodies(schemas);
    bf_openapi_add_views(schemas);
    json_t *information =
        json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "title", "backfilld", "version", BF_VERSION, "description",
                  "Runs batched backfills on live databases. What is not built yet is marked by `x-built: false` and "
                  "answers 501.",
                  "license", "name", "Apache-2.0", "url", "https://www.apache.org/licenses/LICENSE-2.0");
    json_t *schemes = json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}}", "token", "type", "http", "scheme", "bearer", "session",
                                "type", "apiKey", "in", "cookie", "name", "backfilld-8420", "description",
                                "what /v1/sign-in sets; the number is the port");
    /* Over a unix socket, and where there are no tokens, nothing has to be shown. */
    json_t *security = json_pack("[{s:[]}, {s:[]}, {}]", "token", "session");
    return json_pack("{s:s, s:o, s:[{s:s}], s:o, s:o, s:{s:o, s:o, s:o}}", "openapi", "3.1.0", "info", information, "servers",
                     "url", "/", "security", security, "paths", paths, "components", "schemas", schemas, "responses", refusals(),
                     "securitySchemes", schemes);
}

void bf_handle_openapi(struct bf_http_request *request)
{
    bf_http_answer(request, 200, bf_openapi());
}
