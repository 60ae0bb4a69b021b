"""A network: a cell and a readout, with all weights of a replica in one row."""

from itertools import pairwise
from math import prod
from typing import Any

from unrolled.config import ForcingRow
from unrolled.models.cell import Cell, State, Weight, Weights, in_segments
from unrolled.models.pytorch import Tensor, operation, torch


def affine(h: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Return h V + c for many rows h (S, N, H) and few outputs K.

    As Vᵀ hᵀ it is what BLAS is fast at: measured 2.7 times as fast forward and 6 times for ∂L/∂V,
    with N = 6400, H = 64, K = 2.
    """
    result: Tensor = operation(_affine, _affine_backward, twice=True)(h, v, c)
    return result


def _affine(ctx: Any, h: Tensor, v: Tensor, c: Tensor) -> Tensor:
    ctx.save_for_backward(h, v)
    return (v.mT.contiguous() @ h.mT).mT + c


def _affine_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return g Vᵀ, hᵀ g and Σ g."""
    h, v = ctx.saved_tensors
    dh = None
    if ctx.needs_input_grad[0]:  # with one output an outer product, for which BLAS is slow
        dh = g * v.mT if v.shape[2] == 1 else g @ v.mT
    return dh, (g.mT @ h).mT, g.sum(dim=1, keepdim=True)


def nothing(x: Tensor, steps: int) -> Tensor:
    """Return the inputs (S, B, T, 0) of a network that sees none."""
    return x.new_zeros(*x.shape[:2], steps, 0)


class Network:
    """y_t = readout(h_t): zero or more ReLU layers, then a linear one.

    The weights of S replicas form one tensor θ (S, P), so that optimisers, clipping and the
    bookkeeping of best weights work on rows; `unpack` gives them their names and shapes.

    Parameters
    ----------
    cell : Cell
    outputs : int
        K.
    readout : sequence of int
        Sizes of the ReLU layers.
    flatten_window : bool
        Give the cell the whole sequence as the features of one single step.
    truncate : int, optional
        Cut back-propagation through time every so many steps (Williams & Peng, Neural Computation 2
        (1990) 490, doi 10.1162/neco.1990.2.4.490): the state goes on, its gradient does not.
    washout : int
        How many first steps have no output: the state forms there.
    residual : float, optional
        Scale of the residual: the output is that of another model, the last K inputs, plus scale × readout.
    closed_loop : int
        In training, how many steps at the end of a sequence get the network's own outputs in place of the truth.
    forcing : ForcingRow, optional
        In training, how the network is forced onto the truth, see `models.forcing`.
    """

    def __init__(
        self,
        cell: Cell,
        outputs: int,
        readout: tuple[int, ...] = (),
        flatten_window: bool = False,
        truncate: int | None = None,
        washout: int = 0,
        residual: float | None = None,
        closed_loop: int = 0,
        forcing: ForcingRow | None = None,
    ) -> None:
        self.cell, self.outputs, self.flatten_window, self.truncate = cell, outputs, flatten_window, truncate
        self.washout, self.residual, self.closed_loop, self.forcing = washout, residual, closed_loop, forcing
        self.layers = list(pairwise((cell.features, *readout, outputs)))
        self._weights = cell.weights()
        for number, (rows, columns) in enumerate(self.layers):
            self._weights[f"V{number}"] = Weight((rows, columns), "readout", rows)
            self._weights[f"c{number}"] = Weight((1, columns), "readout_bias", rows)
        self._sizes = [prod(weight.shape) for weight in self._weights.values()]

    @property
    def autonomous(self) -> bool:
        """Whether the cell has no inputs: observations set its state instead."""
        return self.forcing is not None and self.forcing.rule == "state"

    @property
    def parameters(self) -> int:
        """P, the number of weights of one replica."""
        return sum(self._sizes)

    def weights(self) -> dict[str, Weight]:
        """Return the weights of one replica, in the order of θ: the cell's, then V0, c0, V1, ... of the readout."""
        return dict(self._weights)

    def unpack(self, theta: Tensor) -> Weights:
        """Return the weights by name, each (S, ...), as views of θ (S, P)."""
        rows = zip(self._weights.items(), theta.split(self._sizes, dim=1), strict=True)
        return {name: row.reshape(len(theta), *weight.shape) for (name, weight), row in rows}

    def pack(self, weights: dict[str, Tensor]) -> Tensor:
        """Return θ (P,) of one replica from its weights by name."""
        return torch.cat([weights[name].reshape(-1) for name in self._weights])

    def readout(self, w: Weights, h: Tensor, upto: int | None = None) -> Tensor:
        """Map h (S, ..., H) to the last layer's values (S, ..., K); `upto` stops before that layer."""
        if h.dim() == 4:  # in time order, as compiled loops give it, the rows need no copy
            return self.readout(w, h.transpose(1, 2).flatten(1, 2), upto).unflatten(1, h.shape[2:0:-1]).transpose(1, 2)
        flat = self.cell.expand(h)
        for number in range(len(self.layers) if upto is None else upto):
            flat = affine(flat, w[f"V{number}"], w[f"c{number}"])
            if number < len(self.layers) - 1:
                flat = torch.relu(flat)
        return flat

    def output(self, w: Weights, h: Tensor, x: Tensor) -> Tensor:
        """Return y (S, ..., K) for h and the inputs x (S, ..., D) of its step, the residual's part included."""
        y = self.readout(w, h)
        return y if self.residual is None else x[..., -self.outputs :] + self.residual * y

    def wanted(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what the readout is to give: y, or of a residual what the other model lacks of it, in its unit."""
        return y if self.residual is None else (y - x[:, self.washout :, -self.outputs :]) / self.residual

    def readout_tangent(self, w: Weights, dw: Weights, h: Tensor, dh: Tensor) -> Tensor:
        """Return the derivative of `readout` along the weights' dw and the features' dh (the R-operator)."""
        s, *middle, _ = h.shape
        if self.cell.expands:
            h, dh, *_ = torch.func.jvp(self.cell.expand, (h,), (dh,))
        flat, tangent = h.reshape(s, -1, h.shape[-1]), dh.reshape(s, -1, h.shape[-1])
        for number in range(len(self.layers)):
            v, dv = w[f"V{number}"], dw[f"V{number}"]
            tangent = tangent @ v + flat @ dv + dw[f"c{number}"]
            flat = flat @ v + w[f"c{number}"]
            if number < len(self.layers) - 1:
                tangent, flat = torch.where(flat > 0, tangent, 0.0), torch.relu(flat)
        return tangent.reshape(s, *middle, self.outputs)

    def impose(self, w: Weights, x: Tensor) -> State:
        """Return the state that reads out x (S, B, K): h = (x - c) V⁺, the pseudo-inverse; zero in all other parts."""
        h = (x - w["c0"]) @ torch.linalg.pinv(w["V0"])
        return (h, *self.cell.start(h[:, :, None])[1:])

    def hidden(self, w: Weights, x: Tensor, last: bool, state: State | None = None) -> tuple[Tensor, State]:
        """Return h at every step (S, B, T, H), or only the last (S, B, H), and the state to go on from.

        An autonomous network takes one step from each observation, which sets its state.

        Raises
        ------
        ValueError
            If weights and inputs are not of the same number of replicas, which compiled loops do not look at.
        """
        if (replicas := len(next(iter(w.values())))) != len(x):
            raise ValueError(f"Network: weights of {replicas} replicas, but inputs of {len(x)}")
        if self.autonomous:
            seen = x[:, :, -1] if last else x.flatten(1, 2)
            h, state = self.cell.run(w, nothing(seen, 1), self.impose(w, seen))
            return (h[:, :, 0] if last else h.reshape(*x.shape[:3], -1)), state
        if self.flatten_window:
            x = x.flatten(2)[:, :, None]
        if last and not torch.is_grad_enabled():  # in segments, of which only the states between them are kept
            state = self.cell.start(x) if state is None else state
            for part in x.split(self.cell.segment(x), dim=2):
                state = self.cell.run(w, part, state)[1]
            return state[0], state
        h, state = self._stretches(w, x, state) if self._cuts(x) else self.cell.run(w, x, state)
        # Not h[:, :, -1]: the gradient of that slice is as large as h, and nearly all zero.
        return (state[0] if last else h), state

    def _cuts(self, x: Tensor) -> bool:
        return self.truncate is not None and torch.is_grad_enabled() and x.shape[2] > self.truncate

    def _stretches(self, w: Weights, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Run stretch after stretch, each from the last state as a mere number; the last stretch is a whole one."""
        state, outputs = self.cell.start(x) if state is None else state, []
        first = x.shape[2] % int(self.truncate or 1)
        for part in (x[:, :, :first], *x[:, :, first:].split(int(self.truncate or 1), dim=2)):
            if part.shape[2]:
                h, state = self.cell.run(w, part, tuple(each.detach() for each in state))
                outputs.append(h)
        return torch.cat(outputs, dim=2), state

    def __call__(self, w: Weights, x: Tensor, last: bool = False) -> Tensor:
        """Return y at every step after the washout (S, B, T - n, K), or only the last (S, B, K), for x (S, B, T, D)."""
        y = self._outputs(w, x, last)
        y = y if self.residual is None else x[..., -self.outputs :] + self.residual * y
        return y[:, :, self.washout :] if self.washout else y

    def _outputs(self, w: Weights, x: Tensor, last: bool) -> Tensor:
        length = self.cell.segment(x)
        if last or self.flatten_window or length >= x.shape[2]:
            return self.readout(w, self.hidden(w, x, last)[0])

        def advance(part: Tensor, state: State) -> tuple[Tensor, State]:
            h, state = self.hidden(w, part, False, state)
            return self.readout(w, h), state

        # The readout belongs to the segment, so that h is never there for all T.
        return in_segments(advance, x, self.cell.start(x), length)[0]
