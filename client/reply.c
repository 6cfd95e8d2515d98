/* What an answer means for the exit code, and how a problem (RFC 9457) is told. */
#include <string.h>
#include <strings.h>

#include "http.h"
#include "text.h"

bool bf_reply_good(const struct bf_reply *reply)
{
    return reply->reached == BF_REACHED && reply->status >= 200 && reply->status < 300 && json_is_object(reply->json);
}

bool bf_reply_passing(const struct bf_reply *reply)
{
    return reply->reached == BF_UNREACHABLE ||
           (reply->reached == BF_REACHED && reply->status >= 500 && reply->status != 501);
}

static const char *member(const struct bf_reply *reply, const char *name)
{
    const char *text = json_string_value(json_object_get(reply->json, name));
    return text ? text : "";
}

static enum bf_exit exit_of(const struct bf_reply *reply)
{
    switch (reply->status) {
    case 401:
    case 403:
        return BF_EXIT_NOT_ALLOWED;
    case 404:
        return BF_EXIT_NO_SUCH_JOB;
    case 409:
    case 412:
        return BF_EXIT_CONFLICT;
    default:
        return strcmp(member(reply, "code"), "stopping") == 0 ? BF_EXIT_UNREACHABLE : BF_EXIT_REFUSED;
    }
}

static void complain_each(const json_t *errors)
{
    size_t index;
    json_t *error;
    json_array_foreach(errors, index, error)
    {
        const char *pointer = json_string_value(json_object_get(error, "pointer"));
        const char *detail = json_string_value(json_object_get(error, "detail"));
        bf_say_more("%s: %s", pointer && *pointer ? pointer : "the document", detail ? detail : "is wrong");
    }
}

enum bf_exit bf_reply_complain(const struct bf_http *http, const struct bf_reply *reply)
{
    if (reply->reached == BF_STOPPED)
        return BF_EXIT_INTERRUPTED;
    if (reply->reached == BF_UNREACHABLE) {
        bf_say("daemon unreachable at %s: %s", bf_http_url(http), reply->text);
        return BF_EXIT_UNREACHABLE;
    }
    if (!reply->problem || !json_is_object(reply->json)) {
        bf_say("%s answered %ld in a way that backfilld does not: is another program listening there?",
               bf_http_url(http), reply->status);
        return reply->status == 401 || reply->status == 403 ? BF_EXIT_NOT_ALLOWED : BF_EXIT_REFUSED;
    }
    const char *title = member(reply, "title"), *detail = member(reply, "detail");
    const json_t *errors = json_object_get(reply->json, "errors");
    bool each = json_array_size(errors) > 0; /* these say it all, line by line */
    bool says_more = *detail && !each && strcasecmp(detail, title) != 0;
    bf_say("%s%s%s", *title ? title : "refused", says_more ? ": " : "", says_more ? detail : "");
    complain_each(errors);
    json_int_t total = json_integer_value(json_object_get(reply->json, "errors_total"));
    if (total > (json_int_t)json_array_size(errors))
        bf_say_more("and %lld more", (long long)total - (long long)json_array_size(errors));
    if (reply->retry_after > 0)
        bf_say_more("try again in %ld s", reply->retry_after);
    return exit_of(reply);
}
