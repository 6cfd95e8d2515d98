#include "ledger.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The last places are for activities alone: there are fewer of those. */
enum { KEPT_FOR_ACTIVITIES = 8 };

static bool add(struct bf_ledger *ledger, const char *key, int64_t time, size_t room)
{
    size_t i = 0;
    while (i < ledger->count && strcmp(ledger->list[i].key, key) != 0)
        i++;
    if (i == ledger->count) {
        if (i >= room)
            return false;
        ledger->count++;
        ledger->list[i].time = 0;
        snprintf(ledger->list[i].key, sizeof ledger->list[i].key, "%s", key);
    }
    ledger->list[i].time += time;
    return true;
}

void bf_ledger_add(struct bf_ledger *ledger, const char *activity, const char *reason, int64_t milliseconds)
{
    char key[BF_LEDGER_KEY];
    snprintf(key, sizeof key, "%s%s%s", activity, reason ? "/" : "", reason ? reason : "");
    if (!add(ledger, key, milliseconds, reason ? BF_LEDGER_MAX - KEPT_FOR_ACTIVITIES : BF_LEDGER_MAX))
        add(ledger, activity, milliseconds, BF_LEDGER_MAX);
}

int64_t bf_ledger_time(const struct bf_ledger *ledger, const char *activity)
{
    size_t length = strlen(activity);
    int64_t time = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const char *key = ledger->list[i].key;
        if (strncmp(key, activity, length) == 0 && (!key[length] || key[length] == '/'))
            time += ledger->list[i].time;
    }
    return time;
}

char *bf_ledger_json(const struct bf_ledger *ledger)
{
    json_t *object = json_object();
    for (size_t i = 0; i < ledger->count; i++)
        json_object_set_new(object, ledger->list[i].key, json_integer(ledger->list[i].time));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

void bf_ledger_read(struct bf_ledger *ledger, const char *json)
{
    json_t *object = json ? json_loads(json, 0, NULL) : NULL, *value;
    const char *key;
    ledger->count = 0;
    json_object_foreach (object, key, value)
        if (json_is_integer(value))
            add(ledger, key, json_integer_value(value), BF_LEDGER_MAX);
    json_decref(object);
}
