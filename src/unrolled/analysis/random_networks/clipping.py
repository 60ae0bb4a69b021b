"""What clipping does to the gradient of the recurrent weights, and what it leaves as it is."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from unrolled.analysis.random_networks.gradient_map import gains, random_weights
from unrolled.config import Theory
from unrolled.models import bptt
from unrolled.models.bptt import Array, States, Weights

STEPS = 100
"""T, the length that the lecture names."""


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


def problem(row: Theory, gain: float, seed: int) -> tuple[Weights, States, Array]:
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

    How much of what the loss says of its inputs is about the far past. Clipping multiplies all of a
    gradient by one number, that of the far past and that of the near one, so it cannot change it.
    """
    gradients, dh = bptt.backward(w, states, dy)
    factor = norm(clip(gradients, threshold)) / norm(gradients)
    dx = factor * (bptt.SQUASH[states.squash][1](states.h[1:]) * dh[1:]) @ w.U
    middle = len(dx) // 2
    return float(np.linalg.norm(dx[:middle]) / np.linalg.norm(dx[middle:]))


def measure(row: Theory) -> pd.DataFrame:
    """Return norm of the gradient and share of the far past, as they are and clipped, for every gain and seed."""
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


def numbers(table: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """Return the largest norm with and without clipping, and the share of the far past at the smallest gain."""
    small = table[table["gain"] == table["gain"].min()]
    return {
        "threshold": threshold,
        "largest": float(table["norm"].max()),
        "largest_clipped": float(table["clipped"].max()),
        "early_at_least_gain": float(small["early"].median()),
        "early_at_least_gain_clipped": float(small["early_clipped"].median()),
    }
