"""Mackey and Glass's model of blood cells: a scalar with a delay, so of infinite dimension, and chaotic."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class MackeyGlass(System):
    """x' = β x(t - τ) / (1 + x(t - τ)ⁿ) - γ x; dimensionless. Chaotic from τ = 17 on.

    Attributes
    ----------
    beta, gamma, n : float
        Production, decay, steepness.
    tau : float
        The delay τ, units of time. Before t = 0, x has its first value.
    """

    equation: ClassVar[str] = "x' = β x(t − τ) / (1 + x(t − τ)ⁿ) − γ x"
    source: ClassVar[str] = "Mackey & Glass, Science 197 (1977) 287, doi 10.1126/science.267326"
    states: ClassVar[tuple[str, ...]] = ("x",)
    rtol: ClassVar[float] = 1e-11
    max_solver_error: ClassVar[float] = 1e-6  # over the whole of a chaotic trajectory, transient included

    beta: float = 0.2
    gamma: float = 0.1
    n: float = 10.0
    tau: float = 17.0

    def refuses(self) -> str | None:
        """Refuse a delay that is none."""
        return None if self.tau > 0 else "'tau' is greater than 0"

    @property
    def delay(self) -> float:
        """Return τ."""
        return self.tau

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return the derivative; `inputs` (N,) is x(t - τ), or x itself where it is None (equilibrium)."""
        past = state[0] if inputs is None else inputs
        return self.beta * past / (1 + past**self.n) - self.gamma * state

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return -γ: the derivative by x(t), with x(t - τ) held."""
        return np.full((1, *state.shape), -self.gamma)

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw x₀ uniformly in [0.4, 1.4]."""
        return random.uniform(0.4, 1.4, (count, 1))
