"""Whether training had come to its end: from the validation losses that chose the weights."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.data.task import TestSet

Array = NDArray[Any]
State = Literal["converged", "still improving", "at chance", "diverged"]
FLAT = 0.05
"""By less than this share the lowest loss falls over the last part of a training that has converged."""
LAST = 0.2
"""That part, of the updates."""
CHANCE = 0.1
"""By less than this share better than the trivial predictor is chance."""


def trivial_loss(train_targets: Array, validation: TestSet) -> float:
    """Return the mean square error on the validation targets of a predictor that always gives the training mean."""
    mean = train_targets.astype(np.float64).reshape(-1, train_targets.shape[-1]).mean(axis=0)
    return float(np.square(validation.targets - mean).mean())


def state(val_loss: Array, diverged: Array, trivial: float) -> State:
    """Return the state of a method's training: that of most of its replicas; of as many, the worse.

    A replica's running minimum of the validation loss, which is that of the weights it keeps, has *converged* if it
    falls by less than 5 % over the last fifth of the updates. It is *at chance* if it ends less than 10 % below the
    loss of the trivial predictor, whether it falls or not.

    Parameters
    ----------
    val_loss : (epochs, S) array
        With no epochs (what is solved in one step) only chance is judged, by `best` of the caller: see `states`.
    diverged : (S,) array of bool
    trivial : float
    """
    found = states(val_loss, diverged, trivial)
    order: list[State] = ["diverged", "at chance", "still improving", "converged"]
    return max(order, key=lambda each: found.count(each))


def states(val_loss: Array, diverged: Array, trivial: float) -> list[State]:
    """Return the state of each replica."""
    lowest = np.minimum.accumulate(np.where(np.isnan(val_loss), np.inf, val_loss), axis=0)
    end, before = lowest[-1], lowest[max(0, int(np.ceil(len(lowest) * (1 - LAST))) - 1)]
    found: list[State] = []
    for s in range(len(end)):
        if diverged[s] or not np.isfinite(end[s]):
            found.append("diverged")
        elif end[s] > (1 - CHANCE) * trivial:
            found.append("at chance")
        else:
            found.append("converged" if end[s] >= (1 - FLAT) * before[s] else "still improving")
    return found
