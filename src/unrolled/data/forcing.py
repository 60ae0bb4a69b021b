"""Random forces for driven systems: sinusoids, steps and band-limited noise."""

from collections.abc import Sequence

import numpy as np

from unrolled.data.system import Array

KINDS = ("sinusoid", "steps", "band-limited noise")
BAND = (0.2, 2.0)
COMPONENTS = 16


def _sinusoid(random: np.random.Generator, times: Array) -> Array:
    frequency, phase = random.uniform(*BAND), random.uniform(0, 2 * np.pi)
    return np.sin(frequency * times + phase)


def _steps(random: np.random.Generator, times: Array) -> Array:
    """Levels in [-1, 1], each held for an exponential time of mean 5."""
    jumps = np.cumsum(random.exponential(5.0, size=4 + len(times)))
    levels = random.uniform(-1, 1, size=len(jumps) + 1)
    return levels[np.searchsorted(jumps, times - times[0], side="right")]


def _noise(random: np.random.Generator, times: Array) -> Array:
    """Sum of `COMPONENTS` sinusoids of random phase in `BAND`, of unit peak-like size."""
    frequencies = random.uniform(*BAND, COMPONENTS)
    phases = random.uniform(0, 2 * np.pi, COMPONENTS)
    waves = np.sin(frequencies[:, None] * times + phases[:, None])
    return waves.sum(axis=0) / COMPONENTS**0.5


def draw(random: np.random.Generator, count: int, times: Array, between: Sequence[float] = (0.2, 1.0)) -> Array:
    """Draw `count` forces at `times`: each of a random kind, with an amplitude between two bounds.

    Parameters
    ----------
    times : (T,) array
        Units of the system's time; `BAND` is in radians per unit of time.

    Returns
    -------
    (N, T) array, dimensionless
    """
    makers = (_sinusoid, _steps, _noise)
    kinds = random.integers(len(makers), size=count)
    amplitudes = random.uniform(between[0], between[1], size=count)
    return np.stack([a * makers[k](random, times) for k, a in zip(kinds, amplitudes, strict=True)])
