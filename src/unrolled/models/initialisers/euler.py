"""Forward Euler, written as the weights of a linear RNN."""

import numpy as np

from unrolled.data.system import Array
from unrolled.models.initialiser import LinearSystem


class Euler(LinearSystem):
    """s_{i+1} = (1 + Δt A) s_i + Δt B F_i; for the oscillator the weights are (η, Δt).

    It equals v_{i+1} = v_i + Δt (F_i - η v_i - x_i), x_{i+1} = x_i + Δt v_i.
    """

    def discretise(self, a: Array, b: Array, step: float) -> tuple[Array, Array]:
        """Return 1 + Δt A and Δt B."""
        return np.eye(len(a)) + step * a, step * b
