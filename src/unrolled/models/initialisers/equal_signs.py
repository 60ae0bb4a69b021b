"""A dense reservoir whose weights have random signs and nearly one size."""

import numpy as np
from pydantic import Field

from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, without_blocks

FINE = 2**14
"""Units of the large reservoir whose weights are averaged to those of a smaller one."""


class EqualSigns(Initialiser):
    """W of random signs and sizes near 1/2, with a share of non-zero entries, scaled to a spectral radius; U, b so too.

    A size is the mean of k² uniform numbers in [0, 1], in U and b of k, with k = 2¹⁴/H, as the paper averages blocks of
    a larger reservoir. The readout is as of `uniform`.

    References
    ----------
    Parameterizing echo state networks for multi-step time series prediction, Neurocomputing (2022),
    doi 10.1016/j.neucom.2022.11.044, and the code of its reproduction, aloksGithub/ESN_hyperparams.
    """

    class Settings(Initialiser.Settings):
        """Spectral radius of W, its share of non-zero entries, and the factor of U and b."""

        spectral_radius: float = Field(0.9, gt=0)
        density: float = Field(1.0, gt=0, le=1)
        input_scale: float = Field(1.0, ge=0)

    settings: Settings

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without square recurrent weights."""
        return without_blocks(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays, own = draw_uniform(problem, random), self.settings
        averaged = max(1, FINE // problem.hidden)

        def signed(shape: tuple[int, ...], count: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
            sizes = random.normal(0.5, (12 * count) ** -0.5, shape)  # of so many, the mean is normal
            return np.asarray(sizes * random.choice([-1.0, 1.0], shape))

        for name in problem.named("recurrent"):
            rows, columns = problem.weights[name].shape
            blocks = []
            for _ in range(columns // rows):
                w = signed((rows, rows), averaged**2)
                empty = random.permutation(w.size)[: w.size - max(rows, round(own.density * w.size))]
                w.flat[empty] = 0
                blocks.append(w * (own.spectral_radius / max(abs(np.linalg.eigvals(w)).max(), 1e-6)))
            arrays[name] = np.concatenate(blocks, axis=1)
        for name in problem.named("input", *BIASES):
            arrays[name] = own.input_scale * signed(problem.weights[name].shape, averaged)
        return arrays
