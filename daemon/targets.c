#include "targets.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "engine.h"
#include "log.h"
#include "mysql_database.h"
#include "postgresql.h"

/* The connection and what the engine sees of it. Another URL or password file makes another one of the same name. */
struct connected_target {
    struct bf_target target; /* what the engine has a pointer to */
    struct bf_rules rules;
    struct bf_thresholds thresholds;
    char *name, *primary, *password_file;
    char *replicas_text; /* as written; NULL: not given */
    uv_loop_t *loop;
    struct bf_replica replicas[BF_WATCHED_MAX]; /* those that are named, or that were found */
    char *replica_urls[BF_WATCHED_MAX];
    struct connected_target *next; /* among the former ones */
};

struct bf_targets {
    uv_loop_t *loop;
    struct connected_target *list[BF_TARGETS_MAX]; /* in the order of the configuration */
    size_t count;
    struct connected_target *former;
};

struct bf_targets *bf_targets_new(uv_loop_t *loop)
{
    struct bf_targets *targets = BF_NEW(struct bf_targets);

    targets->loop = loop;
    return targets;
}

size_t bf_targets_count(const struct bf_targets *targets)
{
    return targets->count;
}

static struct bf_database *new_database(uv_loop_t *loop, const char *url, const char *password_file)
{
    return bf_mysql_is_url(url) ? bf_mysql_new(loop, url, password_file) : bf_postgresql_new(loop, url, password_file);
}

static void free_database(struct bf_database *database, const char *url)
{
    if (bf_mysql_is_url(url))
        bf_mysql_free(database);
    else
        bf_postgresql_free(database);
}

static void free_target(struct connected_target *target)
{
    free_database(target->target.database, target->primary);
    for (size_t i = 0; i < target->target.replica_count; i++) {
        free_database(target->replicas[i].database, target->replica_urls[i]);
        free(target->replicas[i].name);
        free(target->replica_urls[i]);
    }
    free(target->replicas_text);
    bf_rules_clear(&target->rules);
    free(target->name);
    free(target->primary);
    free(target->password_file);
    free(target);
}

/* "db8:3306" of mysql://backfill@db8:3306/legacy */
static char *host_of(const char *url)
{
    const char *authority = strstr(url, "://") + 3;
    size_t length = strcspn(authority, "/?");
    const char *at = memrchr(authority, '@', length);
    const char *host = at ? at + 1 : authority;

    return bf_copy_bytes(host, (size_t)(authority + length - host));
}

/* Of the replica with the index i; two of them may be on one host, behind different sockets. */
static char *name_of(const struct connected_target *target, const char *url, size_t i)
{
    char *host = host_of(url);
    bool usable = *host;

    for (size_t other = 0; other < i; other++)
        usable = usable && strcmp(target->replicas[other].name, host) != 0;
    if (usable)
        return host;
    free(host);
    return bf_format("number %zu", i + 1);
}

/* What `replicas` is where it is not given. */
static const char *standard_of(const char *primary)
{
    return bf_mysql_is_url(primary) ? "none" : "auto";
}

static void add_replica(struct connected_target *target, char *name, char *url)
{
    size_t i = target->target.replica_count++;

    target->replica_urls[i] = url;
    target->replicas[i] = (struct bf_replica){
        .name = name, .database = new_database(target->loop, url, target->password_file)};
}

/* A primary of MySQL or MariaDB lists it: it is reached as the primary is, by another host. */
static const struct bf_replica *replica_at(void *context, const char *address)
{
    struct connected_target *target = context;

    for (size_t i = 0; i < target->target.replica_count; i++)
        if (strcmp(target->replicas[i].name, address) == 0)
            return &target->replicas[i];
    if (target->target.replica_count == BF_WATCHED_MAX)
        return NULL;
    add_replica(target, bf_copy_string(address), bf_mysql_url_at(target->primary, address));
    return &target->replicas[target->target.replica_count - 1];
}

