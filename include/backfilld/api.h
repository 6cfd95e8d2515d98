/* The HTTP interface, version 1: every route once. The daemon's table, the client's paths and the test of all routes
 * are made from this list (docs/interface.md, section 4). */
#ifndef BACKFILLD_API_H
#define BACKFILLD_API_H

/* BF_API_DEFAULT_URL, where the client looks for the daemon: meson's option default_url. */
#define BF_API_JSON "application/json"
#define BF_API_PROBLEM "application/problem+json"

/* Who orders, as events name it, where nobody can be told from another: without tokens, over TCP. */
#define BF_ACTOR_ANYBODY "operator"

/* X(CONSTANT, name): who may use a route, weakest first; alerts is beside the others (daemon/access/role.h). Without tokens the
 * daemon listens on loopback and unix sockets only, and whoever reaches it over TCP may do everything. */
#define BF_ROLES(X)       \
    X(ANYONE, anyone)     \
    X(ALERTS, alerts)     \
    X(VIEWER, viewer)     \
    X(OPERATOR, operator) \
    X(APPROVER, approver) \
    X(ADMIN, admin)

/* X(CONSTANT, method, path, role, handler, summary): {job}, {target} and {replica} stand for one path segment. The
 * handler `not_built` answers 501. */
#define BF_ROUTES(X)                                                                                            \
    X(SUBMIT, POST, "/v1/jobs", OPERATOR, submit, "submit a job; ?dry_run=true plans and forgets")              \
    X(LIST, GET, "/v1/jobs", VIEWER, list_jobs, "jobs, newest first")                                           \
    X(SHOW, GET, "/v1/jobs/{job}", VIEWER, show_job, "one job")                                                 \
    X(TUNE, PATCH, "/v1/jobs/{job}", OPERATOR, tune, "change pace and limits of a job")                         \
    X(PLAN, GET, "/v1/jobs/{job}/plan", VIEWER, show_plan, "the plan of a job")                                 \
    X(APPROVE, POST, "/v1/jobs/{job}/approve", APPROVER, approve, "approve the plan of a job")                  \
    X(PAUSE, POST, "/v1/jobs/{job}/pause", OPERATOR, pause, "pause a job")                                      \
    X(RESUME, POST, "/v1/jobs/{job}/resume", OPERATOR, resume, "resume a job")                                  \
    X(ABORT, POST, "/v1/jobs/{job}/abort", OPERATOR, abort, "abort a job")                                      \
    X(ROLLBACK, POST, "/v1/jobs/{job}/rollback", APPROVER, rollback, "roll a job back; ?dry_run=true says what it would do") \
    X(CLONE, POST, "/v1/jobs/{job}/clone", OPERATOR, clone, "submit a copy of a job")                           \
    X(JOB_EVENTS, GET, "/v1/jobs/{job}/events", VIEWER, job_events, "what happened to a job")                   \
    X(EVENTS, GET, "/v1/events", VIEWER, all_events, "what happened to all jobs")                               \
    X(SAMPLES, GET, "/v1/jobs/{job}/samples", VIEWER, samples, "series for charts")                             \
    X(CONFLICTS, GET, "/v1/jobs/{job}/conflicts", VIEWER, conflicts, "rows that a rollback left alone")         \
    X(BAD_ROWS, GET, "/v1/jobs/{job}/bad-rows", VIEWER, bad_rows, "rows in quarantine")                         \
    X(RETRY_BAD_ROWS, POST, "/v1/jobs/{job}/retry-bad-rows", ADMIN, retry_bad_rows, "try quarantined rows once more") \
    X(FORGET, POST, "/v1/jobs/{job}/forget", ADMIN, forget, "drop the way back of a job")                       \
    X(TARGETS, GET, "/v1/targets", VIEWER, list_targets, "the configured targets")                              \
    X(TARGET, GET, "/v1/targets/{target}", VIEWER, show_target, "one target")                                   \
    X(ADOPT, POST, "/v1/targets/{target}/adopt", ADMIN, adopt, "take over a job that only the target knows")    \
    X(JOB_FILES, GET, "/v1/job-files", VIEWER, list_job_files, "the files of jobs.d and what became of them")     \
    X(IGNORE_REPLICA, POST, "/v1/targets/{target}/replicas/{replica}/ignore", APPROVER, ignore_replica,         \
      "ignoring a replica")                                                                                     \
    X(HEED_REPLICA, POST, "/v1/targets/{target}/replicas/{replica}/heed", APPROVER, heed_replica,               \
      "heeding a replica again")                                                                                \
    X(PAUSE_ALL, POST, "/v1/pause-all", OPERATOR, pause_all, "pause every job, and keep all from starting")     \
    X(RESUME_ALL, POST, "/v1/resume-all", OPERATOR, resume_all, "resume what pause-all had paused")             \
    X(TAKE_ALERTS, POST, "/v1/alerts", ALERTS, take_alerts, "Alertmanager's webhook")                           \
    X(IDENTITY, GET, "/v1/identity", ANYONE, identity, "who asks, and in which role")                           \
    X(SIGN_IN, POST, "/v1/sign-in", ANYONE, sign_in, "a token for a cookie: how a browser signs in")            \
    X(SIGN_OUT, POST, "/v1/sign-out", ANYONE, sign_out, "the cookie stands for nobody any more")                \
    X(AUDIT, GET, "/v1/audit", ADMIN, audit, "who did what: the audit log")                                      \
    X(METRICS, GET, "/metrics", ANYONE, metrics, "metrics for Prometheus")                                      \
    X(HEALTHZ, GET, "/healthz", ANYONE, healthz, "is the daemon alive")                                         \
    X(READYZ, GET, "/readyz", ANYONE, readyz, "can the daemon do its work")                                     \
    X(DASHBOARD, GET, "/", ANYONE, dashboard, "the dashboard")                                                  \
    X(DASHBOARD_FILE, GET, "/dashboard/{file}", ANYONE, dashboard_file, "a file of the dashboard")              \
    X(OPENAPI, GET, "/v1/openapi.json", ANYONE, openapi, "the interface, machine-readable")

enum bf_role {
#define X(constant, name) BF_ROLE_##constant,
    BF_ROLES(X)
#undef X
};

enum bf_route_name {
#define X(constant, method, path, role, handler, summary) BF_ROUTE_##constant,
    BF_ROUTES(X)
#undef X
        BF_ROUTE_COUNT
};

#endif
