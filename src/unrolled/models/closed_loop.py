"""Closed loop: warm up on observed inputs, then feed each output back as the next input; differentiable."""

from unrolled.models import recurrence
from unrolled.models.cell import State, Weights
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, torch


def free_run(network: Network, w: Weights, warm_up: Tensor, steps: int, given: Tensor | None = None) -> Tensor:
    """Return the forecast y_1 ... y_n after a warm-up, each output fed back as the next input.

    x_{t+1} = [y_t, u_{t+1}]: the first K inputs are the network's own outputs, the others are given.
    With a linear readout the loop can be the same cell with other weights (`Cell.closed`), and then
    runs as fast as the network under teacher forcing.

    Parameters
    ----------
    network : Network
        Its cell has D inputs, it has K <= D outputs.
    w : dict of (S, ...) tensors
    warm_up : (S, B, T, D) tensor
    steps : int
        n.
    given : (S, B, n - 1, D - K) tensor, optional
        The inputs u that are not fed back; needed where K < D.

    Returns
    -------
    (S, B, n, K) tensor

    Raises
    ------
    ValueError
        If the network has no state to go on from (`flatten_window`), or sizes do not fit.
    """
    s, b, _, d = warm_up.shape
    rest = warm_up.new_zeros(s, b, steps - 1, 0) if given is None else given
    if network.flatten_window:
        raise ValueError("free_run: a network that flattens its window has no state to go on from")
    if steps < 1 or rest.shape != (s, b, steps - 1, d - network.outputs):
        raise ValueError(
            f"free_run: {steps} steps with {d} inputs, {network.outputs} of them fed back, need `given` of shape "
            f"{(s, b, steps - 1, d - network.outputs)}, not {tuple(rest.shape)}"
        )
    h, state = network.hidden(w, warm_up, last=True)
    first = network.output(w, h, warm_up[:, :, -1])
    return torch.cat([first[:, :, None], go_on(network, w, first, state, rest)], dim=2)


def partly_forced(network: Network, w: Weights, x: Tensor, steps: int) -> Tensor:
    """Return y_1 ... y_T, where in the last n inputs y_t takes the place of the first K columns of x_{t+1}.

    Before them, every input is the truth (teacher forcing). The gradient goes through the loop: exact, for any cell.

    Parameters
    ----------
    network : Network
    w : dict of (S, ...) tensors
    x : (S, B, T, D) tensor
    steps : int
        n, fewer than T.

    Returns
    -------
    (S, B, T - washout, K) tensor
    """
    if not 0 < steps < x.shape[2]:
        raise ValueError(f"partly_forced: {steps} steps in closed loop, of sequences with {x.shape[2]}")
    h, state = network.hidden(w, x[:, :, :-steps], last=False)
    forced = network.readout(w, h)
    later = go_on(network, w, forced[:, :, -1], state, x[:, :, -steps:, network.outputs :])
    return torch.cat([forced, later], dim=2)[:, :, network.washout :]


def go_on(network: Network, w: Weights, first: Tensor, state: State, rest: Tensor) -> Tensor:
    """Return y_2 ... y_n (S, B, n - 1, K) after y_1 (S, B, K) and the state of its step, given the other inputs."""
    if not rest.shape[2]:
        return first[:, :, None][:, :, :0]
    if not torch.is_grad_enabled() and feeds_back(network, first, *state, *w.values()):
        later = network.cell.regress(w["V0"], w["c0"], first, state, rest)
        if later is not None:
            return later
    return carry_on(network, w, first, state, rest)[0]


def feeds_back(network: Network, *tensors: Tensor) -> bool:
    """Return whether the output can be a part of the recurrence: a linear readout of h alone."""
    alone = network.residual is None and not network.cell.expands
    return len(network.layers) == 1 and alone and recurrence.supported(*tensors)


def carry_on(
    network: Network,
    w: Weights,
    first: Tensor,
    state: State,
    rest: Tensor,
    truth: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, State]:
    """Return y_2 ... y_n and the last state; differentiable.

    Parameters
    ----------
    first : (S, B, K) tensor
        y_1, with the `state` of its step.
    rest : (S, B, n - 1, D - K) tensor
        The other inputs.
    truth : pair of tensors, optional
        What y_1 ... y_{n-1} should have been, (S, B, n - 1, K), and its share α in the inputs, (S, 1, 1); by default 0.
    """
    cell = network.cell
    if network.autonomous:
        h, state = cell.run(w, rest, state)
        return network.readout(w, h), state
    if cell.compiled and feeds_back(network, first, *state, *w.values()):
        own = {name: w[name] for name in cell.weights()}
        closed = cell.closed(own, w["V0"], w["c0"], None if truth is None else truth[1])
        if closed is not None:
            h, state = cell.run_compiled(closed, rest if truth is None else torch.cat([truth[0], rest], dim=3), state)
            return network.readout(w, h), state
    outputs = [first]
    for t in range(rest.shape[2]):
        y = outputs[-1] if truth is None else truth[1] * truth[0][:, :, t] + (1 - truth[1]) * outputs[-1]
        x = torch.cat([y, rest[:, :, t]], dim=-1)
        state = cell.step(w, x, state)
        outputs.append(network.output(w, state[0], x))
    return torch.stack(outputs[1:], dim=2), state
