/* What an SQLSTATE means for a job (protocol P10). Appendix A of PostgreSQL's manual lists them. */
#include "dialect.h"

#include <string.h>

#include "allocate.h"

struct rule {
    const char *prefix; /* of the SQLSTATE; the first that fits decides */
    enum bf_error_class error_class;
};

static const struct rule rules[] = {
    {"55P03", BF_CLASS_LOCK},        /* lock_not_available: lock_timeout */
    {"40P01", BF_CLASS_LOCK},        /* deadlock_detected */
    {"40002", BF_CLASS_DATA},        /* transaction_integrity_constraint_violation */
    {"40", BF_CLASS_SERIALIZATION},
    {"72", BF_CLASS_SERIALIZATION},  /* snapshot_too_old */
    {"57014", BF_CLASS_CANCELLED},   /* query_canceled, statement_timeout too */
    {"57P01", BF_CLASS_ENDED},       /* admin_shutdown: pg_terminate_backend or a server that stops */
    {"57P04", BF_CLASS_LOGIN},       /* database_dropped */
    {"57", BF_CLASS_RESOURCES},      /* crash_shutdown, cannot_connect_now, idle_session_timeout */
    {"25006", BF_CLASS_NOT_PRIMARY}, /* read_only_sql_transaction */
    {"25P03", BF_CLASS_RESOURCES},   /* idle_in_transaction_session_timeout */
    {"25P04", BF_CLASS_RESOURCES},   /* transaction_timeout */
    {"53", BF_CLASS_RESOURCES},      /* disk_full, out_of_memory, too_many_connections */
    {"58", BF_CLASS_RESOURCES},      /* system_error, io_error */
    {"08", BF_CLASS_RESOURCES},      /* a foreign server that a trigger or an expression asked */
    {"HV", BF_CLASS_RESOURCES},
    {"28", BF_CLASS_LOGIN},
    {"22", BF_CLASS_DATA},
    {"23", BF_CLASS_DATA},
    {"21", BF_CLASS_DATA},           /* a subquery gave more than one row */
    {"27", BF_CLASS_DATA},
    {"38", BF_CLASS_DATA},           /* triggers */
    {"39", BF_CLASS_DATA},
    {"44", BF_CLASS_DATA},
    {"54", BF_CLASS_DATA},           /* a value too large for its index */
    {"P0", BF_CLASS_DATA},           /* RAISE in a trigger */
    {"42", BF_CLASS_DEFINITION},
    {"3D", BF_CLASS_DEFINITION},
    {"3F", BF_CLASS_DEFINITION},
    {"0A", BF_CLASS_DEFINITION},     /* "cached plan must not change result type" */
    {"55000", BF_CLASS_DEFINITION},  /* an update without replica identity on a published table */
};

enum bf_error_class bf_postgresql_classify(const char *sqlstate)
{
    for (size_t i = 0; i < BF_COUNT(rules); i++)
        if (!strncmp(sqlstate, rules[i].prefix, strlen(rules[i].prefix)))
            return rules[i].error_class;
    return BF_CLASS_TERMINAL;
}
