/* replicas = auto where the primary knows who replicates from it and not how far they are: every few seconds it is asked who
 * they are, and each is asked itself. One that does not say where it can be asked (report_host) cannot be measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"

enum { EVERY = 5000 /* milliseconds */ };

static int64_t now_of(const struct bf_monitor *monitor)
{
    return monitor->engine->world->monotonic(monitor->engine->world->context);
}

void bf_hosts_ask(struct bf_monitor *monitor, struct bf_flight *flight)
{
    static const enum bf_statement statements[] = {BF_STATEMENT_REPLICA_HOSTS, BF_STATEMENT_LOG_READERS};
    struct bf_heart *heart = &monitor->heart;
    int64_t now = now_of(monitor);
    if (!monitor->target->replica_at || !heart->asks || now < heart->hosts_due)
        return;
    heart->hosts_due = now + EVERY;
    for (size_t i = 0; i < 2; i++)
        bf_flight_add(flight, statements[i], monitor->target->database->dialect->common(statements[i]))->new_group = true;
}

bool bf_hosts_address(const struct bf_answer *hosts, size_t row, char address[BF_REPLICA_NAME])
{
    const char *host = bf_answer_value(hosts, row, 1), *port = bf_answer_value(hosts, row, 2);
    if (!host || !*host || !port)
        return false;
    snprintf(address, BF_REPLICA_NAME, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return true;
}

int bf_hosts_count(const struct bf_answer *hosts, const struct bf_answer *readers, int *ret_unnamed)
{
    char address[BF_REPLICA_NAME];
    int named = 0;
    *ret_unnamed = -1;
    if (hosts->outcome != BF_OUTCOME_OK || readers->outcome != BF_OUTCOME_OK || !bf_answer_value(readers, 0, 0))
        return 0;
    for (size_t row = 0; row < hosts->rows; row++)
        named += bf_hosts_address(hosts, row, address);
    int64_t others = bf_answer_number(readers, 0, 0) - named;
    *ret_unnamed = others > 0 ? (int)others : 0;
    return named;
}

static const struct bf_answer *answer_to(const struct bf_flight *flight, const struct bf_answer *answers,
                                         enum bf_statement statement)
{
    for (size_t i = 0; i < flight->count; i++)
        if (flight->steps[i].statement == statement)
            return &answers[i];
    return NULL;
}

void bf_hosts_take(struct bf_monitor *monitor, const struct bf_flight *flight, const struct bf_answer *answers)
{
    const struct bf_answer *hosts = answer_to(flight, answers, BF_STATEMENT_REPLICA_HOSTS),
                           *readers = answer_to(flight, answers, BF_STATEMENT_LOG_READERS);
    const struct bf_target *target = monitor->target;
    struct bf_heart *heart = &monitor->heart;
    char address[BF_REPLICA_NAME];
    int unnamed;
    if (!hosts || !readers)
        return;
    bf_hosts_count(hosts, readers, &unnamed);
    if (unnamed < 0) {
        const char *message = hosts->message ? hosts->message : readers->message;
        snprintf(heart->hosts_trouble, sizeof heart->hosts_trouble, "%s%s", message ? message : "GRANT ",
                 message ? "" : target->database->dialect->watch_right);
        return;
    }
    heart->hosts_trouble[0] = '\0';
    heart->hosts_at = now_of(monitor);
    heart->unnamed = unnamed;
    heart->without_place = 0;
    for (size_t row = 0; row < hosts->rows; row++) {
        if (!bf_hosts_address(hosts, row, address))
            continue;
        const struct bf_replica *replica = target->replica_at(target->replica_context, address);
        heart->without_place += !replica || !bf_heart_expect(monitor, replica);
    }
    bf_heart_forget(monitor, heart->hosts_at - BF_REPLICA_EXPECTED);
}

bool bf_hosts_known(const struct bf_monitor *monitor, char *text, size_t size)
{
    const struct bf_heart *heart = &monitor->heart;
    if (!monitor->target || !monitor->target->replica_at)
        return true;
    if (heart->hosts_at == BF_SIGNAL_NEVER || now_of(monitor) - heart->hosts_at > EVERY + BF_SIGNAL_STALE_AFTER) {
        snprintf(text, size, "the primary has to be asked who replicates from it%s%s", heart->hosts_trouble[0] ? ": " : "",
                 heart->hosts_trouble);
        return false;
    }
    if (heart->without_place > 0)
        snprintf(text, size, "there are over %d replicas", BF_WATCHED_MAX);
    else if (heart->unnamed > 0)
        snprintf(text, size, "%d of those who read the log of target %s do not say where they can be asked (report_host): name "
                 "the replicas' URLs in `replicas`, or say none", heart->unnamed, monitor->name);
    return heart->unnamed == 0 && heart->without_place == 0;
}
