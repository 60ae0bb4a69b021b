"""Gates that start out open to the past."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Set the bias of the gate that keeps the state (LSTM's forget gate) to 1, all else as `uniform`.

    Raises
    ------
    ValueError
        If the cell has no gates.

    References
    ----------
    Gers, Schmidhuber & Cummins, Neural Computation 12 (2000) 2451, doi 10.1162/089976600300015015;
    Jozefowicz, Zaremba & Sutskever, ICML 2015, PMLR 37:2342.
    """
    if setting.keeps is None:
        raise ValueError("forget_one: the cell has no gate that keeps its state")
    arrays = draw_uniform(setting, random)
    arrays["b"][:, setting.gate(setting.keeps)] = 1.0
    return arrays
