/* The files of the dashboard, embedded at build (embed.py). */
#ifndef BF_DASHBOARD_FILES_H
#define BF_DASHBOARD_FILES_H

#include <stddef.h>

struct bf_dashboard_file {
    const char *name, *type, *etag; /* etag: with its quotes */
    const unsigned char *bytes;
    size_t length;
};

extern const struct bf_dashboard_file bf_dashboard_files[];
extern const size_t bf_dashboard_file_count;

#endif
