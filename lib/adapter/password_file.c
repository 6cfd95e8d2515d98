#include "password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As much of the file as fits; not by stdio, whose buffer would keep the password. False: errno says why. */
static bool read_begin(const char *path, char *bytes, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = file < 0 ? -1 : 1;
    while (got > 0 && length < size - 1) {
        got = read(file, bytes + length, size - 1 - length);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            length += (size_t)got;
    }
    int reason = errno;
    if (file >= 0)
        close(file);
    bytes[length] = '\0';
    errno = reason;
    return got >= 0;
}

enum bf_secret bf_secret_path(const char *name, char path[BF_SECRET_PATH_MAX], char *text, size_t size)
{
    const char *credential = strncmp(name, BF_CREDENTIAL_PREFIX, strlen(BF_CREDENTIAL_PREFIX)) == 0
                                 ? name + strlen(BF_CREDENTIAL_PREFIX)
                                 : NULL;
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (!credential) {
        snprintf(path, BF_SECRET_PATH_MAX, "%s", name);
        return BF_SECRET_PATH;
    }
    /* As systemd has it: a file name. */
    if (!*credential || strlen(credential) > 255 || strchr(credential, '/') || credential[0] == '.') {
        snprintf(text, size, "%s: a credential's name is a file name that does not begin with a dot", name);
        return BF_SECRET_BAD_NAME;
    }
    if (!directory) {
        snprintf(text, size, "%s: there are no credentials; systemd gives them to its service (LoadCredential=)", name);
        return BF_SECRET_NO_CREDENTIALS;
    }
    snprintf(path, BF_SECRET_PATH_MAX, "%s/%s", directory, credential);
    return BF_SECRET_PATH;
}

bool bf_password_read(const char *name, char password[BF_PASSWORD_MAX], char *text, size_t size)
{
    char path[BF_SECRET_PATH_MAX];

    if (bf_secret_path(name, path, text, size) != BF_SECRET_PATH)
        return false;
    if (!read_begin(path, password, BF_PASSWORD_MAX)) {
        snprintf(text, size, "the password file %s cannot be read: %s", path, strerror(errno));
        return false;
    }
    size_t length = strcspn(password, "\r\n");
    const char *fault = length == 0 ? "is empty, or its first line is"
                        : length == BF_PASSWORD_MAX - 1 ? "has a first line that is too long for a password"
                                                        : NULL;
    if (fault)
        snprintf(text, size, "the password file %s %s", path, fault);
    explicit_bzero(password + length, BF_PASSWORD_MAX - length); /* whatever stood behind it */
    return !fault;
}
