/* list and targets: tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "client.h"
#include "format.h"
#include "text.h"
#include "view.h"

enum { LIST_TIMEOUT = 30000 };

static void add_parameter(struct bf_buffer *query, const char *name, const char *value)
{
    if (!value)
        return;
    char *encoded BF_AUTO_STRING = bf_percent_encode(value);
    bf_buffer_format(query, "%s%s=%s", query->length ? "&" : "?", name, encoded);
}

static char *query_of(const struct bf_client *client, const char *after)
{
    struct bf_buffer query = {0};
    const char *limit = client->values[BF_OPTION_LIMIT];
    add_parameter(&query, "state", client->values[BF_OPTION_STATE]);
    add_parameter(&query, "target", client->values[BF_OPTION_TARGET]);
    add_parameter(&query, "name", client->values[BF_OPTION_NAME]);
    if (client->values[BF_OPTION_LABEL]) {
        char *label BF_AUTO_STRING = bf_copy_string(client->values[BF_OPTION_LABEL]);
        char *mark = strchr(label, '=');
        if (mark)
            *mark = ':'; /* else it has one: that was checked with the options */
        add_parameter(&query, "label", label);
    }
    add_parameter(&query, "limit", limit ? limit : bf_given(client, BF_OPTION_ALL) ? "500" : NULL);
    add_parameter(&query, "after", after);
    return bf_buffer_take(&query);
}

static void add_job(struct bf_table *table, const json_t *job)
{
    struct bf_view view = {0};
    bf_view_read(&view, job);
    bool works = strcmp(view.state, "running") == 0 || strcmp(view.state, "rolling_back") == 0;
    bf_table_add(table, bf_copy_string(view.name));
    bf_table_add(table, bf_view_state(&view));
    bf_table_add(table, view.fraction >= 0 ? bf_format_percent(view.fraction) : bf_copy_string(""));
    bf_table_add(table, works ? bf_format_rate(view.rate) : bf_copy_string(""));
    bf_table_add(table, works ? bf_format_eta(view.eta_seconds) : bf_copy_string(""));
    bf_table_add(table, bf_copy_string(view.target));
    bf_table_add(table, bf_copy_string(view.table));
    bf_table_add(table, bf_format_time(view.created_at));
    bf_table_add(table, bf_copy_string(view.id));
    bf_view_clear(&view);
}

/* One page; *ret_next is where the next one begins, or NULL. */
static enum bf_exit list_page(struct bf_client *client, struct bf_table *table, const char *after, char **ret_next)
{
    struct bf_reply reply;
    enum bf_exit code = BF_EXIT_DONE;
    char *query BF_AUTO_STRING = query_of(client, after);
    bf_http_ask(client->http, BF_ROUTE_LIST, NULL, query, NULL, LIST_TIMEOUT, &reply);
    *ret_next = NULL;
    if (bf_reply_good(&reply)) {
        size_t index;
        json_t *job;
        if (client->json)
            printf("%s\n", reply.body);
        else
            json_array_foreach(json_object_get(reply.json, "jobs"), index, job) add_job(table, job);
        *ret_next = bf_copy_string(json_string_value(json_object_get(reply.json, "next")));
    } else {
        code = bf_reply_complain(client->http, &reply);
    }
    bf_reply_clear(&reply);
    return code;
}

enum bf_exit bf_run_list(struct bf_client *client)
{
    static const char *const headings[] = {"NAME", "STATE", "DONE", "RATE", "ETA", "TARGET", "TABLE", "SUBMITTED", "ID"};
    enum { PERCENT = 1 << 2, RATE = 1 << 3 };
    struct bf_table table;
    char *next = NULL;
    enum bf_exit code;
    bool all = bf_given(client, BF_OPTION_ALL);
    bf_table_start(&table, BF_COUNT(headings), headings);
    do {
        char *after BF_AUTO_STRING = next;
        code = list_page(client, &table, after, &next);
        if (next && after && strcmp(next, after) == 0) { /* a daemon that goes in circles is not followed */
            bf_say("the daemon repeats a page of its list");
            free(next);
            next = NULL;
            code = BF_EXIT_REFUSED;
        }
    } while (code == BF_EXIT_DONE && next && all);
    bool empty = table.count == BF_COUNT(headings);
    if (empty || client->json) { /* nothing to print: only freed */
        for (size_t i = 0; i < table.count; i++)
            free(table.cells[i]);
        free(table.cells);
        if (empty && !client->json && code == BF_EXIT_DONE)
            bf_say("no job fits");
    } else {
        bf_table_print(&table, PERCENT | RATE);
    }
    if (code == BF_EXIT_DONE && next && !client->json)
        bf_say("there are more jobs: --all shows every one");
    free(next);
    return code;
}

