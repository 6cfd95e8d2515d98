/* What most tests of the interface begin with: cmocka, the canned engine, and one server on it for each test. */
#ifndef HTTP_CASE_H
#define HTTP_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocate.h"
#include "client.h"
#include "fake_engine.h"

extern struct server server;

/* A fresh engine and a server on TCP; and the end of both. */
int begin(void **state);
int end(void **state);

/* The pattern of a route with an id or a name in every place; owned. */
char *path_of(const char *pattern);

#endif
