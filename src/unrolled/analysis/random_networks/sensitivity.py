"""The curse of memory: how much a linear unit's state changes with its recurrent weight, as its memory grows."""

from typing import TypedDict

import numpy as np
import pandas as pd

from unrolled.analysis.random_networks.estimate import Estimate, estimate
from unrolled.config import RandomNetworks
from unrolled.models.bptt import Array

DECAYS = np.geomspace(0.5, 0.001, 10)
"""1 - λ, from a memory of two steps to one of a thousand."""
UNITS = 64
"""Units of each seed, every one with its own input."""
SETTLE, MEASURE = 20.0, 40.0
"""Until the state is stationary, and for how long its squares are averaged, in units of 1 / (1 - λ) steps."""
COLUMNS = ("decay", "seed", "state", "plain", "lru", "plain_expected", "lru_expected")
"""Of the table of `measure`: 1 - λ, E[h²], E[(dh/dλ)²], E[(dh/dν)²], and what theory expects of the last two."""


class Numbers(TypedDict):
    """At the longest `memory` 1 / (1 - λ), in steps: log10 of E[h²], E[(dh/dλ)²] and E[(dh/dν)²].

    Over all memories: `slope` is that of log E[(dh/dλ)²] against log 1/(1 - λ²), `max_lru` the largest mean of
    E[(dh/dν)²], `max_deviation` how far the means of E[(dh/dλ)²] are from theory at most, relatively.
    """

    memory: float
    state: Estimate
    plain: Estimate
    lru: Estimate
    plain_expected: float
    slope: Estimate
    max_lru: float
    max_deviation: float


def states(decay: float, x: Array) -> tuple[Array, Array]:
    """Return h_t = λ h_{t-1} + x_t and dh_t/dλ = λ dh_{t-1}/dλ + h_{t-1} along the last axis, from zero.

    Parameters
    ----------
    decay : float
        1 - λ.
    x : (..., T) array
    """
    from scipy.signal import lfilter  # here, because its import takes longer than all else that a page needs

    poles = [1.0, decay - 1.0]
    h = lfilter([1.0], poles, x)
    return h, lfilter([0.0, 1.0], poles, h)


def plain_expected(decay: float) -> float:
    """Return E[(dh/dλ)²] = (1 + λ²) / (1 - λ²)³ under white input of unit variance.

    References
    ----------
    Zucchet & Orvieto, Recurrent neural networks: vanishing and exploding gradients are not the end of the story,
    NeurIPS 2024, arXiv 2405.21064.
    """
    size = 1.0 - decay
    return float((1 + size**2) / (1 - size**2) ** 3)


def lru_factor(decay: float) -> float:
    """Return (dh/dν) / (dh/dλ) of h_t = λ h_{t-1} + γ x_t with λ = exp(-exp ν), γ = √(1 - λ²) a weight of its own.

    It is γ λ ln λ, so that E[(dh/dν)²] = (λ ln λ)² (1 + λ²) / (1 - λ²)²: below 1/2, which it nears as λ nears 1.
    """
    size = 1.0 - decay
    return float(np.sqrt(1 - size**2) * size * np.log(size))


def measure(row: RandomNetworks) -> pd.DataFrame:
    """Return mean squares of the stationary state and both of its derivatives, for every memory and seed."""
    rows = []
    for decay in DECAYS:
        settle, steps = round(SETTLE / decay), round(MEASURE / decay)
        factor, plain = lru_factor(decay), plain_expected(decay)
        for seed in range(row.seeds):
            x = np.random.default_rng([row.seed, seed]).normal(size=(UNITS, settle + steps))
            h, slope = (float(np.square(each[:, settle:]).mean()) for each in states(decay, x))
            each = {"decay": decay, "seed": seed, "state": h, "plain": slope, "lru": factor**2 * slope}
            rows.append({**each, "plain_expected": plain, "lru_expected": factor**2 * plain})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def numbers(table: pd.DataFrame) -> Numbers:
    """Return what the table comes to."""
    longest = table[table["decay"] == table["decay"].min()]
    memory = -np.log(1 - (1 - table["decay"]) ** 2)
    own = table.assign(memory=memory, size=np.log(table["plain"])).groupby("seed")
    means = table.groupby("decay").mean()
    return {
        "memory": float(1 / longest["decay"].iloc[0]),
        "state": estimate(np.log10(longest["state"])),
        "plain": estimate(np.log10(longest["plain"])),
        "lru": estimate(np.log10(longest["lru"])),
        "plain_expected": float(np.log10(longest["plain_expected"].iloc[0])),
        "slope": estimate([np.polyfit(each["memory"], each["size"], 1)[0] for _, each in own]),
        "max_lru": float(means["lru"].max()),
        "max_deviation": float((means["plain"] / means["plain_expected"] - 1).abs().max()),
    }
