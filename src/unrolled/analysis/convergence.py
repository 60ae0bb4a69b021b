"""Whether training had come to its end, told from the validation losses that chose the weights."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.data.task import Loss, TestSet

Array = NDArray[Any]
State = Literal["converged", "still improving", "at chance", "diverged"]
FLAT = 0.05
"""By less than this share the lowest loss falls over the last part of a training that has converged."""
LAST = 0.2
"""That part, of the updates."""
CHANCE = 0.1
"""Less than this share better than the trivial predictor is chance."""


def trivial_loss(train_targets: Array, validation: TestSet, loss: Loss = "mean_square") -> float:
    """Return the loss on the validation targets (N, [T,] K) of a prediction that no input changes.

    It is the training mean; of classes, whose loss is cross-entropy, how frequent each is in training at each step: a
    class that never comes there counts as half a sequence.
    """
    if loss == "cross_entropy":
        shares = np.maximum(train_targets.mean(axis=0, dtype=np.float64), 0.5 / len(train_targets))
        return float(-(validation.targets * np.log(shares)).sum(axis=-1).mean())
    mean = train_targets.astype(np.float64).reshape(-1, train_targets.shape[-1]).mean(axis=0)
    return float(np.square(validation.targets - mean).mean())


def state(val_loss: Array, best_loss: Array, diverged: Array, trivial: float) -> State:
    """Return the state of a method's training: that of most of its replicas; where two are as many, the worse one.

    A replica is *at chance* if its lowest validation loss is less than 10 % below that of the trivial predictor. Else
    it has *converged* if that lowest loss fell by less than 5 % over the last fifth of the updates; what is solved in
    one step has. Where the learning rate has fallen by then, it means: flat under its schedule.

    Parameters
    ----------
    val_loss : (epochs, S) array
    best_loss, diverged : (S,) arrays
    trivial : float
    """
    found = states(val_loss, best_loss, diverged, trivial)
    from_worst: list[State] = ["diverged", "at chance", "still improving", "converged"]
    return max(from_worst, key=found.count)


def states(val_loss: Array, best_loss: Array, diverged: Array, trivial: float) -> list[State]:
    """Return the state of each replica (S)."""
    return [
        _of_one(val_loss[:, s], float(best), bool(stopped), trivial)
        for s, (best, stopped) in enumerate(zip(best_loss, diverged, strict=True))
    ]


def _of_one(val_loss: Array, best: float, stopped: bool, trivial: float) -> State:
    if stopped or not np.isfinite(best):
        return "diverged"
    if best > (1 - CHANCE) * trivial:
        return "at chance"
    before = int(len(val_loss) * (1 - LAST))
    if len(val_loss) == 0 or (before > 0 and np.nanmin(val_loss) >= (1 - FLAT) * np.nanmin(val_loss[:before])):
        return "converged"
    return "still improving"


def best_epoch(val_loss: Array) -> Array | None:
    """Return the epoch (S,), from 1 on, of each replica's lowest validation loss; None if there are no epochs."""
    if len(val_loss) == 0:
        return None
    return np.asarray(np.argmin(np.where(np.isnan(val_loss), np.inf, val_loss), axis=0) + 1)
