"""PyTorch's default: every weight uniform in ±1/√n."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw the cell's weights in ±1/√H and each readout layer in ±1/√(its inputs).

    References
    ----------
    LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), doi 10.1007/3-540-49430-8_2; the form is
    that of `torch.nn.RNN` and `torch.nn.Linear`.
    """
    return draw_uniform(setting, random)
