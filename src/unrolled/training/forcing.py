"""How strongly a population is forced onto the truth in the course of its training."""

from unrolled.models.cell import Weights
from unrolled.models.forcing import forced_states
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, no_grad, torch

EVERY, KEPT = 5, 0.999
"""An adaptive strength is estimated every so many updates; where it is too large, so much of it stays each time."""
STATES = 16
"""Steps of each sequence whose Jacobians are looked at."""


class ForcingSchedule:
    """The strength α of each replica: fixed, annealed from 1 to 0, or adaptive.

    The gradient of generalised forcing goes through products of (1 - α) J_t, which stay bounded if α ≥ 1 - 1/σ with σ
    the mean size of J_t. Adaptive α is at first 1; every five updates 1 - 1/σ is estimated, where σ is the largest,
    among the sequences of the batch, of the geometric means over time of ‖J_t‖₂; α follows it at once upwards, slowly
    downwards.

    Parameters
    ----------
    network : Network
    replicas : int
        S.
    total : int
        All updates.

    References
    ----------
    Hess, Monfared, Brenner & Durstewitz, ICML 2023, PMLR 202:13017 (adaptive; the upper bound of the product).
    """

    def __init__(self, network: Network, replicas: int, total: int) -> None:
        self.network, self.total, rule = network, total, network.forcing
        self.kind = rule.strength if rule is not None else None
        fixed = self.kind if isinstance(self.kind, float | int) else 1.0
        self.alpha = torch.full((replicas,), float(fixed))

    def strengths(self) -> Tensor | None:
        """Return α (S,), or None where the network is forced at intervals, or not at all."""
        return None if self.kind is None else self.alpha

    @no_grad
    def update(self, w: Weights, x: Tensor, updates: int) -> None:
        """Set α before an update on the batch x (S, B, T, K), after so many."""
        if self.kind == "annealed":
            self.alpha.fill_(1.0 - updates / self.total)
        elif self.kind == "adaptive" and updates % EVERY == 0:
            wanted = (1 - 1 / jacobian_size(self.network, w, x, self.alpha)).clamp(min=0.0)
            self.alpha = torch.where(wanted > self.alpha, wanted, KEPT * self.alpha + (1 - KEPT) * wanted)


def jacobian_size(network: Network, w: Weights, x: Tensor, alpha: Tensor) -> Tensor:
    """Return σ (S,): the largest, among sequences, of the geometric means over time of ‖∂F/∂z‖₂ at forced states."""
    every = max(1, x.shape[2] // STATES)
    state = forced_states(network, w, x, alpha, every)
    sizes = [part.shape[-1] for part in state]

    def step(row: Weights, vector: Tensor) -> Tensor:
        parts = tuple(part[None, None] for part in vector.split(sizes))
        one = {name: each[None] for name, each in row.items()}
        after = network.cell.step(one, vector.new_zeros(1, 1, 0), parts)
        return torch.cat([part[0, 0] for part in after])

    flat = torch.cat(state, dim=-1)  # (S, B, n, d)
    own = {name: w[name] for name in network.cell.weights()}
    by_state = torch.func.vmap(torch.func.jacrev(step, argnums=1), in_dims=(None, 0))
    jacobians = torch.func.vmap(by_state)(own, flat.flatten(1, 2))
    norms = torch.linalg.matrix_norm(jacobians, 2).unflatten(1, flat.shape[1:3])
    return norms.log().mean(dim=2).exp().max(dim=1).values
