"""Recurrent weights the identity: at first the state is simply kept."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Set W = 1 and the cell's biases to 0; all other weights as `uniform` draws them.

    References
    ----------
    Le, Jaitly & Hinton (2015), arXiv 1504.00941.
    """
    arrays = draw_uniform(setting, random)
    rows, columns = setting.shapes["W"]
    arrays["W"] = np.tile(np.eye(rows), columns // rows)
    biases = [name for name in setting.shapes if name.islower() and name[0] != "c"]
    return arrays | {name: np.zeros(setting.shapes[name]) for name in biases}
