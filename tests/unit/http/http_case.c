#include "http_case.h"

struct server server;

int begin(void **state)
{
    (void)state;
    fake_begin();
    server_start(&server, "127.0.0.1:0");
    return 0;
}

int end(void **state)
{
    (void)state;
    server_stop(&server);
    fake_end();
    return 0;
}
