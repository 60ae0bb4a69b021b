"""Orthogonal recurrent weights: at first no direction of the state grows or shrinks."""

import numpy as np
from scipy.stats import ortho_group

from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, without_blocks, zeros


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
            rows, columns = problem.weights[name].shape
            blocks = [ortho_group.rvs(rows, random_state=random) for _ in range(columns // rows)]
            arrays[name] = np.concatenate(blocks, axis=1)
        return arrays
