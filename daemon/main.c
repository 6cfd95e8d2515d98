/* backfilld: one libuv loop on which everything runs. This file puts the parts together, in this order: configuration,
 * state store, targets, engine, HTTP; and takes them apart again when a signal says so. */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "allocate.h"
#include "audit.h"
#include "certificate.h"
#include "config.h"
#include "curl_client.h"
#include "dialect.h"
#include "doors.h"
#include "duration.h"
#include "engine.h"
#include "http.h"
#include "job_files.h"
#include "log.h"
#include "memory.h"
#include "mysql_database.h"
#include "options.h"
#include "postgresql.h"
#include "reload.h"
#include "risk.h"
#include "sampler.h"
#include "service.h"
#include "sqlite_store.h"
#include "status.h"
#include "targets.h"
#include "uv_world.h"
#include "webhooks.h"

/* Exit codes of the daemon (0: stopped in order). EXIT_CONFIG, EX_CONFIG of sysexits.h: trying again does not help, so the unit
 * starts no daemon anew that ended with it. */
enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

/* Milliseconds. A SIGTERM ends within 10 s: batches may end by themselves until DRAIN_TIME, are then cancelled, and what
 * has not ended GIVE_UP_TIME later is left to the next start. */
enum { DRAIN_TIME = 8000, GIVE_UP_TIME = 1000, CLOSE_TIME = 500 };

enum stage { RUNNING, DRAINING, CANCELLING, ENDED };

struct daemon {
    uv_loop_t loop;
    const char *config_path;
    struct bf_config *config; /* owned */
    bool reloading, reload_again;
    size_t faults; /* of the configuration as SIGHUP read it last: it is not in force */
    struct bf_world *world;
    struct bf_store *store;
    struct bf_audit *audit; /* NULL: none is kept */
    struct bf_curl *curl;
    struct bf_sources *sources;
    struct bf_targets *targets;
    struct bf_engine *engine;
    struct bf_job_files *job_files;
    struct bf_sampler *sampler;
    struct bf_webhooks *webhooks;
    struct bf_http *http;
    struct bf_service *service;
    uv_signal_t terminate, interrupt, reload;
    uv_timer_t deadline;
    enum stage stage;
};

static void on_event(void *argument, const struct bf_record *record, const struct bf_event *event)
{
    const struct daemon *daemon = argument;

    bf_log_event(record, event);
    bf_audit_event(daemon->audit, record, event);
    if (daemon->webhooks)
        bf_webhooks_heard(daemon->webhooks, event);
}

static void on_store_trouble(void *argument, const char *text)
{
    (void)argument;
    if (text)
        bf_log(BF_LEVEL_ERROR, NULL,
               "%s. Jobs go on and can be paused and aborted; nothing can be submitted, approved or resumed", text);
    else
        bf_log(BF_LEVEL_NOTICE, NULL, "the state store takes writes again: what was missing is stored");
}

static bool keep(void *argument, const struct bf_record *record)
{
    const struct daemon *daemon = argument;

    return daemon->job_files && bf_job_files_hold(daemon->job_files, record);
}

static char *status(void *argument)
{
    const struct daemon *daemon = argument;

    return bf_status_text(daemon->engine, daemon->faults);
}

/* ---- stopping ---- */

static void end(struct daemon *daemon)
{
    daemon->stage = ENDED;
    uv_stop(&daemon->loop); /* taken apart outside of all callbacks, in `clean_up` */
}

static void on_drained(void *argument)
{
    struct daemon *daemon = argument;

    if (daemon->stage != ENDED)
        end(daemon);
}

static void on_deadline(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    if (daemon->stage == DRAINING) {
        daemon->stage = CANCELLING;
        bf_log(BF_LEVEL_WARNING, NULL, "batches still run after %d s: they are cancelled", DRAIN_TIME / 1000);
        uv_timer_start(&daemon->deadline, on_deadline, GIVE_UP_TIME, 0);
        bf_engine_drain(daemon->engine, true, on_drained, daemon);
    } else if (daemon->stage == CANCELLING) {
        bf_log(BF_LEVEL_WARNING, NULL, "a server did not answer in time: its jobs are taken up at the next start");
        end(daemon);
    }
}

