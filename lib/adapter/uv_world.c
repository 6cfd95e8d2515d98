#include "uv_world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "allocate.h"
#include "zone.h"

enum { ZONE_MISSING_FOR = 1000 /* milliseconds until a zone that is not there is looked for again */ };

/* A zone that was asked for: its file, a few KiB of the local disk, is read once. There are no more of them than files. */
struct known_zone {
    struct known_zone *next;
    char name[BF_ZONE_NAME];
    struct bf_zone *zone;
};

struct uv_world {
    struct bf_world world; /* first: freed through it */
    uv_loop_t *loop;
    char owner[BF_OWNER_TEXT];
    struct known_zone *zones;
    char missing[BF_ZONE_NAME]; /* asked for last and not there: a look at a week asks for it minute by minute */
    int64_t missing_since;
};

struct bf_timer {
    uv_timer_t handle;
    bf_timer_fired *fired;
    void *argument;
};

/* A part of the owner text that cannot be read. It equals nothing, so that nobody is ever taken for gone by it. */
static const char UNKNOWN[] = "unknown";

static int64_t monotonic(void *context)
{
    (void)context;
    return (int64_t)(uv_hrtime() / 1000000);
}

static int64_t unix_time(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void random_bytes(void *context, void *bytes, size_t length)
{
    (void)context;
    for (size_t done = 0; done < length;) {
        ssize_t got = getrandom((char *)bytes + done, length - done, 0);
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            abort(); /* a kernel without getrandom(2); two jobs with one id would be worse */
    }
}

static void on_timer(uv_timer_t *handle)
{
    struct bf_timer *timer = handle->data;

    timer->fired(timer->argument);
}

static struct bf_timer *timer_new(void *context, bf_timer_fired *fired, void *argument)
{
    struct uv_world *world = context;
    struct bf_timer *timer = BF_NEW(struct bf_timer);

    uv_timer_init(world->loop, &timer->handle);
    timer->handle.data = timer;
    timer->fired = fired;
    timer->argument = argument;
    return timer;
}

static void timer_start(struct bf_timer *timer, int64_t milliseconds)
{
    /* libuv counts from the beginning of the loop's turn: a long turn would let the timer fire too early. */
    uv_update_time(timer->handle.loop);
    uv_timer_start(&timer->handle, on_timer, milliseconds > 0 ? (uint64_t)milliseconds : 0, 0);
}

static void timer_stop(struct bf_timer *timer)
{
    uv_timer_stop(&timer->handle);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void timer_free(struct bf_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->handle, on_timer_closed);
}

/* The first line of a small file, without what a "/" or white space would do to the owner text; UNKNOWN when it cannot be
 * read or is empty. */
static void read_word(const char *path, char *word, size_t size)
{
    FILE *file = fopen(path, "re");

    word[0] = '\0';
    if (file) {
        if (!fgets(word, (int)size, file))
            word[0] = '\0';
        fclose(file);
    }
    word[strcspn(word, "/ \t\r\n")] = '\0';
    if (!word[0])
        snprintf(word, size, "%s", UNKNOWN);
}

/* State and start time (in ticks since boot) of a process. False: cannot be read. The name in parentheses may itself hold
 * parentheses and spaces, so the fields are counted from the last ")". */
static bool read_process(long pid, char *ret_state, uint64_t *ret_started)
{
    char path[64], line[1024];

    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    ssize_t length = read(descriptor, line, sizeof line - 1);
    close(descriptor);
    if (length <= 0)
        return false;
    line[length] = '\0';
    const char *behind = strrchr(line, ')');
    return behind && sscanf(behind + 1,
                            " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                            ret_state, ret_started) == 2;
}

/* "machine/boot/pid namespace": within it, a process id together with its start time means one process for ever. */
static void format_place(char place[BF_OWNER_TEXT])
{
    char machine[65], boot[65];
    struct stat status;

    read_word("/etc/machine-id", machine, sizeof machine);
    if (strcmp(machine, UNKNOWN) == 0) {
        char host[65] = "";
        if (gethostname(host, sizeof host - 1) == 0 && host[0])
            snprintf(machine, sizeof machine, "%s", host);
    }
    read_word("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (stat("/proc/self/ns/pid", &status) == 0)
        snprintf(place, BF_OWNER_TEXT, "%s/%s/%ju", machine, boot, (uintmax_t)status.st_ino);
    else
        snprintf(place, BF_OWNER_TEXT, "%s/%s/%s", machine, boot, UNKNOWN);
}

static bool owner_gone(void *context, const char *owner)
{
    char place[BF_OWNER_TEXT], state;
    uint64_t started, started_then;
    long pid;
    int end = 0;

    (void)context;
    format_place(place);
    size_t length = strlen(place);
    if (strstr(place, UNKNOWN) || strncmp(owner, place, length) != 0 || owner[length] != '/')
        return false;
    if (sscanf(owner + length, "/%ld/%" SCNu64 "%n", &pid, &started_then, &end) != 2 || owner[length + (size_t)end] ||
        pid <= 0)
        return false;
    /* Not the absence of /proc/PID: with hidepid= that only says that the process is another user's. */
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true;
    if (!read_process(pid, &state, &started))
        return false;
    return started != started_then || state == 'Z' || state == 'X';
}

/* ---- time zones ---- */

/* A name, no way out of the folder, and no second way to write one. */
static bool is_zone_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < BF_ZONE_NAME && *name != '/' && name[length - 1] != '/' && !strstr(name, "//") &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == length;
}

static struct bf_zone *read_zone(const char *name)
{
    BF_AUTO_STRING char *path = bf_format("/usr/share/zoneinfo/%s", name);
    struct stat status;
    FILE *file = is_zone_name(name) && stat(path, &status) == 0 && S_ISREG(status.st_mode) ? fopen(path, "re") : NULL;
    if (!file)
        return NULL;
    unsigned char *bytes = bf_allocate(BF_ZONE_FILE_MAX);
    struct bf_zone *zone = bf_zone_parse(bytes, fread(bytes, 1, BF_ZONE_FILE_MAX, file));
    fclose(file);
    free(bytes);
    return zone;
}

/* NULL: there is none of that name. */
static const struct bf_zone *find_zone(struct uv_world *world, const char *name)
{
    struct known_zone *known = world->zones;
    while (known && strcmp(known->name, name) != 0)
        known = known->next;
    if (known)
        return known->zone;
    if (strcmp(world->missing, name) == 0 && monotonic(NULL) - world->missing_since < ZONE_MISSING_FOR)
        return NULL;
    struct bf_zone *zone = read_zone(name);
    if (!zone) {
        snprintf(world->missing, sizeof world->missing, "%s", name);
        world->missing_since = monotonic(NULL);
        return NULL;
    }
    known = BF_NEW(struct known_zone);
    snprintf(known->name, sizeof known->name, "%s", name);
    known->zone = zone;
    known->next = world->zones;
    world->zones = known;
    return zone;
}

static bool zone_offset(void *context, const char *name, int64_t unix_seconds, int32_t *ret_offset)
{
    const struct bf_zone *zone = find_zone(context, name);
    if (zone)
        *ret_offset = bf_zone_offset(zone, unix_seconds);
    return zone;
}

struct bf_world *bf_uv_world_new(uv_loop_t *loop)
{
    struct uv_world *world = BF_NEW(struct uv_world);
    char place[BF_OWNER_TEXT], state;
    uint64_t started = 0;

    format_place(place);
    read_process((long)getpid(), &state, &started);
    /* machine 64 + boot 64 + three numbers of at most 20 digits and four "/": fits. */
    snprintf(world->owner, sizeof world->owner, "%.140s/%ld/%" PRIu64, place, (long)getpid(), started);
    world->loop = loop;
    world->world = (struct bf_world){.context = world,
                                     .monotonic = monotonic,
                                     .unix_time = unix_time,
                                     .random = random_bytes,
                                     .timer_new = timer_new,
                                     .timer_start = timer_start,
                                     .timer_stop = timer_stop,
                                     .timer_free = timer_free,
                                     .zone_offset = zone_offset,
                                     .owner = world->owner,
                                     .owner_gone = owner_gone};
    return &world->world;
}

void bf_uv_world_free(struct bf_world *world)
{
    struct uv_world *uv_world = (struct uv_world *)(void *)world;

    if (!world)
        return;
    for (struct known_zone *known = uv_world->zones, *next; known; known = next) {
        next = known->next;
        bf_zone_free(known->zone);
        free(known);
    }
    free(world);
}
