/* submit and plan: a document from a file or standard input. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "client.h"
#include "follow.h"
#include "orders.h"
#include "plan.h"
#include "text.h"
#include "view.h"

enum {
    DOCUMENT_MAX = 4 * 1024 * 1024, /* more than any daemon takes */
    SUBMIT_TIMEOUT = 120000,        /* milliseconds: the daemon looks at the target before it answers */
    PLANNING_INTERVAL = 200
};

/* Owned text of the file, or NULL: said. */
static char *read_file(const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) {
        bf_say("%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    struct bf_buffer text = {.ceiling = DOCUMENT_MAX};
    char part[16384];
    size_t length;
    while (!text.overflow && (length = fread(part, 1, sizeof part, file)) > 0)
        bf_buffer_append(&text, part, length);
    int fault = ferror(file) ? errno : 0;
    if (!standard)
        fclose(file);
    if (fault)
        bf_say("%s cannot be read: %s", path, strerror(fault));
    else if (text.overflow)
        bf_say("%s is larger than %d MiB; is it a job document?", path, DOCUMENT_MAX / 1024 / 1024);
    else if (text.length == 0)
        bf_say("%s is empty; a job document is expected", path);
    else if (strlen(text.text) != text.length)
        bf_say("%s is not JSON: it holds a NUL byte", path);
    else
        return bf_buffer_take(&text);
    bf_buffer_clear(&text);
    return NULL;
}

/* With --target the document is sent with that target in it; otherwise as it is, byte for byte. */
static char *read_document(const struct bf_client *client, enum bf_exit *ret_code)
{
    const char *path = client->words[0], *target = client->values[BF_OPTION_TARGET];
    char *text = read_file(path);
    *ret_code = BF_EXIT_USAGE;
    if (!text || !target)
        return text;
    json_error_t fault;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &fault), *value = json_string(target);
    free(text);
    text = NULL;
    *ret_code = BF_EXIT_REFUSED;
    if (!document)
        bf_say("%s is not JSON: line %d, column %d: %s", path, fault.line, fault.column, fault.text);
    else if (!json_is_object(document))
        bf_say("%s is not a job document: it is not a JSON object", path);
    else if (!value)
        bf_say("--target: the text is not UTF-8");
    else if (json_object_set(document, "target", value) == 0)
        text = json_dumps(document, JSON_COMPACT);
    json_decref(value);
    json_decref(document);
    return text;
}

enum bf_exit bf_run_plan(struct bf_client *client)
{
    enum bf_exit code;
    struct bf_reply reply;
    char *document BF_AUTO_STRING = read_document(client, &code);
    if (!document)
        return code;
    bf_http_ask(client->http, BF_ROUTE_SUBMIT, NULL, "?dry_run=true", document, SUBMIT_TIMEOUT, &reply);
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else {
        code = BF_EXIT_DONE;
        if (client->json)
            printf("%s\n", reply.body);
        else
            bf_print_plan(reply.json);
    }
    bf_reply_clear(&reply);
    return code;
}

static void say_refused(const struct bf_view *view)
{
    bf_say("%s is refused%s%s", view->name, view->reason[0] ? ": " : "", view->reason);
}

/* Waits until the plan is ready. *ret_approve: it waits for a person. */
static enum bf_exit wait_for_plan(struct bf_client *client, const char *id, bool *ret_approve)
{
    int64_t until = bf_now() + SUBMIT_TIMEOUT;
    *ret_approve = false;
    bf_stop_catch();
    for (;;) {
        struct bf_reply reply;
        struct bf_view view = {0};
        bf_http_ask(client->http, BF_ROUTE_SHOW, id, NULL, NULL, SUBMIT_TIMEOUT, &reply);
        enum bf_exit code = BF_EXIT_DONE;
        bool planning = false, good = bf_reply_good(&reply);
        if (good) {
            bf_view_read(&view, reply.json);
            planning = strcmp(view.state, "planning") == 0;
            *ret_approve = strcmp(view.state, "awaiting_approval") == 0;
            if (strcmp(view.state, "refused") == 0) {
                say_refused(&view);
                code = BF_EXIT_JOB_REFUSED;
            }
        } else if (!bf_reply_passing(&reply) || bf_now() >= until) {
            code = bf_reply_complain(client->http, &reply);
        }
        bf_view_clear(&view);
        bf_reply_clear(&reply);
        if (bf_stop)
            return BF_EXIT_INTERRUPTED;
        if (code != BF_EXIT_DONE || (good && !planning))
            return code;
        if (bf_now() >= until) {
            bf_say("%s: the plan is not ready after %d s", id, SUBMIT_TIMEOUT / 1000);
            return BF_EXIT_TIME_IS_UP;
        }
        bf_sleep(PLANNING_INTERVAL);
    }
}

/* --approve and --watch, once the job is there. */
static enum bf_exit after_submit(struct bf_client *client, const char *id)
{
    const char *left = NULL;
    bool watches = bf_given(client, BF_OPTION_WATCH);
    if (bf_given(client, BF_OPTION_APPROVE)) {
        bool waits;
        enum bf_exit code = wait_for_plan(client, id, &waits);
        if (code == BF_EXIT_JOB_REFUSED && !watches)
            return BF_EXIT_REFUSED;
        if (code == BF_EXIT_DONE && waits) {
            left = "awaiting_approval";
            code = bf_approve(client, id, watches || client->json);
        }
        if (code != BF_EXIT_DONE)
            return code;
    }
    return watches ? bf_follow_one(client, id, (struct bf_goal){0}, true, left) : BF_EXIT_DONE;
}

enum bf_exit bf_run_submit(struct bf_client *client)
{
    enum bf_exit code;
    struct bf_reply reply;
    char *document BF_AUTO_STRING = read_document(client, &code), *id BF_AUTO_STRING = NULL;
    char *header BF_AUTO_STRING = NULL;
    if (!document)
        return code;
    if (!bf_key_header(client, &header))
        return BF_EXIT_USAGE;
    if (header)
        bf_http_ask_with(client->http, BF_ROUTE_SUBMIT, NULL, header, document, SUBMIT_TIMEOUT, &reply);
    else
        bf_http_ask(client->http, BF_ROUTE_SUBMIT, NULL, NULL, document, SUBMIT_TIMEOUT, &reply);
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else {
        struct bf_view view = {0};
        bf_view_read(&view, reply.json);
        id = bf_copy_string(json_string_value(json_object_get(reply.json, "id")));
        if (!client->json)
            printf("submitted %s (%s), it is %s\n", view.name, view.id, view.state);
        else if (!bf_given(client, BF_OPTION_WATCH)) /* --watch begins with this same job */
            printf("%s\n", reply.body);
        fflush(stdout);
        code = BF_EXIT_DONE;
        if (strcmp(view.state, "refused") == 0 && !bf_given(client, BF_OPTION_APPROVE) && !bf_given(client, BF_OPTION_WATCH)) {
            say_refused(&view); /* these two say it themselves */
            code = BF_EXIT_REFUSED;
        }
        bf_view_clear(&view);
    }
    bf_reply_clear(&reply);
    if (code == BF_EXIT_DONE && !id && (bf_given(client, BF_OPTION_APPROVE) || bf_given(client, BF_OPTION_WATCH))) {
        bf_say("the daemon's answer does not name the job");
        code = BF_EXIT_REFUSED;
    }
    return code == BF_EXIT_DONE && id ? after_submit(client, id) : code;
}
