"""Every weight of the cell uniform in ±1/√(all that enters a unit): one linear layer on inputs and states."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw the cell's weights in ±1/√n, n = rows of U, W and Z together, and the readout as `uniform`.

    It is what `torch.nn.Linear` gives for the concatenated [x, y, z], as coRNN's authors use it.

    References
    ----------
    Rusch & Mishra, ICLR 2021, arXiv 2010.00951, and its published code.
    """
    arrays = draw_uniform(setting, random)
    entering = sum(shape[0] for name, shape in setting.shapes.items() if name in "UWZ")
    hidden = setting.shapes["W"][0]
    cell = [name for name in setting.shapes if name[0] not in "Vc"]
    return arrays | {name: arrays[name] * (hidden / entering) ** 0.5 for name in cell}
