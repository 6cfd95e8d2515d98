/* The values of the configuration, one function for each kind. Each gives NULL and sets its result, or gives the fault as
 * a text that the caller frees (and leaves the result alone). No text repeats what may be a secret. */
#ifndef BF_DAEMON_VALUES_H
#define BF_DAEMON_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

char *bf_value_listen(const char *value, bool *ret_public); /* other machines can reach it */
char *bf_value_metrics_role(const char *value, bool *ret_need_viewer);
char *bf_value_state(const char *value, char **ret_path);
char *bf_value_jobs(const char *value, char **ret_path);
char *bf_value_path(const char *value, char **ret_path);
char *bf_value_audit(const char *value, char **ret_path);
char *bf_value_keep(const char *value, int64_t *ret_milliseconds);
char *bf_value_section_name(const char *kind, const char *name); /* kind: "target", "source" */
char *bf_value_source_url(const char *value, char **ret_url);
char *bf_value_public_url(const char *value, char **ret_url); /* without the last slash */
char *bf_value_webhook_format(const char *value, enum bf_webhook_format *ret_format);
char *bf_value_source_type(const char *value, enum bf_source_type *ret_type);
char *bf_value_source_timeout(const char *value, int64_t *ret_milliseconds);
char *bf_value_primary(const char *value, char **ret_url);
char *bf_value_password_file(const char *value, char **ret_path);
char *bf_value_max_jobs(const char *value, int *ret_jobs);
char *bf_value_require_approval(const char *value, enum bf_approval *ret_approval);
char *bf_value_two_person(const char *value, enum bf_approval *ret_two_person);
char *bf_value_plan_window(const char *value, int64_t *ret_milliseconds);
char *bf_value_replicas(const char *value, struct bf_replicas *ret_replicas);

#endif
