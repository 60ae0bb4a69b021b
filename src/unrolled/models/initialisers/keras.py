"""Keras's default: Glorot-uniform inputs, orthogonal recurrence, zero biases."""

import numpy as np

from unrolled.models.cell import Role
from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_orthogonal, without_blocks

GLOROT: tuple[Role, ...] = ("input", "inner", "readout")
ZERO: tuple[Role, ...] = (*BIASES, "readout_bias")


class Keras(Initialiser):
    """Recurrent weights orthogonal (per gate), all other matrices in ±√(6/(rows + columns)), biases zero.

    References
    ----------
    Glorot & Bengio, AISTATS 2010, PMLR 9:249; Saxe, McClelland & Ganguli, ICLR 2014,
    arXiv 1312.6120.
    """

    def supports(self, problem: Problem) -> str | None:
        """Refuse weights that Keras has no rule for."""
        known = (*GLOROT, *ZERO, "recurrent")
        strange = [name for name, weight in problem.weights.items() if weight.role not in known]
        if strange:
            return f"Keras has no rule for the weight {strange[0]}"
        return without_blocks(problem) if problem.named("recurrent") else None

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = {}
        for name, weight in problem.weights.items():
            rows, columns = weight.shape
            if weight.role in GLOROT:
                arrays[name] = random.uniform(-1, 1, (rows, columns)) * (6 / (rows + columns)) ** 0.5
            elif weight.role == "recurrent":
                arrays[name] = draw_orthogonal(weight, random)
            else:
                arrays[name] = np.zeros((rows, columns))
        return arrays
