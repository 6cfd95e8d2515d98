/* The time ledger in one line: "14 h 02 min: 31 % writing, 40 % holding on lag of replica-2, 29 % sleeping". */
#include "ledger.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "text.h"

enum { ENTRIES_MAX = 64, SHOWN_MAX = 6 };

struct entry {
    const char *key;
    double seconds;
};

/* What the job did, in words: the key is the activity, a slash and the reason. */
static char *words(const char *key)
{
    static const struct {
        const char *key, *words;
    } activities[] = {{"batching", "writing"}, {"backing_off", "backing off"}};
    const char *slash = strchr(key, '/');
    char *activity BF_AUTO_STRING = bf_copy_bytes(key, slash ? (size_t)(slash - key) : strlen(key));
    const char *doing = activity, *why = slash ? slash + 1 : "";
    for (size_t i = 0; i < BF_COUNT(activities); i++)
        if (strcmp(activity, activities[i].key) == 0)
            doing = activities[i].words;
    char *text BF_AUTO_STRING = NULL;
    if (strncmp(why, "lag:", 4) == 0)
        text = bf_format("%s on lag of %s", doing, why + 4);
    else if (strncmp(why, "signal:", 7) == 0)
        text = bf_format("%s on signal %s", doing, why + 7);
    else if (strcmp(why, "bad_rows") == 0)
        text = bf_format("%s around bad rows", doing);
    else
        text = why[0] ? bf_format("%s (%s)", doing, why) : bf_copy_string(doing);
    return bf_text_safe(text);
}

static size_t sorted(const json_t *seconds, struct entry entries[ENTRIES_MAX])
{
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)seconds, key, value)
    {
        size_t place = count;
        if (count == ENTRIES_MAX || !json_is_number(value) || !(json_number_value(value) > 0))
            continue;
        for (; place > 0 && entries[place - 1].seconds < json_number_value(value); place--)
            entries[place] = entries[place - 1];
        entries[place] = (struct entry){key, json_number_value(value)};
        count++;
    }
    return count;
}

char *bf_ledger_line(const json_t *seconds)
{
    struct entry entries[ENTRIES_MAX];
    size_t count = sorted(seconds, entries), shown = 0;
    double total = 0;
    char time[BF_DURATION_TEXT];
    for (size_t i = 0; i < count; i++)
        total += entries[i].seconds;
    if (!(total >= 0.001) || total > 1e12)
        return bf_copy_string("");
    struct bf_buffer line = {0};
    bf_buffer_format(&line, "%s:", bf_duration_format((int64_t)(total * 1000), time));
    for (; shown < count && shown < SHOWN_MAX; shown++) {
        double percent = entries[shown].seconds / total * 100;
        char *text BF_AUTO_STRING = words(entries[shown].key);
        if (percent < 0.5 && shown > 0)
            break;
        bf_buffer_format(&line, "%s %.0f %% %s", shown ? "," : "", percent, text);
    }
    return bf_buffer_take(&line);
}
