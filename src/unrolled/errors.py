"""Errors that a user can mend: one line that names the thing and the remedy."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class UnrolledError(Exception):
    """Something the user can put right; the message says what and how, in one line a problem."""


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


def one_line(main: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an `UnrolledError` leaving `main` into one line on stderr and exit code 1."""

    @functools.wraps(main)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return main(*args, **kwargs)
        except UnrolledError as error:
            sys.exit("\n".join(f"unrolled: {line}" for line in str(error).splitlines()))
        except KeyboardInterrupt:
            sys.exit("unrolled: interrupted; finished methods are kept, `dvc repro` goes on from there")

    return wrapped