static void make_replicas(struct bf_targets *targets, struct connected_target *target, const struct bf_replicas *replicas)
{
    target->replicas_text = bf_copy_string(replicas->text);
    target->target.replicas = target->replicas;
    target->loop = targets->loop;
    for (size_t i = 0; i < replicas->count; i++) {
        const char *url = replicas->urls[i];
        add_replica(target, name_of(target, url, i),
                    bf_mysql_is_url(url) ? bf_mysql_replica_url(url, target->primary) : bf_copy_string(url));
    }
    target->target.watch_replicas = strcmp(replicas->text ? replicas->text : standard_of(target->primary), "none") != 0;
    if (bf_mysql_is_url(target->primary) && target->target.watch_replicas && replicas->count == 0) {
        target->target.replica_at = replica_at;
        target->target.replica_context = target;
    }
}

static struct connected_target *make(struct bf_targets *targets, const struct bf_target_config *config)
{
    struct connected_target *target = BF_NEW(struct connected_target);

    target->name = bf_copy_string(config->name);
    target->primary = bf_copy_string(config->primary);
    target->password_file = bf_copy_string(config->password_file);
    target->target = (struct bf_target){
        .name = target->name,
        .database = new_database(targets->loop, target->primary, target->password_file),
        .rules = &target->rules,
        .thresholds = &target->thresholds};
    make_replicas(targets, target, &config->replicas);
    return target;
}

static bool same(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_replicas(const char *primary, const char *one, const char *other)
{
    const char *standard = standard_of(primary);

    return strcmp(one ? one : standard, other ? other : standard) == 0;
}

/* What makes a target another one for its jobs; NULL: nothing. */
static const char *what_differs(const struct connected_target *target, const struct bf_target_config *wanted)
{
    return !same(target->primary, wanted->primary)               ? "primary"
           : !same(target->password_file, wanted->password_file) ? "password_file"
           : !same_replicas(target->primary, target->replicas_text, wanted->replicas.text) ? "replicas"
                                                                          : NULL;
}

/* What may change while its jobs run; takes the rules over. Returns how many changes were said. */
static size_t set(struct connected_target *target, struct bf_target_config *config, bool fresh)
{
    BF_AUTO_STRING char *before = bf_rules_text(&target->rules), *now = bf_rules_text(&config->rules);
    BF_AUTO_STRING char *risk_before = bf_thresholds_text(&target->thresholds), *risk_now = bf_thresholds_text(&config->thresholds);
    size_t changes = 0;

    if (!fresh && target->target.max_jobs != config->max_jobs && ++changes)
        bf_log_target(BF_LEVEL_NOTICE, target->name, "max_jobs: %d -> %d", target->target.max_jobs, config->max_jobs);
    if (!fresh && target->target.require_approval != config->require_approval && ++changes)
        bf_log_target(BF_LEVEL_NOTICE, target->name, "require_approval: %s -> %s",
                      bf_approval_name(target->target.require_approval), bf_approval_name(config->require_approval));
    if (!fresh && target->target.two_person != config->two_person && ++changes)
        bf_log_target(BF_LEVEL_NOTICE, target->name, "two_person: %s -> %s", bf_approval_name(target->target.two_person),
                      bf_approval_name(config->two_person));
    if (!fresh && strcmp(risk_before, risk_now) != 0 && ++changes)
        bf_log_target(BF_LEVEL_NOTICE, target->name, "%s -> %s", risk_before, risk_now);
    if (!fresh && strcmp(before, now) != 0 && ++changes)
        bf_log_target(BF_LEVEL_NOTICE, target->name, "defaults and ceilings: %s -> %s", before, now);
    target->target.max_jobs = config->max_jobs;
    target->target.require_approval = config->require_approval;
    target->target.two_person = config->two_person;
    target->target.plan_window = config->plan_window;
    target->target.keep_undo = config->keep_undo;
    target->thresholds = config->thresholds;
    bf_rules_clear(&target->rules);
    target->rules = config->rules;
    config->rules = (struct bf_rules){0};
    return changes;
}

static struct connected_target *take(struct bf_targets *targets, const char *name)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets->list[i] && strcmp(targets->list[i]->name, name) == 0) {
            struct connected_target *found = targets->list[i];
            targets->list[i] = NULL;
            return found;
        }
    return NULL;
}