static void on_stop(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;

    if (daemon->stage != RUNNING) {
        bf_log(BF_LEVEL_WARNING, NULL, "a second signal: exit at once; running jobs are taken up at the next start");
        _exit(128 + number);
    }
    bool cancel = number == SIGINT;
    daemon->stage = cancel ? CANCELLING : DRAINING;
    bf_log(BF_LEVEL_NOTICE, NULL, cancel ? "SIGINT: running batches are cancelled" : "SIGTERM: running batches end");
    bf_service_stopping(daemon->service, cancel ? "stopping: running batches are cancelled" : "stopping: running batches end");
    bf_http_stop(daemon->http);
    daemon->http = NULL;
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->deadline, on_deadline, cancel ? GIVE_UP_TIME : DRAIN_TIME, 0);
    bf_engine_drain(daemon->engine, cancel, on_drained, daemon);
}

/* ---- reloading ---- */

static void begin_reload(struct daemon *daemon);

static void say_needs_restart(const char *key, const char *before, const char *now)
{
    if (strcmp(before, now) != 0)
        bf_log(BF_LEVEL_WARNING, NULL, "SIGHUP: %s: %s -> %s takes a restart of the daemon: until then it stays as it was",
               key, before, now);
}

static void swap(char **one, char **other)
{
    char *text = *one;
    *one = *other;
    *other = text;
}

static void take_over(struct daemon *daemon, struct bf_config *config)
{
    size_t reconnected;

    say_needs_restart("listen", daemon->config->listen, config->listen);
    say_needs_restart("state", daemon->config->state, config->state);
    say_needs_restart("audit", daemon->config->audit, config->audit);
    size_t changes = bf_targets_apply(daemon->targets, config, daemon->engine, false, &reconnected);
    const char *before = daemon->config->jobs ? daemon->config->jobs : "none", *jobs = config->jobs ? config->jobs : "none";
    if (strcmp(before, jobs) != 0 && ++changes)
        bf_log(BF_LEVEL_NOTICE, NULL, "jobs: %s -> %s", before, jobs);
    if (daemon->config->keep_jobs != config->keep_jobs && ++changes) {
        char one[BF_DURATION_TEXT], other[BF_DURATION_TEXT];
        bf_log(BF_LEVEL_NOTICE, NULL, "keep_jobs: %s -> %s", bf_duration_format(daemon->config->keep_jobs, one),
               bf_duration_format(config->keep_jobs, other));
        bf_engine_set_keep_jobs(daemon->engine, config->keep_jobs);
    }
    if (daemon->config->keep_undo != config->keep_undo && ++changes) {
        char one[BF_DURATION_TEXT], other[BF_DURATION_TEXT];
        bf_log(BF_LEVEL_NOTICE, NULL, "keep_undo: %s -> %s", bf_duration_format(daemon->config->keep_undo, one),
               bf_duration_format(config->keep_undo, other));
        bf_engine_set_keep_undo(daemon->engine, config->keep_undo);
    }
    bf_http_sources_set(daemon->sources, config->sources, config->source_count);
    changes += bf_certificate_take_over(daemon->http, config);
    changes += bf_doors_take_over(daemon->http, daemon->config, config);
    changes += bf_sources_changes(daemon->config, config) + bf_webhooks_changes(daemon->config, config);
    bf_webhooks_apply(daemon->webhooks, config, &(struct bf_error){0});
    if (reconnected > 0)
        bf_http_targets_changed(daemon->http);
    bf_targets_sweep(daemon->targets, daemon->engine);
    bf_job_files_scan(daemon->job_files, config->jobs);
    bf_log(BF_LEVEL_NOTICE, NULL, "SIGHUP: the configuration was read again: %zu %s", changes,
           changes == 1 ? "change" : "changes");
    bf_audit_note(daemon->audit, "reload", changes > 0 ? "the configuration was changed" : "the configuration is as it was");
    /* What takes a restart is compared with what is in force, also at the next time. */
    swap(&config->listen, &daemon->config->listen);
    swap(&config->state, &daemon->config->state);
    swap(&config->audit, &daemon->config->audit);
    bf_config_free(daemon->config);
    daemon->config = config;
}

