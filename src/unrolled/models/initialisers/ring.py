"""Eigenvalues on a ring inside the unit circle: the linear recurrent unit's start."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from unrolled.models.initialiser import Arrays, Initialiser, Problem, draw_uniform


class Ring(Initialiser):
    """Λ uniform in area on the ring, γ = √(1 - |Λ|²), B normal with variance 1/(2 D), and the readout `uniform`.

    References
    ----------
    Orvieto et al., ICML 2023, PMLR 202:26670, arXiv 2303.06349, lemma 3.2 and section 3.4.
    """

    class Settings(Initialiser.Settings):
        """Radii of the ring, and its largest angle in radians a step (π/10 in the paper's long tasks)."""

        r_min: float = Field(0.9, ge=0, lt=1)
        r_max: float = Field(0.999, gt=0, lt=1)
        max_phase: float = Field(0.314, gt=0)

        @model_validator(mode="after")
        def _ascending(self) -> Self:
            if self.r_min >= self.r_max:
                raise ValueError(f"'r_min', {self.r_min:g}, is less than 'r_max', {self.r_max:g}")
            return self

    settings: Settings

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells other than the linear recurrent unit."""
        fits = problem.named("diagonal") == ["nu", "phi", "gamma"]
        return None if fits else "the cell is not a linear recurrent unit"

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays, ring = draw_uniform(problem, random), self.settings
        shapes = {name: weight.shape for name, weight in problem.weights.items()}
        square = random.uniform(ring.r_min**2, ring.r_max**2, shapes["nu"])
        arrays["nu"] = np.log(-0.5 * np.log(square))
        arrays["phi"] = np.log(ring.max_phase * random.uniform(1e-6, 1, shapes["phi"]))
        arrays["gamma"] = 0.5 * np.log(1 - square)
        for name in problem.named("input"):
            arrays[name] = random.normal(size=shapes[name]) / (2 * shapes[name][0]) ** 0.5
        return arrays
