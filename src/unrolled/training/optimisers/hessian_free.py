"""Hessian-free optimisation: Newton steps by conjugate gradients, which need curvature only as products."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from unrolled import registry
from unrolled.models.pytorch import Tensor, torch
from unrolled.training.curvature import Curvature, loss_of
from unrolled.training.optimiser import Batch, Optimiser, Replicas

Product = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor], Tensor]
TOLERANCE, DECAY, GROWTH = 5e-4, 0.95, 1.3
"""Of CG's stopping rule; of its warm start; between the iterates that backtracking looks at."""
SUFFICIENT, SHRINK, TRIES = 1e-2, 0.8, 30
"""Of the line search."""


class HessianFree(Optimiser):
    """θ ← θ + α d, where d minimises q(d) = gᵀd + ½ dᵀ (G + λ 1 + λ μ JₕᵀJₕ) d approximately.

    g is the gradient on all training data, G the Gauss-Newton matrix on the first `batches` batches
    of the epoch; one update an epoch, at the last of them. λ follows the reduction ratio
    (Levenberg-Marquardt), μ weighs the structural damping: how far the hidden states move. All
    replicas run in lockstep, each with scalars of its own; there is no learning rate.

    References
    ----------
    Martens, ICML 2010, 735; Martens & Sutskever, ICML 2011, 1033 (structural damping); Martens &
    Sutskever (2012), doi 10.1007/978-3-642-35289-8_27.
    """

    once_an_epoch: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("epochs", "batch", "centred", "steps")

    class Settings(registry.Settings):
        """`batches`; `damping`, the first λ; `structural`, μ; `iterations`, the most CG steps."""

        batches: Annotated[int, Field(ge=1)] = 2
        damping: Annotated[float, Field(gt=0)] = 0.1
        structural: Annotated[float, Field(ge=0)] = 0.03
        iterations: Annotated[int, Field(ge=1)] = 40

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.train: Batch | None = None
        self.seen: list[Batch] = []
        self.calls = self.size = 0
        self.damping = self.before = self.loss = torch.zeros(())

    def begin(self, population: Replicas, train: Batch) -> None:
        """Remember the training set, N sequences, the same for each replica."""
        replicas = len(population.theta)
        self._begin(population, (train[0].expand(replicas, *train[0].shape), train[1]))

    def _begin(self, population: Replicas, train: Batch) -> None:
        self.train = train
        self.damping = torch.full_like(population.learning_rates, self.settings.damping)
        self.before = torch.zeros_like(population.theta)

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Gather the batch, or take one step; return the training loss (S,) before the last step."""
        if self.train is None:
            self._begin(population, batch)
        assert self.train is not None
        if self.train[0].device != batch[0].device:  # begun before the population moved to its GPU
            self._begin(population, (self.train[0].to(batch[0].device), self.train[1].to(batch[1].device)))
        assert self.train is not None
        self.size = self.size or batch[0].shape[1]  # of all batches but an epoch's last
        epoch = -(-self.train[0].shape[1] // self.size)  # batches an epoch
        place, wanted = self.calls % epoch, min(epoch, self.settings.batches)
        self.calls += 1
        if place == 0:
            self.seen = []
        if place < wanted:
            self.seen.append(batch)
        if place == wanted - 1:
            self.loss = self._step(population)
        elif self.loss.dim() == 0:
            self.loss = loss_of(population, population.theta.detach(), self.train)
        return self.loss

    def _step(self, population: Replicas) -> Tensor:
        """Take one step of all replicas; return their training loss before it."""
        assert self.train is not None
        train, theta = self.train, population.theta.detach()
        loss = population.losses(train)
        (gradient,) = torch.autograd.grad(loss.sum(), population.theta)
        population.count(forward=train[0].shape[1], backward=train[0].shape[1])
        population.freeze_diverged(population.active & ~(torch.isfinite(loss) & torch.isfinite(gradient).all(dim=1)))
        gradient = torch.where(population.active[:, None], gradient, 0.0)
        together = torch.cat([x for x, _ in self.seen], 1), torch.cat([y for _, y in self.seen], 1)
        curvature = Curvature(population, together)
        damped = self._damped(curvature)
        preconditioner = (self._squares(population) + self.damping[:, None]) ** 0.75
        iterates = conjugate_gradients(damped, gradient, DECAY * self.before, preconditioner, self.settings.iterations)
        self.before = iterates[-1]
        step = backtrack(iterates, lambda d: loss_of(population, theta + d, together))
        alpha = line_search(step, loss.detach(), gradient, lambda d: loss_of(population, theta + d, train))
        self._adapt(population, theta, step, loss.detach(), gradient, curvature)
        with torch.no_grad():
            population.theta.add_(torch.where(population.active[:, None], alpha[:, None] * step, 0.0))
        return loss.detach()

    def _damped(self, curvature: Curvature) -> Product:
        damping = self.damping[:, None]
        structural = self.settings.structural * self.damping
        return lambda d: curvature.product(d, structural) + damping * d

    def _squares(self, population: Replicas) -> Tensor:
        """Return the mean square (S, P) of the gradients of the batches, for the preconditioner."""
        total = torch.zeros_like(population.theta)
        for batch in self.seen:
            (gradient,) = torch.autograd.grad(population.losses(batch).sum(), population.theta)
            population.count(forward=batch[0].shape[1], backward=batch[0].shape[1])
            total += gradient.nan_to_num().square()
        return total / len(self.seen)

    def _adapt(
        self,
        population: Replicas,
        theta: Tensor,
        step: Tensor,
        loss: Tensor,
        gradient: Tensor,
        curvature: Curvature,
    ) -> None:
        """Let λ follow the ratio of the loss's change to that of its quadratic model."""
        assert self.train is not None
        model = dot(gradient, step) + 0.5 * dot(step, curvature.product(step, torch.zeros_like(loss)))
        change = loss_of(population, theta + step, self.train) - loss
        ratio = torch.where(model < 0, change / model, torch.zeros_like(loss)).nan_to_num(nan=0.0, neginf=0.0)
        factor = torch.where(ratio > 0.75, 2 / 3, torch.where(ratio < 0.25, 3 / 2, 1.0))
        self.damping = self.damping * factor


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return aᵀb for each replica, (S,)."""
    return (a * b).sum(dim=1)


def conjugate_gradients(
    product: Product, gradient: Tensor, start: Tensor, preconditioner: Tensor, iterations: int
) -> list[Tensor]:
    """Minimise φ(d) = gᵀd + ½ dᵀ A d for all replicas; return the iterates (S, P) at growing distances, the last last.

    A replica stops where it has made, over the last k = max(10, i/10) steps, less than k ε relative
    progress, and stays there while the others go on.
    """
    d, residual = start.clone(), product(start) + gradient
    y = residual / preconditioner
    direction, rho = -y, dot(residual, y)
    values: list[Tensor] = []
    kept: list[Tensor] = []
    going = rho > 0
    for i in range(1, iterations + 1):
        curved = product(direction)
        bend = dot(direction, curved)
        going = going & (bend > 0)
        alpha = torch.where(going, rho / bend, torch.zeros_like(rho)).nan_to_num()
        d = d + alpha[:, None] * direction
        residual = residual + alpha[:, None] * curved
        y = residual / preconditioner
        new = dot(residual, y)
        direction = torch.where(going[:, None], (new / rho).nan_to_num()[:, None] * direction - y, direction)
        rho = torch.where(going, new, rho)
        values.append(0.5 * dot(d, residual + gradient))
        if i >= GROWTH ** len(kept):
            kept.append(d)
        going = going & (rho > 0) & ~_stalled(values)
        if not going.any():
            break
    return [*kept, d]


def _stalled(values: list[Tensor]) -> Tensor:
    """Return which replicas have made too little progress lately."""
    i = len(values)
    k = max(10, i // 10)
    if i <= k:
        return torch.zeros_like(values[-1], dtype=torch.bool)
    now, past = values[-1], values[-1 - k]
    return (now < 0) & ((now - past) / now < k * TOLERANCE)


def backtrack(iterates: list[Tensor], loss: Loss) -> Tensor:
    """Return, for each replica, the iterate from which going further back does not lower the loss."""
    best, lowest = iterates[-1], loss(iterates[-1]).nan_to_num(nan=torch.inf)
    searching = torch.ones_like(lowest, dtype=torch.bool)
    for d in reversed(iterates[:-1]):
        value = loss(d).nan_to_num(nan=torch.inf)
        searching = searching & (value <= lowest)  # equal where the replica had stopped before the others
        if not searching.any():
            break
        best = torch.where(searching[:, None], d, best)
        lowest = torch.where(searching, value, lowest)
    return best


def line_search(step: Tensor, before: Tensor, gradient: Tensor, loss: Loss) -> Tensor:
    """Return α (S,) from 1 downwards that lowers the loss enough (Armijo), or 0 where none does."""
    slope = dot(gradient, step)
    alpha, searching = torch.ones_like(before), torch.ones_like(before, dtype=torch.bool)
    for _ in range(TRIES):
        value = loss(alpha[:, None] * step)
        searching = searching & ~(value <= before + torch.minimum(SUFFICIENT * alpha * slope, torch.zeros_like(slope)))
        if not searching.any():
            return alpha
        alpha = torch.where(searching, SHRINK * alpha, alpha)
    return torch.where(searching, 0.0, alpha)
