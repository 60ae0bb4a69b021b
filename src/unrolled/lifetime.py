"""How a process of this project begins, waits for another, and ends: at once, and with all that it started.

Whatever is written is written whole (`files`), so a process may end at any moment; the next run goes on from there.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn

import psutil
from filelock import FileLock, Timeout

from unrolled import environment, files, paths
from unrolled.errors import UnrolledError, one_line

EVERY = 0.5
"""Seconds between two looks at whether the program that started this one is still there."""
STOPPED = "unrolled: stopped; finished methods are kept, the same command goes on from there"
SOCKETS = 45
"""Longest name of a folder for temporary files in which multiprocessing's sockets fit (108 bytes in all)."""
OWN = "unrolled-"
"""What the names of folders for temporary files begin with; then comes the process."""
STARTED_BY = "STARTED_BY_UNROLLED"
"""Where a process of a pool finds which one started it."""
_folders: list[Path] = []


@one_line
def begin(module: str) -> None:
    """Begin a command: with the code of the folder one stands in, usable variables, and an end when it shall end."""
    paths.run_own_code(module)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as of a command in the background
            signal.signal(number, _stop)
    above = dvc()
    if "DVC_STAGE" in os.environ and not above:
        leave(128 + signal.SIGKILL)  # the DVC that set it is gone already
    end_with(above)
    environment.check()


def dvc() -> list[psutil.Process]:
    """Return the processes above this one, up to the DVC that started it; none if none has."""
    above: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        for parent in psutil.Process().parents():
            above.append(parent)
            if any(Path(word).stem == "dvc" for word in parent.cmdline()[:3]):
                return above
    return []


def _stop(number: int, frame: Any) -> NoReturn:
    """End on Ctrl-C, or when told to: workers see it, and end too."""
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    os.write(2, f"{chr(10) if sys.stdout.isatty() else ''}{STOPPED}\n".encode())
    leave(128 + number)


def leave(code: int) -> NoReturn:
    """End at once: taking PyTorch, Dask and MLflow down piece by piece would cost seconds, and print warnings."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a signal may have come in the middle of writing
            stream.flush()
    _clean()
    os._exit(code)


def end_with_parent() -> None:
    """End this process, one of a pool, when the one that started it has ended."""
    end_at_once()
    end_with([psutil.Process(os.getppid())])


def end_at_once() -> None:
    """Have the system, if it is Linux, end this process when the one that started it has ended."""
    _killed_with_parent()
    if os.environ.get(STARTED_BY, str(os.getppid())) != str(os.getppid()):
        leave(128 + signal.SIGKILL)  # it has ended already


def _killed_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def end_with(above: list[psutil.Process]) -> None:
    """End when one of these processes above has ended, the first of which started this one."""
    if not above:
        return
    _killed_with_parent()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and all(_alive(each) for each in above):
            time.sleep(EVERY)
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextlib.contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Be the only process on this path to do something; wait for another that does, and say for which.

    Parameters
    ----------
    path : Path
        Of the lock, which the system opens when its process ends, in whatever way, and of a note that says whose it is.
    what : str
        What is done, as in "waiting for the training of process 123".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(path.with_suffix(".lock")), path.with_suffix(".json")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        print(f"waiting for {what} of {_holder(note)}", flush=True)
        held = lock.acquire(poll_interval=EVERY)
    with held:
        files.write_json(note, {"process": os.getpid(), "host": socket.gethostname(), "started": time.time()})
        yield


def _holder(note: Path) -> str:
    for _ in range(20):  # it writes the note just after it has the lock
        if note.exists():
            break
        time.sleep(EVERY / 10)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text())
        where = "" if known["host"] == socket.gethostname() else f" on {known['host']}"
        return f"process {known['process']}{where}, started {time.strftime('%H:%M', time.localtime(known['started']))}"
    return "another process"


def own_folder() -> None:
    """Take a folder of this process for temporary files, with a name short enough for sockets, and remove dead ones'.

    What Python and Dask put there stays when a process is killed, or ends at once.

    Raises
    ------
    UnrolledError
        If there is no folder for it.
    """
    try:
        usual = Path(tempfile.gettempdir())
        base = usual if len(os.fsencode(usual)) <= SOCKETS else Path("/tmp")
        for old in base.glob(f"{OWN}*-*"):
            owner = old.name.removeprefix(OWN).split("-")[0]
            if owner.isdecimal() and not psutil.pid_exists(int(owner)) and old.stat().st_uid == os.getuid():
                shutil.rmtree(old, ignore_errors=True)
        _folders.append(Path(tempfile.mkdtemp(prefix=f"{OWN}{os.getpid()}-", dir=base)))
    except OSError as error:
        raise UnrolledError(f"no folder for temporary files can be written ({error}): set TMPDIR to one") from None
    tempfile.tempdir = str(_folders[-1])
    util.Finalize(None, _clean, exitpriority=-200)  # after that of what multiprocessing puts there


def _clean() -> None:
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
    tempfile.tempdir = None
