"""Chrono initialisation: gates that start out with memories of all lengths up to the sequence's."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Set the bias of the gate that keeps to log u, u uniform in [1, T - 1], and of the gate that writes to -log u.

    A unit whose keeping gate is sigmoid(log u) = u / (1 + u) forgets in about u steps. All other
    biases of the cell are 0, all weights as `uniform` draws them. A cell whose gates are coupled
    (the GRU) has no writing gate of its own.

    Raises
    ------
    ValueError
        If the cell has no gates.

    References
    ----------
    Tallec & Ollivier, ICLR 2018, arXiv 1804.11188.
    """
    if setting.keeps is None:
        raise ValueError("chrono: the cell has no gate that keeps its state")
    arrays = draw_uniform(setting, random)
    kept = np.log(random.uniform(1, max(setting.steps - 1, 1), setting.shapes["W"][0]))
    arrays |= {name: np.zeros_like(array) for name, array in arrays.items() if name in ("b", "d")}
    arrays["b"][:, setting.gate(setting.keeps)] = kept
    if setting.writes is not None:
        arrays["b"][:, setting.gate(setting.writes)] = -kept
    return arrays
