"""Errors that a user can mend: one line that names the thing and the remedy."""

import errno
import functools
import sys
from collections.abc import Callable
from typing import Any

OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENOMEM}
"""Errors of the system that no program can mend: no room, no permission, too many files, no memory."""


class UnrolledError(Exception):
    """Something the user can put right; the message says what and how."""


class FullError(UnrolledError):
    """A file for which the disk has no room."""


class NotRunError(UnrolledError):
    """A study whose data cannot be had here: it is left out and the reason is told; everything else goes on."""


def one_line(main: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an `UnrolledError` leaving `main` into one line on stderr and exit code 1."""

    @functools.wraps(main)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return main(*args, **kwargs)
        except UnrolledError as error:
            sys.exit(f"unrolled: {error}")
        except OSError as error:
            if error.errno not in OF_THE_MACHINE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            sys.exit(f"unrolled: {where}{error.strerror}: mend this, and run the same again; what is finished is kept")

    return wrapped
