/* The replicas of a target as their primary sees them: who counts as one, how far behind it is, and when one may be set
 * aside. What the views say is not what it seems (idle, stalled, paused, just caught up), so the lag is worked out from
 * the positions of the log that were seen on the primary, and the view's own lag is believed only between the bounds
 * that follow from them. A slow replica's lag shows up late: when it stands at the limit, far more than the limit has been
 * written already. So what a replica has yet to replay counts too, at the speed that it was seen to replay at.
 *
 * Where the primary does not know how far its replicas are they are asked themselves: a heartbeat carries the position of the
 * primary's log at which it was written, and the newest one that a replica shows is how far it has come. Pure. */
#ifndef BF_PACE_REPLICA_H
#define BF_PACE_REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BF_WATCHED_MAX = 32,          /* of one target */
    BF_REPLICA_NAME = 64,
    BF_REPLICA_WORDS = 240,
    BF_POSITIONS_MAX = 128,        /* kept of the primary's log; old ones are thinned out */
    BF_REPLICA_EXPECTED = 600000,  /* milliseconds: who streamed in this time is expected to be there */
    BF_RATE_FIRST = 4 * 1024 * 1024 /* bytes a second */
};

/* One row of the view, in one sample. */
struct bf_watched_view {
    const char *name, *address; /* address may be NULL */
    double position;            /* bytes of log replayed; under 0: it never reported a position, so it is no replica */
    double lag;                 /* seconds, as the view has it; under 0: it has none */
    const char *reply;          /* a text that is another one after each reply of the replica's; may be NULL */
    bool synchronous;
    bool first_seen;            /* of a heartbeat: `lag` is how old it was when the replica was first seen to show it */
};

struct bf_watched {
    char name[BF_REPLICA_NAME], address[BF_REPLICA_NAME], reply[BF_REPLICA_NAME];
    bool present;       /* in the newest sample */
    bool synchronous;
    bool from_start;    /* it is behind since before it was first seen here */
    bool named;         /* by the configuration, and asked itself: it is expected for as long as it stands there */
    bool unseen;        /* it is named, and has not shown a heartbeat yet: it may lag by far more than is known */
    bool promoted;      /* it is a primary now, so nobody waits for it */
    char words[BF_REPLICA_WORDS]; /* why it stands still, or cannot be read; "": nothing is to be said */
    double position;    /* bytes */
    double bytes;       /* behind the primary */
    double lag;         /* seconds: how old what it shows is, or how long the replay of what it lacks takes, if that is more */
    double speed;       /* bytes a second that it replays when there is enough to do; 0: not known */
    double busy_position; /* while there is: from where and when on its speed is measured; 0: there is not */
    int64_t busy_at, speed_at; /* monotonic milliseconds; speed_at: when speed was learnt last */
    double rate;        /* bytes a second that it may be given: BF_RATE_FIRST at first, then what it followed, or did replay */
    double rated_position, rated_bytes, rated_lag; /* where it was when that was judged last, and how far behind */
    bool rate_stood;    /* it stood still when it was judged last */
    bool rate_known;    /* it was seen not to follow: its rate grows by small steps from then on */
    int64_t rated_at;   /* monotonic milliseconds; 0: not yet */
    double base, base_next; /* the least lag, seconds, of the last ten seconds or twenty */
    int64_t base_since; /* monotonic milliseconds: of base_next */
    int64_t lag_at;     /* monotonic milliseconds: when that was true; BF_SIGNAL_NEVER */
    int64_t seen_at;    /* when it was in a sample last */
    int64_t first_at;   /* when it was seen first, and where the primary was then */
    double first_position;
    double missing_position; /* the oldest known position of the primary that it has not replayed; 0: none */
    int64_t missing_since;   /* when the primary was there */
};

struct bf_watched_list {
    struct bf_watched list[BF_WATCHED_MAX]; /* in the order in which they were first seen */
    size_t count;
    struct {
        int64_t at;      /* monotonic milliseconds */
        double position; /* bytes of the primary's log */
    } positions[BF_POSITIONS_MAX]; /* rising */
    size_t position_count;
};

/* One sample: where the primary's log ended, and its view. Who is not in it stays as it was and grows old; who has not
 * been in one for BF_REPLICA_EXPECTED is forgotten. Returns how many rows had no place. */
size_t bf_watched_sample(struct bf_watched_list *replicas, int64_t now, double position, const struct bf_watched_view *views,
                          size_t count);
/* The target is another server now, or nobody looked for a while: positions of its log cannot be compared with those
 * before, and how far its replicas are is not known until they are seen again. */
void bf_watched_forget_positions(struct bf_watched_list *replicas);
struct bf_watched *bf_watched_find(struct bf_watched_list *replicas, const char *name); /* NULL */

/* Those that are named, in this order, and no others: what is known of them stays. */
void bf_watched_name(struct bf_watched_list *replicas, const char *const *names, size_t count);
/* A heartbeat was written, at that position of the primary's log; positions rise. */
void bf_watched_beat(struct bf_watched_list *replicas, int64_t now, double position);
/* One replica that is named answered: view->position is that of the newest heartbeat which it shows (before the first one:
 * it shows none of ours). There has been a heartbeat since the positions were forgotten last. */
void bf_watched_read(struct bf_watched_list *replicas, struct bf_watched *replica, int64_t now,
                     const struct bf_watched_view *view);
/* Seconds since the primary was at that position, or at the last one before it that is known; INFINITY: not since then. */
double bf_watched_age(const struct bf_watched_list *replicas, double position, int64_t now);
/* Is its rate what it can replay? Of one that is behind all the time, on purpose or for want of speed, nobody knows. */
bool bf_watched_is_rated(const struct bf_watched *replica);
size_t bf_watched_promoted(const struct bf_watched_list *replicas); /* how many of them are */

/* ---- who is set aside, in one job ---- */

enum {
    BF_ASIDE_AFTER = 300000, /* milliseconds of holding on one replica alone */
    BF_ASIDE_FOR = 3600000   /* milliseconds, then it is judged again */
};

struct bf_aside {
    char name[BF_REPLICA_NAME]; /* "": free */
    int64_t until;              /* monotonic milliseconds; 0: it is heeded */
    int64_t alone_since;        /* it alone holds since then; -1: it does not */
};

struct bf_asides {
    struct bf_aside list[BF_WATCHED_MAX];
};

/* A replica that is heeded. */
struct bf_heeded {
    const char *name;
    bool holds;       /* its signal holds the job */
    bool alone;       /* and no other signal does */
    bool from_start, synchronous;
};

bool bf_aside_is(const struct bf_asides *asides, const char *name, int64_t now);
int64_t bf_aside_until(const struct bf_asides *asides, const char *name); /* 0: it is not set aside */
void bf_aside_heed(struct bf_asides *asides, const char *name); /* it is not set aside any more */
/* Sets one replica aside where that is allowed: over the limit from the start while another one is fine, or five minutes
 * alone; never the last one that is heeded, never a synchronous one. Returns its index, -1: none. */
int bf_aside_judge(struct bf_asides *asides, const struct bf_heeded *heeded, size_t count, int64_t now);

#endif
