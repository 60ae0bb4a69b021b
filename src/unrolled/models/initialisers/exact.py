"""The exact discretisation of a linear system, written as the weights of a linear RNN."""

from unrolled.data.system import Array, hold
from unrolled.models.initialiser import LinearSystem


class Exact(LinearSystem):
    """s_{i+1} = exp(Δt A) s_i + ∫ exp(τ A) dτ B F_i, exact for a force held over each step."""

    def discretise(self, a: Array, b: Array, step: float) -> tuple[Array, Array]:
        """Return both matrices, see `hold`."""
        return hold(a, b, step)
