"""Errors that a user can mend: one line that names the thing and the remedy."""

import functools
import sys
from collections.abc import Callable
from typing import Any


class UnrolledError(Exception):
    """Something the user can put right; the message says what and how."""


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

    return wrapped