static void retire(struct bf_targets *targets, struct connected_target *target)
{
    target->next = targets->former;
    targets->former = target;
}

/* How many jobs have yet to come to their end on it. */
static size_t unfinished_jobs(const struct bf_engine *engine, const char *target)
{
    size_t count = 0;

    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));)
        if (strcmp(bf_job_record(job)->document->target, target) == 0 && !bf_state_final(bf_job_record(job)->state))
            count++;
    return count;
}

static void say_gone(const struct bf_engine *engine, const char *name)
{
    size_t jobs = unfinished_jobs(engine, name);

    if (jobs > 0)
        bf_log_target(BF_LEVEL_WARNING, name, "gone; %zu unfinished %s until it is there again (target_gone)", jobs,
                      jobs == 1 ? "job waits" : "jobs wait");
    else
        bf_log_target(BF_LEVEL_NOTICE, name, "gone");
}

size_t bf_targets_apply(struct bf_targets *targets, struct bf_config *config, struct bf_engine *engine, bool start,
                        size_t *ret_reconnected)
{
    struct connected_target *list[BF_TARGETS_MAX];
    const struct bf_target *shown[BF_TARGETS_MAX];
    size_t changes = 0, reconnected = 0;

    for (size_t i = 0; i < config->target_count; i++) {
        struct bf_target_config *wanted = &config->targets[i];
        struct connected_target *target = take(targets, wanted->name);
        const char *other_one = target ? what_differs(target, wanted) : NULL;

        if (other_one) {
            bf_log_target(BF_LEVEL_NOTICE, wanted->name, "%s changed: its jobs connect anew", other_one);
            struct connected_target *other = make(targets, wanted);
            other->target.max_jobs = target->target.max_jobs;
            other->target.require_approval = target->target.require_approval;
            other->target.two_person = target->target.two_person;
            other->target.plan_window = target->target.plan_window;
            other->target.keep_undo = target->target.keep_undo;
            other->thresholds = target->thresholds;
            other->rules = target->rules; /* what it says of its jobs is compared below */
            target->rules = (struct bf_rules){0};
            retire(targets, target);
            target = other;
            changes++, reconnected++;
        }
        bool fresh = !target;
        if (fresh) {
            target = make(targets, wanted);
            changes++;
            if (!start)
                bf_log_target(BF_LEVEL_NOTICE, wanted->name, "new");
        }
        changes += set(target, wanted, fresh);
        list[i] = target;
        shown[i] = &target->target;
    }
    for (size_t i = 0; i < targets->count; i++)
        if (targets->list[i]) {
            say_gone(engine, targets->list[i]->name);
            retire(targets, targets->list[i]);
            changes++, reconnected++;
        }
    targets->count = config->target_count;
    memcpy(targets->list, list, targets->count * sizeof list[0]);
    bf_engine_set_targets(engine, shown, targets->count);
    *ret_reconnected = reconnected;
    return changes;
}

void bf_targets_sweep(struct bf_targets *targets, const struct bf_engine *engine)
{
    for (struct connected_target **at = &targets->former; *at;) {
        struct connected_target *target = *at;

        if (engine && bf_engine_uses(engine, &target->target)) {
            at = &target->next;
            continue;
        }
        *at = target->next;
        free_target(target);
    }
}

void bf_targets_free(struct bf_targets *targets)
{
    if (!targets)
        return;
    bf_targets_sweep(targets, NULL);
    for (size_t i = 0; i < targets->count; i++)
        free_target(targets->list[i]);
    free(targets);
}
