/* audit: who did what, as the daemon recorded it; audit verify: is the chain of hashes whole? See docs/interface.md, section 5. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "digest.h"
#include "follow.h"
#include "format.h"
#include "text.h"
#include "view.h"

enum {
    ASK_TIMEOUT = 30000,    /* milliseconds */
    PAGE = 500,             /* records */
    LINE_MAX_BYTES = 64 * 1024 + 2
};

static const char zeros[BF_DIGEST_TEXT] = "0000000000000000000000000000000000000000000000000000000000000000";

/* What was verified so far. */
struct chain {
    int64_t count, number;     /* records; the number of the newest */
    char hash[BF_DIGEST_TEXT]; /* of the newest */
    const char *wanted;        /* the head that has to be among them; NULL: none */
    bool met;
    struct {                   /* the newest record that the daemon wrote, by its own account; number 0: not known */
        int64_t number;
        char hash[BF_DIGEST_TEXT];
    } head;
    const char *place;         /* the file, or the daemon */
    bool json;                 /* what is printed is JSON */
    int line;
    struct {                   /* a line that is no record: the next one has to say that it was cut short */
        bool there;
        int line;
        size_t bytes;
        char hash[BF_DIGEST_TEXT];
    } half;
};

static void meets(struct chain *chain)
{
    if (chain->wanted && strcmp(chain->wanted, chain->hash) == 0)
        chain->met = true;
}

/* "audit.log:17"; `line` 0: the whole. Owned. */
static char *place(const struct chain *chain, int line)
{
    return line > 0 ? bf_format("%s:%d", chain->place, line) : bf_copy_string(chain->place);
}

/* What is no fault, and is worth a look. */
static void note(const struct chain *chain, int line, const char *what)
{
    char *where BF_AUTO_STRING = place(chain, line);
    if (chain->json)
        bf_say("%s: %s", where, what);
    else
        printf("%s: %s\n", where, what);
}

static bool broken(const struct chain *chain, int line, const char *what)
{
    char *where BF_AUTO_STRING = place(chain, line);
    bf_say("%s: %s; the last good record is %lld (%s)", where, what, (long long)chain->number, chain->hash);
    return false;
}

/* Is the half line that came before told of by this record? */
static bool tells_of_half(const struct chain *chain, const json_t *record)
{
    const char *action = json_string_value(json_object_get(record, "action"));
    const char *hash = json_string_value(json_object_get(record, "sha256"));
    return action && strcmp(action, "log_cut_short") == 0 && hash && strcmp(hash, chain->half.hash) == 0 &&
           json_integer_value(json_object_get(record, "bytes")) == (json_int_t)chain->half.bytes;
}

/* Whoever writes the whole chain anew from some record on ends with another hash than the daemon. */
static bool is_the_daemons(const struct chain *chain)
{
    if (chain->number != chain->head.number || strcmp(chain->hash, chain->head.hash) == 0)
        return true;
    bf_say("%s: record %lld is not the one that the daemon wrote (%s): it, or one before it, was changed", chain->place,
           (long long)chain->number, chain->head.hash);
    return false;
}

/* False: the chain is broken here, and that is said. `line` is the record's canonical text. */
static bool take_record(struct chain *chain, const json_t *record, const char *line, size_t length)
{
    int64_t number = json_integer_value(json_object_get(record, "n"));
    const char *previous = json_string_value(json_object_get(record, "previous"));
    char what[200];
    if (chain->half.there && !tells_of_half(chain, record))
        return broken(chain, chain->half.line, "this is no record, and the next one does not say that a crash cut it short");
    if (chain->half.there) {
        snprintf(what, sizeof what, "%zu bytes of a record that a crash or a full disk cut short, which record %lld tells of",
                 chain->half.bytes, (long long)number);
        note(chain, chain->half.line, what);
    }
    chain->half.there = false;
    if (chain->count == 0 && number != 1) {
        snprintf(chain->hash, sizeof chain->hash, "%.*s", BF_DIGEST_TEXT - 1, previous);
        chain->number = number - 1;
        meets(chain);
        snprintf(what, sizeof what, "begins with record %lld; what was before it stands in an older file", (long long)number);
        note(chain, 0, what);
    }
    if (number != chain->number + 1) {
        snprintf(what, sizeof what, "record %lld stands here, where record %lld should be", (long long)number,
                 (long long)chain->number + 1);
        return broken(chain, chain->line, what);
    }
    if (strcmp(previous, chain->hash) != 0) {
        snprintf(what, sizeof what, "record %lld does not follow the one before it: one of the two was changed", (long long)number);
        return broken(chain, chain->line, what);
    }
    const char *action = json_string_value(json_object_get(record, "action"));
    if (action && strcmp(action, "log_disagrees") == 0) {
        snprintf(what, sizeof what, "record %lld says that the file was changed by somebody else before it", (long long)number);
        note(chain, chain->line, what);
    }
    bf_sha256(line, length, chain->hash);
    chain->number = number;
    chain->count++;
    meets(chain);
    return is_the_daemons(chain);
}

