/* The inside of the configuration's reader: config.c reads, config_settings.c has the rows of what there is to set. */
#ifndef BF_DAEMON_CONFIG_INSIDE_H
#define BF_DAEMON_CONFIG_INSIDE_H

#include "config.h"

/* The section that is being read. */
enum bf_config_place { BF_PLACE_OUTSIDE, BF_PLACE_DAEMON, BF_PLACE_TARGET, BF_PLACE_SOURCE, BF_PLACE_IGNORED };

enum { BF_SETTINGS_MAX = 48, BF_SECTIONS_MAX = BF_TARGETS_MAX + BF_SOURCES_MAX + 2 };

struct bf_config_reader {
    struct bf_config *config;
    struct bf_faults *faults;
    enum bf_config_place place;
    struct bf_target_config *target; /* of the section, in BF_PLACE_TARGET */
    struct bf_source_settings *source; /* of the section, in BF_PLACE_SOURCE */
    int source_line, url_line;       /* of that section, and of its url; 0: none, or at fault */
    int replicas_line;               /* of the section's replicas; 0: none */
    int certificate_line, key_line;  /* of tls_certificate and tls_key; 0: none */
    bool primary_given;              /* also when its value was at fault: one fault is enough */
    bool is_public;                  /* other machines can reach what is in `listen` */
    int listen_line;                 /* 0: it is the default */
    int line;                        /* of what is being applied */
    const char *key;
    int set_at[BF_SETTINGS_MAX];     /* line on which each setting of this section was given; 0: not yet */
    struct {
        char *name;
        int line;
    } sections[BF_SECTIONS_MAX];
    size_t section_count;
};

/* `set` applies a value and gives NULL, or the fault as a text that the caller frees. Without it the setting is known and not
 * built yet. */
struct bf_setting_row {
    struct bf_setting setting;
    char *(*set)(struct bf_config_reader *reader, const char *value);
};
extern const struct bf_setting_row bf_setting_rows[];
extern const size_t bf_setting_count;

#endif
