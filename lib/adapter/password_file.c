#include "password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

bool bf_password_read(const char *path, char password[BF_PASSWORD_MAX], char *text, size_t size)
{
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
