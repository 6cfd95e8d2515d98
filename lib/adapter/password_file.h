/* The password of a target: the first line of a file of its own, read at each connect. Blocks. A file is named by its path,
 * or as "credential:NAME", which is $CREDENTIALS_DIRECTORY/NAME: what systemd's LoadCredential= laid there for this service
 * alone. */
#ifndef BF_ADAPTER_PASSWORD_FILE_H
#define BF_ADAPTER_PASSWORD_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { BF_PASSWORD_MAX = 1024 };

#define BF_CREDENTIAL_PREFIX "credential:"
enum { BF_SECRET_PATH_MAX = 4096 };

enum bf_secret {
    BF_SECRET_PATH,
    BF_SECRET_BAD_NAME,      /* no credential has such a name */
    BF_SECRET_NO_CREDENTIALS /* no service manager gave any: who looks at a configuration by hand has none */
};
/* The path of such a file, or what is wrong in `text`. */
enum bf_secret bf_secret_path(const char *name, char path[BF_SECRET_PATH_MAX], char *text, size_t size);

/* False, with what is wrong in `text`: it cannot be read, its first line is empty, or longer than any password. Clear
 * `password` with explicit_bzero when it was used. */
bool bf_password_read(const char *name, char password[BF_PASSWORD_MAX], char *text, size_t size);

#endif
