/* Preloaded into a daemon: what it writes to its state store fails with the error number that stands in the file
 * $FAIL_WRITES, for as long as that file is there. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fault_of(int descriptor)
{
    char link[64], path[4096];
    const char *control = getenv("FAIL_WRITES");
    int number = 0;

    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!control || length < 0)
        return 0;
    path[length] = '\0';
    if (!strstr(path, "/state.db"))
        return 0;
    FILE *file = fopen(control, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

#define NEXT(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t at)
{
    int fault = fault_of(descriptor);
    if (fault)
        return errno = fault, -1;
    return NEXT("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(descriptor, bytes, length, at);
}

int ftruncate64(int descriptor, off64_t length)
{
    int fault = fault_of(descriptor);
    if (fault)
        return errno = fault, -1;
    return NEXT("ftruncate64", int (*)(int, off64_t))(descriptor, length);
}

int fdatasync(int descriptor)
{
    int fault = fault_of(descriptor);
    if (fault)
        return errno = fault, -1;
    return NEXT("fdatasync", int (*)(int))(descriptor);
}
