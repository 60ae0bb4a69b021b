"""A positive definite matrix with the largest eigenvalue 1: the start of piecewise linear recurrent networks."""

import numpy as np

from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, zeros


class PositiveDefinite(Initialiser):
    """A is the diagonal, W (where there is one) the rest of K / λ_max(K), with K = RᵀR / H + 1 and R normal.

    Inner layers are in ±1/√(their inputs), inputs in ±√(6 / (D + H)), all biases of the cell 0, and the readout
    `uniform`.

    References
    ----------
    Talathi & Vartak (2015), arXiv 1511.03771; so used by Hess et al., ICML 2023, arXiv 2306.04406.
    """

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells whose units do not have one weight A each."""
        return None if problem.named("diagonal") == ["A"] else "the cell has no diagonal matrix A"

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random) | zeros(problem, *BIASES)
        shapes = {name: weight.shape for name, weight in problem.weights.items()}
        hidden = shapes["A"][1]
        r = random.normal(size=(hidden, hidden))
        k = r.T @ r / hidden + np.eye(hidden)
        k /= np.linalg.eigvalsh(k).max()
        arrays["A"] = k.diagonal()[None].copy()
        for name in problem.named("recurrent"):
            arrays[name] = k - np.diag(k.diagonal())
        for name in problem.named("inner"):
            arrays[name] = random.uniform(-1, 1, shapes[name]) / shapes[name][0] ** 0.5
        for name in problem.named("input"):
            arrays[name] = random.uniform(-1, 1, shapes[name]) * (6 / sum(shapes[name])) ** 0.5
        return arrays
