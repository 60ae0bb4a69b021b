"""Orthogonal recurrent weights: at first no direction of the state grows or shrinks."""

import numpy as np
from scipy.stats import ortho_group

from unrolled.models.initialiser import Arrays, Setting, draw_uniform


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw W orthogonal (Haar, per gate), the cell's biases 0, and all else as `uniform`.

    References
    ----------
    Saxe, McClelland & Ganguli, ICLR 2014, arXiv 1312.6120.
    """
    arrays = draw_uniform(setting, random)
    rows, columns = setting.shapes["W"]
    arrays["W"] = np.concatenate([ortho_group.rvs(rows, random_state=random) for _ in range(columns // rows)], axis=1)
    return arrays | {name: np.zeros_like(array) for name, array in arrays.items() if name in ("b", "d")}