static void on_loaded(void *argument, struct bf_config *config, const struct bf_faults *faults)
{
    struct daemon *daemon = argument;

    daemon->reloading = false;
    if (daemon->stage != RUNNING) {
        bf_config_free(config);
        return;
    }
    daemon->faults = faults->total;
    if (config) {
        take_over(daemon, config);
    } else {
        for (size_t i = 0; i < faults->count; i++) {
            BF_AUTO_STRING char *line = faults->list[i].line ? bf_format(":%d", faults->list[i].line) : bf_copy_string("");
            bf_log(BF_LEVEL_ERROR, NULL, "%s%s: %s", daemon->config_path, line, faults->list[i].text);
        }
        bf_log(BF_LEVEL_ERROR, NULL, "SIGHUP: %zu %s in the configuration: nothing changed", faults->total,
               faults->total == 1 ? "fault" : "faults");
    }
    bf_service_reloaded(daemon->service);
    if (daemon->reload_again)
        begin_reload(daemon);
}

static void begin_reload(struct daemon *daemon)
{
    daemon->reload_again = daemon->reloading;
    if (daemon->reloading)
        return;
    daemon->reloading = true;
    bf_service_reloading(daemon->service);
    bf_config_load_later(&daemon->loop, daemon->config_path, on_loaded, daemon);
}

static void on_reload(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;

    (void)number;
    if (daemon->stage == RUNNING)
        begin_reload(daemon);
}

static void watch_signal(struct daemon *daemon, uv_signal_t *handle, uv_signal_cb callback, int number)
{
    uv_signal_init(&daemon->loop, handle);
    handle->data = daemon;
    uv_signal_start(handle, callback, number);
}

static void watch_signals(struct daemon *daemon)
{
    signal(SIGPIPE, SIG_IGN); /* a client that went away is an error of one write */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow (RLIMIT_FSIZE) */
    watch_signal(daemon, &daemon->terminate, on_stop, SIGTERM);
    watch_signal(daemon, &daemon->interrupt, on_stop, SIGINT);
    watch_signal(daemon, &daemon->reload, on_reload, SIGHUP);
    uv_timer_init(&daemon->loop, &daemon->deadline);
    daemon->deadline.data = daemon;
}

/* ---- starting ---- */

/* HTTP listens before the engine takes anything up: a daemon whose address is in use must not touch a job. Nobody is
 * served before the loop runs. */
static enum bf_code start(struct daemon *daemon, struct bf_error *error)
{
    size_t reconnected;
    enum bf_code code = bf_sqlite_store_open(&daemon->loop, daemon->config->state, &daemon->store, error);

