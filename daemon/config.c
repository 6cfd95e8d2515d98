/* Reads a configuration: sections, keys and their order, and what has to fit together. */
#include "config_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "ini_file.h"
#include "mysql_database.h"
#include "password_file.h"
#include "values.h"

/* A replica is of the same kind as its primary, which may stand behind it in the section. */
static void check_replicas(struct bf_config_reader *reader)
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

/* Certificate and key are one thing, and where the daemon listens may stand behind them. */
static void check_tls(struct bf_config_reader *reader)
{
    struct bf_config *config = reader->config;
    BF_AUTO_STRING char *fault = NULL;
    char key[BF_SECRET_PATH_MAX], text[BF_SECRET_PATH_MAX + 128];

    config->tls_line = reader->certificate_line;
    if (!reader->certificate_line && !reader->key_line)
        return;
    if (!reader->key_line)
        bf_faults_add(reader->faults, reader->certificate_line, "tls_certificate: its key is missing (tls_key)");
    else if (!reader->certificate_line)
        bf_faults_add(reader->faults, reader->key_line, "tls_key: its certificate is missing (tls_certificate)");
    else if (strncmp(config->listen, "unix:", 5) == 0)
        bf_faults_add(reader->faults, reader->certificate_line,
                      "tls_certificate: a Unix socket is not encrypted: take it out, or let listen be an address");
    else if (config->tls_certificate && config->tls_key && /* else their faults are said */
             bf_secret_path(config->tls_key, key, text, sizeof text) != BF_SECRET_PATH)
        bf_faults_add(reader->faults, reader->key_line, "tls_key: %s", text);
    else if (config->tls_certificate && config->tls_key)
        config->tls = bf_tls_load(config->tls_certificate, key, &fault);
    if (fault)
        bf_faults_add(reader->faults, reader->certificate_line, "tls_certificate: %s", fault);
}

/* Where others reach the daemon nobody is let in without a token. Tokens may stand behind `listen`. */
static void check_public(struct bf_config_reader *reader)
{
    if (reader->is_public && !reader->config->access.tokens_file)
        bf_faults_add(reader->faults, reader->listen_line,
                      "listen: %s can be reached from outside, which takes tokens (tokens = FILE); without them listen on "
                      "127.0.0.1, [::1] or a Unix socket", reader->config->listen);
}

static void end_section(struct bf_config_reader *reader)
{
    int line = 0;
    BF_AUTO_STRING char *fault = reader->place == BF_PLACE_TARGET ? bf_rules_fault(&reader->target->rules, &line) : NULL;

    if (fault)
        bf_faults_add(reader->faults, line, "%s", fault);
    if (reader->place == BF_PLACE_TARGET && !reader->primary_given)
        bf_faults_add(reader->faults, reader->target->line, "[target %s] has no \"primary\"", reader->target->name);
    if (reader->place == BF_PLACE_TARGET)
        check_replicas(reader);
    if (reader->place == BF_PLACE_DAEMON) {
        check_tls(reader);
        check_public(reader);
    }
    if (reader->place == BF_PLACE_SOURCE && !reader->url_line)
        bf_faults_add(reader->faults, reader->source_line, "[source %s] has no \"url\"", reader->source->name);
    if (reader->place == BF_PLACE_SOURCE && reader->source->type == BF_SOURCE_PROMETHEUS && reader->source->url &&
        strchr(reader->source->url, '?'))
        bf_faults_add(reader->faults, reader->url_line, "url: of a Prometheus holds no query (?): the trigger's is put behind it");
    reader->place = BF_PLACE_IGNORED;
    reader->target = NULL;
    reader->source = NULL;
    reader->url_line = 0;
    reader->primary_given = false;
    reader->replicas_line = 0;
    memset(reader->set_at, 0, sizeof reader->set_at);
}

static bool is_second(struct bf_config_reader *reader, int line, const char *name)
{
    for (size_t i = 0; i < reader->section_count; i++)
        if (strcmp(reader->sections[i].name, name) == 0) {
            bf_faults_add(reader->faults, line, "[%s] stands here again; the first is on line %d", name,
                      reader->sections[i].line);
            return true;
        }
    if (reader->section_count < BF_SECTIONS_MAX) {
        reader->sections[reader->section_count].name = bf_copy_string(name);
        reader->sections[reader->section_count++].line = line;
    }
    return false;
}

