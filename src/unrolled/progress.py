"""One line for the whole of `dvc repro`: what runs, how far, time left. Its stages are processes of their own.

What they must know of each other lies in a file of this machine: what each stage of this run took, what is planned,
and what everything took the last time. Without that file, or with a damaged one, there is no estimate; nothing fails.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, TextIO

import psutil
from pydantic import BaseModel, Field

from unrolled import files, lifetime, paths, processes
from unrolled.errors import UnrolledError

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FILE = Path(".unrolled") / "progress.json"
BEGAN = "UNROLLED_RUN"
"""Where `make repro` says when it began, in seconds since 1970; without it a run is as old as DVC's process."""
BORN = time.time() - time.process_time()
"""When this process began: what it did until here was to import. (The system knows it to a second only.)"""
EVERY = 15.0
"""Seconds between two lines in a log file."""
USUAL = {"configure": 3.0, "generate": 3.0, "train": 540.0, "evaluate": 6.0, "random_networks": 15.0, "report": 20.0}
"""Seconds of a stage on two cores where it has never run; of `generate` and `evaluate` those of one study."""


IN_PARTS = ("train", "evaluate")
"""Stages that note themselves what each run or study took."""
START = 8.0
"""Seconds until workers train."""


class Record(BaseModel):
    """What the file holds.

    Attributes
    ----------
    run : float
        When this run began, in seconds since 1970.
    spent, planned : dict of float
        Seconds of what is finished in this run, and of what is to come as far as a stage has said so: by stage, with
        its study if it has one.
    fits : float
        Seconds that this run's workers spent on training, summed.
    compiling : dict of float
        Seconds that workers spent on compiling kernels, summed, by stage.
    cores : dict of int
        How many workers a stage had.
    usual : dict of float
        Seconds of each stage, and of each study in it, the last time that there was something to do.
    trained : dict of tuple
        Seconds and cost of the last fit, by study and method.
    """

    run: float = 0.0
    spent: dict[str, Seconds] = {}
    planned: dict[str, Seconds] = {}
    fits: Seconds = 0.0
    compiling: dict[str, Seconds] = {}
    cores: dict[str, Annotated[int, Field(ge=1)]] = {}
    usual: dict[str, Seconds] = {}
    trained: dict[str, tuple[Seconds, Seconds]] = {}


class Line:
    """A line that is rewritten on a terminal; in a file a new one now and then."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream, self.last = stream or sys.stdout, time.monotonic() - EVERY

    def show(self, text: str) -> None:
        """Write the text; into a file only if the last is long ago."""
        if self.stream.isatty():
            self.stream.write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\033[K")
        elif time.monotonic() - self.last >= EVERY:
            self.stream.write(f"{text}\n")
            self.last = time.monotonic()
        self.stream.flush()

    def clear(self) -> None:
        """Make room for something else on a terminal."""
        if self.stream.isatty():
            self.stream.write("\r\033[K")
            self.stream.flush()


def read() -> Record:
    """Return what is known; an unknown or earlier run leaves only what things usually take."""
    try:
        found = Record.model_validate_json(FILE.read_bytes())
    except (OSError, ValueError):
        found = Record()
    if abs(found.run - began()) < 1:
        return found
    return Record(run=began(), usual=found.usual, trained=found.trained)


def write(record: Record) -> None:
    """Write what is known, if that is possible."""
    with contextlib.suppress(UnrolledError):
        files.write_atomic(FILE, record.model_dump_json(indent=1).encode())


def began() -> float:
    """Return when the whole run began: as `make` says, or with DVC's process, or else with this one."""
    with contextlib.suppress(KeyError, ValueError):
        return float(os.environ[BEGAN])
    with contextlib.suppress(psutil.Error, IndexError):
        return float(lifetime.dvc()[-1].create_time())
    return BORN