    if (code != BF_OK)
        return code;
    if (strcmp(daemon->config->audit, "none") != 0)
        daemon->audit = bf_audit_new(&(struct bf_audit_options){
            .loop = &daemon->loop, .store = daemon->store, .path = daemon->config->audit});
    daemon->world = bf_uv_world_new(&daemon->loop);
    daemon->curl = bf_curl_new(&daemon->loop);
    daemon->sources = bf_http_sources_new(daemon->curl);
    bf_http_sources_set(daemon->sources, daemon->config->sources, daemon->config->source_count);
    daemon->engine = bf_engine_new(&(struct bf_engine_options){.world = daemon->world,
                                                               .store = daemon->store,
                                                               .sources = daemon->sources,
                                                               .keep_jobs = daemon->config->keep_jobs,
                                                               .keep_undo = daemon->config->keep_undo,
                                                               .event = on_event,
                                                               .store_trouble = on_store_trouble,
                                                               .keep = keep,
                                                               .argument = daemon});
    daemon->targets = bf_targets_new(&daemon->loop);
    bf_targets_apply(daemon->targets, daemon->config, daemon->engine, true, &reconnected);
    if (bf_targets_count(daemon->targets) == 0)
        bf_log(BF_LEVEL_WARNING, NULL, "no [target NAME] is configured: every job will be refused");
    daemon->job_files = bf_job_files_new(&(struct bf_job_files_options){.loop = &daemon->loop, .engine = daemon->engine});
    daemon->sampler = bf_sampler_new(&daemon->loop, daemon->engine, daemon->store);
    daemon->http = bf_http_start(
        &daemon->loop,
        &(struct bf_http_options){
            .engine = daemon->engine, .store = daemon->store, .job_files = daemon->job_files, .sampler = daemon->sampler,
            .audit = daemon->audit, .listen = daemon->config->listen, .tls = daemon->config->tls, .access = &daemon->config->access,
            .token_refused = bf_doors_token_refused},
        error);
    daemon->config->tls = NULL;
    if (!daemon->http)
        return error->code;
    const char *address = bf_http_address(daemon->http);
    daemon->webhooks = bf_webhooks_new(&(struct bf_webhooks_options){
        .loop = &daemon->loop, .curl = daemon->curl, .engine = daemon->engine, .store = daemon->store,
        .address = strncmp(address, "http", 4) == 0 ? address : NULL});
    code = bf_webhooks_apply(daemon->webhooks, daemon->config, error);
    if (code != BF_OK)
        return code;
    /* Also before the jobs are loaded: until the files were looked at, none of them may be forgotten. The first file is
     * looked at from the loop, when they are there. */
    bf_job_files_scan(daemon->job_files, daemon->config->jobs);
    daemon->service = bf_service_new(&(struct bf_service_options){.loop = &daemon->loop, .status = status, .argument = daemon});
    return bf_engine_start(daemon->engine, error);
}

/* ---- the end ---- */

static void on_closed_too_late(uv_timer_t *timer)
{
    (void)timer;
    /* A call on the thread pool hangs (a name look-up, a cancel to a server that does not answer), and exit() would wait
     * for it. Everything durable is stored. */
    _exit(EXIT_SUCCESS);
}

static void close_handles(struct daemon *daemon)
{
    uv_close((uv_handle_t *)&daemon->terminate, NULL);
    uv_close((uv_handle_t *)&daemon->interrupt, NULL);
    uv_close((uv_handle_t *)&daemon->reload, NULL);
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->deadline, on_closed_too_late, CLOSE_TIME, 0);
    uv_unref((uv_handle_t *)&daemon->deadline);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&daemon->deadline, NULL);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
}

static void clean_up(struct daemon *daemon)
{
    bf_http_stop(daemon->http);
    bf_service_free(daemon->service);
    bf_job_files_free(daemon->job_files);
    daemon->job_files = NULL;
    bf_sampler_free(daemon->sampler);
    bf_webhooks_free(daemon->webhooks);
    daemon->webhooks = NULL;
    if (daemon->engine)
        bf_engine_free(daemon->engine);
    bf_http_sources_free(daemon->sources);
    bf_curl_free(daemon->curl);
    bf_audit_free(daemon->audit);
    bf_sqlite_store_close(daemon->store);
    bf_targets_free(daemon->targets);
    close_handles(daemon);
    bf_uv_world_free(daemon->world);
    uv_loop_close(&daemon->loop);
}

