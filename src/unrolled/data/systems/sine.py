"""The undamped oscillator, whose solution from (0, ω) is the lecture's sine."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class Sine(System):
    """x'' = -ω² x with x(0) = 0, x'(0) = ω, so that x(t) = sin(ω t).

    Attributes
    ----------
    omega : float
        Angular frequency, radians per unit of time (dimensionless).
    """

    equation: ClassVar[str] = "x'' = −ω² x"
    source: ClassVar[str] = "Hjorth-Jensen, lecture of 27 February 2025, sine regression"
    states: ClassVar[tuple[str, ...]] = ("x", "v")
    one_start: ClassVar[bool] = True

    omega: float = 1.0

    def refuses(self) -> str | None:
        """Refuse a frequency of zero, at which nothing moves."""
        return None if self.omega else "'omega' is not 0"

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (v, -ω² x)."""
        x, v = state
        return np.array([v, -(self.omega**2) * x])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return [[0, 1], [-ω², 0]] for every trajectory."""
        matrix = np.array([[0.0, 1.0], [-(self.omega**2), 0.0]])
        return np.repeat(matrix[:, :, None], state.shape[1], axis=2)

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Return (0, ω): every trajectory is the same sine."""
        return np.tile([0.0, self.omega], (count, 1))

    def exact(self, times: Array, initial: Array, forcing: Array | None) -> Array:
        """Return x₀ cos ωt + v₀/ω sin ωt and its derivative."""
        cos, sin = np.cos(self.omega * times), np.sin(self.omega * times)
        x0, v0 = initial[:, :1], initial[:, 1:]
        return np.stack([x0 * cos + v0 / self.omega * sin, v0 * cos - x0 * self.omega * sin], axis=-1)
