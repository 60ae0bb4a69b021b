"""Orthogonal recurrent weights: at first no direction of the state grows or shrinks."""

import numpy as np

from unrolled.models.initialiser import (
    BIASES,
    Arrays,
    Initialiser,
    Problem,
    draw_orthogonal,
    draw_uniform,
    without_blocks,
    zeros,
)


class Orthogonal(Initialiser):
    """W orthogonal (Haar, per gate), the cell's biases 0, and all else as `uniform`.

    References
    ----------
    Saxe, McClelland & Ganguli, ICLR 2014, arXiv 1312.6120.
    """

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without square recurrent weights."""
        return without_blocks(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random) | zeros(problem, *BIASES)
        for name in problem.named("recurrent"):
            arrays[name] = draw_orthogonal(problem.weights[name], random)
        return arrays
