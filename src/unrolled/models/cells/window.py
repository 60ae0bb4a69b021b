"""No recurrence: the last inputs, as they are. With a readout it is a regression on a window."""

from typing import ClassVar

from pydantic import Field

from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch


class Window(Cell):
    """h_t = (x_{t-w+1}, ..., x_t), zero before the sequence begins; it has no weights.

    With a linear readout it is an autoregression or a finite impulse response, with hidden layers
    in the readout a feed-forward network on the same window: baselines that cannot remember longer
    than w steps. With `powers` p > 1 the powers 2 ... p of the first input at t follow, so
    that an autoregression (ARX) whose first input is y_{t-1} becomes a polynomial one (NARX).

    References
    ----------
    Billings, Nonlinear System Identification (2013), doi 10.1002/9781118535561.
    """

    family: ClassVar[str] = "regression"

    class Settings(Cell.Settings):
        """The length w in steps, and p."""

        window: int = Field(1, ge=1)
        powers: int = Field(1, ge=1, le=16)

    settings: Settings
    recurrent: ClassVar[bool] = False

    @property
    def features(self) -> int:
        """Size of the output, w D and one for each power."""
        return self.settings.window * self.inputs + self.settings.powers - 1

    def weights(self) -> dict[str, Weight]:
        """Return none: nothing is trained here."""
        return {}

    def start(self, x: Tensor) -> State:
        """Return a window of zeros."""
        return (x.new_zeros(*x.shape[:2], self.features),)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Drop the oldest input and append the newest."""
        window = state[0][..., : self.settings.window * self.inputs]
        return (self._with_powers(torch.cat([window[..., self.inputs :], x], dim=-1)),)

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return all windows as a view, without copying them; a copy with powers."""
        state = self.start(x) if state is None else state
        s, b, t, d = x.shape
        if t == 0:
            raise ValueError(f"Window: the sequence has no steps, inputs are {tuple(x.shape)}")
        size = self.settings.window * d
        line = torch.cat([state[0][..., d:size], x.reshape(s, b, t * d)], dim=-1).contiguous()
        outputs = self._with_powers(line.unfold(-1, size, d))
        return outputs, (outputs[:, :, -1],)

    def _with_powers(self, window: Tensor) -> Tensor:
        if self.settings.powers < 2:
            return window
        newest = window[..., (self.settings.window - 1) * self.inputs, None]
        return torch.cat([window, *(newest**p for p in range(2, self.settings.powers + 1))], dim=-1)

    def regress(self, v: Tensor, c: Tensor, first: Tensor, state: State, given: Tensor) -> Tensor | None:
        """Return y_2 ... y_n of a readout with one output, in a compiled loop.

        In float64, since rounding errors go round the loop.
        """
        if v.shape[2] > 1:
            return None
        outputs = first.new_empty(*given.shape[:3], 1, dtype=torch.float64)
        v, c, first, line = (each.double().contiguous() for each in (v[..., 0], c[:, 0, 0], first[..., 0], state[0]))
        rest = given.double().contiguous()
        arrays = (v, c, first, line, rest, outputs[..., 0])
        autoregress(self.settings.window, *(each.numpy() for each in arrays))
        return outputs.to(given.dtype)


@compiled
def autoregress(window: int, v: Array, c: Array, first: Array, state: Array, given: Array, outputs: Array) -> None:
    """Fill the outputs (S, B, n - 1), step after step, each with the last as the newest first input."""
    d = given.shape[3] + 1
    size = window * d
    for s in range(len(v)):
        weights = v[s]
        for b in range(first.shape[1]):
            line, y = state[s, b].copy(), first[s, b]
            for t in range(given.shape[2]):
                for j in range(size - d):
                    line[j] = line[j + d]
                line[size - d] = y
                for j in range(d - 1):
                    line[size - d + 1 + j] = given[s, b, t, j]
                power = y
                for j in range(size, len(weights)):
                    power *= y
                    line[j] = power
                y = c[s]
                for j in range(len(weights)):
                    y += line[j] * weights[j]
                outputs[s, b, t] = y
