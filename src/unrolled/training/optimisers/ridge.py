"""Ridge regression of the last layer, solved exactly; all other weights stay as they started."""

from collections.abc import Callable
from typing import ClassVar

from unrolled.models.closed_loop import go_on
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, no_grad, torch
from unrolled.training.optimiser import Batch, Optimiser, Replicas, mean_square

GRID = [10.0**power for power in range(-12, 3)]


class Ridge(Optimiser):
    """V = (HᵀH/n + λ 1)⁻¹ HᵀY/n, on centred features and targets; c puts the means back.

    λ is chosen on the validation data, for each replica, from 1e-12 to 100 in steps of ten (in
    units of the squared features); in closed loop where validation is. Solved in float64. Steps
    without a target (the washout) stay out of the regression, while the state forgets where it began.

    References
    ----------
    Hoerl & Kennard, Technometrics 12 (1970) 55, doi 10.1080/00401706.1970.10488634.
    """

    iterative: ClassVar[bool] = False
    solves: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("centred", "steps")

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Return the loss: all training is in `finish`."""
        return population.losses(batch).detach()

    @no_grad
    def finish(self, population: Replicas, train: Batch, val: Batch) -> None:
        """Solve for every λ and keep the readout with the lowest validation loss."""
        network = population.network
        weights, layer = network.unpack(population.theta), len(network.layers) - 1
        features, targets = self._features(population, train[0]), _wanted(network, train)
        if not population.many_to_one:
            features = features[:, :, features.shape[2] - targets.shape[1] :]
            targets = targets.flatten(0, 1)
        solutions = [solve(h.reshape(-1, h.shape[-1]), targets) for h in features]
        population.count(forward=len(train[0]))
        loss = self._validation(population, val)
        for number in range(len(GRID)):
            for s, (slopes, offsets) in enumerate(solutions):
                replica = {name: weight[s] for name, weight in weights.items()}
                replica |= {f"V{layer}": slopes[number], f"c{layer}": offsets[number]}
                row = network.pack({k: v.to(population.theta.dtype) for k, v in replica.items()})
                population.theta[s] = row
            population.save_best(loss())
        population.freeze_diverged(~torch.isfinite(population.best_loss))  # nothing was kept: what is left is random

    def _validation(self, population: Replicas, val: Batch) -> Callable[[], Tensor]:
        """Return what gives the validation loss of any readout, with the states of the recurrence computed once."""
        (x, y), (mode, autoregressive), network = val, population.validation, population.network
        x = x.expand(len(population.theta), *x.shape)
        if autoregressive or (mode == "closed_loop" and population.many_to_one):
            return lambda: population.validation_loss(val)
        loop = mode == "closed_loop"
        h, state = network.hidden(network.unpack(population.theta), x, population.many_to_one or loop)
        h = h if population.many_to_one or loop else h[:, :, h.shape[2] - y.shape[1] :]

        def loss() -> Tensor:
            w = network.unpack(population.theta)
            found = network.readout(w, h)
            if loop:
                rest = h.new_zeros(*h.shape[:2], y.shape[1] - 1, 0)
                found = torch.cat([found[:, :, None], go_on(network, w, found, state, rest)], dim=2)
            elif network.residual is not None:
                found = x[:, :, network.washout :, -network.outputs :] + network.residual * found
            return mean_square(found, y).nan_to_num(torch.inf, torch.inf)

        return loss

    def _features(self, population: Replicas, x: Tensor) -> Tensor:
        """Return what enters the last layer, (S, N, [T,] L), for x (N, T, D)."""
        weights, network = population.network.unpack(population.theta), population.network
        hidden = network.hidden(weights, x.expand(len(population.theta), *x.shape), population.many_to_one)[0]
        return network.readout(weights, hidden, upto=len(network.layers) - 1)


def _wanted(network: Network, batch: Batch) -> Tensor:
    """Return what the readout is to give: the targets, or of a residual what the other model lacks in its unit."""
    x, y = batch
    return y if network.residual is None else (y - x[:, network.washout :, -network.outputs :]) / network.residual


def solve(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slopes (L, H, K) and offsets (L, 1, K) of ridge regression for each λ of the grid.

    Parameters
    ----------
    features : (n, H) tensor
    targets : (n, K) tensor
    """
    h, y = features.double(), targets.double()
    h_mean, y_mean = h.mean(0, keepdim=True), y.mean(0, keepdim=True)
    h, y = h - h_mean, y - y_mean
    values, vectors = torch.linalg.eigh(h.T @ h / len(h))
    projected = vectors.T @ (h.T @ y / len(h))
    ridges = torch.tensor(GRID, dtype=torch.float64)[:, None, None]
    slopes = vectors @ (projected / (values.clamp(min=0.0)[:, None] + ridges))
    return slopes, y_mean - h_mean @ slopes
