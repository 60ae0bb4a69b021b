"""No recurrence: the last inputs, as they are. With a readout it is a regression on a window."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.errors import UnrolledError
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch


class Window(Cell):
    """h_t = (x_{t-w+1}, ..., x_t), zero before the sequence begins; it has no weights.

    With a linear readout it is an autoregression or a finite impulse response, with hidden layers
    in the readout a feed-forward network on the same window: baselines that cannot remember longer
    than w steps. With `powers` p > 1 the powers 2 ... p of the first input at t follow, so
    that an autoregression (ARX) whose first input is y_{t-1} becomes a polynomial one (NARX); with
    `every_power` p those of every value. `fewer` leaves out so many of the first input's oldest values.

    References
    ----------
    Billings, Nonlinear System Identification (2013), doi 10.1002/9781118535561.
    """

    family: ClassVar[str] = "regression"

    class Settings(Cell.Settings):
        """The length w in steps, both p, and how many values of the first input are left out."""

        window: int = Field(1, ge=1)
        powers: int = Field(1, ge=1, le=16)
        every_power: int = Field(1, ge=1, le=16)
        fewer: int = Field(0, ge=0)

    settings: Settings
    recurrent: ClassVar[bool] = False

    def __init__(self, inputs: int, **settings: Any) -> None:
        super().__init__(inputs, **settings)
        if self.settings.fewer and self.settings.fewer >= self.settings.window:
            raise UnrolledError(
                f"'fewer' leaves nothing of a window of {self.settings.window}: lower it, or raise the study's 'window'"
            )

    @property
    def kept(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Places of the values in the window (w D), oldest first, that `fewer` leaves."""
        d = self.inputs
        return np.delete(np.arange(self.settings.window * d), np.arange(self.settings.fewer) * d)

    @property
    def features(self) -> int:
        """Size of the output: of the values kept and their powers, and one for each power of the newest."""
        return len(self.kept) * self.settings.every_power + self.settings.powers - 1

    def weights(self) -> dict[str, Weight]:
        """Return none: nothing is trained here."""
        return {}

    def start(self, x: Tensor) -> State:
        """Return features of zeros, which begin with the window; if some are left out, also the window."""
        shape, size = x.shape[:2], self.settings.window * self.inputs
        features = x.new_zeros(*shape, self.features)
        return (features, x.new_zeros(*shape, size)) if self.settings.fewer else (features,)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Drop the oldest input and append the newest."""
        window = torch.cat([self._window(state)[..., self.inputs :], x], dim=-1)
        return (self._of(window), window) if self.settings.fewer else (self._of(window),)

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return all windows as a view, without copying them; a copy with powers, or where values are left out."""
        state = self.start(x) if state is None else state
        s, b, t, d = x.shape
        if t == 0:
            raise ValueError(f"Window: the sequence has no steps, inputs are {tuple(x.shape)}")
        size = self.settings.window * d
        line = torch.cat([self._window(state)[..., d:], x.reshape(s, b, t * d)], dim=-1).contiguous()
        windows = line.unfold(-1, size, d)
        outputs = self._of(windows)
        last = outputs[:, :, -1]
        return outputs, (last, windows[:, :, -1]) if self.settings.fewer else (last,)

    def _window(self, state: State) -> Tensor:
        """Return the last inputs (S, B, w D)."""
        return state[-1][..., : self.settings.window * self.inputs]

    def _of(self, window: Tensor) -> Tensor:
        """Return the features of windows (..., w D)."""
        kept, own = self.kept, self.settings
        values = window if len(kept) == window.shape[-1] else window[..., kept]
        if own.powers == own.every_power == 1:
            return values
        newest = window[..., (own.window - 1) * self.inputs, None]
        parts = [values**q for q in range(1, own.every_power + 1)] + [newest**q for q in range(2, own.powers + 1)]
        return torch.cat(parts, dim=-1)

    def regress(self, v: Tensor, c: Tensor, first: Tensor, state: State, given: Tensor) -> Tensor | None:
        """Return y_2 ... y_n of a readout with one output, in a compiled loop.

        In float64, since rounding errors go round the loop.
        """
        if v.shape[2] > 1:
            return None
        outputs = first.new_empty(*given.shape[:3], 1, dtype=torch.float64)
        parts = (v[..., 0], c[:, 0, 0], first[..., 0], self._window(state))
        v, c, first, line = (each.double().contiguous() for each in parts)
        rest = given.double().contiguous()
        arrays = (v, c, first, line, rest, outputs[..., 0])
        autoregress(self.kept, self.settings.powers, self.settings.every_power, *(each.numpy() for each in arrays))
        return outputs.to(given.dtype)


@compiled
def autoregress(
    kept: Array, powers: int, every: int, v: Array, c: Array, first: Array, state: Array, given: Array, outputs: Array
) -> None:
    """Fill the outputs (S, B, n - 1), step after step, each with the last as the newest first input."""
    d, size, count = given.shape[3] + 1, state.shape[2], len(kept)
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
                newest, y = y, c[s]
                for j in range(count):
                    power = 1.0
                    for p in range(every):
                        power *= line[kept[j]]
                        y += power * weights[p * count + j]
                power = newest
                for p in range(1, powers):
                    power *= newest
                    y += power * weights[every * count + p - 1]
                outputs[s, b, t] = y
