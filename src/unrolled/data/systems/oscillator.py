"""The damped, driven oscillator of the lecture, as two first-order equations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System, hold


@dataclass(frozen=True)
class Oscillator(System):
    """x'' + η x' + x = F(t), scaled so that time and position are dimensionless.

    Attributes
    ----------
    eta : float
        Damping η; a disturbance decays as exp(-η t / 2).
    """

    equation: ClassVar[str] = "x'' + η x' + x = F(t)"
    source: ClassVar[str] = "Hjorth-Jensen, lecture of 27 February 2025, 'Solving differential equations with RNNs'"
    states: ClassVar[tuple[str, ...]] = ("x", "v")
    forced: ClassVar[bool] = True

    eta: float = 0.2

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (v, F - η v - x)."""
        x, v = state
        return np.array([v, (0.0 if inputs is None else inputs) - self.eta * v - x])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return A for every trajectory."""
        return np.repeat(self.linear()[0][:, :, None], state.shape[1], axis=2)

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw x₀ and v₀ uniformly in [-1, 1]."""
        return random.uniform(-1.0, 1.0, (count, 2))

    def linear(self) -> tuple[Array, Array]:
        """Return A = [[0, 1], [-1, -η]] and B = [[0], [1]]."""
        return np.array([[0.0, 1.0], [-1.0, -self.eta]]), np.array([[0.0], [1.0]])

    def exact(self, times: Array, initial: Array, forcing: Array | None) -> Array:
        """Return the states by the matrix exponential, for a force held over each step."""
        force = np.zeros((len(initial), len(times) - 1)) if forcing is None else forcing
        states = np.empty((len(initial), len(times), 2))
        states[:, 0] = initial
        for i, step in enumerate(np.diff(times)):
            m, n = hold(*self.linear(), step)
            states[:, i + 1] = states[:, i] @ m.T + force[:, i : i + 1] @ n.T
        return states
