/* A thread for each call that may block. libuv's pool is shared with the state store and name look-ups and has its size
 * from the first call on: long UPDATEs would fill it, and then neither a KILL QUERY nor a pause would find a thread. A
 * thread costs some 50 us, a batch a hundred milliseconds. */
#include "mysql_session.h"

enum { STACK_SIZE = 1024 * 1024 };

static void *run_thread(void *argument)
{
    struct bf_mysql_work *work = argument;
    mysql_thread_init();
    work->run(work);
    mysql_thread_end();
    uv_async_send(&work->async); /* from here on the loop has it */
    return NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_mysql_work *work = handle->data;
    work->done(work);
}

static void on_async(uv_async_t *async)
{
    struct bf_mysql_work *work = async->data;
    pthread_join(work->thread, NULL); /* it is at its end */
    uv_close((uv_handle_t *)async, on_closed);
}

static void run_queued(uv_work_t *request)
{
    struct bf_mysql_work *work = request->data;
    mysql_thread_init();
    work->run(work);
}

static void queue_done(uv_work_t *request, int status)
{
    struct bf_mysql_work *work = request->data;
    (void)status;
    work->done(work);
}

static bool start_thread(struct bf_mysql_work *work)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return false;
    bool started = !pthread_attr_setstacksize(&attributes, STACK_SIZE) &&
                   !pthread_create(&work->thread, &attributes, run_thread, work);
    pthread_attr_destroy(&attributes);
    return started;
}

static void on_useless(uv_handle_t *handle)
{
    struct bf_mysql_work *work = handle->data;
    work->queued.data = work;
    uv_queue_work(handle->loop, &work->queued, run_queued, queue_done);
}

void bf_mysql_work(uv_loop_t *loop, struct bf_mysql_work *work, bf_mysql_step *run, bf_mysql_step *done)
{
    work->run = run;
    work->done = done;
    uv_async_init(loop, &work->async, on_async);
    work->async.data = work;
    if (!start_thread(work)) /* the system gives no more threads: wait for one of the pool's */
        uv_close((uv_handle_t *)&work->async, on_useless);
}
