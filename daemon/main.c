/* backfilld: one libuv loop on which everything runs. This file puts the parts together, in this order: configuration,
 * state store, targets, engine, HTTP; and takes them apart again when a signal says so. */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "allocate.h"
#include "config.h"
#include "dialect.h"
#include "engine.h"
#include "http.h"
#include "log.h"
#include "options.h"
#include "postgresql.h"
#include "service.h"
#include "sqlite_store.h"
#include "uv_world.h"

/* Exit codes of the daemon (0: stopped in order). */
enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

/* Milliseconds. A SIGTERM ends within 10 s: batches may end by themselves until DRAIN_TIME, are then cancelled, and what
 * has not ended GIVE_UP_TIME later is left to the next start. */
enum { DRAIN_TIME = 8000, GIVE_UP_TIME = 1000, CLOSE_TIME = 500 };

enum stage { RUNNING, DRAINING, CANCELLING, ENDED };

struct daemon {
    uv_loop_t loop;
    struct bf_config *config;
    struct bf_world *world;
    struct bf_store *store;
    struct bf_target targets[BF_TARGETS_MAX];
    size_t target_count;
    struct bf_engine *engine;
    struct bf_http *http;
    uv_signal_t terminate, interrupt, reload;
    uv_timer_t deadline;
    enum stage stage;
};

static void on_event(void *argument, const struct bf_record *record, const struct bf_event *event)
{
    (void)argument;
    bf_log_event(record, event);
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
    bf_service_notify("STOPPING=1");
    bf_http_stop(daemon->http);
    daemon->http = NULL;
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->deadline, on_deadline, cancel ? GIVE_UP_TIME : DRAIN_TIME, 0);
    bf_engine_drain(daemon->engine, cancel, on_drained, daemon);
}

static void on_reload(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    bf_log(BF_LEVEL_WARNING, NULL, "SIGHUP: reloading the configuration is not built yet; nothing changed");
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
    watch_signal(daemon, &daemon->terminate, on_stop, SIGTERM);
    watch_signal(daemon, &daemon->interrupt, on_stop, SIGINT);
    watch_signal(daemon, &daemon->reload, on_reload, SIGHUP);
    uv_timer_init(&daemon->loop, &daemon->deadline);
    daemon->deadline.data = daemon;
}

/* ---- starting ---- */

static void add_targets(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->config->target_count; i++) {
        const struct bf_target_config *config = &daemon->config->targets[i];

        daemon->targets[i] = (struct bf_target){
            .name = config->name,
            .database = bf_postgresql_new(&daemon->loop, config->primary, config->password_file),
            .max_jobs = config->max_jobs,
            .require_approval = config->require_approval,
            .rules = &config->rules};
        daemon->target_count++;
    }
    if (daemon->target_count == 0)
        bf_log(BF_LEVEL_WARNING, NULL, "no [target NAME] is configured: every job will be refused");
}

/* HTTP listens before the engine takes anything up: a daemon whose address is in use must not touch a job. Nobody is
 * served before the loop runs. */
static enum bf_code start(struct daemon *daemon, struct bf_error *error)
{
    enum bf_code code = bf_sqlite_store_open(&daemon->loop, daemon->config->state, &daemon->store, error);

    if (code != BF_OK)
        return code;
    daemon->world = bf_uv_world_new(&daemon->loop);
    add_targets(daemon);
    daemon->engine = bf_engine_new(&(struct bf_engine_options){.world = daemon->world,
                                                               .store = daemon->store,
                                                               .targets = daemon->targets,
                                                               .target_count = daemon->target_count,
                                                               .event = on_event,
                                                               .argument = daemon});
    daemon->http = bf_http_start(
        &daemon->loop,
        &(struct bf_http_options){
            .engine = daemon->engine, .store = daemon->store, .listen = daemon->config->listen},
        error);
    if (!daemon->http)
        return error->code;
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
    if (daemon->engine)
        bf_engine_free(daemon->engine);
    bf_sqlite_store_close(daemon->store);
    for (size_t i = 0; i < daemon->target_count; i++)
        bf_postgresql_free(daemon->targets[i].database);
    close_handles(daemon);
    bf_uv_world_free(daemon->world);
    uv_loop_close(&daemon->loop);
}

static int run(struct bf_config *config)
{
    struct daemon *daemon = BF_NEW(struct daemon);
    struct bf_error error = {0};
    int exit_code = EXIT_SUCCESS;

    /* Both before the first thread: one thread for each kind of call that may block (store, name look-ups, cancels), and
     * two heaps instead of one for each of them. */
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    mallopt(M_ARENA_MAX, 2);
    bf_log_open();
    daemon->config = config;
    if (uv_loop_init(&daemon->loop) != 0) {
        bf_log(BF_LEVEL_ERROR, NULL, "the event loop cannot be made: too many open files?");
        free(daemon);
        return EXIT_REFUSED;
    }
    watch_signals(daemon);
    if (start(daemon, &error) == BF_OK) {
        printf("listening on %s\n", bf_http_address(daemon->http));
        fflush(stdout);
        bf_log(BF_LEVEL_NOTICE, NULL, "backfilld %s, %zu %s, state in %s", BF_VERSION, daemon->target_count,
               daemon->target_count == 1 ? "target" : "targets", config->state);
        bf_service_notify("READY=1");
        uv_run(&daemon->loop, UV_RUN_DEFAULT);
        bf_log(BF_LEVEL_NOTICE, NULL, "stopped");
    } else {
        bf_log(BF_LEVEL_ERROR, NULL, "not started: %s", error.text);
        exit_code = EXIT_REFUSED;
    }
    clean_up(daemon);
    free(daemon);
    return exit_code;
}

static int print_schema(void)
{
    puts("BEGIN;");
    for (const char *const *ddl = bf_dialect_postgresql.schema_ddl; *ddl; ddl++)
        printf("%s;\n", *ddl);
    puts("COMMIT;");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct bf_options options;
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};

    if (!bf_options_parse(argc, argv, &options))
        return EXIT_USAGE;
    if (options.help || options.version) {
        if (options.help)
            bf_options_help(stdout);
        else
            puts("backfilld " BF_VERSION);
        return EXIT_SUCCESS;
    }
    if (options.print_schema)
        return print_schema();
    if (!bf_config_load(options.config, &config, &faults)) {
        bf_faults_print(&faults, options.config, stderr);
        fprintf(stderr, "%zu %s in the configuration\n", faults.total, faults.total == 1 ? "fault" : "faults");
        bf_faults_clear(&faults);
        return EXIT_REFUSED;
    }
    int exit_code = EXIT_SUCCESS;
    if (options.check_config)
        printf("%s: no fault, %zu %s\n", options.config, config->target_count,
               config->target_count == 1 ? "target" : "targets");
    else
        exit_code = run(config);
    bf_config_free(config);
    return exit_code;
}