class Stage:
    """A stage under way, which may show and plan what it knows; `finish` notes what it took."""

    kept: ClassVar[bool] = False
    """Whether this process found its work done, so that its seconds tell nothing about the next time."""

    def __init__(self, *name: str) -> None:
        self.name, self.line, self.begun = " ".join(name), Line(), BORN

    def start(self) -> None:
        """Say that the stage runs, and what is left, if that is known; training and evaluation find it out."""
        after, record = self._after(), read()
        if self.name == "evaluate":
            record.planned.setdefault("report", usual(record, "report"))
            write(record)
        if after is not None and name_of(self.name) not in IN_PARTS:
            rest = usual(record, self.name) - (time.time() - self.begun)
            self.tell(f"{self.name} · {left(rest, after)}")

    def show(self, what: str, rest: float, share: float) -> None:
        """Show how far the stage is, what it is at, and from its `rest` in seconds the time left for the whole run."""
        self.line.show(f"{self.name} {100 * share:.0f} % · {what} · {left(rest, self._after() or 0.0)}")

    def tell(self, text: str) -> None:
        """Print something that stays, above the line."""
        self.line.clear()
        print(text, flush=True)

    def _after(self) -> float | None:
        """Return the seconds of what follows this stage; None while it is not known what will be kept."""
        record = read()
        planned = record.planned
        if not planned and name_of(self.name) in ("configure", "generate"):
            if paths.TRAINED.exists():
                return None
            try:
                studies = files.read_json(paths.EXPERIMENTS / "index.json", "")["studies"]
            except (UnrolledError, KeyError, TypeError):
                return None
            planned = {f"generate {study}": usual(record, f"generate {study}") for study in studies}
            planned |= {"train": usual(record, "train")} | following(record, studies)
        order, done = list(USUAL), {*record.spent, self.name}
        later = set(order[order.index(name_of(self.name)) :])
        return sum(each for name, each in planned.items() if name not in done and name_of(name) in later)

    def plan(self, planned: dict[str, float], cores: int) -> None:
        """Note what comes after this stage, in seconds by stage, and how many workers it has itself."""
        record = read()
        record.planned, record.cores[self.name] = planned, cores
        write(record)

    def fitted(self, run: str, seconds: float, cost: float, compiling: float) -> None:
        """Note what the fit of a run took and what it was estimated at, and beside it the seconds of compiling."""
        record = read()
        record.trained[run], record.fits = (seconds, cost), record.fits + seconds
        self._compiled(record, compiling)

    def evaluated(self, study: str, seconds: float, compiling: float) -> None:
        """Note what evaluating a study took, and beside it the seconds of compiling."""
        record = read()
        record.usual[f"{self.name} {study}"] = seconds
        self._compiled(record, compiling)

    def _compiled(self, record: Record, seconds: float) -> None:
        record.compiling[self.name] = record.compiling.get(self.name, 0.0) + seconds
        write(record)

    def finish(self) -> None:
        """Note what the stage took, from the start of its process."""
        self.line.clear()
        record, seconds = read(), time.time() - self.begun
        record.spent[self.name] = record.spent.get(self.name, 0.0) + seconds
        if not self.kept and name_of(self.name) not in IN_PARTS:
            record.usual[self.name] = seconds
        write(record)


def name_of(stage: str) -> str:
    """Return the stage without its study."""
    return stage.split()[0]


def usual(record: Record, stage: str) -> float:
    """Return the seconds that a stage, or a study in it, takes; of `train` what the last fits took side by side."""
    if stage == "train" and record.trained:
        return START + sum(seconds for seconds, _ in record.trained.values()) / processes.count()
    return record.usual.get(stage, USUAL.get(name_of(stage), 0.0))


def following(record: Record, studies: Iterable[str]) -> dict[str, float]:
    """Return the seconds of the stages after training, in which so many studies are to be evaluated."""
    each = sum(usual(record, f"evaluate {study}") for study in studies)
    found = {"evaluate": each / processes.count(), "report": usual(record, "report")}
    there = (paths.RANDOM_NETWORKS / "numbers.json").exists()
    return found if there else found | {"random_networks": usual(record, "random_networks")}


def left(rest: float, after: float) -> str:
    """Say how much is left: of a stage, and after it."""
    return f"{said(max(rest, 0.0) + after)} left of the whole run"


def said(seconds: float) -> str:
    """Say how long, as exactly as an estimate deserves.

    >>> said(42), said(100), said(3000), said(9000)
    ('about 40 s', 'about 2 min', 'about 50 min', 'about 2.5 h')
    """
    if seconds < 57.5:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5370 else f"about {seconds / 3600:.1f} h"
