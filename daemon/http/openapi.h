/* The description of the interface (OpenAPI 3.1): its parts, each made from the table that the code itself uses. */
#ifndef BF_HTTP_OPENAPI_H
#define BF_HTTP_OPENAPI_H

#include <jansson.h>

/* openapi.c: the whole, owned. */
json_t *bf_openapi(void);

/* openapi_schemas.c: adds what is answered. */
void bf_openapi_add_views(json_t *schemas);
/* The schema of a type in a word: "string", "count?" (or null), "[Event]" (a list), "{string}" (an object of them). */
json_t *bf_openapi_type(const char *type);

/* openapi_bodies.c: adds what is sent: the job document and the bodies of orders. */
void bf_openapi_add_bodies(json_t *schemas);

#endif
