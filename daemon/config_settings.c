/* Every setting there is, with what applies its value; the sample and backfilld.ini(5) are made from the same rows. */
#include "config_inside.h"

#include <string.h>

#include "allocate.h"
#include "tokens_file.h"
#include "values.h"

static char *set_listen(struct bf_config_reader *reader, const char *value)
{
    char *fault = bf_value_listen(value, &reader->is_public);

    if (!fault) {
        free(reader->config->listen);
        reader->config->listen = bf_copy_string(value);
        reader->listen_line = reader->line;
    }
    return fault;
}

static char *set_state(struct bf_config_reader *reader, const char *value)
{
    char *path = NULL;
    char *fault = bf_value_state(value, &path);

    if (!fault) {
        free(reader->config->state);
        reader->config->state = path;
    }
    return fault;
}

static char *set_jobs(struct bf_config_reader *reader, const char *value)
{
    return bf_value_jobs(value, &reader->config->jobs);
}

static char *set_tls_certificate(struct bf_config_reader *reader, const char *value)
{
    reader->certificate_line = reader->line;
    return bf_value_path(value, &reader->config->tls_certificate);
}

static char *set_tls_key(struct bf_config_reader *reader, const char *value)
{
    reader->key_line = reader->line;
    return bf_value_password_file(value, &reader->config->tls_key);
}

static char *set_audit(struct bf_config_reader *reader, const char *value)
{
    return bf_value_audit(value, &reader->config->audit);
}

static char *set_keep_jobs(struct bf_config_reader *reader, const char *value)
{
    return bf_value_keep(value, &reader->config->keep_jobs);
}

static char *set_keep_undo(struct bf_config_reader *reader, const char *value)
{
    return bf_value_keep(value, &reader->config->keep_undo);
}

/* A fault of a line of that file has two: of the file, and here. */
static char *set_tokens(struct bf_config_reader *reader, const char *value)
{
    struct bf_access *access = &reader->config->access;
    struct bf_faults faults = {0};
    char *fault = bf_value_path(value, &access->tokens_file);

    if (fault)
        return fault;
    bf_tokens_load(value, &access->tokens, &faults);
    for (size_t i = 0; i < faults.count; i++) {
        BF_AUTO_STRING char *line = faults.list[i].line ? bf_format(":%d", faults.list[i].line) : bf_copy_string("");
        bf_faults_add(reader->faults, reader->line, "tokens: %s%s: %s", value, line, faults.list[i].text);
    }
    bf_faults_clear(&faults);
    return NULL;
}

static char *set_socket_roles(struct bf_config_reader *reader, const char *value)
{
    return bf_socket_roles_parse(value, &reader->config->access.socket_roles);
}

static char *set_metrics_role(struct bf_config_reader *reader, const char *value)
{
    return bf_value_metrics_role(value, &reader->config->access.metrics_need_viewer);
}

static char *set_primary(struct bf_config_reader *reader, const char *value)
{
    reader->primary_given = true;
    return bf_value_primary(value, &reader->target->primary);
}

static char *set_password_file(struct bf_config_reader *reader, const char *value)
{
    return bf_value_password_file(value, &reader->target->password_file);
}

static char *set_max_jobs(struct bf_config_reader *reader, const char *value)
{
    return bf_value_max_jobs(value, &reader->target->max_jobs);
}

static char *set_require_approval(struct bf_config_reader *reader, const char *value)
{
    return bf_value_require_approval(value, &reader->target->require_approval);
}

static char *set_two_person(struct bf_config_reader *reader, const char *value)
{
    return bf_value_two_person(value, &reader->target->two_person);
}

static char *set_target_keep_undo(struct bf_config_reader *reader, const char *value)
{
    return bf_value_keep(value, &reader->target->keep_undo);
}

static char *set_plan_window(struct bf_config_reader *reader, const char *value)
{
    return bf_value_plan_window(value, &reader->target->plan_window);
}

static char *set_threshold(struct bf_config_reader *reader, const char *value)
{
    return bf_threshold_set(&reader->target->thresholds, reader->key, value);
}

