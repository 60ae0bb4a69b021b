"""Ridge regression of the last layer, solved exactly; all other weights stay as they started."""

from collections.abc import Callable
from typing import ClassVar

from unrolled.data.task import Loss
from unrolled.models.closed_loop import go_on
from unrolled.models.pytorch import Tensor, no_grad, torch
from unrolled.training.optimiser import Batch, Optimiser, Replicas, mean_square

GRID = [10.0**power for power in range(-12, 3)]
"""Ridges for features in single precision."""
FINE = [10.0**power for power in range(-20, 3)]
"""For features in double precision."""
ROWS = 1024
"""So many rows at least are factorised together."""


class Ridge(Optimiser):
    """V = (HᵀH/n + λ 1)⁻¹ HᵀY/n, on centred features and targets; c puts the means back.

    λ is chosen on the validation data, for each replica, from 1e-12 (in double precision 1e-20) to 100 in steps of
    ten, in units of the squared features; in closed loop where validation is. Solved in float64 by the singular
    values of H itself, since those of HᵀH are their squares, of which rounding hides all below 1e-8 of the largest.
    Steps without a target (the washout) stay out of the regression, while the state forgets where it began.

    References
    ----------
    Hoerl & Kennard, Technometrics 12 (1970) 55, doi 10.1080/00401706.1970.10488634.
    """

    iterative: ClassVar[bool] = False
    solves: ClassVar[bool] = True
    minimises: ClassVar[tuple[Loss, ...]] = ("mean_square",)
    uses: ClassVar[tuple[str, ...]] = ("centred", "steps")

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Return the loss: all training is in `finish`."""
        return population.losses(batch).detach()

    @no_grad
    def finish(self, population: Replicas, train: Batch, val: Batch) -> None:
        """Solve for every λ and keep the readout with the lowest validation loss."""
        network = population.network
        weights, layer = network.unpack(population.theta), len(network.layers) - 1
        ridges = FINE if population.theta.dtype == torch.float64 else GRID
        solutions = [self._solve(population, train, s, ridges) for s in range(len(population.theta))]
        population.count(forward=len(train[0]))
        loss = self._validation(population, val)
        for number in range(len(ridges)):
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
            found = network.output(w, h, x[:, :, -1]) if loop else network.readout(w, h)
            if loop:
                rest = h.new_zeros(*h.shape[:2], y.shape[1] - 1, 0)
                found = torch.cat([found[:, :, None], go_on(network, w, found, state, rest)], dim=2)
            elif network.residual is not None:
                found = x[:, :, network.washout :, -network.outputs :] + network.residual * found
            return mean_square(found, y).nan_to_num(torch.inf, torch.inf)

        return loss

    def _solve(self, population: Replicas, train: Batch, s: int, ridges: list[float]) -> tuple[Tensor, Tensor]:
        """Return what `solve` gives for one replica; one at a time, since features of all may not fit into memory."""
        network, targets = population.network, population.network.wanted(*train)
        weights = network.unpack(population.theta[s : s + 1])
        h = network.hidden(weights, train[0][None], population.many_to_one)[0]
        if not population.many_to_one:
            h, targets = h[:, :, h.shape[2] - targets.shape[1] :], targets.flatten(0, 1)
        features = network.readout(weights, h, upto=len(network.layers) - 1)
        return solve(features.reshape(len(targets), -1), targets, ridges)


def solve(features: Tensor, targets: Tensor, ridges: list[float] | None = None) -> tuple[Tensor, Tensor]:
    """Return the slopes (L, H, K) and offsets (L, 1, K) of ridge regression for each λ.

    [1, H, Y] = Q R gives the means, in the first row of R, and below it a small matrix with the singular values σ of
    the centred H: of H = U σ Vᵀ the slopes are V σ / (σ² + n λ) UᵀY.

    Parameters
    ----------
    features : (n, H) tensor
    targets : (n, K) tensor
    ridges : list of float, optional
        λ, by default `GRID`.

    References
    ----------
    Golub & Van Loan, Matrix Computations, 4th ed. (2013), sections 5.2 and 6.1.
    """
    count, hidden = features.shape
    factor = torch.empty(0, 1 + hidden + targets.shape[1], dtype=torch.float64)
    for h, y in zip(*(each.split(max(ROWS, 2 * hidden)) for each in (features, targets)), strict=True):
        rows = torch.cat([torch.ones(len(h), 1, dtype=torch.float64), h.double(), y.double()], dim=1)
        factor = torch.linalg.qr(torch.cat([factor, rows]), mode="r")[1]
    means = factor[:1, 1:] / factor[0, 0]
    h_mean, y_mean = means[:, :hidden], means[:, hidden:]
    u, sigma, vt = torch.linalg.svd(factor[1:, 1 : 1 + hidden], full_matrices=False)
    projected = u.T @ factor[1:, 1 + hidden :]
    each = torch.tensor(GRID if ridges is None else ridges, dtype=torch.float64)[:, None, None]
    slopes = vt.T @ (sigma[:, None] / (sigma[:, None].square() + count * each) * projected)
    return slopes, y_mean - h_mean @ slopes
