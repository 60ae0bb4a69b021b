"""Gauss-Newton products of a population: forward with the R-operator, back through time."""

from unrolled.models.pytorch import Tensor, no_grad, torch
from unrolled.training.optimiser import LOSSES, Batch, Replicas


class Curvature:
    """G = Jᵀ A J of the loss on one batch, J = ∂y/∂θ, at the population's present θ.

    A is the second derivative of the loss by the outputs: 2/n of the mean square error over n numbers; of the
    cross-entropy over m steps (diag(p) - p pᵀ)/m with p = softmax(y).

    A product needs no matrix: J v is one forward pass of derivatives along v (the R-operator), and
    Jᵀ one backward pass through the recurrence, whose states are kept from the first pass.

    Parameters
    ----------
    population : Replicas
    batch : pair of tensors
        x (S, B, T, D) and y (S, B, [T,] K).

    References
    ----------
    Pearlmutter, Neural Computation 6 (1994) 147, doi 10.1162/neco.1994.6.1.147; Schraudolph, Neural
    Computation 14 (2002) 1723, doi 10.1162/08997660260028683.
    """

    def __init__(self, population: Replicas, batch: Batch) -> None:
        self.population, network = population, population.network
        self.x = batch[0].flatten(2)[:, :, None] if network.flatten_window else batch[0]
        self.theta = population.theta.detach().requires_grad_()
        self.w = network.unpack(self.theta)
        self.h, state = network.hidden(self.w, batch[0], last=False)
        self.y = self._scale * network.readout(self.w, state[0] if population.many_to_one else self._scored(self.h))
        population.count(forward=self.x.shape[1])

    @property
    def _scale(self) -> float:
        """Return ∂y/∂readout."""
        return 1.0 if self.population.network.residual is None else self.population.network.residual

    def _curved(self, ry: Tensor) -> Tensor:
        """Return A ṙ for the derivatives ṙ (S, ..., K) of the outputs."""
        if self.population.loss == "mean_square":
            return ry * (2 / ry[0].numel())
        p = torch.softmax(self.y.detach(), dim=-1)
        return p * (ry - (p * ry).sum(dim=-1, keepdim=True)) * (ry.shape[-1] / ry[0].numel())

    def _scored(self, h: Tensor) -> Tensor:
        """Return the steps of h (S, B, T, H) that have a target."""
        washout = self.population.network.washout
        return h[:, :, washout:] if washout else h

    def product(self, v: Tensor, structural: Tensor) -> Tensor:
        """Return (G + m JₕᵀJₕ) v, (S, P), for v (S, P) and a weight m (S,) for each replica.

        Jₕ = ∂h/∂θ, its square averaged over sequences and steps: the structural damping.
        """
        network, last = self.population.network, self.population.many_to_one
        with torch.no_grad():
            w, dw = {name: part.detach() for name, part in self.w.items()}, network.unpack(v)
            h = self.h.detach()
            rh = network.cell.tangent(w, dw, self.x, h)
            end, r_end = (h[:, :, -1], rh[:, :, -1]) if last else (self._scored(h), self._scored(rh))
            ry = self._scale * network.readout_tangent(w, dw, end, r_end)
            back_y = self._curved(ry)
            back_h = rh * (structural / (h.shape[1] * h.shape[2]))[:, None, None, None]
        self.population.count(curvature=self.x.shape[1])
        (result,) = torch.autograd.grad([self.y, self.h], self.theta, [back_y, back_h], retain_graph=True)
        return result


@no_grad
def loss_of(population: Replicas, theta: Tensor, batch: Batch) -> Tensor:
    """Return the loss (S,) at other weights θ (S, P)."""
    network = population.network
    predicted = network(network.unpack(theta), batch[0], population.many_to_one)
    population.count(forward=batch[0].shape[1])
    return LOSSES[population.loss](predicted, batch[1])
