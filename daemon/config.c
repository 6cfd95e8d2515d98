#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "ini_file.h"
#include "mysql_database.h"
#include "values.h"

/* The section that is being read. */
enum place { OUTSIDE, DAEMON, TARGET, SOURCE, IGNORED };

enum { SETTINGS_MAX = 40, SECTIONS_MAX = BF_TARGETS_MAX + BF_SOURCES_MAX + 2 };

struct reader {
    struct bf_config *config;
    struct bf_faults *faults;
    enum place place;
    struct bf_target_config *target; /* of the section, in TARGET */
    struct bf_source_settings *source; /* of the section, in SOURCE */
    int source_line, url_line;       /* of that section, and of its url; 0: none, or at fault */
    int replicas_line;               /* of the section's replicas; 0: none */
    bool primary_given;              /* also when its value was at fault: one fault is enough */
    int line;                        /* of what is being applied */
    const char *key;
    int set_at[SETTINGS_MAX];        /* line on which each setting of this section was given; 0: not yet */
    struct {
        char *name;
        int line;
    } sections[SECTIONS_MAX];
    size_t section_count;
};

static char *set_listen(struct reader *reader, const char *value)
{
    char *fault = bf_value_listen(value);

    if (!fault) {
        free(reader->config->listen);
        reader->config->listen = bf_copy_string(value);
    }
    return fault;
}

static char *set_state(struct reader *reader, const char *value)
{
    char *path = NULL;
    char *fault = bf_value_state(value, &path);

    if (!fault) {
        free(reader->config->state);
        reader->config->state = path;
    }
    return fault;
}

static char *set_jobs(struct reader *reader, const char *value)
{
    return bf_value_jobs(value, &reader->config->jobs);
}

static char *set_keep_jobs(struct reader *reader, const char *value)
{
    return bf_value_keep(value, &reader->config->keep_jobs);
}

static char *set_keep_undo(struct reader *reader, const char *value)
{
    return bf_value_keep(value, &reader->config->keep_undo);
}

static char *set_primary(struct reader *reader, const char *value)
{
    reader->primary_given = true;
    return bf_value_primary(value, &reader->target->primary);
}

static char *set_password_file(struct reader *reader, const char *value)
{
    return bf_value_password_file(value, &reader->target->password_file);
}

static char *set_max_jobs(struct reader *reader, const char *value)
{
    return bf_value_max_jobs(value, &reader->target->max_jobs);
}

static char *set_require_approval(struct reader *reader, const char *value)
{
    return bf_value_require_approval(value, &reader->target->require_approval);
}

static char *set_target_keep_undo(struct reader *reader, const char *value)
{
    return bf_value_keep(value, &reader->target->keep_undo);
}

static char *set_plan_window(struct reader *reader, const char *value)
{
    return bf_value_plan_window(value, &reader->target->plan_window);
}

static char *set_threshold(struct reader *reader, const char *value)
{
    return bf_threshold_set(&reader->target->thresholds, reader->key, value);
}

static char *set_replicas(struct reader *reader, const char *value)
{
    reader->replicas_line = reader->line;
    return bf_value_replicas(value, &reader->target->replicas);
}

static char *set_default(struct reader *reader, const char *value)
{
    return bf_rules_add_default(&reader->target->rules, reader->key, value, reader->line);
}

static char *set_ceiling(struct reader *reader, const char *value)
{
    return bf_rules_add_ceiling(&reader->target->rules, reader->key + strlen("ceiling."), value, reader->line);
}

static char *set_public_url(struct reader *reader, const char *value)
{
    return bf_value_public_url(value, &reader->config->public_url);
}

static char *set_webhook(struct reader *reader, const char *value)
{
    return bf_value_source_url(value, &reader->target->webhook);
}

static char *set_webhook_secret_file(struct reader *reader, const char *value)
{
    return bf_value_password_file(value, &reader->target->webhook_secret_file);
}

