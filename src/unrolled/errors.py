"""Errors that a user can mend: one line that names the thing and the remedy."""

import errno
import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
STRICT = "UNROLLED_STRICT"
"""The environment variable that lets every fault through, with its traceback, where it is 1."""

OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENOMEM}
"""Errors of the system that no program can mend: no room, no permission, too many files, no memory."""


class UnrolledError(Exception):
    """Something the user can put right; the message says what and how, in one line a problem."""


class FullError(UnrolledError):
    """A file for which the disk has no room."""


class NotRunError(UnrolledError):
    """A study whose data cannot be had here: it is left out and the reason is told; everything else goes on."""


class Problems:
    """What is wrong, gathered so that all of it is said at once: one line each, each once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Gather the error that ends the block."""
        try:
            yield
        except UnrolledError as error:
            self.add(*str(error).splitlines())

    def add(self, *lines: str) -> None:
        """Add lines that are not there yet."""
        self.lines += [line for line in dict.fromkeys(lines) if line not in self.lines]

    def stop(self) -> None:
        """Raise them as one error, if there are any."""
        if self.lines:
            raise UnrolledError("\n".join(self.lines))


class Fault(str):
    """Why a part of the results could not be had, in one line with the place in the source."""


def attempt(work: Callable[[], T]) -> T | Fault:
    """Return what a piece of work returns, or why it failed, so that no method or study takes the others with it.

    With UNROLLED_STRICT=1, as in all tests, it fails with its traceback: a fault is to be found, not to be lived with.
    """
    try:
        return work()
    except UnrolledError as error:
        return Fault(error)
    except Exception as error:
        if os.environ.get(STRICT) == "1":
            raise
        here, said = Path(__file__).parent, " ".join(str(error).split())
        own = [each for each in traceback.extract_tb(error.__traceback__) if here in Path(each.filename).parents]
        return Fault(f"{type(error).__name__}: {said} ({Path(own[-1].filename).relative_to(here)}:{own[-1].lineno})")


def one_line(main: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an `UnrolledError` leaving `main` into one line on stderr and exit code 1."""

    @functools.wraps(main)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return main(*args, **kwargs)
        except UnrolledError as error:
            sys.exit("\n".join(f"unrolled: {line}" for line in str(error).splitlines()))
        except BrokenPipeError:  # as of `unrolled list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        except OSError as error:
            if error.errno not in OF_THE_MACHINE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            sys.exit(f"unrolled: {where}{error.strerror}: mend this, and run the same again; what is finished is kept")

    return wrapped
