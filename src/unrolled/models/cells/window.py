"""No recurrence: the last inputs, as they are. With a readout it is a regression on a window."""

from typing import Annotated, Any, ClassVar, Literal

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
    `powers_of: all` those of every entry. `lags` keeps the last so many values only, of each input its own number.

    References
    ----------
    Billings, Nonlinear System Identification (2013), doi 10.1002/9781118535561.
    """

    family: ClassVar[str] = "regression"

    class Settings(Cell.Settings):
        """The length w in steps, p, of what, and how many values of each input."""

        window: int = Field(1, ge=1)
        powers: int = Field(1, ge=1, le=16)
        powers_of: Literal["newest", "all"] = "newest"
        lags: list[Annotated[int, Field(ge=1)]] = Field([])

    settings: Settings
    recurrent: ClassVar[bool] = False

    def __init__(self, inputs: int, **settings: Any) -> None:
        super().__init__(inputs, **settings)
        lags, window = self.settings.lags, self.settings.window
        if lags and (len(lags) != inputs or max(lags) > window):
            raise UnrolledError(
                f"'lags' {lags} do not fit {inputs} inputs and a window of {window}: give one number an input, none "
                "larger than the study's 'window'"
            )

    @property
    def kept(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Places of the values in the window (w D), oldest first, that `lags` keeps."""
        w, d = self.settings.window, self.inputs
        lags = self.settings.lags or [w] * d
        return np.array([t * d + k for t in range(w) for k in range(d) if w - t <= lags[k]], np.int64)

    @property
    def features(self) -> int:
        """Size of the output: of the values kept, and one for each power."""
        kept, p = len(self.kept), self.settings.powers
        return kept * p if self.settings.powers_of == "all" else kept + p - 1

    def weights(self) -> dict[str, Weight]:
        """Return none: nothing is trained here."""
        return {}

    def start(self, x: Tensor) -> State:
        """Return features and a window of zeros."""
        shape = x.shape[:2]
        return x.new_zeros(*shape, self.features), x.new_zeros(*shape, self.settings.window * self.inputs)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Drop the oldest input and append the newest."""
        window = torch.cat([state[1][..., self.inputs :], x], dim=-1)
        return self._of(window), window

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return all windows as a view, without copying them; a copy with powers or lags."""
        state = self.start(x) if state is None else state
        s, b, t, d = x.shape
        if t == 0:
            raise ValueError(f"Window: the sequence has no steps, inputs are {tuple(x.shape)}")
        size = self.settings.window * d
        line = torch.cat([state[1][..., d:size], x.reshape(s, b, t * d)], dim=-1).contiguous()
        windows = line.unfold(-1, size, d)
        outputs = self._of(windows)
        return outputs, (outputs[:, :, -1], windows[:, :, -1])

    def _of(self, window: Tensor) -> Tensor:
        """Return the features of windows (..., w D)."""
        p, kept = self.settings.powers, self.kept
        values = window if len(kept) == window.shape[-1] else window[..., kept]
        if p < 2:
            return values
        if self.settings.powers_of == "all":
            return torch.cat([values**q for q in range(1, p + 1)], dim=-1)
        newest = window[..., (self.settings.window - 1) * self.inputs, None]
        return torch.cat([values, *(newest**q for q in range(2, p + 1))], dim=-1)

    def regress(self, v: Tensor, c: Tensor, first: Tensor, state: State, given: Tensor) -> Tensor | None:
        """Return y_2 ... y_n of a readout with one output, in a compiled loop.

        In float64, since rounding errors go round the loop.
        """
        if v.shape[2] > 1:
            return None
        outputs = first.new_empty(*given.shape[:3], 1, dtype=torch.float64)
        v, c, first, line = (each.double().contiguous() for each in (v[..., 0], c[:, 0, 0], first[..., 0], state[1]))
        rest = given.double().contiguous()
        arrays = (v, c, first, line, rest, outputs[..., 0])
        every = self.settings.powers_of == "all"
        autoregress(self.kept, self.settings.powers, every, *(each.numpy() for each in arrays))
        return outputs.to(given.dtype)


@compiled
def autoregress(
    kept: Array, powers: int, every: bool, v: Array, c: Array, first: Array, state: Array, given: Array, outputs: Array
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
                    y += line[kept[j]] * weights[j]
                power = newest
                for p in range(1, powers):
                    if every:
                        for j in range(count):
                            y += line[kept[j]] ** (p + 1) * weights[p * count + j]
                    else:
                        power *= newest
                        y += power * weights[count + p - 1]
                outputs[s, b, t] = y
