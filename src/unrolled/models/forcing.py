"""Training in closed loop with the truth fed in now and then: sparse and generalised teacher forcing.

A chaotic system's errors grow in closed loop, and with them the gradients of a network that is trained there; the
truth, fed in often enough, bounds both.
"""

from collections.abc import Iterator

from unrolled.models.cell import State, Weights
from unrolled.models.closed_loop import carry_on
from unrolled.models.network import Network, nothing
from unrolled.models.pytorch import Tensor, torch


def forced(network: Network, w: Weights, x: Tensor, strength: Tensor | None = None) -> Tensor:
    """Return ŷ_1 ... ŷ_T (S, B, T - washout, K) for the truth x_0 ... x_{T-1} (S, B, T, K), forced as the network says.

    With the rule `input` the network sees x̃_t: the truth x_t where forced, else its own output ŷ_t for that time. With
    `state` it sees nothing: where forced, its state becomes the one that reads out x_t (`Network.impose`). Forced is
    every τ-th step from the first on (sparse forcing, an `interval`), or each step with a strength α,
    x̃_t = α x_t + (1 - α) ŷ_t or likewise for the state, and the first wholly (generalised forcing). The gradient goes
    through the whole loop: exact, for any cell with a linear readout.

    Parameters
    ----------
    network : Network
        With `forcing`.
    w : dict of (S, ...) tensors
    x : (S, B, T, K) tensor
    strength : (S,) tensor, optional
        α of each replica; needed where there is no interval.

    References
    ----------
    Mikhaeil, Monfared & Durstewitz, NeurIPS 2022, arXiv 2110.07238 (sparse); Hess, Monfared, Brenner & Durstewitz,
    ICML 2023, PMLR 202:13017 (generalised); Bengio et al., NeurIPS 2015, arXiv 1506.03099 (scheduled).
    """
    rule = network.forcing
    assert rule is not None and (rule.interval is not None or strength is not None)
    always = rule.interval == 1 if strength is None else bool((strength == 1).all())
    if always:  # teacher forcing
        found = network.readout(w, network.hidden(w, x, last=False)[0])
    elif strength is None:
        assert rule.interval is not None
        found = (_sparse_inputs if rule.rule == "input" else _sparse_states)(network, w, x, rule.interval)
    else:
        alpha = strength.to(x.dtype)[:, None, None]
        found = (_mixed_inputs if rule.rule == "input" else _mixed_states)(network, w, x, alpha)
    return found[:, :, network.washout :]


def _sparse_inputs(network: Network, w: Weights, x: Tensor, interval: int) -> Tensor:
    """Run stretch after stretch: one step with the truth, then in closed loop up to the next."""
    steps, state, outputs = x.shape[2], None, []
    for first in range(0, steps, interval):
        h, state = network.hidden(w, x[:, :, first : first + 1], last=False, state=state)
        outputs.append(network.readout(w, h))
        if later := min(interval, steps - first) - 1:
            following, state = carry_on(network, w, outputs[-1][:, :, 0], state, nothing(x, later))
            outputs.append(following)
    return torch.cat(outputs, dim=2)


def _mixed_inputs(network: Network, w: Weights, x: Tensor, alpha: Tensor) -> Tensor:
    """Run the first step with the truth, then with mixed inputs."""
    h, state = network.hidden(w, x[:, :, :1], last=False)
    first = network.readout(w, h)
    later = carry_on(network, w, first[:, :, 0], state, nothing(x, x.shape[2] - 1), (x[:, :, 1:], alpha))[0]
    return torch.cat([first, later], dim=2)


def _sparse_states(network: Network, w: Weights, x: Tensor, interval: int) -> Tensor:
    """Run all stretches side by side: each begins in a state of its own, whatever the one before has come to."""
    s, b, steps, _ = x.shape
    whole, rest = divmod(steps, interval)
    parts = []
    for begin, count, length in ((0, whole, interval), (whole * interval, 1, rest)):
        if count and length:
            seen = x[:, :, begin::interval][:, :, :count].flatten(1, 2)
            h, _ = network.cell.run(w, nothing(seen, length), network.impose(w, seen))
            parts.append(network.readout(w, h).reshape(s, b, count * length, -1))
    return torch.cat(parts, dim=2)


def _mixed_states(network: Network, w: Weights, x: Tensor, alpha: Tensor) -> Tensor:
    """Run the textbook step from z̃_t = α z̄_t + (1 - α) z_t, where z̄_t is the state that reads out x_t."""
    return network.readout(w, torch.stack([after[0] for _, after in _forced_steps(network, w, x, alpha)], dim=2))


def forced_states(network: Network, w: Weights, x: Tensor, strength: Tensor, every: int) -> State:
    """Return z̃_t (S, B, n, ...) at every so many steps of the truth x (S, B, T, K), for α (S,)."""
    alpha = strength.to(x.dtype)[:, None, None]
    states = [before for t, (before, _) in enumerate(_forced_steps(network, w, x, alpha)) if t % every == 0]
    return tuple(torch.stack(parts, dim=2) for parts in zip(*states, strict=True))


def _forced_steps(network: Network, w: Weights, x: Tensor, alpha: Tensor) -> Iterator[tuple[State, State]]:
    """Yield the states z̃_t and F(z̃_t)."""
    truth = [part.unflatten(1, x.shape[1:3]) for part in network.impose(w, x.flatten(1, 2))]
    state = tuple(part[:, :, 0] for part in truth)
    for t in range(x.shape[2]):
        if t:
            state = tuple(alpha * all_t[:, :, t] + (1 - alpha) * own for all_t, own in zip(truth, state, strict=True))
        before, state = state, network.cell.step(w, x[:, :, t, :0], state)
        yield before, state