static char *number_cell(const json_t *target, const char *name)
{
    int64_t number = bf_member_integer(target, name);
    return number < 0 ? bf_copy_string("") : bf_format_number(number);
}

/* primary, replica, read_only; where nobody answers, why: unreachable, gone. */
static char *role_cell(const json_t *target)
{
    char *role = bf_member_text(target, "role");
    if (role[0])
        return role;
    free(role);
    return bf_member_text(target, "reachability");
}

/* Those that are not heeded, cannot be, or stand still. */
static void say_replicas(const char *target, const json_t *replicas)
{
    size_t index;
    json_t *replica;
    json_array_foreach(replicas, index, replica)
    {
        char *name BF_AUTO_STRING = bf_member_text(replica, "name");
        char *state BF_AUTO_STRING = bf_member_text(replica, "state");
        char *time BF_AUTO_STRING = bf_member_text(replica, "until"), *until BF_AUTO_STRING = bf_format_time(time);
        char *reason BF_AUTO_STRING = bf_member_text(replica, "reason");
        char *trouble BF_AUTO_STRING = bf_member_text(replica, "trouble");
        bool aside = strcmp(state, "set_aside") == 0;
        if (aside || strcmp(state, "ignored") == 0 || strcmp(state, "lost") == 0 || strcmp(state, "promoted") == 0 ||
            trouble[0])
            bf_say("target %s: replica %s is %s%s%s%s%s%s%s%s", target, name, aside ? "set aside" : state,
                   until[0] ? " until " : "", until, reason[0] ? " (" : "", reason, reason[0] ? ")" : "",
                   trouble[0] ? ": " : "", trouble);
    }
}

enum bf_exit bf_run_targets(struct bf_client *client)
{
    static const char *const headings[] = {"TARGET",  "ENGINE", "VERSION",  "ROLE",
                                           "RUNNING", "QUEUED", "MAX JOBS", "APPROVAL"};
    enum { NUMBERS = 1 << 4 | 1 << 5 | 1 << 6 };
    struct bf_reply reply;
    enum bf_exit code = BF_EXIT_DONE;
    bf_http_ask(client->http, BF_ROUTE_TARGETS, NULL, NULL, NULL, LIST_TIMEOUT, &reply);
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else if (client->json) {
        printf("%s\n", reply.body);
    } else {
        struct bf_table table;
        size_t index;
        json_t *target;
        bf_table_start(&table, BF_COUNT(headings), headings);
        json_array_foreach(json_object_get(reply.json, "targets"), index, target)
        {
            bf_table_add(&table, bf_member_text(target, "name"));
            bf_table_add(&table, bf_member_text(target, "engine"));
            bf_table_add(&table, bf_member_text(target, "version"));
            bf_table_add(&table, role_cell(target));
            bf_table_add(&table, number_cell(target, "running"));
            bf_table_add(&table, number_cell(target, "queued"));
            bf_table_add(&table, number_cell(target, "max_jobs"));
            bf_table_add(&table, bf_member_text(target, "require_approval"));
        }
        bf_table_print(&table, NUMBERS);
        json_array_foreach(json_object_get(reply.json, "targets"), index, target)
        {
            char *name BF_AUTO_STRING = bf_member_text(target, "name");
            char *trouble BF_AUTO_STRING = bf_member_text(target, "trouble");
            if (trouble[0])
                bf_say("target %s: %s", name, trouble);
            say_replicas(name, json_object_get(target, "replicas"));
            bf_say_foreign(target);
        }
    }
    bf_reply_clear(&reply);
    return code;
}
