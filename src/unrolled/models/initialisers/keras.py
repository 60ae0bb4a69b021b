"""Keras's default: Glorot-uniform inputs, orthogonal recurrence, zero biases."""

import numpy as np
from scipy.stats import ortho_group

from unrolled.models.initialiser import Arrays, Setting


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw U and V in ±√(6/(rows + columns)), W orthogonal (per gate), biases zero.

    References
    ----------
    Glorot & Bengio, AISTATS 2010, PMLR 9:249; Saxe, McClelland & Ganguli, ICLR 2014,
    arXiv 1312.6120.
    """
    arrays = {}
    for name, (rows, columns) in setting.shapes.items():
        if name[0] in "UV":
            arrays[name] = random.uniform(-1, 1, (rows, columns)) * (6 / (rows + columns)) ** 0.5
        elif name == "W":
            gates = [ortho_group.rvs(rows, random_state=random) for _ in range(columns // rows)]
            arrays[name] = np.concatenate(gates, axis=1)
        else:
            arrays[name] = np.zeros((rows, columns))
    return arrays
