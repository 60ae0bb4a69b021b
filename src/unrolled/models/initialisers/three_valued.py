"""The first echo state network's weights: zero, or one of two values."""

import numpy as np
from pydantic import Field

from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, without_blocks


class ThreeValued(Initialiser):
    """W of zeros and of equal numbers with random signs, scaled to a spectral radius; b half zeros, half ± a number.

    U is uniform, the readout as of `uniform`.

    References
    ----------
    Jaeger, The echo state approach, GMD Report 148 (2001), sections 4.1.2 and 6.2.
    """

    class Settings(Initialiser.Settings):
        """The share of W that is not zero, its spectral radius, the bound of U, and the size of b."""

        density: float = Field(0.1, gt=0, le=1)
        spectral_radius: float = Field(0.79, gt=0)
        input_scale: float = Field(0.56, ge=0)
        bias_scale: float = Field(0.0, ge=0)

    settings: Settings

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without square recurrent weights."""
        return without_blocks(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays, own = draw_uniform(problem, random), self.settings
        for name in problem.named("recurrent"):
            rows, columns = problem.weights[name].shape
            blocks = []
            for _ in range(columns // rows):
                w, radius = np.zeros((rows, rows)), 0.0
                while not radius > 1e-6:  # so sparse a W can be nilpotent
                    w = random.choice([-1.0, 1.0], w.shape) * (random.random(w.shape) < max(own.density, 1 / rows))
                    radius = float(abs(np.linalg.eigvals(w)).max())
                blocks.append(w * (own.spectral_radius / radius))
            arrays[name] = np.concatenate(blocks, axis=1)
        for name in problem.named("input"):
            arrays[name] = random.uniform(-own.input_scale, own.input_scale, problem.weights[name].shape)
        for name in problem.named(*BIASES):
            arrays[name] = own.bias_scale * random.choice([0.0, 0.0, -1.0, 1.0], problem.weights[name].shape)
        return arrays