static bool is_record(const json_t *record)
{
    return json_is_integer(json_object_get(record, "n")) && json_string_value(json_object_get(record, "previous"));
}

static bool take_line(struct chain *chain, const char *line, size_t length)
{
    json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    char *again BF_AUTO_STRING = record ? json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    bool canonical = is_record(record) && again && strlen(again) == length && memcmp(again, line, length) == 0;
    bool good = true;
    if (canonical) {
        good = take_record(chain, record, line, length);
    } else if (is_record(record)) {
        good = broken(chain, chain->line, "the record is not written as the daemon writes it: it was changed");
    } else if (chain->half.there) {
        good = broken(chain, chain->half.line, "this is no record");
    } else {
        chain->half.there = true;
        chain->half.line = chain->line;
        chain->half.bytes = length;
        bf_sha256(line, length, chain->half.hash);
    }
    json_decref(record);
    return good;
}

static enum bf_exit verify_file(struct chain *chain, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line BF_AUTO_STRING = bf_allocate(LINE_MAX_BYTES);
    bool good = true, whole = true;
    if (!file) {
        bf_say("%s cannot be read: %s", path, strerror(errno));
        return BF_EXIT_USAGE;
    }
    chain->place = path;
    chain->line = 0;
    while (good && whole && fgets(line, LINE_MAX_BYTES, file)) {
        size_t length = strlen(line);
        chain->line++;
        whole = length > 0 && line[length - 1] == '\n';
        if (whole)
            good = take_line(chain, line, length - 1);
    }
    bool unread = ferror(file) != 0;
    fclose(file);
    if (unread) {
        bf_say("%s cannot be read: %s", path, strerror(EIO));
        return BF_EXIT_USAGE;
    }
    if (good && (!whole || chain->half.there))
        good = broken(chain, whole ? chain->half.line : chain->line,
                      "this is no whole record: a crash cut it short (the daemon says so in the next one), or it was cut off");
    return good ? BF_EXIT_DONE : BF_EXIT_REFUSED;
}

struct part {
    const char *path;
    json_int_t first; /* the number of its first record; the highest there is where it has none, or cannot be read */
};

static json_int_t first_number(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line BF_AUTO_STRING = bf_allocate(LINE_MAX_BYTES);
    json_int_t first = 0;
    while (file && first <= 0 && fgets(line, LINE_MAX_BYTES, file)) {
        json_t *record = json_loads(line, 0, NULL);
        first = is_record(record) ? json_integer_value(json_object_get(record, "n")) : 0;
        json_decref(record);
    }
    if (file)
        fclose(file);
    return first > 0 ? first : INT64_MAX;
}

static int by_first(const void *one, const void *other)
{
    const struct part *left = one, *right = other;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* One chain over all of them, the oldest first, in whatever order they were named: that of a shell (audit.log, audit.log.1,
 * audit.log.10, audit.log.2) is none. */
static enum bf_exit verify_files(struct chain *chain, char *const *paths, size_t count)
{
    struct part *parts = bf_allocate(count * sizeof *parts);
    enum bf_exit code = BF_EXIT_DONE;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct part){.path = paths[i], .first = first_number(paths[i])};
    qsort(parts, count, sizeof *parts, by_first);
    for (size_t i = 0; i < count && code == BF_EXIT_DONE; i++)
        code = verify_file(chain, parts[i].path);
    free(parts);
    return code;
}

static void take_head(struct chain *chain, const json_t *head)
{
    const char *hash = json_string_value(json_object_get(head, "hash"));
    if (!hash) /* a former release's */
        return;
    chain->head.number = json_integer_value(json_object_get(head, "n"));
    snprintf(chain->head.hash, sizeof chain->head.hash, "%s", hash);
}

/* What was cut off at the end is whole in itself, as nothing at all is. */
static bool reaches_head(const struct chain *chain)
{
    char what[200];
    if (chain->number >= chain->head.number)
        return true;
    snprintf(what, sizeof what, "the newest record that the daemon wrote, %lld (%s), is not there: the end of the log was taken away",
             (long long)chain->head.number, chain->head.hash);
    return broken(chain, 0, what);
}

