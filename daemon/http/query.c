#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "identifier.h"
#include "server.h"
#include "state.h"

static const struct bf_query none[] = {{0}};

static const struct bf_query submit[] = {
    {"dry_run", BF_QUERY_BOOLEAN, .help = "plan and forget: answers 200 with the plan"},
    {0},
};

static const struct bf_query rollback[] = {
    {"dry_run", BF_QUERY_BOOLEAN, .help = "answers 200 with what it would do; nothing is changed"},
    {0},
};

static const struct bf_query rows[] = {
    {"limit", BF_QUERY_NUMBER, .low = 1, .high = 500, .standard = 100, .help = "at most so many"},
    {"after", BF_QUERY_TEXT, .help = "`next` of the page before"},
    {0},
};

static const struct bf_query list[] = {
    {"state", BF_QUERY_STATE, .repeated = true, .help = "only jobs in this state; given again: in any of them"},
    {"target", BF_QUERY_TEXT, .help = "only jobs on this target"},
    {"name", BF_QUERY_TEXT, .help = "only jobs of this name"},
    {"label", BF_QUERY_LABEL, .repeated = true, .help = "only jobs with this label; given again: with all of them"},
    {"limit", BF_QUERY_NUMBER, .low = 1, .high = 500, .standard = 100,
     .help = "at most so many; a page also ends at 8 MiB of documents"},
    {"after", BF_QUERY_ID, .help = "`next` of the page before"},
    {0},
};

static const struct bf_query events[] = {
    {"after", BF_QUERY_NUMBER, .low = 0, .high = INT64_MAX, .standard = -1,
     .help = "the first events whose id is higher; without it: the newest ones"},
    {"limit", BF_QUERY_NUMBER, .low = 1, .high = 500, .standard = 100, .help = "at most so many"},
    {0},
};

static const struct bf_query audit[] = {
    {"after", BF_QUERY_NUMBER, .low = 0, .high = INT64_MAX, .standard = -1,
     .help = "the first records whose number is higher (`next` of the page before); without it: the newest ones"},
    {"limit", BF_QUERY_NUMBER, .low = 1, .high = 500, .standard = 100, .help = "at most so many"},
    {0},
};

static const struct bf_query samples[] = {
    {"step", BF_QUERY_CHOICE, .choices = "1s|10s|1m", .help = "the time between two points: kept for 10 minutes, a day, a month; "
     "without it: the finest that is kept for long enough for `since`"},
    {"since", BF_QUERY_TIME, .help = "the first points not before it; without it: the newest ones"},
    {"limit", BF_QUERY_NUMBER, .low = 1, .high = 2000, .standard = 600, .help = "at most so many"},
    {0},
};

const struct bf_query *bf_query_of(enum bf_route_name route)
{
    switch (route) {
    case BF_ROUTE_SUBMIT:
        return submit;
    case BF_ROUTE_ROLLBACK:
        return rollback;
    case BF_ROUTE_CONFLICTS:
    case BF_ROUTE_BAD_ROWS:
        return rows;
    case BF_ROUTE_LIST:
        return list;
    case BF_ROUTE_AUDIT:
        return audit;
    case BF_ROUTE_SAMPLES:
        return samples;
    case BF_ROUTE_EVENTS:
    case BF_ROUTE_JOB_EVENTS:
        return events;
    default:
        return none;
    }
}

static const char *shown(const char *value)
{
    return value[0] ? value : "empty";
}

static void check_number(struct bf_http_request *request, const struct bf_query *query, const char *value)
{
    errno = 0;
    long long number = strtoll(value, NULL, 10);
    bool digits = value[0] != '\0' && strspn(value, "0123456789") == strlen(value);
    if (!digits || errno != 0 || number < query->low || number > query->high)
        bf_http_problem(request, BF_BAD_REQUEST, "%s is a whole number from %lld to %lld, not %.40s", query->name,
                        (long long)query->low, (long long)query->high, shown(value));
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *at = choices; *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == length && memcmp(at, value, length) == 0) return true;
    return false;
}

/* Refuses what could never mean anything, instead of answering as if it had not been said. */
static void check_value(struct bf_http_request *request, const struct bf_query *query, const char *value)
{
    switch (query->kind) {
    case BF_QUERY_TEXT:
        break;
    case BF_QUERY_NUMBER:
        check_number(request, query, value);
        break;
    case BF_QUERY_BOOLEAN:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            bf_http_problem(request, BF_BAD_REQUEST, "%s is true or false, not %.40s", query->name, shown(value));
        break;
    case BF_QUERY_STATE:
        if (bf_state_by_name(value) == BF_STATE_COUNT)
            bf_http_problem(request, BF_BAD_REQUEST, "there is no state %.40s", value);
        break;
    case BF_QUERY_LABEL:
        if (!strchr(value, ':'))
            bf_http_problem(request, BF_BAD_REQUEST, "%s is NAME:VALUE, not %.100s", query->name, shown(value));
        break;
    case BF_QUERY_ID:
        if (!bf_ulid_valid(value))
            bf_http_problem(request, BF_BAD_REQUEST, "%s is the id of a job, as `next` gave it, not %.40s", query->name,
                            shown(value));
        break;
    case BF_QUERY_TIME:
        if (!bf_time_parse(value, &(int64_t){0}))
            bf_http_problem(request, BF_BAD_REQUEST, "%s is a time such as 2026-11-21T02:40:00.000Z, not %.40s", query->name,
                            shown(value));
        break;
    case BF_QUERY_CHOICE:
        if (!is_choice(query->choices, value))
            bf_http_problem(request, BF_BAD_REQUEST, "%s is one of %s, not %.40s", query->name, query->choices,
                            shown(value));
        break;
    }
}

bool bf_http_check_query(struct bf_http_request *request)
{
    const struct bf_query *queries = bf_query_of(request->route->name);
    for (size_t i = 0; i < request->uri.parameter_count && !request->response; i++) {
        const struct bf_parameter *parameter = &request->uri.parameters[i];
        const struct bf_query *query = queries;
        while (query->name && strcmp(query->name, parameter->name) != 0) query++;
        if (!query->name)
            bf_http_problem(request, BF_BAD_REQUEST, "unknown query parameter: %.100s", parameter->name);
        else if (!query->repeated && bf_http_parameter(request, query->name) != parameter->value)
            bf_http_problem(request, BF_BAD_REQUEST, "the query parameter %s may be given once", query->name);
        else
            check_value(request, query, parameter->value);
    }
    return !request->response;
}

const char *bf_http_parameter(const struct bf_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->uri.parameter_count; i++)
        if (strcmp(request->uri.parameters[i].name, name) == 0) return request->uri.parameters[i].value;
    return NULL;
}

bool bf_http_flag(const struct bf_http_request *request, const char *name)
{
    const char *value = bf_http_parameter(request, name);
    return value && strcmp(value, "true") == 0;
}

int64_t bf_http_time(const struct bf_http_request *request, const char *name)
{
    int64_t time = 0;
    const char *value = bf_http_parameter(request, name);
    return value && bf_time_parse(value, &time) ? time : 0;
}

int64_t bf_http_number(const struct bf_http_request *request, const char *name)
{
    const char *value = bf_http_parameter(request, name);
    if (value) return strtoll(value, NULL, 10);
    const struct bf_query *query = bf_query_of(request->route->name);
    while (strcmp(query->name, name) != 0) query++;
    return query->standard;
}
