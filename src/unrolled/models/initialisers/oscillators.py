"""Oscillators of many frequencies: the start of linear oscillatory state-space models."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from unrolled.models.initialiser import Arrays, Initialiser, Problem, draw_uniform


class Oscillators(Initialiser):
    """Â and δ uniform in [0, 1], U in ±1/√D, and the readout `uniform`.

    If the units are damped, their eigenvalues r exp(±iθ) are uniform in area on a ring, θ in [0, `max_angle`], which
    sets G = (1 - r²) / (Δ r²) and A = (1 + r² - 2 r cos θ) / (Δ² r²).

    References
    ----------
    Rusch & Rus, ICLR 2025, arXiv 2410.03943; Boyer, Rusch & Rus, arXiv 2505.12171 (damped).
    """

    class Settings(Initialiser.Settings):
        """Radii of the ring of damped units, and their largest angle in radians a step."""

        smallest_radius: float = Field(0.9, gt=0, lt=1)
        largest_radius: float = Field(1.0, gt=0, le=1)
        max_angle: float = Field(np.pi, gt=0, le=np.pi)

        @model_validator(mode="after")
        def _ascending(self) -> Self:
            low, high = self.smallest_radius, self.largest_radius
            if low >= high:
                raise ValueError(f"'smallest_radius', {low:g}, is less than 'largest_radius', {high:g}")
            return self

    settings: Settings

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells that do not consist of oscillators, and a ring where nothing is damped."""
        own, given = problem.named("diagonal"), sorted(self.settings.model_fields_set)
        if own[:2] != ["A", "delta"]:
            return "the cell's units are no oscillators with A and delta"
        return f"'{given[0]}' is of damped units only" if given and "G" not in own else None

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays, ring = draw_uniform(problem, random), self.settings
        shapes = {name: weight.shape for name, weight in problem.weights.items()}
        arrays["A"], arrays["delta"] = random.uniform(0, 1, shapes["A"]), random.uniform(0, 1, shapes["delta"])
        if "G" in shapes:
            dt = 1 / (1 + np.exp(-arrays["delta"]))
            square = random.uniform(ring.smallest_radius**2, ring.largest_radius**2, shapes["G"])
            angle = random.uniform(0, ring.max_angle, shapes["G"])
            arrays["G"] = (1 - square) / (dt * square)
            arrays["A"] = (1 + square - 2 * np.sqrt(square) * np.cos(angle)) / (dt**2 * square)
        for name in problem.named("input"):
            arrays[name] = random.uniform(-1, 1, shapes[name]) / max(1, shapes[name][0]) ** 0.5
        return arrays
