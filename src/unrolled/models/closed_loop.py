"""The closed loop: a population observes a series, then runs on alone."""

import torch
from torch import Tensor

from unrolled.models.cell import State, Weights
from unrolled.models.kernels import fusable
from unrolled.models.network import Network


@torch.no_grad()
def free_run(network: Network, w: Weights, warm_up: Tensor, steps: int, given: Tensor | None = None) -> Tensor:
    """Return the forecast y_1 ... y_n after a warm-up, each output fed back as the next input.

    x_{t+1} = [y_t, u_{t+1}]: the first K inputs are the network's own outputs, the others are given.
    With a linear readout the loop is the same cell with other weights (`Cell.closed`), so that it
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
        If the network has no state to go on from (`fold`), or sizes do not fit.
    """
    s, b, _, d = warm_up.shape
    rest = warm_up.new_zeros(s, b, steps - 1, 0) if given is None else given
    if network.fold:
        raise ValueError("free_run: a network that folds its window has no state to go on from")
    if steps < 1 or rest.shape != (s, b, steps - 1, d - network.outputs):
        raise ValueError(
            f"free_run: {steps} steps with {d} inputs, {network.outputs} of them fed back, need `given` of shape "
            f"{(s, b, steps - 1, d - network.outputs)}, not {tuple(rest.shape)}"
        )
    h, state = network.hidden(w, warm_up, last=True)
    first = network.readout(w, h)
    if steps == 1:
        return first[:, :, None]
    linear = hasattr(network.cell, "closed") and len(network.layers) == 1
    compiled = linear and first.device.type == "cpu" and fusable(first, *state, *w.values())
    run = _compiled if compiled else _regression if _is_regression(network, first) else _step_by_step
    return torch.cat([first[:, :, None], run(network, w, first, state, rest)], dim=2)


def _compiled(network: Network, w: Weights, first: Tensor, state: State, rest: Tensor) -> Tensor:
    """Run the cell with its readout folded into its weights."""
    cell = {name: w[name] for name in network.cell.shapes()}
    h, _ = network.cell.fused(network.cell.closed(cell, w["V0"], w["c0"]), rest, state)  # type: ignore[attr-defined]
    return network.readout(w, h)


def _is_regression(network: Network, first: Tensor) -> bool:
    """Return whether the cell has a compiled loop for one output of a linear readout."""
    one = network.layers == [(network.cell.features, 1)]
    return one and hasattr(network.cell, "run_on") and first.device.type == "cpu"


def _regression(network: Network, w: Weights, first: Tensor, state: State, rest: Tensor) -> Tensor:
    """Run a regression on a window on its own output, in a compiled loop."""
    y: Tensor = network.cell.run_on(w["V0"], w["c0"], first, state, rest)  # type: ignore[attr-defined]
    return y


def _step_by_step(network: Network, w: Weights, first: Tensor, state: State, rest: Tensor) -> Tensor:
    """Apply the cell's textbook step and the readout in turn: any cell, any readout, any device."""
    outputs = [first]
    for u in rest.unbind(2):
        state = network.cell.step(w, torch.cat([outputs[-1], u], dim=-1), state)
        outputs.append(network.readout(w, state[0]))
    return torch.stack(outputs[1:], dim=2)