static char *set_webhook_format(struct reader *reader, const char *value)
{
    return bf_value_webhook_format(value, &reader->target->webhook_format);
}

static char *set_source_url(struct reader *reader, const char *value)
{
    reader->url_line = reader->line;
    return bf_value_source_url(value, &reader->source->url);
}

static char *set_source_type(struct reader *reader, const char *value)
{
    return bf_value_source_type(value, &reader->source->type);
}

static char *set_token_file(struct reader *reader, const char *value)
{
    return bf_value_password_file(value, &reader->source->token_file);
}

static char *set_source_timeout(struct reader *reader, const char *value)
{
    return bf_value_source_timeout(value, &reader->source->timeout);
}

/* Without `set` the setting is known and not built yet. */
static const struct {
    struct bf_setting setting;
    char *(*set)(struct reader *reader, const char *value);
} settings[] = {
    {{"daemon", "listen", "127.0.0.1:8420", true,
      "Where the HTTP interface listens: 127.0.0.1:PORT, [::1]:PORT or unix:/PATH; nothing that can be "
      "reached from outside."},
     set_listen},
    {{"daemon", "state", "sqlite:/var/lib/backfilld/state.db", true,
      "The state store, a SQLite file; its directory must exist and belong to the user that runs backfilld."},
     set_state},
    {{"daemon", "jobs", NULL, true,
      "A directory whose *.json are submitted once each, at start and on SIGHUP; the same content is the same job. (No "
      "default.)"},
     set_jobs},
    {{"daemon", "tokens", NULL, false, NULL}, NULL},
    {{"daemon", "keep_jobs", "180d", true,
      "How long a job is remembered after its end, with its events."},
     set_keep_jobs},
    {{"daemon", "public_url", NULL, true,
      "How people reach the dashboard: what links in webhooks begin with. (Default: http:// and what listen says.)"},
     set_public_url},
    {{"daemon", "keep_undo", "7d", true,
      "How long the undo journal of a job is kept on its target after its end; until then it can be rolled back."},
     set_keep_undo},
    {{"target", "primary", NULL, true,
      "The connection to the primary, without a password; several hosts are tried in turn. (There is no "
      "default.)"},
     set_primary},
    {{"target", "password_file", NULL, true,
      "A file with the password alone, read at each connect; mode 0600. (No default: ~/.pgpass, or no "
      "password.)"},
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
    {{"target", "two_person", NULL, false, NULL}, NULL},
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
_Static_assert(BF_COUNT(settings) <= SETTINGS_MAX, "set_at has a place for every setting");

const struct bf_setting *bf_config_setting(size_t index)
{
    return index < BF_COUNT(settings) ? &settings[index].setting : NULL;
}

/* A replica is of the same kind as its primary, which may stand behind it in the section. */
static void check_replicas(struct reader *reader)
{
    const struct bf_target_config *target = reader->target;

    if (!target->primary || !target->replicas.text || strcmp(target->replicas.text, "none") == 0)
        return;
    bool mysql = bf_mysql_is_url(target->primary);
    for (size_t i = 0; i < target->replicas.count; i++)
        if (bf_mysql_is_url(target->replicas.urls[i]) != mysql)
            bf_faults_add(reader->faults, reader->replicas_line,
                          "replicas: number %zu is of another engine than the primary", i + 1);
}

static void end_section(struct reader *reader)
{
    int line = 0;
    BF_AUTO_STRING char *fault = reader->place == TARGET ? bf_rules_fault(&reader->target->rules, &line) : NULL;

    if (fault)
        bf_faults_add(reader->faults, line, "%s", fault);
    if (reader->place == TARGET && !reader->primary_given)
        bf_faults_add(reader->faults, reader->target->line, "[target %s] has no \"primary\"", reader->target->name);
    if (reader->place == TARGET)
        check_replicas(reader);
    if (reader->place == SOURCE && !reader->url_line)
        bf_faults_add(reader->faults, reader->source_line, "[source %s] has no \"url\"", reader->source->name);
    if (reader->place == SOURCE && reader->source->type == BF_SOURCE_PROMETHEUS && reader->source->url &&
        strchr(reader->source->url, '?'))
        bf_faults_add(reader->faults, reader->url_line, "url: of a Prometheus holds no query (?): the trigger's is put behind it");
    reader->place = IGNORED;
    reader->target = NULL;
    reader->source = NULL;
    reader->url_line = 0;
    reader->primary_given = false;
    reader->replicas_line = 0;
    memset(reader->set_at, 0, sizeof reader->set_at);
}

static bool is_second(struct reader *reader, int line, const char *name)
{
    for (size_t i = 0; i < reader->section_count; i++)
        if (strcmp(reader->sections[i].name, name) == 0) {
            bf_faults_add(reader->faults, line, "[%s] stands here again; the first is on line %d", name,
                      reader->sections[i].line);
            return true;
        }
    if (reader->section_count < SECTIONS_MAX) {
        reader->sections[reader->section_count].name = bf_copy_string(name);
        reader->sections[reader->section_count++].line = line;
    }
    return false;
}

static void begin_target(struct reader *reader, int line, const char *name)
{
    BF_AUTO_STRING char *fault = bf_value_section_name("target", name);

    if (!fault && reader->config->target_count == BF_TARGETS_MAX)
        fault = bf_format("there are too many targets (limit %d)", BF_TARGETS_MAX);
    if (fault) {
        bf_faults_add(reader->faults, line, "%s", fault);
        return;
    }
    reader->target = &reader->config->targets[reader->config->target_count++];
    *reader->target = (struct bf_target_config){
        .name = bf_copy_string(name), .max_jobs = 2, .require_approval = BF_APPROVAL_ALL, .plan_window = 1000,
        .thresholds = bf_thresholds_default, .line = line};
    reader->place = TARGET;
}

static void begin_source(struct reader *reader, int line, const char *name)
{
    BF_AUTO_STRING char *fault = bf_value_section_name("source", name);

    if (!fault && reader->config->source_count == BF_SOURCES_MAX)
        fault = bf_format("there are too many sources (limit %d)", BF_SOURCES_MAX);
    if (fault) {
        bf_faults_add(reader->faults, line, "%s", fault);
        return;
    }
    reader->source = &reader->config->sources[reader->config->source_count++];
    *reader->source = (struct bf_source_settings){.name = bf_copy_string(name), .timeout = 3000};
    reader->source_line = line;
    reader->place = SOURCE;
}

static void on_section(void *argument, int line, const char *name)
{
    struct reader *reader = argument;

    end_section(reader);
    if (is_second(reader, line, name))
        return;
    if (strcmp(name, "daemon") == 0)
        reader->place = DAEMON;
    else if (strcmp(name, "target") == 0 || strncmp(name, "target ", 7) == 0)
        begin_target(reader, line, name[6] ? name + 7 + strspn(name + 7, " \t") : "");
    else if (strcmp(name, "source") == 0 || strncmp(name, "source ", 7) == 0)
        begin_source(reader, line, name[6] ? name + 7 + strspn(name + 7, " \t") : "");
    else
        bf_faults_add(reader->faults, line, "[%s] is not known; there are [daemon], [target NAME] and [source NAME]", name);
}

/* It stands for every key that begins so. */
static bool is_prefix(const struct bf_setting *setting)
{
    return setting->key[strlen(setting->key) - 1] == '.';
}

/* How many characters must be changed, added or taken away (Levenshtein); for words shorter than 32 bytes. */
static size_t distance(const char *one, const char *other)
{
    size_t row[32], length = strlen(other);

    if (strlen(one) >= BF_COUNT(row) || length >= BF_COUNT(row))
        return BF_COUNT(row);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; one[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t change = diagonal + (one[i - 1] != other[j - 1]);
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[length];
}

static void unknown_key(struct reader *reader, const char *section, const char *key)
{
    size_t best = strlen(key) / 2 < 4 ? strlen(key) / 2 : 4;
    const char *nearest = NULL;

    for (size_t i = 0; i < BF_COUNT(settings); i++) {
        const struct bf_setting *setting = &settings[i].setting;
        if (strcmp(setting->section, section) != 0 || !setting->built || is_prefix(setting))
            continue;
        size_t away = distance(key, setting->key);
        if (away <= best && (!nearest || away < best)) {
            best = away;
            nearest = setting->key;
        }
    }
    if (nearest)
        bf_faults_add(reader->faults, reader->line, "\"%s\" is not known in [%s]; did you mean \"%s\"?", key, section,
                  nearest);
    else
        bf_faults_add(reader->faults, reader->line, "\"%s\" is not known in [%s]", key, section);
}

static size_t find_setting(const char *section, const char *key)
{
    for (size_t i = 0; i < BF_COUNT(settings); i++) {
        const struct bf_setting *setting = &settings[i].setting;
        size_t length = strlen(setting->key);

        if (strcmp(setting->section, section) != 0)
            continue;
        if (is_prefix(setting) ? strncmp(setting->key, key, length) == 0 : strcmp(setting->key, key) == 0)
            return i;
    }
    return BF_COUNT(settings);
}

static void on_value(void *argument, int line, const char *key, const char *value)
{
    struct reader *reader = argument;
    const char *section = reader->place == DAEMON ? "daemon" : reader->place == SOURCE ? "source" : "target";

    reader->line = line;
    if (reader->place == OUTSIDE)
        bf_faults_add(reader->faults, line, "\"%s\" stands before the first section", key);
    if (reader->place == OUTSIDE || reader->place == IGNORED)
        return; /* the section's own fault is said */
    if (!*key) {
        bf_faults_add(reader->faults, line, "a key is missing in front of \"=\"");
        return;
    }
    size_t index = find_setting(section, key);
    if (index == BF_COUNT(settings)) {
        unknown_key(reader, section, key);
        return;
    }
    if (!settings[index].set) {
        bf_faults_add(reader->faults, line, "\"%s\" is not built yet: take it out", key);
        return;
    }
    if (reader->set_at[index] && !is_prefix(&settings[index].setting)) {
        bf_faults_add(reader->faults, line, "\"%s\" is set again; it is already set on line %d", key,
                  reader->set_at[index]);
        return;
    }
    reader->set_at[index] = line;
    if (!*value) {
        reader->primary_given = reader->primary_given || strcmp(key, "primary") == 0;
        bf_faults_add(reader->faults, line, "\"%s\" has no value: give one, or take the line out", key);
        return;
    }
    reader->key = key;
    BF_AUTO_STRING char *fault = settings[index].set(reader, value);
    if (fault)
        bf_faults_add(reader->faults, line, "%s: %s", key, fault);
}

static void on_fault(void *argument, int line, const char *text)
{
    struct reader *reader = argument;

    bf_faults_add(reader->faults, line, "%s", text);
}

bool bf_config_parse(const char *text, size_t length, struct bf_config **ret_config, struct bf_faults *faults)
{
    static const struct bf_ini_handler handler = {.section = on_section, .value = on_value, .fault = on_fault};
    struct reader reader = {.config = BF_NEW(struct bf_config), .faults = faults, .place = OUTSIDE};

    for (size_t i = 0; i < BF_COUNT(settings); i++)
        if (strcmp(settings[i].setting.section, "daemon") == 0 && settings[i].setting.standard)
            free(settings[i].set(&reader, settings[i].setting.standard));
    bf_ini_parse(text, length, &handler, &reader);
    end_section(&reader);
    for (size_t i = 0; i < reader.section_count; i++)
        free(reader.sections[i].name);
    if (faults->total > 0) {
        bf_config_free(reader.config);
        return false;
    }
    *ret_config = reader.config;
    return true;
}
