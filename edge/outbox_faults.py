"""What SQLite or the kernel says, as the few faults that each have their own remedy."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from edge.errors import OutboxCorrupt, OutboxFull

FULL: Final = "full"
READ_ONLY: Final = "read_only"
IO_ERROR: Final = "io_error"
UNREADABLE: Final = "unreadable"
BUSY: Final = "busy"
CORRUPT_FILE: Final = "corrupt"

# Primary result codes, sqlite.org/rescode.html. What is not here can only come from a file that is not what we made:
# our statements are fixed, so "no such table" or a broken constraint is damage too.
_BY_CODE: Final = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_IOERR: IO_ERROR,
    sqlite3.SQLITE_CANTOPEN: IO_ERROR,
    sqlite3.SQLITE_PERM: IO_ERROR,
    sqlite3.SQLITE_AUTH: IO_ERROR,
    sqlite3.SQLITE_NOMEM: IO_ERROR,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
}
_BY_ERRNO: Final = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: READ_ONLY, errno.EWOULDBLOCK: BUSY}
_ERRNO: Final = {
    FULL: errno.ENOSPC,
    READ_ONLY: errno.EROFS,
    IO_ERROR: errno.EIO,
    UNREADABLE: errno.EIO,
    BUSY: errno.EBUSY,
}


# Where damage stands in what SQLite's message quotes (a name of the schema), Python cannot even decode the message.
FAULTS: Final = (sqlite3.Error, OSError, UnicodeDecodeError)


def fault_of(error: sqlite3.Error | OSError | UnicodeDecodeError) -> str:
    """Which fault it is."""
    if isinstance(error, UnicodeDecodeError):
        return CORRUPT_FILE
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, IO_ERROR)
    if isinstance(error, sqlite3.ProgrammingError):
        raise error  # ours, not the disk's
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # the log's index could not grow
        return FULL
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:  # a file that has lost its end: reading again brings nothing back
        return CORRUPT_FILE
    if code in (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_CORRUPTFS):  # the latter is how it reads an EIO
        return UNREADABLE
    return _BY_CODE.get(code & 0xFF, CORRUPT_FILE)


def refusal(fault: str, why: object) -> OutboxFull | OutboxCorrupt:
    """The error the caller sees; OutboxFull carries the errno of its fault."""
    if fault == CORRUPT_FILE:
        return OutboxCorrupt(errno.EBADMSG, f"outbox can not be salvaged now: {why}")
    return OutboxFull(_ERRNO[fault], f"outbox takes nothing now: {why}")
