/* backfillctl: one question or order to the daemon, or following jobs. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "client.h"
#include "follow.h"
#include "text.h"

/* Visible ASCII only: nothing that could end a header. */
static bool check_token(const char *token, const char *origin)
{
    for (const char *at = token; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f) {
            bf_say("%s: the token holds a blank or a byte that is not ASCII", origin);
            return false;
        }
    }
    if (token[0] == '\0')
        bf_say("%s: the token is empty", origin);
    return token[0] != '\0';
}

static bool read_token_file(const char *path, char token[BF_TOKEN_MAX])
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 || fstat(file, &status) != 0 ? -1 : read(file, token, BF_TOKEN_MAX - 1);
    int fault = errno;
    if (file >= 0)
        close(file);
    if (length < 0) {
        bf_say("the token file %s cannot be read: %s", path, strerror(fault));
        return false;
    }
    if (length == BF_TOKEN_MAX - 1) {
        bf_say("the token file %s is too long: one line is expected", path);
        return false;
    }
    token[length] = '\0';
    while (length > 0 && strchr(" \t\r\n", token[length - 1]))
        token[--length] = '\0';
    if (S_ISREG(status.st_mode) && (status.st_mode & S_IROTH))
        bf_say("warning: everybody can read the token file %s (chmod 600)", path);
    return check_token(token, path);
}

/* Opens the way to the daemon; false: said why not. */
static bool open_http(struct bf_client *client)
{
    const char *url = client->values[BF_OPTION_URL], *path = client->values[BF_OPTION_TOKEN_FILE];
    const char *environment = getenv("BACKFILLD_TOKEN");
    char token[BF_TOKEN_MAX] = "";
    if (!url)
        url = getenv("BACKFILLD_URL");
    if (!url || url[0] == '\0')
        url = BF_API_DEFAULT_URL;
    const char *authorities = client->values[BF_OPTION_CACERT] ? client->values[BF_OPTION_CACERT] : getenv("BACKFILLD_CACERT");
    if (authorities && authorities[0] == '\0')
        authorities = NULL;
    if (authorities && access(authorities, R_OK) != 0) {
        bf_say("the file of authorities %s cannot be read: %s", authorities, strerror(errno));
        return false;
    }
    const char *used = NULL;
    if (path) {
        if (!read_token_file(path, token))
            return false;
        used = token;
    } else if (environment && environment[0] != '\0') {
        if (!check_token(environment, "BACKFILLD_TOKEN"))
            return false;
        used = environment;
    }
    client->http = bf_http_new(url, used, authorities, &bf_stop);
    explicit_bzero(token, sizeof token);
    return client->http != NULL;
}

int main(int count, char **words)
{
    struct bf_client client = {0};
    setlocale(LC_CTYPE, "");
    int code = bf_options_read(&client, count, words);
    if (code == -1) {
        const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");
        client.terminal = isatty(STDOUT_FILENO) && terminal && terminal[0] && strcmp(terminal, "dumb") != 0;
        client.colour = client.terminal && !(no_colour && no_colour[0]);
        if (client.verb->route != BF_ROUTE_COUNT && !open_http(&client))
            code = BF_EXIT_USAGE;
        else
            code = (int)client.verb->run(&client);
        bf_http_free(client.http);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == BF_EXIT_DONE) {
        bf_say("standard output cannot be written: %s", strerror(errno));
        code = BF_EXIT_REFUSED;
    }
    return code;
}
