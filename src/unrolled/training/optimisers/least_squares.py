"""Least squares for the last layer, as a protocol has it: nothing is chosen; all other weights stay as they started."""

from typing import ClassVar

from pydantic import Field

from unrolled.models.cell import Weights
from unrolled.models.pytorch import Tensor, no_grad, torch
from unrolled.training.optimiser import Batch, Optimiser, Replicas


class LeastSquares(Optimiser):
    """(V, c) = argmin ‖H V + c - Y‖² + λ (‖V‖² + ‖c‖²), in float64; without `constant` c is 0.

    λ is a sum over the rows, not a mean as of `ridge`, penalises the constant too, and is what the row says.
    Columns are scaled to a largest entry of one, which without λ changes nothing but rounding. Steps without a
    target (the washout) stay out. `averaged` solves for each training sequence by itself and takes the mean. `noise`
    is the bound of uniform noise that enters each unit beside its bias, in training only.

    References
    ----------
    Jaeger, The echo state approach, GMD Report 148 (2001), sections 3 and 6.3.
    """

    iterative: ClassVar[bool] = False
    solves: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("centred", "steps")

    class Settings(Optimiser.Settings):
        """λ, whether there is a constant, whether solutions are averaged, and the bound of the noise."""

        penalty: float = Field(0.0, ge=0)
        constant: bool = True
        averaged: bool = False
        noise: float = Field(0.0, ge=0)

    settings: Settings

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Return the loss: all training is in `finish`."""
        return population.losses(batch).detach()

    @no_grad
    def finish(self, population: Replicas, train: Batch, val: Batch) -> None:
        """Solve for the readout of each replica."""
        x, network = train[0], population.network
        y = network.wanted(*train)
        layer = len(network.layers) - 1
        for s in range(len(population.theta)):
            weights = network.unpack(population.theta[s : s + 1])
            h = self._states(population, weights, x[None], s)
            h = network.readout(weights, h, upto=layer)[0]
            h = h if population.many_to_one else h[:, h.shape[1] - y.shape[1] :]
            v, c = self._solution(h, y)
            replica = {name: weight[0] for name, weight in weights.items()} | {f"V{layer}": v, f"c{layer}": c}
            population.theta[s] = network.pack(
                {name: part.to(population.theta.dtype) for name, part in replica.items()}
            )
        population.count(forward=len(x))
        population.save_best(population.validation_loss(val))
        population.freeze_diverged(~torch.isfinite(population.best_loss))

    def _solution(self, h: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return V and c for features (N, [T,] H) and targets (N, [T,] K) of all training sequences."""
        if not self.settings.averaged:
            return self.solve(h.reshape(-1, h.shape[-1]), y.reshape(-1, y.shape[-1]))
        found = [self.solve(*(each.reshape(-1, each.shape[-1]) for each in pair)) for pair in zip(h, y, strict=True)]
        v, c = (torch.stack(each).mean(dim=0) for each in zip(*found, strict=True))
        return v, c

    def _states(self, population: Replicas, weights: Weights, x: Tensor, s: int) -> Tensor:
        """Return the outputs (1, N, [T,] H) of the cell of replica s, with noise if there is some."""
        network, bound = population.network, self.settings.noise
        if not bound or "b" not in weights:
            return network.hidden(weights, x, population.many_to_one)[0]
        draw = torch.Generator().manual_seed(s)
        state, outputs = network.cell.start(x), []
        for now in x.unbind(2):
            noise = 2 * torch.rand(*x.shape[:2], weights["b"].shape[-1], generator=draw, dtype=x.dtype) - 1
            state = network.cell.step(weights | {"b": weights["b"] + bound * noise}, now, state)
            outputs.append(state[0])
        return outputs[-1] if population.many_to_one else torch.stack(outputs, dim=2)

    def solve(self, features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return V (H, K) and c (1, K) of features (n, H) and targets (n, K)."""
        h, y = features.double(), targets.double()
        if self.settings.constant:
            h = torch.cat([h, torch.ones(len(h), 1, dtype=h.dtype)], dim=1)
        size = h.abs().amax(dim=0).clamp(min=torch.finfo(h.dtype).tiny)
        rows, wanted = h / size, y
        if self.settings.penalty:
            rows = torch.cat([rows, torch.diag(self.settings.penalty**0.5 / size)])
            wanted = torch.cat([y, torch.zeros(h.shape[1], y.shape[1], dtype=h.dtype)])
        found = torch.linalg.lstsq(rows, wanted, driver="gelsy").solution / size[:, None]
        split = features.shape[1]
        return found[:split], found[split:] if self.settings.constant else torch.zeros_like(y[:1])
