"""FitzHugh and Nagumo's model of a neuron: fast spikes on a slow recovery."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class FitzHughNagumo(System):
    """v' = v - v³/3 - w + I, w' = (v + a - b w) / τ; dimensionless.

    The defaults are those of Rusch, Mishra, Erichson & Mahoney, ICLR 2022, arXiv 2110.04744.

    Attributes
    ----------
    current : float
        I, the external current.
    tau : float
        τ, how much slower the recovery w is than the voltage v.
    a, b : float
        Where the nullclines cross.
    """

    equation: ClassVar[str] = "v' = v − v³/3 − w + I,  τ w' = v + a − b w"
    source: ClassVar[str] = "FitzHugh, Biophys. J. 1 (1961) 445, doi 10.1016/S0006-3495(61)86902-6"
    states: ClassVar[tuple[str, ...]] = ("v", "w")
    rtol: ClassVar[float] = 1e-11

    current: float = 0.5
    tau: float = 50.0
    a: float = 0.7
    b: float = 0.8

    def refuses(self) -> str | None:
        """Refuse a recovery without a time."""
        return None if self.tau > 0 else "'tau' is greater than 0"

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (v - v³/3 - w + I, (v + a - b w) / τ)."""
        v, w = state
        return np.array([v - v * v * v / 3 - w + self.current, (v + self.a - self.b * w) / self.tau])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return [[1 - v², -1], [1/τ, -b/τ]]."""
        v = state[0]
        one = np.ones_like(v)
        return np.array([[1 - v**2, -one], [one / self.tau, -self.b / self.tau * one]])

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw v uniformly in [-1, 1], with w = 0, as the protocol does."""
        return np.stack([random.uniform(-1, 1, count), np.zeros(count)], axis=1)
