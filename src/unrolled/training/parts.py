"""A long run in parts: a few replicas at a time, each part kept on disk as soon as it is trained."""

import io
import math
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from unrolled.data.task import Data
from unrolled.files import write_atomic
from unrolled.training.runs import Array, Replica, Run
from unrolled.training.schedule import cost

LONGEST = 600.0
"""Seconds that a part takes at most, as far as one can tell before, unless a single replica takes longer."""
DAMAGED = (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What NumPy and zipfile raise on a file that is not, or no longer, an archive of arrays."""
Arrays = dict[str, Array]
Progress = Callable[[float], None]
"""Called with epochs that have passed, of a part with its share of them."""


def split(run: Run, data: Data, replicas: list[Replica]) -> list[list[Replica]]:
    """Return the replicas in as few parts of about equal size as keep each below `LONGEST`."""
    each = cost(run, data) / (len(run.tuning_replicas()) + len(run.final_replicas(0)))
    count = max(1, min(len(replicas), math.ceil(len(replicas) * each / LONGEST)))
    ends = [round(len(replicas) * n / count) for n in range(count + 1)]
    return [replicas[first:last] for first, last in pairwise(ends)]


class Parts:
    """What comes of the parts of one run, in a folder; without one, all are trained and none is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    @classmethod
    def of(cls, run: Run, data: Data, folder: Path) -> "Parts":
        """Return the kept parts of a run that is long, of a short one none."""
        return cls(folder if cost(run, data) > LONGEST else None)

    def train(
        self, parts: list[list[Replica]], train: Callable[[list[Replica], Progress], Arrays], progress: Progress
    ) -> list[Arrays]:
        """Return what comes of each part; one is trained if it is not there, or not whole."""
        found, count = [], sum(map(len, parts))
        for part in parts:
            found.append(self._one(part, partial(train, part, _share(progress, len(part) / count))))
        return found

    def _one(self, replicas: list[Replica], train: Callable[[], Arrays]) -> Arrays:
        if self.folder is None:
            return train()
        path = self.folder / "{}.{}-{}.{}.npz".format(*replicas[0], *replicas[-1])
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return dict(archive)
        except DAMAGED:
            found, buffer = train(), io.BytesIO()
            np.savez(buffer, allow_pickle=False, **found)
            write_atomic(path, buffer.getvalue())
            return found


NOWHERE = Parts()


def _share(progress: Progress, share: float) -> Progress:
    return lambda epochs: progress(share * epochs)
