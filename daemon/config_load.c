/* A configuration from its file, and its end. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

bool bf_config_load(const char *path, struct bf_config **ret_config, struct bf_faults *faults)
{
    FILE *file = fopen(path, "re");

    if (!file) {
        bf_faults_add(faults, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    BF_AUTO_STRING char *text = bf_allocate(BF_CONFIG_FILE_MAX + 1);
    size_t length = fread(text, 1, BF_CONFIG_FILE_MAX + 1, file);
    if (ferror(file))
        bf_faults_add(faults, 0, "cannot be read: %s", strerror(errno));
    else if (length > BF_CONFIG_FILE_MAX)
        bf_faults_add(faults, 0, "is too large (limit 1 MiB)");
    fclose(file);
    return faults->total == 0 && bf_config_parse(text, length, ret_config, faults);
}

void bf_config_free(struct bf_config *config)
{
    if (!config)
        return;
    free(config->listen);
    free(config->access.tokens_file);
    bf_tokens_clear(&config->access.tokens);
    free(config->state);
    free(config->jobs);
    free(config->audit);
    free(config->tls_certificate);
    free(config->tls_key);
    bf_tls_free(config->tls);
    free(config->public_url);
    for (size_t i = 0; i < config->target_count; i++) {
        free(config->targets[i].name);
        free(config->targets[i].primary);
        free(config->targets[i].password_file);
        free(config->targets[i].webhook);
        free(config->targets[i].webhook_secret_file);
        bf_replicas_clear(&config->targets[i].replicas);
        bf_rules_clear(&config->targets[i].rules);
    }
    for (size_t i = 0; i < config->source_count; i++) {
        free(config->sources[i].name);
        free(config->sources[i].url);
        free(config->sources[i].token_file);
    }
    free(config);
}

void bf_replicas_clear(struct bf_replicas *replicas)
{
    for (size_t i = 0; i < replicas->count; i++)
        free(replicas->urls[i]);
    free(replicas->text);
    *replicas = (struct bf_replicas){0};
}