static int run(const char *path, struct bf_config *config)
{
    struct daemon *daemon = BF_NEW(struct daemon);
    struct bf_error error = {0};
    int exit_code = EXIT_SUCCESS;

    /* All before the first thread: some for the store, name look-ups and cancels (MySQL's sessions have their own), and
     * one heap instead of one for each: they allocate little, and what a session leaves is of use to the next one. */
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    if (!bf_postgresql_asks_system())
        bf_mysql_spare_authorities();
    mallopt(M_ARENA_MAX, 1);
    /* libpq keeps passwords in memory: no core holds them. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    bf_log_open();
    if (!bf_token_begin()) {
        bf_log(BF_LEVEL_ERROR, NULL, "not started: the system gives no random bytes");
        bf_config_free(config);
        free(daemon);
        return EXIT_REFUSED;
    }
    daemon->config_path = path;
    daemon->config = config;
    if (uv_loop_init(&daemon->loop) != 0) {
        bf_log(BF_LEVEL_ERROR, NULL, "the event loop cannot be made: too many open files?");
        bf_config_free(config);
        free(daemon);
        return EXIT_REFUSED;
    }
    watch_signals(daemon);
    if (start(daemon, &error) == BF_OK) {
        printf("listening on %s\n", bf_http_address(daemon->http));
        fflush(stdout);
        bf_log(BF_LEVEL_NOTICE, NULL, "backfilld %s, %zu %s, state in %s", BF_VERSION,
               config->target_count, config->target_count == 1 ? "target" : "targets", config->state);
        bf_certificate_say(bf_http_tls(daemon->http));
        bf_doors_say(daemon->http, config);
        bf_service_ready(daemon->service);
        uv_run(&daemon->loop, UV_RUN_DEFAULT);
        bf_log(BF_LEVEL_NOTICE, NULL, "stopped");
    } else {
        exit_code = error.code == BF_BAD_REQUEST ? EXIT_CONFIG : EXIT_REFUSED;
    }
    clean_up(daemon);
    if (exit_code != EXIT_SUCCESS) /* the last word, which is what people look at */
        bf_log(BF_LEVEL_ERROR, NULL, "not started: %s", error.text);
    bf_config_free(daemon->config);
    free(daemon);
    return exit_code;
}

static int print_schema(const char *engine)
{
    const struct bf_dialect *dialect = !strcmp(engine, "postgresql")                                ? &bf_dialect_postgresql
                                       : !strcmp(engine, "mysql") || !strcmp(engine, "mariadb") ? &bf_dialect_mysql
                                                                                                : NULL;
    if (!dialect) {
        fprintf(stderr, "backfilld: no engine is called %s; there are postgresql, mariadb and mysql\n", engine);
        return EXIT_USAGE;
    }
    bool whole = dialect == &bf_dialect_postgresql; /* elsewhere each statement commits by itself */
    if (whole)
        puts("BEGIN;");
    for (const char *const *ddl = dialect->schema_ddl; *ddl; ddl++)
        printf("%s;\n", *ddl);
    if (whole)
        puts("COMMIT;");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct bf_options options;
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};

    bf_memory_begin();
    if (!bf_options_parse(argc, argv, &options))
        return EXIT_USAGE;
    if (options.help || options.version) {
        if (options.help)
            bf_options_help(stdout);
        else
            puts("backfilld " BF_VERSION);
        return EXIT_SUCCESS;
    }
    if (options.print_rules) {
        BF_AUTO_STRING char *rules = bf_risk_rules_text();
        fputs(rules, stdout);
        return EXIT_SUCCESS;
    }
    if (options.print_schema)
        return print_schema(options.print_schema);
    if (bf_config_load(options.config, &config, &faults) && options.check_config)
        bf_certificate_check(config, &faults);
    if (faults.total > 0) {
        bf_config_free(config);
        bf_faults_print(&faults, options.config, stderr);
        fprintf(stderr, "%zu %s in the configuration\n", faults.total, faults.total == 1 ? "fault" : "faults");
        bf_faults_clear(&faults);
        return options.check_config ? EXIT_REFUSED : EXIT_CONFIG;
    }
    if (!options.check_config)
        return run(options.config, config);
    printf("%s: no fault, %zu %s\n", options.config, config->target_count,
           config->target_count == 1 ? "target" : "targets");
    bf_config_free(config);
    return EXIT_SUCCESS;
}
