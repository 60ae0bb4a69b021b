"""Real decays 1, 2, 3, ... and steps of all sizes: the start of selective state-space models."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from unrolled.models.initialiser import Arrays, Initialiser, Problem, draw_uniform


class S4DReal(Initialiser):
    """exp(A_n) = n, Δ log-uniform where x = 0, all else of the cell in ±1/√D, and the readout `uniform`.

    References
    ----------
    Gu, Gupta, Goel & Ré, NeurIPS 2022, arXiv 2206.11893 (S4D-Real); Gu & Dao (2023), arXiv 2312.00752, section 3.6.
    """

    class Settings(Initialiser.Settings):
        """The shortest and the longest step Δ."""

        shortest: float = Field(0.001, gt=0)
        longest: float = Field(0.1, gt=0)

        @model_validator(mode="after")
        def _ascending(self) -> Self:
            if self.shortest >= self.longest:
                raise ValueError(f"'shortest', {self.shortest:g}, is less than 'longest', {self.longest:g}")
            return self

    settings: Settings

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without decays exp(A)."""
        return None if problem.named("diagonal") == ["logA"] else "the cell has no decays logA"

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays, own = draw_uniform(problem, random), self.settings
        shapes = {name: weight.shape for name, weight in problem.weights.items()}
        for name in ("U", "b"):
            arrays[name] = random.uniform(-1, 1, shapes[name]) / max(1, shapes["U"][0]) ** 0.5
        hidden = problem.hidden
        states = shapes["logA"][1] // hidden
        arrays["logA"] = np.log(np.repeat(np.arange(1.0, states + 1), hidden))[None]
        dt = np.exp(random.uniform(np.log(own.shortest), np.log(own.longest), hidden))
        arrays["b"][0, hidden : 2 * hidden] = np.log(np.expm1(dt))
        return arrays
