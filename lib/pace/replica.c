#include "replica.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pressure.h"

enum {
    UNKNOWN_FOR = 3000,       /* milliseconds for which a replica whose lag cannot be told yet counts as not measured */
    BUSY_BYTES = 1024 * 1024, /* with so much to replay a replica never waits for more, so what it does is all it can */
    BASE_KEPT = 10000,        /* milliseconds */
    SPEED_KEPT = 60000        /* milliseconds for which a speed is believed when the replica is not busy any more */
};

static const double follows_up_to = 0.1; /* seconds that it has yet to replay, beyond what it is behind in any case */
static const double rated_for = 0.4;     /* seconds from one look to the next, at least */
static const double lag_growth = 0.1;    /* seconds a second: it falls behind */
static const double base_most = 0.5;     /* seconds: a replica that is paced comes closer than that in ten seconds */
static const double rate_growth_first = 2, rate_growth = 1.1, rate_cut = 0.7, rate_least = 65536;
static const double rate_over = 8;       /* times what it replayed: more would be a guess */

struct bf_watched *bf_watched_find(struct bf_watched_list *replicas, const char *name)
{
    for (size_t i = 0; i < replicas->count; i++)
        if (strcmp(replicas->list[i].name, name) == 0)
            return &replicas->list[i];
    return NULL;
}

static void forget_rate(struct bf_watched *replica)
{
    replica->rate = 0;
    replica->rate_known = replica->rate_stood = false;
    replica->rated_at = replica->base_since = 0;
}

void bf_watched_forget_positions(struct bf_watched_list *replicas)
{
    replicas->position_count = 0;
    for (size_t i = 0; i < replicas->count; i++) {
        struct bf_watched *replica = &replicas->list[i];
        replica->reply[0] = '\0';
        replica->from_start = replica->present = false;
        replica->first_at = replica->lag_at = BF_SIGNAL_NEVER;
        replica->words[0] = '\0';
        replica->missing_position = 0;
        replica->busy_position = replica->speed = 0;
        forget_rate(replica);
    }
}

/* Old positions may lie further apart than new ones: every second one goes when there is no more room. */
static void remember_position(struct bf_watched_list *replicas, int64_t now, double position)
{
    if (replicas->position_count == BF_POSITIONS_MAX) {
        for (size_t i = 0; i < BF_POSITIONS_MAX / 2; i++)
            replicas->positions[i] = replicas->positions[2 * i];
        replicas->position_count = BF_POSITIONS_MAX / 2;
    }
    replicas->positions[replicas->position_count].at = now;
    replicas->positions[replicas->position_count++].position = position;
}

double bf_watched_age(const struct bf_watched_list *replicas, double position, int64_t now)
{
    size_t behind = 0;
    while (behind < replicas->position_count && replicas->positions[behind].position <= position)
        behind++;
    return behind > 0 ? (double)(now - replicas->positions[behind - 1].at) / 1000 : INFINITY;
}

/* When the primary was at the oldest position that the replica has not replayed, then the lag is no less than the time
 * since then and no more than the time since the position before it. */
static void bounds(const struct bf_watched_list *replicas, struct bf_watched *replica, int64_t now, double *ret_least,
                   double *ret_most)
{
    size_t i = 0;
    while (i < replicas->position_count && replicas->positions[i].position <= replica->position)
        i++;
    /* As long as it has not come to that position the time stays, however thin the list has become. */
    if (!(replica->position < replica->missing_position)) {
        bool missing = i < replicas->position_count;
        replica->missing_position = missing ? replicas->positions[i].position : 0;
        replica->missing_since = missing ? replicas->positions[i].at : now;
    }
    *ret_least = (double)(now - replica->missing_since) / 1000;
    *ret_most = bf_watched_age(replicas, replica->position, now);
}

/* Learns how fast it replays, from one reply to a later one between which it had enough to do. */
static void learn_speed(struct bf_watched *replica, int64_t now)
{
    if (replica->bytes < BUSY_BYTES) {
        replica->busy_position = 0;
        if (now - replica->speed_at > SPEED_KEPT)
            replica->speed = 0;
        return;
    }
    if (replica->busy_position > 0 && replica->position > replica->busy_position && now > replica->busy_at) {
        double speed = (replica->position - replica->busy_position) * 1000 / (double)(now - replica->busy_at);
        replica->speed = replica->speed > 0 ? (replica->speed + speed) / 2 : speed;
        replica->speed_at = now;
    } else if (replica->busy_position > 0) {
        return; /* no reply since, or it stands still: then its lag grows by itself */
    }
    replica->busy_position = replica->position;
    replica->busy_at = now;
}

