#ifndef BF_TESTS_POSTGRESQL_H
#define BF_TESTS_POSTGRESQL_H

struct bf_table;

/* One group of tests each; they return how many failed. */
int test_sessions(void);
int test_ranges(void);
int test_protocol(void);
int test_survey(void);

/* The key's columns for an ORDER BY, and the first of them; static memory. */
const char *side_order(const struct bf_table *table);
const char *side_first(const struct bf_table *table);

#endif
