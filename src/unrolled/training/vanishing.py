"""The regulariser Ω that keeps gradients from vanishing on their way back through time."""

from collections.abc import Callable

from unrolled.models.cell import Cell
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, torch


def supports(cell: type[Cell]) -> str | None:
    """Return why Ω cannot be had for a cell, or None."""
    return None if cell.squashes else "needs a cell that is h = σ(x U + h W + b), such as elman"


def loss_and_gradient(
    network: Network,
    theta: Tensor,
    batch: tuple[Tensor, Tensor],
    minimise: Callable[[Tensor, Tensor], Tensor],
    last: bool,
    weights: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the loss E (S,) without Ω, and ∂E/∂θ + α ∂⁺Ω/∂W (S, P).

    The gradients by a_t, which Ω is about, are those by H further inputs that are zero and enter by the identity: one
    pass back gives them and ∂E/∂θ.

    Parameters
    ----------
    network : Network
        Of a cell that is `supports`-ed.
    theta : (S, P) tensor
        A leaf.
    batch : pair of tensors
        x (S, B, T, D) and y (S, B, [T,] K).
    minimise : callable
        The loss (S,) of predictions and targets.
    last : bool
        Whether only the last output counts.
    weights : (S,) tensor
        α of each replica.
    """
    (x, y), cell, w = batch, network.cell, network.unpack(theta)
    s, b, t, inputs = x.shape
    wide = type(cell)(inputs + cell.hidden, **cell.settings.model_dump())
    own = {name: w[name] for name in cell.weights()}
    own["U"] = torch.cat([own["U"], torch.eye(cell.hidden, dtype=x.dtype, device=x.device).expand(s, -1, -1)], dim=1)
    pushed = torch.cat([x, x.new_zeros(s, b, t, cell.hidden)], dim=3).requires_grad_()
    h, state = wide.run(own, pushed)
    loss = minimise(network.readout(w, state[0] if last else h[:, :, network.washout :]), y)
    gradient, back = torch.autograd.grad(loss.sum(), (theta, pushed))
    with torch.no_grad():
        _, by_w = omega(w["W"], cell.slope(h), back[..., inputs:])
        extra = {name: torch.zeros_like(weight) for name, weight in w.items()} | {"W": weights[:, None, None] * by_w}
        return loss.detach(), gradient + torch.cat([each.flatten(1) for each in extra.values()], dim=1)


def omega(w: Tensor, slope: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
    """Return Ω (S,) and its immediate derivative by W (S, H, H).

    Ω = ⟨(‖∂E/∂a_{k+1} ∂a_{k+1}/∂a_k‖ / ‖∂E/∂a_{k+1}‖ - 1)²⟩ with ∂a_{k+1}/∂a_k = Wᵀ diag(σ'(a_k)): it is zero where a
    gradient keeps its size from step to step, in the direction that matters. The mean is over the steps k and the
    sequences where there is a gradient (the paper has the sum over k; the authors' code the mean, of squared norms).
    Immediate: σ'(a_k) and ∂E/∂a_{k+1} are taken as constants, as in the paper's equation 10.

    Parameters
    ----------
    w : (S, H, H) tensor
        W, from rows to columns.
    slope, back : (S, B, T, H) tensors
        σ'(a_t) and ∂E/∂a_t.

    References
    ----------
    Pascanu, Mikolov & Bengio, ICML 2013, PMLR 28(3):1310, equations 9 and 10.
    """
    back, slope = back[:, :, 1:].flatten(1, 2), slope[:, :, :-1].flatten(1, 2)
    largest = back.abs().amax(dim=2, keepdim=True)
    there = (largest > 0) & torch.isfinite(largest)
    direction = torch.where(there, back / largest, 0.0)  # a square of what is left after many steps would be zero
    direction = torch.where(there, direction / direction.norm(dim=2, keepdim=True), 0.0)
    moved = direction @ w.mT * slope
    ratio = moved.norm(dim=2, keepdim=True)
    count = there.sum(dim=(1, 2)).clamp(min=1)
    value = torch.where(there, (ratio - 1).square(), 0.0).sum(dim=(1, 2)) / count
    factor = torch.where(there & (ratio > 0), 2 * (ratio - 1) / ratio, 0.0) / count[:, None, None]
    return value, (factor * moved * slope).mT @ direction
