#include "verbs.h"

#include <string.h>

#include "allocate.h"
#include "client.h"

const struct bf_option_row bf_options[BF_OPTION_COUNT] = {
#define X(constant, name, letter, argument, help) {name, letter, argument, help},
    BF_OPTIONS(X)
#undef X
};

#define ORDER (BF_BIT(REASON) | BF_BIT(WAIT) | BF_BIT(TIMEOUT))

const struct bf_verb bf_verbs[] = {
    {"plan", "FILE", 1, 1, BF_BIT(TARGET), "measure what a job document would do; nothing is kept or changed",
     "FILE is a job document in JSON, - reads it from standard input.", BF_ROUTE_SUBMIT, bf_run_plan},
    {"submit", "FILE", 1, 1,
     BF_BIT(TARGET) | BF_BIT(APPROVE) | BF_BIT(CONFIRM) | BF_BIT(WATCH) | BF_BIT(IDEMPOTENCY_KEY),
     "submit a job document",
     "FILE is a job document in JSON, - reads it from standard input.\n"
     "--target stands in for the document's own target.",
     BF_ROUTE_SUBMIT, bf_run_submit},
    {"list", "", 0, 0,
     BF_BIT(STATE) | BF_BIT(TARGET) | BF_BIT(LABEL) | BF_BIT(NAME) | BF_BIT(LIMIT) | BF_BIT(ALL),
     "list jobs, newest first", NULL, BF_ROUTE_LIST, bf_run_list},
    {"show", "JOB", 1, 1, BF_BIT(CARD), "show one job",
     "JOB is a job's id, or a name: the newest job of that name. The card, a wide page, is also there while the job\n"
     "waits for approval.", BF_ROUTE_SHOW,
     bf_run_show},
    {"watch", "[JOB...]", 0, BF_MANY, 0, "follow jobs until each has ended, is paused or waits for approval",
     "Without JOB: every job that is not at its end. Ctrl-C ends the watching, the jobs go on.\n"
     "With --json: one line of JSON for every change, at most one a second.",
     BF_ROUTE_SHOW, bf_run_watch},
    {"wait", "JOB", 1, 1, BF_BIT(FOR) | BF_BIT(TIMEOUT), "wait for a job",
     "The exit code says how the job ended; 0 is completed, or the state of --for.\n"
     "While the daemon is away it is asked again until --timeout (without it: for 60 s).",
     BF_ROUTE_SHOW, bf_run_wait},
    {"approve", "JOB", 1, 1, BF_BIT(CONFIRM) | BF_BIT(COMMENT) | BF_BIT(PLAN) | BF_BIT(BREAK_GLASS), "approve a job's plan",
     "The hash of a plan stands on its card: backfillctl show JOB --card.", BF_ROUTE_APPROVE,
     bf_run_approve},
    {"pause", "JOB", 1, 1, ORDER | BF_BIT(FOR), "stop a job; it can be resumed where it stopped",
     "With --for 2h it goes on by itself after that time, unless another order comes before.", BF_ROUTE_PAUSE,
     bf_run_pause},
    {"resume", "JOB", 1, 1, ORDER, "let a paused or failed job go on where it stopped",
     "With --wait: until the job is running.", BF_ROUTE_RESUME, bf_run_resume},
    {"abort", "JOB", 1, 1, ORDER, "stop a job for good; what is committed stays", NULL, BF_ROUTE_ABORT, bf_run_abort},
    {"tune", "JOB FIELD=VALUE...", 2, BF_MANY, 0, "change a job's pace or limits, from its next batch on",
     "FIELD is pace.nice, pace.batch_rows.max, limits.lock_timeout and so on, as in the job document.\n"
     "VALUE is JSON or a text: 0.2, 250ms; null takes the field out, so that its default comes back.",
     BF_ROUTE_TUNE, bf_run_tune},
    {"clone", "JOB NAME", 2, 2, BF_BIT(FROM) | BF_BIT(IDEMPOTENCY_KEY), "submit a job's document again under another name",
     "Without --from it begins where the document says. --from position needs a job that stands still.",
     BF_ROUTE_CLONE, bf_run_clone},
    {"pause-all", "", 0, 0, BF_BIT(TARGET) | BF_BIT(LABEL) | BF_BIT(REASON),
     "pause every job, and keep all from starting, until resume-all",
     "With --target or --label only the jobs on that target or with that label. It stays so over restarts.",
     BF_ROUTE_PAUSE_ALL, bf_run_pause_all},
    {"resume-all", "", 0, 0, BF_BIT(TARGET) | BF_BIT(LABEL) | BF_BIT(REASON),
     "resume what pause-all had paused, and only that",
     "With the same --target or --label as the pause-all that it ends.", BF_ROUTE_RESUME_ALL, bf_run_resume_all},
    {"events", "JOB", 1, 1, BF_BIT(FOLLOW) | BF_BIT(LIMIT), "what happened to a job, oldest first", NULL,
     BF_ROUTE_JOB_EVENTS, bf_run_events},
    {"audit", "[verify [FILE...]]", 0, BF_MANY, BF_BIT(LIMIT) | BF_BIT(HEAD), "who did what: the newest records of the audit log; is it whole?",
     "With verify: is every record as it was written, and none missing? Of the daemon's log, or of these files of one, the\n"
     "oldest first. The first record that is broken is named; the exit code is 1.",
     BF_ROUTE_AUDIT, bf_run_audit},
    {"targets", "", 0, 0, 0, "the databases that the daemon knows", NULL, BF_ROUTE_TARGETS, bf_run_targets},
    {"adopt", "TARGET JOB", 2, 2, BF_BIT(CONFIRM) | BF_BIT(REASON), "take over a job that only the target knows",
     "JOB is the id of a job that `targets` names: its daemon, or that one's state, is lost. It comes in as paused, or at its\n"
     "end; resume and rollback go on from what stands on the target. --confirm says its name once more.",
     BF_ROUTE_ADOPT, bf_run_adopt},
    {"rollback", "JOB", 1, 1, BF_BIT(DRY_RUN) | ORDER, "restore what a job changed",
     "Each row is restored that still holds what the job left in it; the others are listed by `conflicts`.\n"
     "A job that runs is aborted first. With --dry-run: how many rows, how long, and conflicts in a sample.",
     BF_ROUTE_ROLLBACK, bf_run_rollback},
    {"conflicts", "JOB", 1, 1, BF_BIT(LIMIT), "rows that a rollback left alone", NULL, BF_ROUTE_CONFLICTS, bf_run_conflicts},
    {"bad-rows", "JOB", 1, 1, BF_BIT(LIMIT), "rows that the server refused to change", NULL, BF_ROUTE_BAD_ROWS, bf_run_bad_rows},
    {"retry-bad-rows", "JOB", 1, 1, BF_BIT(REASON), "try the rows once more that the server refused to change",
     "A completed or failed job is queued for that; a running one does it meanwhile, a paused one when it is resumed.\n"
     "What is refused again stays listed by `bad-rows`, with its newest error.",
     BF_ROUTE_RETRY_BAD_ROWS, bf_run_retry_bad_rows},
    {"forget", "JOB", 1, 1, BF_BIT(CONFIRM), "drop a job's way back early", NULL, BF_ROUTE_FORGET, bf_run_forget},
    {"replica", "ignore|heed TARGET REPLICA", 3, 3, BF_BIT(FOR) | BF_BIT(REASON),
     "leave a replica out of the lag limit, or heed it again",
     "Ignored for an hour, or --for another time; then it is heeded again.",
     BF_ROUTE_IGNORE_REPLICA, bf_run_replica},
    {"token", "new", 1, 1, BF_BIT(NAME) | BF_BIT(ROLE) | BF_BIT(TARGETS), "make an access token, and the line for the daemon's file",
     "The token is printed this once, and is nowhere else: what the line has is its hash.\n"
     "The line counts when the daemon has read its file of tokens again (SIGHUP).", BF_ROUTE_COUNT, bf_run_token},
    {"help", "[VERB]", 0, 1, 0, "this overview, or the help of one verb", NULL, BF_ROUTE_COUNT, bf_run_help},
};
const size_t bf_verb_count = BF_COUNT(bf_verbs);

const struct bf_verb *bf_verb_by_name(const char *name)
{
    for (size_t i = 0; i < bf_verb_count; i++)
        if (strcmp(bf_verbs[i].name, name) == 0)
            return &bf_verbs[i];
    return NULL;
}
