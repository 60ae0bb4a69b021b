"""Uniform, with the readout's weights normal of variance 2/n."""

import numpy as np

from unrolled.models.initialiser import Arrays, Initialiser, Problem, draw_uniform


class KaimingReadout(Initialiser):
    """As `uniform`, but the readout's weights are normal with variance 2 / (its inputs), as of LEM's published code.

    References
    ----------
    He, Zhang, Ren & Sun, ICCV 2015, arXiv 1502.01852; Rusch, Mishra, Erichson & Mahoney, ICLR 2022, arXiv 2110.04744.
    """

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random)
        for name in problem.named("readout"):
            weight = problem.weights[name]
            arrays[name] = random.normal(size=weight.shape) * (2 / weight.fan_in) ** 0.5
        return arrays