static char *set_replicas(struct bf_config_reader *reader, const char *value)
{
    reader->replicas_line = reader->line;
    return bf_value_replicas(value, &reader->target->replicas);
}

static char *set_default(struct bf_config_reader *reader, const char *value)
{
    return bf_rules_add_default(&reader->target->rules, reader->key, value, reader->line);
}

static char *set_ceiling(struct bf_config_reader *reader, const char *value)
{
    return bf_rules_add_ceiling(&reader->target->rules, reader->key + strlen("ceiling."), value, reader->line);
}

static char *set_public_url(struct bf_config_reader *reader, const char *value)
{
    return bf_value_public_url(value, &reader->config->public_url);
}

static char *set_webhook(struct bf_config_reader *reader, const char *value)
{
    return bf_value_source_url(value, &reader->target->webhook);
}

static char *set_webhook_secret_file(struct bf_config_reader *reader, const char *value)
{
    return bf_value_password_file(value, &reader->target->webhook_secret_file);
}

static char *set_webhook_format(struct bf_config_reader *reader, const char *value)
{
    return bf_value_webhook_format(value, &reader->target->webhook_format);
}

static char *set_source_url(struct bf_config_reader *reader, const char *value)
{
    reader->url_line = reader->line;
    return bf_value_source_url(value, &reader->source->url);
}

static char *set_source_type(struct bf_config_reader *reader, const char *value)
{
    return bf_value_source_type(value, &reader->source->type);
}

static char *set_token_file(struct bf_config_reader *reader, const char *value)
{
    return bf_value_password_file(value, &reader->source->token_file);
}

static char *set_source_timeout(struct bf_config_reader *reader, const char *value)
{
    return bf_value_source_timeout(value, &reader->source->timeout);
}

