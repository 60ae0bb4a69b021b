"""The compiled update: an epoch of a population on arrays, with nothing between the kernels.

PyTorch's autograd over the textbook form is the oracle in the tests, and the path for all that
`supports` gives a reason for.
"""

from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from unrolled.models import recurrence
from unrolled.models.cell import LIMIT
from unrolled.models.kernels import Array
from unrolled.models.network import Network
from unrolled.training import passes
from unrolled.training.arrangement import Arrangement
from unrolled.training.batches import PopulationData
from unrolled.training.optimiser import GradientDescent
from unrolled.training.population import Population
from unrolled.training.workspace import Segment, Workspace

CACHE = 2**20
"""Bytes of a core's second cache that replicas passed through the kernels together may take."""


def supports(population: Population, batches: PopulationData, device: torch.device) -> str | None:
    """Return why the population cannot be trained by compiled updates, or None if it can.

    Parameters
    ----------
    device : torch.device
        Where it is trained.
    """
    network, optimiser, (x, y) = population.network, population.optimiser, batches.train[:]
    fixed = not network.cell.weights()
    steps, batch = x.shape[1], min(batches.batch, len(x))
    expected = (
        (len(x), network.outputs) if population.many_to_one else (len(x), steps - network.washout, network.outputs)
    )
    reasons = {
        "it runs on the CPU only": device.type != "cpu",
        "the cell has no kernels": not (network.cell.compiled or fixed),
        "a forced network is trained by autograd": network.forcing is not None,
        "the optimiser has an update of its own": type(optimiser).update is not GradientDescent.update,
        "the kernels do not know the type": not recurrence.supported(population.theta, x, y),
        "the readout sees more than the outputs": network.cell.expands,
        "the sequence is run in segments": network.cell.segment(x[None, :batch]) < steps,
        "a flat window has one output": network.flatten_window and not population.many_to_one,
        "a residual needs an output at every step": network.residual is not None and population.many_to_one,
        "the closed loop goes through more than a linear readout": bool(network.closed_loop) and not foldable(network),
        "its outputs are too many to keep": fixed and x[..., 0].nbytes * network.cell.features > LIMIT,
        "outputs without weights have no noise or residual": fixed and bool(batches.noise or network.residual),
        "the targets have another shape": y.shape != expected,
        "the regulariser needs a kernel, and the whole sequence": bool(population.omega.any())
        and (network.cell.omega_kernel() is None or bool(network.truncate or network.closed_loop or network.forcing)),
        "cross-entropy has no residual": population.loss == "cross_entropy" and network.residual is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def foldable(network: Network) -> bool:
    """Return whether the network in closed loop is the same cell with other weights."""
    w = network.unpack(torch.zeros(1, network.parameters))
    own = {name: w[name] for name in network.cell.weights()}
    return len(network.layers) == 1 and network.cell.closed(own, w["V0"], w["c0"]) is not None


class CompiledUpdate:
    """Updates of a population that are `supports`-ed: loss, gradient, clipping and optimiser of all replicas.

    Parameters
    ----------
    population : Population
        Its θ, active replicas, best weights and counts are used and changed as by `Optimiser.update`.
    batches : PopulationData
        The training set, and the noise on its inputs.

    Attributes
    ----------
    gradient : (S, P) array
        Of the last batch.
    loss : (S,) array
        Of the last batch.
    """

    def __init__(self, population: Population, batches: PopulationData) -> None:
        self.population, self.batches, network = population, batches, population.network
        theta = self.theta = population.theta.detach().numpy()
        x, y = batches.train[:]
        x = x.flatten(1)[:, None] if network.flatten_window else x
        self.width = x.shape[2]
        if not network.cell.weights():  # what the readout sees is the same in every update
            h = network.cell.run({}, x[None])[0][0]
            x = h[:, -1:] if population.many_to_one else h
        elif network.cell.with_one:
            x = torch.cat([x, x.new_ones(*x.shape[:2], 1)], dim=2)
        self.gradient, self.loss = np.zeros_like(theta), np.zeros(len(theta), theta.dtype)
        self.segments = self._segments(x, y[:, None] if population.many_to_one else y)
        self.scored = sum(segment.targets.shape[1] for segment in self.segments)
        sizes = [weight.shape[0] * weight.shape[1] for weight in network.weights().values()]
        starts = dict(zip(network.weights(), accumulate(sizes, initial=0), strict=False))
        self.starts = [starts[f"V{number}"] for number in range(len(network.layers))]
        assert isinstance(population.optimiser, GradientDescent)
        self.descend = population.optimiser.descent()
        self.finite = np.ones(len(theta), np.bool_)
        self.parts: dict[int, list[tuple[slice, list[Workspace]]]] = {}

    def _segments(self, x: Tensor, y: Tensor) -> list[Segment]:
        """Return the sequences as one segment, or, if they end in closed loop, as two."""
        network, theta, loop = self.population.network, self.theta, self.population.network.closed_loop
        parts = [(x[:, : x.shape[1] - loop], y[:, : y.shape[1] - loop], slice(None), self.gradient)]
        if loop:
            given = slice(network.outputs, None)
            parts += [(x[:, -loop:, given], y[:, -loop:], given, np.zeros_like(theta))]
        return [
            Segment(
                np.array(inputs.numpy(), order="C"),
                np.array(targets.numpy(), order="C"),
                columns,
                Arrangement(network, theta, closed=number > 0),
                gradient,
            )
            for number, (inputs, targets, columns, gradient) in enumerate(parts)
        ]

    def epoch(self, order: Tensor) -> list[Tensor]:
        """Train on all batches of an epoch, (S, N) indices; return the loss (S,) before each update."""
        self.theta = self.population.theta.detach().numpy()
        losses = []
        for index in order.split(self.batches.batch, dim=1):
            self.differentiate(index.contiguous().numpy())
            self.step(index.shape[1])
            losses.append(torch.tensor(self.loss))
        return losses

    def differentiate(self, index: Array) -> None:
        """Compute `loss` and `gradient` on the sequences of an index (S, B)."""
        batch = index.shape[1]
        noise = self.batches.draw_noise(batch, self.batches.train.inputs.shape[1])
        for segment in self.segments:
            segment.arrangement.fill(self.theta)
        if batch not in self.parts:
            self.parts[batch] = self._parts(batch)
        self.loss.fill(0)
        for part, works in self.parts[batch]:
            for work in works:
                work.forward(self, part, index, noise)
            for work in reversed(works):
                work.backward(self, part, index)
        for segment in self.segments:
            if segment.gradient is not self.gradient:
                self.gradient += segment.gradient
            segment.arrangement.collect(self.gradient)

    def _parts(self, batch: int) -> list[tuple[slice, list[Workspace]]]:
        """Return the parts of the population that fit into the cache, with the arrays for them."""
        replicas, one = len(self.theta), self._works(1, batch)
        whole = one[0].stretches == [(0, one[0].x.shape[1])]  # a stretch is contiguous for one replica only
        parts = min(replicas, -(-replicas * sum(each.nbytes for each in one) // CACHE)) if whole else replicas
        bounds = [replicas * part // parts for part in range(parts + 1)]
        works = {size: self._works(size, batch) for size in set(np.diff(bounds).tolist())}
        return [(slice(begin, end), works[end - begin]) for begin, end in pairwise(bounds)]

    def _works(self, replicas: int, batch: int) -> list[Workspace]:
        """Return the arrays for some replicas, each segment's after those of the one before."""
        works: list[Workspace] = []
        for segment in self.segments:
            works.append(Workspace(self, segment, replicas, batch, works[-1] if works else None))
        return works

    def step(self, batch: int) -> None:
        """Clip, freeze what diverged, and let the optimiser change θ; `batch` sequences are counted."""
        population = self.population
        passes.clip(self.gradient, self.loss, population.clip_norm.numpy(), population.clip_value.numpy(), self.finite)
        population.count(forward=batch, backward=batch)
        if not self.finite.all():
            diverged = population.active & ~torch.from_numpy(self.finite)
            if diverged.any():
                population.freeze_diverged(diverged)
        rates = population.lr_factor * population.learning_rates.numpy()
        self.descend(self.theta, self.gradient, rates, population.active.numpy())
        population.updates += 1
