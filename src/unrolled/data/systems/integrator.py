"""The integrator: the simplest system that never forgets."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class Integrator(System):
    """y' = F(t), y(0) = 0; dimensionless.

    With F = m(t) u(t), where u is random and m marks two short instants, y at the end is the sum of
    the two marked values: the adding problem of Hochreiter & Schmidhuber.
    """

    equation: ClassVar[str] = "y' = m(t) u(t)"
    source: ClassVar[str] = "Hochreiter & Schmidhuber, Neural Comput. 9 (1997) 1735, doi 10.1162/neco.1997.9.8.1735"
    states: ClassVar[tuple[str, ...]] = ("y",)
    forced: ClassVar[bool] = True
    sums: ClassVar[bool] = True

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return F."""
        return np.zeros_like(state) if inputs is None else np.broadcast_to(inputs, state.shape)

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return 0: the state never acts on itself."""
        return np.zeros((1, *state.shape))

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Return y = 0."""
        return np.zeros((count, 1))

    def linear(self) -> tuple[Array, Array]:
        """Return A = 0 and B = 1."""
        return np.zeros((1, 1)), np.ones((1, 1))

    def exact(self, times: Array, initial: Array, forcing: Array | None) -> Array:
        """Return y₀ plus the sum of F Δt."""
        force = np.zeros((len(initial), len(times) - 1)) if forcing is None else forcing
        sums = np.cumsum(force * np.diff(times), axis=1)
        return (initial + np.concatenate([np.zeros_like(initial), sums], axis=1))[:, :, None]
