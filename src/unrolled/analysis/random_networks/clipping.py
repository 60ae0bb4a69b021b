"""What clipping does to the gradient of the recurrent weights, and what it leaves as it is."""

from dataclasses import asdict
from typing import TypedDict

import numpy as np
import pandas as pd

from unrolled.analysis.random_networks.gradient_map import gains, random_weights
from unrolled.config import RandomNetworks
from unrolled.models import bptt
from unrolled.models.bptt import Array, States, Weights

STEPS = 100
"""T, the length that the lecture names."""
COLUMNS = ("gain", "seed", "norm", "clipped", "early", "early_clipped")
"""Of the table of `measure`: ‖∇L‖ and `early_share`, each as it is and clipped."""


class Numbers(TypedDict):
    """The largest norms over all gains, and the medians of `early_share` at the smallest gain."""

    threshold: float
    max_norm: float
    max_norm_clipped: float
    early_at_min_gain: float
    early_at_min_gain_clipped: float


def clip(gradients: Weights, threshold: float) -> Weights:
    """Return ∇L min(1, c / ‖∇L‖), the norm over all weights together.

    References
    ----------
    Pascanu, Mikolov & Bengio, ICML 2013, PMLR 28:1310.
    """
    factor = min(1.0, threshold / norm(gradients))
    return Weights(**{name: factor * part for name, part in asdict(gradients).items()})


def norm(gradients: Weights) -> float:
    """Return ‖∇L‖ over all weights."""
    return float(np.sqrt(sum(np.square(part).sum() for part in asdict(gradients).values())))


def problem(row: RandomNetworks, gain: float, seed: int) -> tuple[Weights, States, Array]:
    """Return a random network, its states over T steps under the smallest input, and ∇_y L of one target at the end."""
    random = np.random.default_rng([row.seed, seed])
    h = row.hidden
    w = random_weights(h, gain, 1, random)[0]
    weights = Weights(U=np.eye(h), W=w, b=np.zeros(h), V=random.normal(size=(1, h)) / h**0.5, c=np.zeros(1))
    x = row.inputs[0] * random.normal(size=(STEPS, h))
    states = bptt.forward(weights, x, np.zeros(h))
    dy = np.zeros((STEPS, 1))
    dy[-1] = states.y[-1] - 1.0
    return weights, states, dy


def early_share(w: Weights, states: States, dy: Array, threshold: float = np.inf) -> float:
    """Return ‖∇_x L over the first half of the steps‖ / ‖∇_x L over the second half‖, of a clipped gradient.

    How much of the gradient is about the early inputs. Clipping multiplies a whole gradient by one
    number, its early and its late part alike, so it cannot change this ratio.
    """
    gradients, dh = bptt.backward(w, states, dy)
    factor = norm(clip(gradients, threshold)) / norm(gradients)
    dx = factor * (bptt.SQUASH[states.squash][1](states.h[1:]) * dh[1:]) @ w.U
    middle = len(dx) // 2
    return float(np.linalg.norm(dx[:middle]) / np.linalg.norm(dx[middle:]))


def measure(row: RandomNetworks) -> pd.DataFrame:
    """Return the norm of the gradient and its early share, as they are and clipped, for every gain and seed."""
    rows = []
    for gain in gains(row):
        for seed in range(row.seeds):
            w, states, dy = problem(row, gain, seed)
            gradients, _ = bptt.backward(w, states, dy)
            clipped = norm(clip(gradients, row.clip))
            share, after = early_share(w, states, dy), early_share(w, states, dy, row.clip)
            each = {"gain": gain, "seed": seed, "norm": norm(gradients), "clipped": clipped}
            rows.append({**each, "early": share, "early_clipped": after})
    return pd.DataFrame(rows)


def numbers(table: pd.DataFrame, threshold: float) -> Numbers:
    """Return what the table comes to."""
    small = table[table["gain"] == table["gain"].min()]
    return {
        "threshold": threshold,
        "max_norm": float(table["norm"].max()),
        "max_norm_clipped": float(table["clipped"].max()),
        "early_at_min_gain": float(small["early"].median()),
        "early_at_min_gain_clipped": float(small["early_clipped"].median()),
    }
