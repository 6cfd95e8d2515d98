/* The password of a target: the first line of a file of its own, read at each connect. Blocks. */
#ifndef BF_ADAPTER_PASSWORD_FILE_H
#define BF_ADAPTER_PASSWORD_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { BF_PASSWORD_MAX = 1024 };

/* False, with what is wrong in `text`: it cannot be read, its first line is empty, or longer than any password. Clear
 * `password` with explicit_bzero when it was used. */
bool bf_password_read(const char *path, char password[BF_PASSWORD_MAX], char *text, size_t size);

#endif
