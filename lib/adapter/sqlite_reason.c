#include "sqlite_reason.h"

#include <errno.h>
#include <string.h>

#include "allocate.h"

char *bf_sqlite_reason(sqlite3 *connection, int system_error)
{
    const char *said = sqlite3_errmsg(connection);
    int code = sqlite3_errcode(connection) & 0xff;
    /* The number counts for these alone; for others it may be of an older error. */
    int number = code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(connection) : 0;
    if (number == 0 && code == SQLITE_IOERR)
        number = system_error;
    BF_AUTO_STRING char *text = number ? bf_format("%s: %s", said, strerror(number)) : bf_copy_string(said);

    if (code == SQLITE_FULL || number == ENOSPC || number == EDQUOT || number == EFBIG)
        return bf_format("there is no room for it (%s): make room on its file system; what is missing is stored by itself then",
                         text);
    if (code == SQLITE_READONLY || number == EROFS || number == EACCES || number == EPERM)
        return bf_format("it cannot be written (%s): make its file system writable, and the file and its directory belong to the "
                         "user that runs backfilld; what is missing is stored by itself then",
                         text);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return bf_format("the file is damaged (%s): stop backfilld, put a copy of the file in its place, or move it away "
                         "together with its -wal and -shm, and start again; how far each job is stands on its target, and no "
                         "row is changed twice",
                         text);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return bf_format("another process has it locked (%s): end what else has the file open; what is missing is stored by "
                         "itself then",
                         text);
    if (code == SQLITE_IOERR)
        return bf_format("its disk fails (%s): look into the system's log; what is missing is stored by itself when it can be",
                         text);
    return bf_copy_string(said);
}
