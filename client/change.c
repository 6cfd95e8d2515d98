/* tune and clone. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "client.h"
#include "orders.h"
#include "text.h"
#include "view.h"

enum { TUNE_TIMEOUT = 30000, CLONE_TIMEOUT = 120000 /* milliseconds: the daemon looks at the target first */ };

/* A value as it is meant: 0.2, null, true, {"max": 5} and "a text" are JSON, what is none (250ms) is a text itself. */
static json_t *value_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    return value ? value : json_string(text);
}

/* Puts "pace.batch_rows.max=5" into the body; false: said why not. */
static bool add_field(json_t *body, const char *word)
{
    const char *equal = strchr(word, '=');
    if (!equal || equal == word || equal[1] == '\0') {
        bf_say("%s is not FIELD=VALUE, such as pace.nice=0.2", word);
        return false;
    }
    json_t *value = value_of(equal + 1), *at = body;
    if (!value) {
        bf_say("%s: the text is not UTF-8", word);
        return false;
    }
    for (const char *name = word;;) {
        size_t length = strcspn(name, ".=");
        BF_AUTO_STRING char *part = bf_copy_bytes(name, length);
        bool last = name + length == equal, good = length > 0;
        json_t *there = json_object_get(at, part);
        if (good && last && !there) {
            if (json_object_set_new(at, part, value) == 0)
                return true;
            bf_say("%s: the name is not UTF-8", word);
            return false;
        }
        if (good && !last && !there && json_object_set_new(at, part, json_object()) == 0)
            there = json_object_get(at, part);
        if (!good || last || !json_is_object(there)) {
            bf_say(good ? "%s: the field is given twice" : "%s: the field has an empty name", word);
            json_decref(value);
            return false;
        }
        at = there;
        name += length + 1;
    }
}

static void print_tuned(const struct bf_client *client, const json_t *job)
{
    struct bf_view view = {0};
    struct bf_buffer fields = {0};
    bf_view_read(&view, job);
    char *state BF_AUTO_STRING = bf_view_state(&view);
    for (int i = 1; i < client->count; i++)
        bf_buffer_format(&fields, "%s%s", i > 1 ? ", " : "", client->words[i]);
    char *given BF_AUTO_STRING = bf_buffer_take(&fields), *safe BF_AUTO_STRING = bf_text_safe(given);
    printf("%s is %s, now with %s\n", view.name, state, safe);
    if (!view.durable)
        bf_say("this is in effect, but the daemon could not store it: a restart may forget it");
    bf_view_clear(&view);
}

enum bf_exit bf_run_tune(struct bf_client *client)
{
    struct bf_reply reply;
    enum bf_exit code = BF_EXIT_DONE;
    json_t *body = json_object();
    for (int i = 1; i < client->count; i++)
        if (!add_field(body, client->words[i])) {
            json_decref(body);
            return BF_EXIT_USAGE;
        }
    char *text BF_AUTO_STRING = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    bf_http_ask(client->http, BF_ROUTE_TUNE, client->words[0], NULL, text, TUNE_TIMEOUT, &reply);
    if (!bf_reply_good(&reply))
        code = bf_reply_complain(client->http, &reply);
    else if (client->json)
        printf("%s\n", reply.body);
    else
        print_tuned(client, reply.json);
    bf_reply_clear(&reply);
    return code;
}

bool bf_key_header(const struct bf_client *client, char **ret_header)
{
    const char *key = client->values[BF_OPTION_IDEMPOTENCY_KEY];
    *ret_header = NULL;
    for (const char *at = key; at && *at; at++)
        if (*at <= ' ' || *at >= 0x7f) {
            bf_say("--idempotency-key: only visible ASCII characters can be sent");
            return false;
        }
    if (key)
        *ret_header = bf_format("Idempotency-Key: %s", key);
    return true;
}

enum bf_exit bf_run_clone(struct bf_client *client)
{
    struct bf_reply reply;
    enum bf_exit code = BF_EXIT_DONE;
    char *header BF_AUTO_STRING = NULL;
    json_t *name = json_string(client->words[1]);
    if (!name)
        bf_say("NAME: the text is not UTF-8");
    if (!name || !bf_key_header(client, &header)) {
        json_decref(name);
        return BF_EXIT_USAGE;
    }
    json_t *body = json_object();
    json_object_set_new(body, "name", name);
    bf_body_text(body, "from", client->values[BF_OPTION_FROM]);
    char *text BF_AUTO_STRING = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (header)
        bf_http_ask_with(client->http, BF_ROUTE_CLONE, client->words[0], header, text, CLONE_TIMEOUT, &reply);
    else
        bf_http_ask(client->http, BF_ROUTE_CLONE, client->words[0], NULL, text, CLONE_TIMEOUT, &reply);
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else if (client->json) {
        printf("%s\n", reply.body);
    } else {
        struct bf_view view = {0};
        bf_view_read(&view, reply.json);
        printf("submitted %s (%s), it is %s\n", view.name, view.id, view.state);
        bf_view_clear(&view);
    }
    bf_reply_clear(&reply);
    return code;
}
