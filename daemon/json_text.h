/* Texts of others in JSON. */
#ifndef BF_DAEMON_JSON_TEXT_H
#define BF_DAEMON_JSON_TEXT_H

#include <jansson.h>

json_t *bf_json_text(const char *text); /* NULL gives null; bytes that are not UTF-8 become "?" */

#endif
