"""Random networks without input: they settle to a fixed point, oscillate or are chaotic."""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.analysis import lyapunov
from unrolled.analysis.random_networks.gradient_map import random_weights
from unrolled.config import RandomNetworks

Array = NDArray[np.float64]
Step = Callable[[Array], Array]
RESOLUTION = 0.01
"""Exponents nearer to zero than this, per step, are not told from zero over some thousand steps."""
FIXED = 1e-6
"""A state that moves less than this a step, at every unit, is at a fixed point."""
SAMPLES = 40
"""Steps on the attractor that the bifurcation diagram has for each gain."""
KINDS = ("settles", "oscillates", "chaotic")
COLUMNS = ("gain", "seed", "exponent", "kind")
BIFURCATION = ("gain", "value")
SPECTRA = ("gain", "index", "exponent")
"""Columns of the tables of `measure`, `bifurcation` and `spectra`."""


class Numbers(TypedDict):
    """How many networks do what, at which gains, and the attractors' dimensions at the gains of `spectra`."""

    counts: dict[str, int]
    mostly_chaotic_from: float | None
    settled_up_to: float | None
    largest_exponent: float
    dimension: dict[str, float]
    positive_exponents: dict[str, int]


def network(w: Array) -> tuple[Step, Step]:
    """Return h ← tanh(W h) of networks W (N, H, H), and its Jacobian diag(1 - h'²) W at the states (N, H)."""

    def step(h: Array) -> Array:
        return np.asarray(np.tanh((w @ h[:, :, None])[:, :, 0]))

    return step, lambda h: (1 - step(h) ** 2)[:, :, None] * w


def classify(step: Step, state: Array, largest: Array, steps: int = 100) -> list[str]:
    """Return what each of N maps does on its attractor: one of `KINDS`.

    Chaotic where the largest exponent is positive; settled where the state is at a fixed point; else it
    oscillates, periodically or not. One that still converges to its fixed point counts as oscillating.

    Parameters
    ----------
    step : callable
        Takes states (N, d).
    state : (N, d) array
        On the attractor.
    largest : (N,) array
        Largest Lyapunov exponent per step.
    """
    moved = np.zeros(len(state))
    for _ in range(steps):
        later = step(state)
        moved, state = np.maximum(moved, abs(later - state).max(axis=1)), later
    return [
        "chaotic" if exponent > RESOLUTION else "settles" if move < FIXED else "oscillates"
        for exponent, move in zip(largest, moved, strict=True)
    ]


def attractor(step: Step, state: Array, steps: int) -> Array:
    """Return the states after so many steps."""
    for _ in range(steps):
        state = step(state)
    return state


def family(row: RandomNetworks, gains: Array) -> tuple[Array, Array]:
    """Return W (gains x seeds, H, H) and first states: each seed's network at every gain, from one state."""
    random = np.random.default_rng(row.seed)
    w, start = random_weights(row.hidden, 1.0, row.seeds, random), random.normal(size=(row.seeds, row.hidden))
    every = (gains[:, None, None, None] * w).reshape(-1, row.hidden, row.hidden)
    return every, np.tile(start, (len(gains), 1))


def measure(row: RandomNetworks) -> pd.DataFrame:
    """Return the largest exponent and the kind of behaviour for every gain and seed.

    References
    ----------
    Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61 (1988) 259, doi 10.1103/PhysRevLett.61.259: in
    continuous time and for large H, chaos begins at g = 1.
    """
    gains = np.linspace(row.autonomous[0], row.autonomous[1], row.points)
    w, start = family(row, gains)
    step, jacobian = network(w)
    state = attractor(step, start, row.settle)
    largest = lyapunov.of_map(step, jacobian, state, 1, steps=row.settle // 2, transient=100)[:, 0]
    kinds = classify(step, state, largest)
    seeds = {"gain": np.repeat(gains, row.seeds), "seed": np.tile(np.arange(row.seeds), len(gains))}
    return pd.DataFrame({**seeds, "exponent": largest, "kind": kinds})


def bifurcation(row: RandomNetworks) -> pd.DataFrame:
    """Return the values of one unit of the first seed's network on its attractor, for many gains."""
    gains = np.linspace(row.autonomous[0], row.autonomous[1], 8 * row.points)
    w, start = family(row.model_copy(update={"seeds": 1}), gains)
    step, _ = network(w)
    state = attractor(step, start, row.settle)
    lines = []
    for _ in range(SAMPLES):
        state = step(state)
        lines.append(state[:, 0])
    return pd.DataFrame({"gain": np.repeat(gains, SAMPLES), "value": np.array(lines).T.ravel()})


def spectra(row: RandomNetworks) -> pd.DataFrame:
    """Return all H exponents of the first seed's network, at some gains, largest first."""
    w, start = family(row.model_copy(update={"seeds": 1}), np.array(row.spectra))
    step, jacobian = network(w)
    state = attractor(step, start, row.settle)
    found = lyapunov.of_map(step, jacobian, state, row.hidden, steps=row.settle // 4, transient=100)
    place = np.tile(np.arange(1, row.hidden + 1), len(found))
    return pd.DataFrame({"gain": np.repeat(row.spectra, row.hidden), "index": place, "exponent": found.ravel()})


def dimension(exponents: Array) -> float:
    """Return the Kaplan-Yorke dimension j + Σ_{i≤j} λ_i / |λ_{j+1}|, j the largest number with a sum not negative.

    References
    ----------
    Frederickson, Kaplan, Yorke & Yorke, J. Differ. Equ. 49 (1983) 185, doi 10.1016/0022-0396(83)90011-6.
    """
    total = np.cumsum(exponents)
    j = int((total >= 0).sum())
    if j == 0 or j == len(exponents):
        return float(j)
    return float(j + total[j - 1] / abs(exponents[j]))


def numbers(table: pd.DataFrame, spectrum: pd.DataFrame) -> Numbers:
    """Return what the tables of `measure` and `spectra` come to."""
    share = (table["kind"] == "chaotic").groupby(table["gain"]).mean()
    mostly = share[share > 0.5]
    parts = spectrum.groupby("gain")["exponent"]
    return {
        "counts": {kind: int((table["kind"] == kind).sum()) for kind in KINDS},
        "mostly_chaotic_from": float(mostly.index[0]) if len(mostly) else None,
        "settled_up_to": last_all_settled(table),
        "largest_exponent": float(table["exponent"].max()),
        "dimension": {f"{gain:g}": dimension(part.to_numpy()) for gain, part in parts},
        "positive_exponents": {f"{gain:g}": int((part > RESOLUTION).sum()) for gain, part in parts},
    }


def last_all_settled(table: pd.DataFrame) -> float | None:
    """Return the largest gain up to which every network settles."""
    settled = (table["kind"] == "settles").groupby(table["gain"]).all()
    held = settled.index[settled.cumprod().astype(bool)]
    return float(held[-1]) if len(held) else None
