"""A sparse random recurrence scaled to a spectral radius, as in echo state networks."""

import numpy as np
from pydantic import Field

from unrolled.data.system import Array
from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, without_blocks


class EchoState(Initialiser):
    """W with so many normal entries a unit, then scaled to the spectral radius; U, b normal; readout `uniform`.

    The defaults are those of the second paper for long memory.

    References
    ----------
    Jaeger, GMD report 148 (2001); Sutskever, Martens, Dahl & Hinton, ICML 2013, PMLR 28(3):1139,
    section 3.1, where all weights are then trained with momentum.
    """

    class Settings(Initialiser.Settings):
        """Incoming connections of a unit, spectral radius of W, standard deviations of U and of b."""

        connections: int = Field(15, ge=1)
        spectral_radius: float = Field(1.1, gt=0)
        input_scale: float = Field(0.1, ge=0)
        bias_scale: float = Field(0.0, ge=0)

    settings: Settings

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without square recurrent weights."""
        return without_blocks(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays, scales = draw_uniform(problem, random), self.settings
        for name in problem.named("recurrent"):
            rows, columns = problem.weights[name].shape
            blocks = [self._sparse(rows, random) for _ in range(columns // rows)]
            arrays[name] = np.concatenate(blocks, axis=1)
        for scale, names in (
            (scales.input_scale, problem.named("input")),
            (scales.bias_scale, problem.named(*BIASES)),
        ):
            arrays |= {name: scale * random.normal(size=problem.weights[name].shape) for name in names}
        return arrays

    def _sparse(self, hidden: int, random: np.random.Generator) -> Array:
        """Return W (H, H); the entries of a column are the connections into one unit."""
        w, count = np.zeros((hidden, hidden)), min(hidden, self.settings.connections)
        while not abs(np.linalg.eigvals(w)).max() > 1e-6:  # a sparse W can be nilpotent
            for unit in range(hidden):
                w[:, unit] = 0
                w[random.choice(hidden, count, replace=False), unit] = random.normal(size=count)
        scaled: Array = w * (self.settings.spectral_radius / abs(np.linalg.eigvals(w)).max())
        return scaled