/* As LEDBAT learns the delay that is not its own doing (RFC 6817, base delay): the least lag of ten seconds, kept for ten more. */
static void learn_base(struct bf_watched *replica, int64_t now)
{
    if (!replica->base_since || now - replica->base_since >= BASE_KEPT) {
        replica->base = replica->base_since ? replica->base_next : replica->lag;
        replica->base_next = replica->lag;
        replica->base_since = now;
    }
    replica->base_next = replica->lag < replica->base_next ? replica->lag : replica->base_next;
    replica->base = replica->lag < replica->base ? replica->lag : replica->base;
}

static void judge_again(struct bf_watched *replica, int64_t now)
{
    replica->rated_position = replica->position;
    replica->rated_bytes = replica->bytes;
    replica->rated_lag = replica->lag;
    replica->rated_at = now;
}

/* Learns what it may be given, from one reply to the next: as a sender of TCP finds its rate (RFC 5681, slow start), and what is
 * only far away does not count as slow: that shows the log of a constant time ago, however much is written (RFC 6817). */
static void learn_rate(struct bf_watched *replica, int64_t now)
{
    double got = replica->position - replica->rated_position, seconds = (double)(now - replica->rated_at) / 1000;
    if (replica->rated_at && got < 0) /* another one of that name */
        forget_rate(replica);
    if (replica->rate <= 0)
        replica->rate = BF_RATE_FIRST;
    if (replica->rated_at && seconds < rated_for) /* what shows in jumps would seem fast */
        return;
    /* While it stands still, and from then to when it is seen to move, nothing is to be learnt of how fast it goes. */
    bool stood = replica->rate_stood;
    replica->rate_stood = replica->rated_at && got <= 0 && replica->bytes > 0;
    if (!replica->rated_at || stood || got <= 0) {
        judge_again(replica, now);
        return;
    }
    double replayed = got / seconds;
    bool slow = replica->bytes > replica->rate * follows_up_to && replica->bytes > replica->rated_bytes &&
                replica->lag > replica->base + follows_up_to && replica->lag - replica->rated_lag > seconds * lag_growth;
    if (replayed > replica->rate) {
        replica->rate = replayed;
    } else if (slow) {
        double less = replica->rate_known ? replica->rate * rate_cut : replayed;
        replica->rate = replayed > less ? replayed : less;
        replica->rate_known = true;
    } else if (replica->rate < replayed * rate_over) {
        replica->rate *= replica->rate_known ? rate_growth : rate_growth_first;
    }
    if (replica->rate < rate_least)
        replica->rate = rate_least;
    judge_again(replica, now);
}

static void measure(struct bf_watched_list *replicas, struct bf_watched *replica, const struct bf_watched_view *view,
                    int64_t now, double position)
{
    bool replied = !view->reply || strncmp(replica->reply, view->reply, sizeof replica->reply - 1) != 0;
    double least, most;
    if (replica->first_at == BF_SIGNAL_NEVER) {
        replica->first_at = now;
        replica->first_position = position;
        replica->from_start = view->position < position;
    }
    replica->from_start = replica->from_start && view->position < replica->first_position;
    replica->present = true;
    replica->synchronous = view->synchronous;
    replica->seen_at = now;
    replica->position = view->position;
    replica->bytes = view->position < position ? position - view->position : 0;
    snprintf(replica->address, sizeof replica->address, "%s", view->address ? view->address : "");
    snprintf(replica->reply, sizeof replica->reply, "%s", view->reply ? view->reply : "");
    bounds(replicas, replica, now, &least, &most);
    /* Behind, and by how long nobody can tell yet: the next positions will. */
    if (replica->bytes > 0 && isinf(most) && view->lag < 0 && now - replica->first_at < UNKNOWN_FOR)
        return;
    replica->lag = view->lag < least ? least : view->lag > most ? most : view->lag;
    if (replica->bytes <= 0 && !view->first_seen)
        replica->lag = 0;
    learn_speed(replica, now);
    if (replied)
        learn_rate(replica, now);
    learn_base(replica, now);
    if (replica->speed > 0 && replica->bytes >= BUSY_BYTES && replica->bytes / replica->speed > replica->lag)
        replica->lag = replica->bytes / replica->speed;
    if (replied)
        replica->lag_at = now;
}

static void forget_the_gone(struct bf_watched_list *replicas, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < replicas->count; i++)
        if (replicas->list[i].named || now - replicas->list[i].seen_at <= BF_REPLICA_EXPECTED)
            replicas->list[kept++] = replicas->list[i];
    replicas->count = kept;
}

static struct bf_watched *add(struct bf_watched_list *replicas, const char *name)
{
    struct bf_watched *replica = &replicas->list[replicas->count++];
    *replica = (struct bf_watched){.lag_at = BF_SIGNAL_NEVER, .first_at = BF_SIGNAL_NEVER};
    snprintf(replica->name, sizeof replica->name, "%s", name);
    return replica;
}

