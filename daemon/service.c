#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "allocate.h"

/* sd_notify(3) waits where the manager's queue is full, which holds hundreds of these: no more often than this. */
enum { STATUS_LOOK = 1000 /* milliseconds */ };

struct bf_service {
    uv_timer_t look, feed;
    struct bf_service_options options;
    char *told; /* the last status; NULL: none yet */
    int open;   /* handles that are not closed */
};

struct bf_service *bf_service_new(const struct bf_service_options *options)
{
    struct bf_service *service = BF_NEW(struct bf_service);

    service->options = *options;
    uv_timer_init(options->loop, &service->look);
    uv_timer_init(options->loop, &service->feed);
    service->look.data = service->feed.data = service;
    service->open = 2;
    /* They keep no loop alive. */
    uv_unref((uv_handle_t *)&service->look);
    uv_unref((uv_handle_t *)&service->feed);
    return service;
}

/* `told` is taken over. */
static void tell_status(struct bf_service *service, char *told)
{
    if (!service->told || strcmp(service->told, told) != 0)
        sd_notifyf(0, "STATUS=%s", told);
    free(service->told);
    service->told = told;
}

static void on_look(uv_timer_t *timer)
{
    struct bf_service *service = timer->data;

    tell_status(service, service->options.status(service->options.argument));
}

static void on_feed(uv_timer_t *timer)
{
    (void)timer;
    sd_notify(0, "WATCHDOG=1");
}

void bf_service_ready(struct bf_service *service)
{
    uint64_t watchdog;

    if (!getenv("NOTIFY_SOCKET"))
        return;
    sd_notify(0, "READY=1");
    on_look(&service->look);
    uv_update_time(service->options.loop);
    uv_timer_start(&service->look, on_look, STATUS_LOOK, STATUS_LOOK);
    /* Fed at half of the time, as sd_watchdog_enabled(3) says. */
    if (sd_watchdog_enabled(0, &watchdog) > 0) {
        uint64_t half = watchdog / 2000 > 0 ? watchdog / 2000 : 1;
        uv_timer_start(&service->feed, on_feed, 0, half);
    }
}

void bf_service_reloading(struct bf_service *service)
{
    (void)service;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)uv_hrtime() / 1000);
}

void bf_service_reloaded(struct bf_service *service)
{
    (void)service;
    sd_notify(0, "READY=1");
}

void bf_service_stopping(struct bf_service *service, const char *status)
{
    sd_notify(0, "STOPPING=1");
    uv_timer_stop(&service->look);
    tell_status(service, bf_copy_string(status));
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_service *service = handle->data;

    if (--service->open > 0)
        return;
    free(service->told);
    free(service);
}

void bf_service_free(struct bf_service *service)
{
    if (!service)
        return;
    uv_close((uv_handle_t *)&service->look, on_closed);
    uv_close((uv_handle_t *)&service->feed, on_closed);
}
