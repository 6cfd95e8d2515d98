/* Jobs until each has come to where waiting for it ends: `watch`, `wait`, `--wait` and `submit --watch`. What happens is
 * heard by the daemon's stream; where there is none the jobs are asked for again and again. */
#ifndef BF_CLIENT_FOLLOW_H
#define BF_CLIENT_FOLLOW_H

#include "client.h"
#include "judge.h"
#include "stream.h"
#include "view.h"

enum { BF_PATIENCE = 60000 }; /* milliseconds that a daemon may be away where no --timeout is given */

struct bf_followed {
    char *key;  /* owned: what the user named; the id once it is known, so that a newer job of that name is not taken */
    char *body; /* owned: the last answer; NULL: it has not been heard of */
    struct bf_view view;
    int verdict; /* exit code, or BF_GO_ON */
    bool stale;  /* what is known of it is older than what is to be heard: ask once more */
    int64_t printed_at; /* monotonic milliseconds of its last line */
    char *printed;      /* owned: that line */
    char *printed_waits; /* owned: what it waited for then; NULL: it did not wait */
};

struct bf_follow {
    struct bf_client *client;
    struct bf_goal goal;
    struct bf_followed *jobs;
    size_t count;
    bool show;        /* progress; else only how it ended */
    int64_t patience; /* milliseconds without an answer, where no --timeout is given */
    const char *left; /* a state that the job is just leaving, because an order to do so was taken: not judged for 2 s */
    struct bf_stream *stream;
    bool hears;       /* the stream is open */
    size_t drawn;     /* lines on the terminal that the next drawing replaces */
    size_t *drawn_widths; /* their columns */
};

/* Everything from the first question to the last word. */
enum bf_exit bf_follow(struct bf_follow *follow);
/* One job, by id or name. */
enum bf_exit bf_follow_one(struct bf_client *client, const char *job, struct bf_goal goal, bool show, const char *left);

/* Drawing (draw.c). `notice` is one more line, or NULL. */
void bf_draw(struct bf_follow *follow, const char *notice);
/* One line at most a second for every job that changed; `all`: those that waited for their second too. */
void bf_print_lines(struct bf_follow *follow, int64_t now, bool all);
struct bf_line_widths {
    size_t name, state;
};
/* One job on at most so many columns (colours not counted). Owned. */
char *bf_job_line(const struct bf_view *view, struct bf_line_widths widths, size_t columns, bool colour);

/* Ctrl-C, SIGTERM and SIGHUP only set the flag from here on. */
void bf_stop_catch(void);
extern volatile sig_atomic_t bf_stop;
int64_t bf_now(void);                  /* monotonic milliseconds */
void bf_sleep(int64_t milliseconds);   /* shorter when a signal comes */

#endif