static void begin_target(struct bf_config_reader *reader, int line, const char *name)
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
    reader->place = BF_PLACE_TARGET;
}

static void begin_source(struct bf_config_reader *reader, int line, const char *name)
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
    reader->place = BF_PLACE_SOURCE;
}

static void on_section(void *argument, int line, const char *name)
{
    struct bf_config_reader *reader = argument;

    end_section(reader);
    if (is_second(reader, line, name))
        return;
    if (strcmp(name, "daemon") == 0)
        reader->place = BF_PLACE_DAEMON;
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

static void unknown_key(struct bf_config_reader *reader, const char *section, const char *key)
{
    size_t best = strlen(key) / 2 < 4 ? strlen(key) / 2 : 4;
    const char *nearest = NULL;

    for (size_t i = 0; i < bf_setting_count; i++) {
        const struct bf_setting *setting = &bf_setting_rows[i].setting;
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
    for (size_t i = 0; i < bf_setting_count; i++) {
        const struct bf_setting *setting = &bf_setting_rows[i].setting;
        size_t length = strlen(setting->key);

        if (strcmp(setting->section, section) != 0)
            continue;
        if (is_prefix(setting) ? strncmp(setting->key, key, length) == 0 : strcmp(setting->key, key) == 0)
            return i;
    }
    return bf_setting_count;
}

static void on_value(void *argument, int line, const char *key, const char *value)
{
    struct bf_config_reader *reader = argument;
    const char *section = reader->place == BF_PLACE_DAEMON ? "daemon" : reader->place == BF_PLACE_SOURCE ? "source" : "target";

    reader->line = line;
    if (reader->place == BF_PLACE_OUTSIDE)
        bf_faults_add(reader->faults, line, "\"%s\" stands before the first section", key);
    if (reader->place == BF_PLACE_OUTSIDE || reader->place == BF_PLACE_IGNORED)
        return; /* the section's own fault is said */
    if (!*key) {
        bf_faults_add(reader->faults, line, "a key is missing in front of \"=\"");
        return;
    }
    size_t index = find_setting(section, key);
    if (index == bf_setting_count) {
        unknown_key(reader, section, key);
        return;
    }
    if (!bf_setting_rows[index].set) {
        bf_faults_add(reader->faults, line, "\"%s\" is not built yet: take it out", key);
        return;
    }
    if (reader->set_at[index] && !is_prefix(&bf_setting_rows[index].setting)) {
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
    BF_AUTO_STRING char *fault = bf_setting_rows[index].set(reader, value);
    if (fault)
        bf_faults_add(reader->faults, line, "%s: %s", key, fault);
}

static void on_fault(void *argument, int line, const char *text)
{
    struct bf_config_reader *reader = argument;

    bf_faults_add(reader->faults, line, "%s", text);
}

/* The path of a file in the directory of another. */
static char *beside(const char *path, const char *name)
{
    return bf_format("%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
}

bool bf_config_parse(const char *text, size_t length, struct bf_config **ret_config, struct bf_faults *faults)
{
    static const struct bf_ini_handler handler = {.section = on_section, .value = on_value, .fault = on_fault};
    struct bf_config_reader reader = {.config = BF_NEW(struct bf_config), .faults = faults, .place = BF_PLACE_OUTSIDE};

    for (size_t i = 0; i < bf_setting_count; i++)
        if (strcmp(bf_setting_rows[i].setting.section, "daemon") == 0 && bf_setting_rows[i].setting.standard)
            free(bf_setting_rows[i].set(&reader, bf_setting_rows[i].setting.standard));
    bf_ini_parse(text, length, &handler, &reader);
    end_section(&reader);
    for (size_t i = 0; i < reader.section_count; i++)
        free(reader.sections[i].name);
    if (faults->total > 0) {
        bf_config_free(reader.config);
        return false;
    }
    reader.config->access.public_url = reader.config->public_url;
    if (!reader.config->audit)
        reader.config->audit = beside(reader.config->state, "audit.log");
    *ret_config = reader.config;
    return true;
}