size_t bf_watched_sample(struct bf_watched_list *replicas, int64_t now, double position, const struct bf_watched_view *views,
                          size_t count)
{
    size_t without_place = 0;
    remember_position(replicas, now, position);
    for (size_t i = 0; i < replicas->count; i++)
        replicas->list[i].present = false;
    for (size_t i = 0; i < count; i++) {
        struct bf_watched *replica = bf_watched_find(replicas, views[i].name);
        if (views[i].position < 0 && !replica)
            continue;
        if (views[i].position < 0) { /* it connected anew and has not said where it is */
            replica->seen_at = now;
            continue;
        }
        if (!replica && replicas->count == BF_WATCHED_MAX) {
            without_place++;
            continue;
        }
        if (!replica)
            replica = add(replicas, views[i].name);
        measure(replicas, replica, &views[i], now, position);
    }
    forget_the_gone(replicas, now);
    return without_place;
}

/* ---- those that are asked themselves ---- */

void bf_watched_name(struct bf_watched_list *replicas, const char *const *names, size_t count)
{
    struct bf_watched known[BF_WATCHED_MAX];
    size_t known_count = replicas->count;
    memcpy(known, replicas->list, known_count * sizeof known[0]);
    replicas->count = 0;
    for (size_t i = 0; i < count && i < BF_WATCHED_MAX; i++) {
        struct bf_watched *replica = add(replicas, names[i]);
        for (size_t k = 0; k < known_count; k++)
            if (strcmp(known[k].name, replica->name) == 0)
                *replica = known[k];
        replica->named = true;
    }
}

void bf_watched_beat(struct bf_watched_list *replicas, int64_t now, double position)
{
    remember_position(replicas, now, position);
}

void bf_watched_read(struct bf_watched_list *replicas, struct bf_watched *replica, int64_t now,
                     const struct bf_watched_view *view)
{
    measure(replicas, replica, view, now, replicas->positions[replicas->position_count - 1].position);
    replica->unseen = !view->first_seen;
}

bool bf_watched_is_rated(const struct bf_watched *replica)
{
    return replica->rate > 0 && replica->lag_at != BF_SIGNAL_NEVER && replica->base < base_most;
}

size_t bf_watched_promoted(const struct bf_watched_list *replicas)
{
    size_t count = 0;
    for (size_t i = 0; i < replicas->count; i++)
        count += replicas->list[i].promoted;
    return count;
}

/* ---- set aside ---- */

static struct bf_aside *find(struct bf_asides *asides, const char *name)
{
    struct bf_aside *unused = NULL;
    for (size_t i = 0; i < BF_WATCHED_MAX; i++) {
        if (strcmp(asides->list[i].name, name) == 0)
            return &asides->list[i];
        if (!unused && !asides->list[i].name[0])
            unused = &asides->list[i];
    }
    if (unused) {
        *unused = (struct bf_aside){.alone_since = -1};
        snprintf(unused->name, sizeof unused->name, "%s", name);
    }
    return unused;
}

int64_t bf_aside_until(const struct bf_asides *asides, const char *name)
{
    for (size_t i = 0; i < BF_WATCHED_MAX; i++)
        if (strcmp(asides->list[i].name, name) == 0)
            return asides->list[i].until;
    return 0;
}

bool bf_aside_is(const struct bf_asides *asides, const char *name, int64_t now)
{
    return now < bf_aside_until(asides, name);
}

void bf_aside_heed(struct bf_asides *asides, const char *name)
{
    for (size_t i = 0; i < BF_WATCHED_MAX; i++)
        if (strcmp(asides->list[i].name, name) == 0)
            asides->list[i] = (struct bf_aside){.alone_since = -1};
}

int bf_aside_judge(struct bf_asides *asides, const struct bf_heeded *heeded, size_t count, int64_t now)
{
    size_t fine = 0;
    for (size_t i = 0; i < count; i++)
        fine += !heeded[i].holds;
    for (size_t i = 0; i < count; i++) {
        struct bf_aside *aside = find(asides, heeded[i].name);
        if (!aside)
            continue;
        if (!heeded[i].holds || !heeded[i].alone)
            aside->alone_since = -1;
        else if (aside->alone_since < 0)
            aside->alone_since = now;
        bool long_alone = aside->alone_since >= 0 && now - aside->alone_since >= BF_ASIDE_AFTER;
        bool late_from_start = heeded[i].holds && heeded[i].from_start;
        if (count < 2 || heeded[i].synchronous || (!long_alone && !(late_from_start && fine > 0)))
            continue;
        aside->until = now + BF_ASIDE_FOR;
        aside->alone_since = -1;
        return (int)i;
    }
    return -1;
}
