"""The arrays of an update, and the path through them: recurrence, readout, loss, and back.

A sequence is one segment; if it ends in closed loop, two: the second goes on from the state of the first, with the
readout in its recurrent weights, and its gradient goes back through both.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from unrolled.models.kernels import Array
from unrolled.training import passes
from unrolled.training.arrangement import Arrangement

if TYPE_CHECKING:
    from unrolled.training.update import CompiledUpdate


@dataclass(frozen=True)
class Segment:
    """Steps of all training sequences that go through the kernels together.

    Attributes
    ----------
    inputs : (N, T, E) array
        As the kernels take them.
    targets : (N, L, K) array
        Of the last L steps.
    given : slice
        Those columns of the data's inputs that are among these, and get noise.
    arrangement : Arrangement
    gradient : (S, P) array
        Where the readout's gradient goes.
    """

    inputs: Array
    targets: Array
    given: slice
    arrangement: Arrangement
    gradient: Array


class Workspace:
    """What the kernels read and write for some replicas and one batch size, on one segment.

    Allocated once, and zero where nothing is written.

    Parameters
    ----------
    update : CompiledUpdate
    segment : Segment
    replicas, batch : int
        S of these replicas, and B.
    before : Workspace, optional
        That of the segment before, from whose state this one goes on.
    """

    def __init__(
        self, update: "CompiledUpdate", segment: Segment, replicas: int, batch: int, before: "Workspace | None" = None
    ) -> None:
        population, dtype, (steps, columns) = update.population, update.theta.dtype, segment.inputs.shape[1:]
        network, last, shape = population.network, population.many_to_one, (replicas, steps, batch, columns)
        self.segment, self.before = segment, before
        cell = self.cell = network.cell
        self.x, self.features = np.empty(shape, dtype), cell.features
        self.recurrent, self.constants = bool(cell.weights()), cell.constants(dtype)
        # The readout sees z_t from `first` on; the first output is that of the step `offset`.
        self.buffers = [np.zeros(each, dtype) for each in cell.buffers(*shape)] if self.recurrent else [self.x]
        self.offset: int = 0 if last else steps - segment.targets.shape[1]
        self.first: int = self.buffers[0].shape[1] - 1 if last else self.recurrent + self.offset
        many = (self.buffers[0].shape[1] - self.first) * batch
        start = cell.start(torch.zeros(replicas, batch, 1)) if self.recurrent else ()
        self.state: list[Array] = before.state if before else [np.zeros(part.shape, dtype) for part in start]
        self.d_state: list[Array] = before.d_state if before else [np.zeros_like(part) for part in self.state]
        self.dx = np.zeros((0, 0, 0, 0), dtype)
        self.g = np.zeros((replicas * self.recurrent, 0 if last else steps, batch, self.features), dtype)
        self.into = self.d_state[0][:, None] if last and self.recurrent else self.g
        self.stretches = stretches(steps, network.truncate, last)
        rows = [self.buffers[0].shape[3], *(n for _, n in network.layers[:-1])]
        self.vt = [np.zeros((replicas, n, r), dtype) for r, (_, n) in zip(rows, network.layers, strict=True)]
        self.out = [np.zeros((replicas, n, many), dtype) for _, n in network.layers]
        self.d_out = [np.zeros_like(out) for out in self.out]
        self.column = -1 if network.residual is None else update.width - network.outputs
        self.scale = dtype.type(1.0 if network.residual is None else network.residual)

    @property
    def nbytes(self) -> int:
        """Size of what grows with the sequences, in bytes."""
        return sum(each.nbytes for each in (self.x, self.g, *self.buffers, *self.out, *self.d_out))

    def forward(self, update: "CompiledUpdate", part: slice, index: Array, noise: Array | None) -> None:
        """Run the recurrence over the sequences of an index (S, B), of a part of the population."""
        segment = self.segment
        passes.gather(segment.inputs, index[part], self.x)
        if noise is not None:
            begin = self.before.x.shape[1] if self.before else 0
            flat = noise[part].reshape(len(self.x), self.x.shape[2], -1, update.width)
            own = flat[:, :, begin : begin + self.x.shape[1], segment.given]
            self.x[..., : own.shape[3]] += own.transpose(0, 2, 1, 3)
        if self.recurrent:
            for each in () if self.before else (*self.state, *self.d_state):
                each.fill(0)
            run, _ = self.cell.kernels()
            run(self.x, *(w[part] for w in segment.arrangement.weights), *self.state, *self.buffers, *self.constants)

    def backward(self, update: "CompiledUpdate", part: slice, index: Array) -> None:
        """Add to the loss, and go back to the gradients by the weights that the kernels take, and of the readout."""
        self._read_out(update, part, index[part])
        if self.recurrent:
            own, alpha = self.segment.arrangement, update.population.omega.numpy()[part]
            weights, gradients = [each[part] for each in own.weights], [each[part] for each in own.gradients]
            if alpha.any():  # from the gradients by the outputs and the last state, before `_go_back` uses them up
                extra = np.empty_like(gradients[0])
                run = self.cell.omega_kernel()
                run(self.g, *weights, self.buffers[0], self.d_state[0], alpha, extra, *self.constants)
            self._go_back(weights, gradients)
            if alpha.any():
                gradients[0] += extra

    def _go_back(self, weights: list[Array], gradients: list[Array]) -> None:
        """Go back through the recurrence to the gradients by the weights, stretch by stretch if it is truncated."""
        last, *others = reversed(self.stretches)
        self._adjoint(weights, gradients, *last)
        for bounds in others:
            parts = [np.empty_like(each) for each in gradients]
            for each in self.d_state:
                each.fill(0)
            self._adjoint(weights, parts, *bounds)
            for total, part in zip(gradients, parts, strict=True):
                total += part

    def _adjoint(self, weights: list[Array], gradients: list[Array], begin: int, end: int) -> None:
        steps, (_, adjoint) = self.x.shape[1], self.cell.kernels()
        buffers = [each[:, begin : end + each.shape[1] - steps] for each in self.buffers]
        g, x = self.g[:, begin:end], self.x[:, begin:end]
        adjoint(g, x, *weights, *buffers, *self.d_state, *gradients, self.dx, *self.constants)

    def _read_out(self, update: "CompiledUpdate", part: slice, index: Array) -> None:
        """Compute the loss, and go back from it to the readout's weights and to ∂L/∂h_t."""
        z, theta, starts = self.buffers[0], update.theta[part], update.starts
        gradient, loss, targets = self.segment.gradient[part], update.loss[part], self.segment.targets
        last, out, d_out, vt = len(self.out) - 1, self.out, self.d_out, self.vt
        passes.first_layer(z, self.first, theta, starts[0], self.features, vt[0], out[0], last > 0)
        for n in range(1, last + 1):
            passes.layer(out[n - 1], theta, starts[n], vt[n], out[n], n < last)
        if update.population.loss == "cross_entropy":
            passes.cross_entropy(out[last], targets, index, update.scored, loss, d_out[last])
        else:
            about = self.offset, self.column, self.scale, update.scored
            passes.mean_square(out[last], targets, index, self.x, *about, loss, d_out[last])
        for n in range(last, 0, -1):
            passes.layer_backward(out[n - 1], d_out[n], vt[n], d_out[n - 1], gradient, starts[n])
        start, into = starts[0], self.into
        passes.first_layer_backward(z, self.first, d_out[0], vt[0], self.features, into, self.offset, gradient, start)


def stretches(steps: int, truncate: int | None, last: bool) -> list[tuple[int, int]]:
    """Return the stretches of time through which a gradient goes, as `Network.hidden` cuts them.

    >>> stretches(7, 3, last=False)
    [(0, 1), (1, 4), (4, 7)]
    """
    length = min(truncate or steps, steps)
    bounds = [0, *range(steps % length or length, steps + 1, length)]
    found = list(pairwise(bounds))
    return found[-1:] if last else found
