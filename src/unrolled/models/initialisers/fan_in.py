"""Every weight of the cell uniform in ±1/√(all that enters a unit): one linear layer on inputs and states."""

import numpy as np

from unrolled.models.initialiser import READOUT, Arrays, Initialiser, Problem, draw_uniform


class FanIn(Initialiser):
    """The cell's weights in ±1/√n, n = all that enters a unit (inputs and states), and the readout as `uniform`.

    It is what `torch.nn.Linear` gives for the concatenated [x, y, z], as coRNN's authors use it.

    References
    ----------
    Rusch & Mishra, ICLR 2021, arXiv 2010.00951, and its published code.
    """

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random)
        for name, weight in problem.weights.items():
            if weight.role not in READOUT:
                arrays[name] = arrays[name] * (problem.hidden / weight.fan_in) ** 0.5
        return arrays
