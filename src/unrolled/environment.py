"""The environment variables that this project reads: what each may hold, looked at before anything runs."""

import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from unrolled import registry
from unrolled.errors import UnrolledError

OURS = "UNROLLED_"
"""What the names of this project's own variables begin with."""


def _count(text: str) -> str | None:
    return None if text.isdecimal() and int(text) >= 1 else "give a number of at least 1"


def _moment(text: str) -> str | None:
    try:
        past = 0 <= float(text) <= time.time() + 60
    except ValueError:
        past = False
    return None if past else "`make repro` sets it, to the second at which the run began"


def _folder(text: str) -> str | None:
    return None if Path(text).is_dir() else "it is no folder: name one"


def _required(text: str) -> str | None:
    return None if text == "required" else "it is 'required', or not set"


def _switch(text: str) -> str | None:
    return None if text in ("0", "1") else "it is 0 or 1"


def _accelerator(text: str) -> str | None:
    return None if text in ("cpu", "gpu", "auto", "cuda", "mps") else "it is cpu, gpu, cuda, mps or auto"


def _owner(text: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text) else "give letters, digits, '.', '_' and '-'"


def _scheduler(text: str) -> str | None:
    fine = re.fullmatch(r"((tcp|tls|ws|wss|ucx)://)?([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}(/\S*)?|inproc://\S+", text)
    return None if fine else "give an address like tcp://host:8786"


def _store(text: str) -> str | None:
    parts = urlsplit(text)
    fine = text == text.strip() and (parts.scheme not in ("http", "https") or bool(parts.hostname))
    return None if fine and text else "give an address like http://host:5000 or sqlite:///mlflow.db"


def _own_folder(text: str) -> str | None:
    """Compiled kernels are code: whoever may write there can run theirs."""
    place = Path(text)
    try:
        place.mkdir(parents=True, exist_ok=True)
        about = place.stat()
    except OSError:
        return "it cannot be made: name a folder of your own"
    if about.st_uid != os.getuid() or about.st_mode & stat.S_IWOTH:
        return "others may write there, and so run their code as you: name a folder of your own"
    return None


VARIABLES: dict[str, Callable[[str], str | None]] = {
    "UNROLLED_WORKERS": _count,
    "UNROLLED_MEASURED": _folder,
    "UNROLLED_ACCELERATOR": _accelerator,
    "UNROLLED_RUN": _moment,
    "UNROLLED_BROWSER": _required,
    "UNROLLED_STRICT": _switch,
    "UNROLLED_OWNER": _owner,
    "DASK_SCHEDULER_ADDRESS": _scheduler,
    "MLFLOW_TRACKING_URI": _store,
    "NUMBA_CACHE_DIR": _own_folder,
}
"""For each variable, what says why a value cannot be used; README lists them."""
EMPTY_IS_UNSET = {"UNROLLED_MEASURED", "DASK_SCHEDULER_ADDRESS", "MLFLOW_TRACKING_URI", "NUMBA_CACHE_DIR"}
"""Those that are read so."""


def value(name: str) -> str | None:
    """Return what a variable holds, None if it is not set.

    Raises
    ------
    UnrolledError
        If the value cannot be used.
    """
    text = os.environ.get(name)
    if text is None or (not text and name in EMPTY_IS_UNSET):
        return None
    if (remedy := VARIABLES[name](text)) is not None:
        raise UnrolledError(f"{name} is '{text}': {remedy}, or unset it")
    return text


def check() -> None:
    """Look at every variable.

    Raises
    ------
    UnrolledError
        If some cannot be used, or have a name like ours that is not known: one line for each.
    """
    found = []
    for name in sorted({*VARIABLES, *(each for each in os.environ if each.startswith(OURS))}):
        try:
            if name not in VARIABLES:
                raise registry.unknown("environment variable", name, sorted(VARIABLES))
            value(name)
        except UnrolledError as error:
            found.append(str(error))
    if found:
        raise UnrolledError("\n".join(found))
