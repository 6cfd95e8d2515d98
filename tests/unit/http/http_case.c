#include "http_case.h"

#include "buffer.h"

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

char *path_of(const char *pattern)
{
    struct bf_buffer path = {0};
    for (const char *part = pattern; *part;) {
        if (*part != '{') {
            bf_buffer_append(&path, part++, 1);
            continue;
        }
        bool job = strncmp(part, "{job}", 5) == 0, target = strncmp(part, "{target}", 8) == 0;
        bool file = strncmp(part, "{file}", 6) == 0;
        bf_buffer_text(&path, job ? FAKE_RUNNING : target ? "shop" : file ? "index.html" : "r1");
        part = strchr(part, '}') + 1;
    }
    return bf_buffer_take(&path);
}