/* The daemon sends what it read as JSON: canonical as it is, it is the same text again. */
static enum bf_exit verify_daemon(struct bf_client *client, struct chain *chain)
{
    enum bf_exit code = BF_EXIT_DONE;
    chain->place = bf_http_url(client->http);
    for (int64_t after = 0; after >= 0 && code == BF_EXIT_DONE;) {
        struct bf_reply reply;
        char *query BF_AUTO_STRING = bf_format("?limit=%d&after=%lld", PAGE, (long long)after);
        bf_http_ask(client->http, BF_ROUTE_AUDIT, NULL, query, NULL, ASK_TIMEOUT, &reply);
        after = -1;
        if (bf_reply_good(&reply)) {
            const json_t *record, *next = json_object_get(reply.json, "next");
            size_t i;
            if (chain->count == 0) /* what is written meanwhile is nobody's concern */
                take_head(chain, json_object_get(reply.json, "head"));
            json_array_foreach (json_object_get(reply.json, "records"), i, record) {
                char *text BF_AUTO_STRING = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
                if (code == BF_EXIT_DONE && (!is_record(record) || !take_record(chain, record, text, strlen(text))))
                    code = BF_EXIT_REFUSED;
            }
            if (json_is_integer(next))
                after = json_integer_value(next);
        } else {
            code = bf_reply_complain(client->http, &reply);
        }
        bf_reply_clear(&reply);
    }
    return code == BF_EXIT_DONE && !reaches_head(chain) ? BF_EXIT_REFUSED : code;
}

static enum bf_exit verify(struct bf_client *client)
{
    struct chain chain = {.wanted = client->values[BF_OPTION_HEAD], .place = "the audit log", .json = client->json};
    enum bf_exit code;
    memcpy(chain.hash, zeros, sizeof chain.hash);
    if (chain.wanted && (strlen(chain.wanted) != BF_DIGEST_TEXT - 1 || strspn(chain.wanted, "0123456789abcdef") != BF_DIGEST_TEXT - 1)) {
        bf_say("--head: %s is not a hash of 64 hexadecimal digits, as the daemon's log has it", chain.wanted);
        return BF_EXIT_USAGE;
    }
    code = client->count < 2 ? verify_daemon(client, &chain)
                             : verify_files(&chain, client->words + 1, (size_t)client->count - 1);
    if (code != BF_EXIT_DONE)
        return code;
    if (chain.wanted && !chain.met) {
        bf_say("%s: no record has the hash %s: what was there when it was noted down was changed or taken away since", chain.place,
               chain.wanted);
        return BF_EXIT_REFUSED;
    }
    if (client->json)
        printf("{\"records\":%lld,\"head\":{\"n\":%lld,\"hash\":\"%s\"}}\n", (long long)chain.count, (long long)chain.number, chain.hash);
    else
        printf("%lld records are whole, up to record %lld (%s)\n", (long long)chain.count, (long long)chain.number, chain.hash);
    return BF_EXIT_DONE;
}

static void print_record(const json_t *record)
{
    char *at BF_AUTO_STRING = bf_member_text(record, "at"), *actor BF_AUTO_STRING = bf_member_text(record, "actor");
    char *when BF_AUTO_STRING = bf_format_time(at), *action BF_AUTO_STRING = bf_member_text(record, "action");
    char *outcome BF_AUTO_STRING = bf_member_text(record, "outcome"), *peer BF_AUTO_STRING = bf_member_text(record, "peer");
    static const char *const shown[] = {"name", "target", "replica", "label", "from", "for", "pace", "limits", "break_glass", "code",
                                        "reason", "comment", "detail"};
    int64_t count = bf_member_integer(record, "count");
    printf("%s  %s%s%s: %s%s%s", when, actor, peer[0] ? " from " : "", peer, action, outcome[0] ? ", " : "", outcome);
    for (size_t i = 0; i < BF_COUNT(shown); i++) {
        char *text BF_AUTO_STRING = bf_member_text(record, shown[i]);
        if (text[0])
            printf("; %s: %s", shown[i], text);
    }
    if (count >= 0)
        printf("; count: %lld", (long long)count);
    printf("\n");
}

static enum bf_exit list(struct bf_client *client)
{
    struct bf_reply reply;
    const char *limit = client->values[BF_OPTION_LIMIT];
    char *query BF_AUTO_STRING = limit ? bf_format("?limit=%s", limit) : NULL;
    enum bf_exit code = BF_EXIT_DONE;
    bf_http_ask(client->http, BF_ROUTE_AUDIT, NULL, query, NULL, ASK_TIMEOUT, &reply);
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else if (client->json) {
        printf("%s\n", reply.body);
    } else {
        const json_t *record;
        size_t i;
        json_array_foreach (json_object_get(reply.json, "records"), i, record)
            print_record(record);
    }
    bf_reply_clear(&reply);
    return code;
}

enum bf_exit bf_run_audit(struct bf_client *client)
{
    if (client->count == 0 && bf_given(client, BF_OPTION_HEAD)) {
        bf_say("audit: --head belongs to audit verify");
        return BF_EXIT_USAGE;
    }
    if (client->count == 0)
        return list(client);
    if (strcmp(client->words[0], "verify") == 0)
        return verify(client);
    bf_say("audit: there is no %s; write audit, or audit verify [FILE...]", client->words[0]);
    return BF_EXIT_USAGE;
}
