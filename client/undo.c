/* rollback --dry-run, conflicts, bad-rows, forget. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "format.h"
#include "orders.h"
#include "text.h"
#include "view.h"

enum { ASK_TIMEOUT = 60000, PAGE = 500, COLUMNS = 76 };

static void print_dry_run(const json_t *said)
{
    char *by BF_AUTO_STRING = bf_member_text(said, "by"), *takes BF_AUTO_STRING = bf_format_eta(bf_member_integer(said, "seconds"));
    char *rows BF_AUTO_STRING = bf_format_number(bf_member_integer(said, "rows"));
    if (strcmp(by, "inverse") == 0) {
        char *what BF_AUTO_STRING =
            bf_format("the author's inverse, over the range in which the job changed %s rows; what others wrote since it does "
                      "not see", rows);
        bf_print_field("way back", what, COLUMNS);
        bf_print_field("takes", takes, COLUMNS);
        return;
    }
    char *bytes BF_AUTO_STRING = bf_format_number(bf_member_integer(said, "bytes"));
    char *sampled BF_AUTO_STRING = bf_format_number(bf_member_integer(said, "sampled"));
    char *journal BF_AUTO_STRING = bf_format("%s changes, %s bytes", rows, bytes);
    char *sample BF_AUTO_STRING =
        bf_format("of %s changes: %lld rows were changed by others since, %lld are deleted", sampled,
                  (long long)bf_member_integer(said, "sampled_changed"), (long long)bf_member_integer(said, "sampled_deleted"));
    bf_print_field("journal", journal, COLUMNS);
    bf_print_field("sample", sample, COLUMNS);
    bf_print_field("takes", takes, COLUMNS);
}

enum bf_exit bf_dry_rollback(struct bf_client *client)
{
    struct bf_reply reply;
    bf_http_ask(client->http, BF_ROUTE_ROLLBACK, client->words[0], "?dry_run=true", "{}", ASK_TIMEOUT, &reply);
    enum bf_exit code = BF_EXIT_DONE;
    if (!bf_reply_good(&reply))
        code = bf_reply_complain(client->http, &reply);
    else if (client->json)
        printf("%s\n", reply.body);
    else
        print_dry_run(reply.json);
    bf_reply_clear(&reply);
    return code;
}

/* ["7","b"] as people read it: 7, b */
static void print_key(const json_t *row)
{
    const json_t *part;
    size_t i;
    json_array_foreach (json_object_get(row, "key"), i, part) {
        char *text BF_AUTO_STRING = bf_text_safe(json_string_value(part) ? json_string_value(part) : "");
        printf("%s%s", i ? ", " : "", text);
    }
}

static void print_conflict(const json_t *conflict)
{
    char *kind BF_AUTO_STRING = bf_member_text(conflict, "kind"), *at BF_AUTO_STRING = bf_member_text(conflict, "found_at");
    char *when BF_AUTO_STRING = bf_format_time(at);
    printf("%s  %-8s ", when, kind);
    print_key(conflict);
    printf("\n");
}

static void print_bad_row(const json_t *row)
{
    char *error BF_AUTO_STRING = bf_member_text(row, "error"), *at BF_AUTO_STRING = bf_member_text(row, "found_at");
    char *sqlstate BF_AUTO_STRING = bf_member_text(row, "sqlstate"), *when BF_AUTO_STRING = bf_format_time(at);
    printf("%s  ", when);
    print_key(row);
    printf("  %s (%s)\n", error, sqlstate);
}

/* Page after page; with --limit so many at most. `none`: what is said where there are none. */
static enum bf_exit list_rows(struct bf_client *client, const char *member, void (*print)(const json_t *row), const char *none)
{
    const char *limit = client->values[BF_OPTION_LIMIT];
    char *after = NULL;
    enum bf_exit code = BF_EXIT_DONE;
    bool more = true, empty = true;
    while (more && code == BF_EXIT_DONE) {
        struct bf_reply reply;
        char number[16];
        snprintf(number, sizeof number, "%d", PAGE);
        char *query BF_AUTO_STRING = bf_format("?limit=%s%s%s", limit ? limit : number, after ? "&after=" : "", after ? after : "");
        bf_http_ask(client->http, client->verb->route, client->words[0], query, NULL, ASK_TIMEOUT, &reply);
        free(after);
        after = NULL;
        if (!bf_reply_good(&reply)) {
            code = bf_reply_complain(client->http, &reply);
        } else if (client->json) {
            printf("%s\n", reply.body);
        } else {
            const json_t *row;
            size_t i;
            json_array_foreach (json_object_get(reply.json, member), i, row)
                print(row);
            empty = empty && i == 0;
        }
        if (code == BF_EXIT_DONE && !limit)
            after = bf_copy_string(json_string_value(json_object_get(reply.json, "next")));
        more = after != NULL;
        bf_reply_clear(&reply);
    }
    free(after);
    if (code == BF_EXIT_DONE && empty && !client->json)
        bf_say("%s", none);
    return code;
}

enum bf_exit bf_run_conflicts(struct bf_client *client)
{
    return list_rows(client, "conflicts", print_conflict, "no conflicts");
}

enum bf_exit bf_run_bad_rows(struct bf_client *client)
{
    return list_rows(client, "bad_rows", print_bad_row, "no rows in quarantine");
}

enum bf_exit bf_run_forget(struct bf_client *client)
{
    if (!bf_check_text(client, BF_OPTION_CONFIRM))
        return BF_EXIT_USAGE;
    struct bf_reply reply;
    json_t *body = json_object();
    bf_body_text(body, "confirm", client->values[BF_OPTION_CONFIRM]);
    char *text BF_AUTO_STRING = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    bf_http_ask(client->http, BF_ROUTE_FORGET, client->words[0], NULL, text, ASK_TIMEOUT, &reply);
    enum bf_exit code = BF_EXIT_DONE;
    if (!bf_reply_good(&reply)) {
        code = bf_complain_confirm(client, &reply);
    } else if (client->json) {
        printf("%s\n", reply.body);
    } else {
        char *name BF_AUTO_STRING = bf_member_text(reply.json, "name");
        printf("%s has no way back any more\n", name);
    }
    bf_reply_clear(&reply);
    return code;
}
