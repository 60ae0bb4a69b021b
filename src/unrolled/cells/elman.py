"""The simple recurrent network of Elman."""

from collections.abc import Callable

import torch
from torch import Tensor

from unrolled.cells._base import Cell, State, Weights

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda a: a,
}


class Elman(Cell):
    """h_t = σ(x_t U + h_{t-1} W + b), with σ = tanh, ReLU or the identity (a linear RNN).

    Weights: U (D, H), W (H, H), b (1, H).

    References
    ----------
    Elman, Cognitive Science 14 (1990) 179, doi 10.1207/s15516709cog1402_1.
    """

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W and b."""
        return {"U": (self.inputs, self.hidden), "W": (self.hidden, self.hidden), "b": (1, self.hidden)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        return (ACTIVATIONS[self.activation](x @ w["U"] + h @ w["W"] + w["b"]),)
