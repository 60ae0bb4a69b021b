"""Van der Pol's oscillator: from nearly linear to relaxation, where time scales part and the equation is stiff."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class VanDerPol(System):
    """x'' = μ (1 - x²) x' - x, each trajectory with its own μ, which is its third state (μ' = 0).

    Time is in units of 1/(1 + μ), so that a period takes between 2π (μ → 0) and 1.61 (μ → ∞); v is
    the velocity in the original time. The fast and the slow time scale part as μ².

    Attributes
    ----------
    mu_min, mu_max : float
        Bounds of μ, which is drawn uniformly in its logarithm.
    """

    equation: ClassVar[str] = "x'' = μ (1 − x²) x' − x"
    source: ClassVar[str] = "van der Pol, Phil. Mag. 2 (1926) 978, doi 10.1080/14786442608564127"
    states: ClassVar[tuple[str, ...]] = ("x", "v", "mu")
    rtol: ClassVar[float] = 1e-12
    max_solver_error: ClassVar[float] = 1e-3  # of v, which reaches 1.3 μ in a jump
    stiff: ClassVar[bool] = True

    mu_min: float = 0.1
    mu_max: float = 100.0

    def refuses(self) -> str | None:
        """Refuse bounds that leave no μ, or no logarithm."""
        return None if 0 < self.mu_min <= self.mu_max else "'mu_min' is greater than 0 and at most 'mu_max'"

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (1 + μ) (v, μ (1 - x²) v - x, 0)."""
        x, v, mu = state
        scale = 1 + mu
        return np.array([scale * v, scale * (mu * (1 - x * x) * v - x), 0 * mu])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return the derivative of `rhs` by (x, v, μ)."""
        x, v, mu = state
        scale, zero = 1 + mu, 0 * mu
        pull = mu * (1 - x * x) * v - x
        return np.array(
            [
                [zero, scale, v],
                [scale * (-2 * mu * x * v - 1), scale * mu * (1 - x * x), pull + scale * (1 - x * x) * v],
                [zero, zero, zero],
            ]
        )

    def network_input(self, initial: Array) -> Array:
        """Return (x, v, log10 μ)."""
        return np.concatenate([initial[:, :2], np.log10(initial[:, 2:])], axis=1)

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw x₀ in [-2, 2] and v₀ in [-1, 1] uniformly, and log μ between its bounds."""
        x, v = random.uniform(-2.0, 2.0, count), random.uniform(-1.0, 1.0, count)
        return np.stack([x, v, np.exp(random.uniform(np.log(self.mu_min), np.log(self.mu_max), count))], axis=1)
