"""A sparse random recurrence scaled to a spectral radius, as in echo state networks."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform

OPTIONS = {"connections": 15.0, "radius": 1.1, "input_scale": 0.1, "bias_scale": 0.0}
"""Incoming connections of a unit, spectral radius of W, deviation of U and of b; as for long memory in the paper."""


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw W with so many normal entries a unit, then scale it to the spectral radius; U, b normal; readout `uniform`.

    References
    ----------
    Jaeger, GMD report 148 (2001); Sutskever, Martens, Dahl & Hinton, ICML 2013, PMLR 28(3):1139,
    section 3.1, where all weights are then learned with momentum.
    """
    option = setting.option(OPTIONS)
    arrays = draw_uniform(setting, random)
    rows, columns = setting.shapes["W"]
    count = min(rows, round(option["connections"]))
    parts = [_sparse(rows, count, option["radius"], random) for _ in range(columns // rows)]
    arrays["W"] = np.concatenate(parts, axis=1)
    arrays["U"] = option["input_scale"] * random.normal(size=setting.shapes["U"])
    arrays["b"] = option["bias_scale"] * random.normal(size=setting.shapes["b"])
    return arrays


def _sparse(hidden: int, count: int, radius: float, random: np.random.Generator) -> np.ndarray:
    """Return W (H, H) with `count` entries in each column, which are the connections into one unit."""
    w = np.zeros((hidden, hidden))
    while not abs(np.linalg.eigvals(w)).max() > 1e-6:  # a sparse W can be nilpotent
        for unit in range(hidden):
            w[:, unit] = 0
            w[random.choice(hidden, count, replace=False), unit] = random.normal(size=count)
    scaled: np.ndarray = w * (radius / abs(np.linalg.eigvals(w)).max())
    return scaled
