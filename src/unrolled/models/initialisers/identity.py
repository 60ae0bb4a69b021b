"""Recurrent weights the identity: at first the state simply stays."""

import numpy as np

from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, without_blocks, zeros


class Identity(Initialiser):
    """W = 1 (per gate) and the cell's biases 0; all other weights as `uniform` draws them.

    References
    ----------
    Le, Jaitly & Hinton (2015), arXiv 1504.00941.
    """

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without square recurrent weights."""
        return without_blocks(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random) | zeros(problem, *BIASES)
        for name in problem.named("recurrent"):
            rows, columns = problem.weights[name].shape
            arrays[name] = np.tile(np.eye(rows), columns // rows)
        return arrays
