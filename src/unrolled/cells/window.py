"""No recurrence: the last inputs, as they are. With a readout it is a regression on a window."""

import torch
from torch import Tensor

from unrolled.cells._base import Cell, State, Weights


class Window(Cell):
    """h_t = (x_{t-w+1}, ..., x_t), zero before the sequence begins; it has no weights.

    With a linear readout it is an autoregression or a finite impulse response, with hidden layers
    in the readout a feed-forward network on the same window: baselines that cannot remember longer
    than w steps.
    """

    @property
    def features(self) -> int:
        """Size of the output, w D."""
        return self.window * self.inputs

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return no shapes: nothing is learned here."""
        return {}

    def start(self, x: Tensor) -> State:
        """Return a window of zeros."""
        return (x.new_zeros(*x.shape[:2], self.features),)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Drop the oldest input and append the newest."""
        return (torch.cat([state[0][..., self.inputs :], x], dim=-1),)

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return all windows as a view, without copying them."""
        state = self.start(x) if state is None else state
        s, b, t, d = x.shape
        if t == 0:
            raise ValueError(f"Window: the sequence has no steps, inputs are {tuple(x.shape)}")
        line = torch.cat([state[0][..., d:], x.reshape(s, b, t * d)], dim=-1).contiguous()
        outputs = line.unfold(-1, self.features, d)
        return outputs, (outputs[:, :, -1],)
