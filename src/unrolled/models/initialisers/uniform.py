"""PyTorch's default: every weight uniform in ±1/√n."""

import numpy as np

from unrolled.models.initialiser import Arrays, Initialiser, Problem, draw_uniform


class Uniform(Initialiser):
    """The cell's weights in ±1/√H and each readout layer in ±1/√(its inputs).

    References
    ----------
    LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), doi 10.1007/3-540-49430-8_2; the form is
    that of `torch.nn.RNN` and `torch.nn.Linear`.
    """

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        return draw_uniform(problem, random)
