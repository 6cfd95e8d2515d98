/* The daemon's configuration (docs/interface.md section 6): one INI file, checked as a whole. Every fault is named with
 * its line, all at once. What is not built yet is refused, never accepted and ignored. */
#ifndef BF_DAEMON_CONFIG_H
#define BF_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "faults.h"
#include "http_sources.h"
#include "risk.h"
#include "rules.h"
#include "tls.h"

enum {
    BF_CONFIG_FILE_MAX = 1024 * 1024, /* bytes */
    BF_TARGETS_MAX = 64,
    BF_SOURCES_MAX = 32,
    BF_TARGET_JOBS_MAX = 64,
    BF_REPLICAS_MAX = 16
};

enum bf_webhook_format { BF_WEBHOOK_JSON, BF_WEBHOOK_SLACK };

/* Where a target's replicas are found. */
struct bf_replicas {
    char *text; /* as written: "none", "auto" or URLs; NULL: not given */
    char *urls[BF_REPLICAS_MAX];
    size_t count;
};
void bf_replicas_clear(struct bf_replicas *replicas);

struct bf_target_config {
    char *name;
    char *primary;       /* connection URL, without a password */
    char *password_file; /* NULL: ~/.pgpass, or none needed */
    int max_jobs;
    enum bf_approval require_approval;
    enum bf_approval two_person;
    int64_t keep_undo;   /* milliseconds; 0: as [daemon] says */
    int64_t plan_window; /* milliseconds */
    struct bf_thresholds thresholds; /* of risk */
    struct bf_replicas replicas;
    struct bf_rules rules; /* defaults and ceilings */
    char *webhook;         /* URL, which may be a secret; NULL: none */
    char *webhook_secret_file; /* NULL: not signed */
    enum bf_webhook_format webhook_format;
    int line;              /* of its section */
};

struct bf_config {
    char *listen; /* as written: an address and a port, or unix:/path */
    struct bf_access access; /* who may do what */
    char *state;  /* path of the SQLite store */
    char *tls_certificate, *tls_key; /* paths; NULL: HTTP in the clear */
    struct bf_tls *tls;              /* what these hold; NULL: nothing, or the server has it */
    int tls_line;                    /* of tls_certificate */
    char *jobs;   /* directory of job documents; NULL: none */
    char *public_url; /* of the dashboard, without the last slash; NULL: what `listen` says */
    char *audit; /* path of the audit log; "none": none is kept */
    int64_t keep_jobs; /* milliseconds */
    int64_t keep_undo; /* milliseconds */
    struct bf_target_config targets[BF_TARGETS_MAX];
    size_t target_count;
    struct bf_source_settings sources[BF_SOURCES_MAX];
    size_t source_count;
};

/* True: no fault, *ret_config is the caller's. False: `faults` says why. `faults` must be zeroed before the call and be
 * cleared after it. */
bool bf_config_load(const char *path, struct bf_config **ret_config, struct bf_faults *faults);
bool bf_config_parse(const char *text, size_t length, struct bf_config **ret_config, struct bf_faults *faults);
void bf_config_free(struct bf_config *config); /* NULL is fine */

/* Every setting there is; backfilld.ini(5) is made from these rows. */
struct bf_setting {
    const char *section;  /* "daemon", "target" or "source" */
    const char *key;      /* one that ends in "." stands for all that begin so */
    const char *standard; /* the default as it stands in the sample; NULL where there is none */
    bool built;
    const char *help;     /* the sample's line of explanation; NULL where it is not built */
};
const struct bf_setting *bf_config_setting(size_t index); /* NULL past the end */

#endif