const struct bf_setting_row bf_setting_rows[] = {
    {{"daemon", "listen", "127.0.0.1:8420", true,
      "Where the HTTP interface listens: ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH; without tokens on loopback or a Unix socket."},
     set_listen},
    {{"daemon", "state", "sqlite:/var/lib/backfilld/state.db", true,
      "The state store, a SQLite file; its directory must exist and belong to the user that runs backfilld."},
     set_state},
    {{"daemon", "jobs", NULL, true,
      "A directory whose *.json are submitted once each, at start and on SIGHUP; the same content is the same job. (No "
      "default.)"},
     set_jobs},
    {{"daemon", "audit", NULL, true,
      "The audit log, a file of JSON lines in which nothing can be changed unseen; may be renamed at any time (logrotate); or "
      "none. (Default: audit.log beside the state store.)"},
     set_audit},
    {{"daemon", "tls_certificate", NULL, true,
      "A PEM file with the certificate for https, and behind it those that lead to its authority; read again on SIGHUP. (No "
      "default: http.)"},
     set_tls_certificate},
    {{"daemon", "tls_key", NULL, true,
      "A PEM file with the certificate's private key, without a passphrase; not open to everyone. (No default.)"},
     set_tls_key},
    {{"daemon", "tokens", NULL, true,
      "The file of tokens, a line for each: name role targets hash, as backfillctl token new prints it; mode 0640. (No default: "
      "whoever reaches the daemon over TCP may do everything, so it listens on loopback or a Unix socket only.)"},
     set_tokens},
    {{"daemon", "socket_roles", "*=operator", true,
      "Roles on a Unix socket by the peer's user: USER=ROLE, @GROUP=ROLE and *=ROLE (everybody else), the first that fits; none is "
      "a role, too. Root and the user that runs backfilld are admin."},
     set_socket_roles},
    {{"daemon", "metrics_role", "none", true,
      "Where there are tokens: the role that /metrics takes, none or viewer."},
     set_metrics_role},
    {{"daemon", "keep_jobs", "180d", true,
      "How long a job is remembered after its end, with its events."},
     set_keep_jobs},
    {{"daemon", "public_url", NULL, true,
      "How people reach the dashboard: what links in webhooks begin with. (Default: http:// or https:// and what listen "
      "says.)"},
     set_public_url},
    {{"daemon", "keep_undo", "7d", true,
      "How long the undo journal of a job is kept on its target after its end; until then it can be rolled back."},
     set_keep_undo},
    {{"target", "primary", NULL, true,
      "The connection to the primary, without a password; several hosts are tried in turn. (There is no "
      "default.)"},
     set_primary},
    {{"target", "password_file", NULL, true,
      "A file with the password alone, read at each connect; mode 0600. Or credential:NAME, systemd's. (No default: ~/.pgpass, or "
      "no password.)"},
     set_password_file},
    {{"target", "replicas", "auto", true,
      "The replicas: auto, those that stream from the primary (MySQL and MariaDB: that it lists with an address, "
      "report_host); URLs with commas between them, which checks with \"on\": \"replica\" need; or none, which says that "
      "nobody watches them. (Default for MySQL and MariaDB: none.)"},
     set_replicas},
    {{"target", "max_jobs", "2", true,
      "How many jobs run at once on this target (1 to 64); the others wait in order."},
     set_max_jobs},
    {{"target", "require_approval", "all", true,
      "Which jobs a person must approve before they run: all, those whose risk is at least yellow or red, or none."},
     set_require_approval},
    {{"target", "keep_undo", NULL, true,
      "How long the undo journal of a job is kept on its target after its end; until then it can be rolled back."},
     set_target_keep_undo},
    {{"target", "plan_window", "1s", true,
      "How long the writes of others are counted before a plan is made (10ms to 5s)."},
     set_plan_window},
    {{"target", "two_person", "none", true,
      "Which jobs nobody may approve who submitted them: none, those that are red, or all. Without tokens nobody is known over TCP, and "
      "everybody may."},
     set_two_person},
    {{"target", "webhook", NULL, true,
      "A URL that is told of every change of a job's state, of triggers and alerts, and of jobs that are stuck. (No default.)"},
     set_webhook},
    {{"target", "webhook_format", "json", true,
      "json: the event and the job, with a sentence in \"text\"; slack: the sentence alone, with Slack's escapes."},
     set_webhook_format},
    {{"target", "webhook_secret_file", NULL, true,
      "A file with a secret that signs each message: X-Backfilld-Signature: sha256=HMAC; mode 0600. (No default.)"},
     set_webhook_secret_file},
    {{"target", "risk.", NULL, true,
      "From where on something is a reason for a plan not to be GREEN: risk.FIELD."},
     set_threshold},
    {{"target", "pace.", NULL, true,
      "The pace of jobs that do not say it themselves: pace.FIELD, as in the job document."},
     set_default},
    {{"target", "limits.", NULL, true,
      "The limits of jobs that do not say them themselves: limits.FIELD, as in the job document."},
     set_default},
    {{"target", "ceiling.", NULL, true,
      "What no job may pass: ceiling.FIELD of pace or limits. (No default: the bounds of the job document.)"},
     set_ceiling},
    {{"source", "url", NULL, true,
      "Where it is: of a Prometheus the begin of its API, else the whole address. http or https, never link-local; redirects "
      "are not followed. (There is no default.)"},
     set_source_url},
    {{"source", "type", "prometheus", true,
      "What it is: prometheus (instant queries), json (a number in what it answers) or status (the status of its answer)."},
     set_source_type},
    {{"source", "token_file", NULL, true,
      "A file with a token alone, read at each question and sent as Authorization: Bearer; mode 0600. (No default.)"},
     set_token_file},
    {{"source", "timeout", "3s", true, "What has not answered by then has failed (100ms to 30s)."},
     set_source_timeout},
};
const size_t bf_setting_count = BF_COUNT(bf_setting_rows);
_Static_assert(BF_COUNT(bf_setting_rows) <= BF_SETTINGS_MAX, "set_at has a place for every setting");

const struct bf_setting *bf_config_setting(size_t index)
{
    return index < BF_COUNT(bf_setting_rows) ? &bf_setting_rows[index].setting : NULL;
}
