"""Long sequences: checkpointing in time changes memory and nothing else; the closed loop is the loop."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import make_cell
from unrolled.models import cell
from unrolled.models.closed_loop import free_run
from unrolled.models.network import Network
from unrolled.registry import load, names

CELLS = names("cells")
COMPILED = [name for name in CELLS if load("cells", name).compiled]
GIB = 2**30


def make(name: str, d: int = 2, k: int = 1, hidden: int = 5, s: int = 3, readout: tuple[int, ...] = ()) -> tuple:  # type: ignore[type-arg]
    """Return a network and its weights θ (S, P), in float64."""
    network = Network(make_cell(name, d, hidden=hidden, window=3), k, readout)
    random = torch.Generator().manual_seed(2)
    theta = torch.randn(s, network.parameters, generator=random, dtype=torch.float64) / (d + hidden) ** 0.5
    return network, theta.requires_grad_()


def inputs(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()


def outcome(network: Network, theta: Tensor, x: Tensor, last: bool) -> list[Tensor]:
    """Return the outputs, and the gradients by weights and inputs of a loss that weighs each output differently."""
    y = network(network.unpack(theta), x, last)
    loss = (y * torch.linspace(-1, 1, y.numel()).to(y).reshape(y.shape)).sum()
    return [y.detach(), *torch.autograd.grad(loss, [theta, x])]


def in_segments_of(monkeypatch: pytest.MonkeyPatch, steps: int, network: Network, x: Tensor) -> None:
    """Set the limit so that a segment has that many steps."""
    size = network.cell.saved * x.shape[0] * x.shape[1] * network.cell.hidden * x.element_size()
    monkeypatch.setattr(cell, "LIMIT", cell.SEGMENTS * steps * size)
    assert network.cell.segment(x) == steps


def close(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(
        one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=1e-12 * max(1.0, float(other.abs().max())))
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("steps", [1, 4, 7])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("name", "textbook"), [(n, False) for n in CELLS] + [(n, True) for n in COMPILED])
def test_checkpointed_is_plain(
    monkeypatch: pytest.MonkeyPatch, name: str, textbook: bool, last: bool, steps: int
) -> None:
    network, theta = make(name)
    monkeypatch.setattr(type(network.cell), "compiled", network.cell.compiled and not textbook)
    x = inputs(3, 2, 8 * 7 + 3, 2)
    plain = outcome(network, theta, x, last)
    in_segments_of(monkeypatch, steps, network, x)
    assert close(outcome(network, theta, x, last), plain)


@pytest.mark.parametrize("name", COMPILED)
def test_gradcheck_through_segments(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    network, theta = make(name, hidden=3, s=2)
    x = inputs(2, 1, 9, 2)
    in_segments_of(monkeypatch, 1, network, x)
    assert torch.autograd.gradcheck(lambda t, x: network(network.unpack(t), x), (theta, x), rtol=1e-6)


def test_shared_inputs_stay_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    network, theta = make("lstm")
    x = inputs(1, 2, 59, 2).detach().expand(3, 2, 59, 2)
    plain = network(network.unpack(theta), x)
    in_segments_of(monkeypatch, 7, network, x)
    torch.testing.assert_close(network(network.unpack(theta), x), plain, rtol=0, atol=1e-14)


@torch.no_grad()
def test_a_warm_up_keeps_the_states_of_one_segment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    network, theta = make("lstm")
    x, given = inputs(3, 2, 59, 2).detach(), inputs(3, 2, 4, 1).detach()
    network = Network(network.cell, 1)
    theta = theta[:, : network.parameters]
    whole, run = free_run(network, network.unpack(theta), x, 5, given), network.cell.run
    in_segments_of(monkeypatch, 7, network, x)
    seen: list[int] = []

    def recorded(w: Any, part: Tensor, state: Any = None) -> Any:
        seen.append(part.shape[2])
        return run(w, part, state)

    monkeypatch.setattr(network.cell, "run", recorded)
    torch.testing.assert_close(free_run(network, network.unpack(theta), x, 5, given), whole, rtol=0, atol=1e-12)
    assert max(seen) == 7 and sum(seen) == 59


def test_only_long_sequences_are_cut() -> None:
    lstm = make_cell("lstm", 1, hidden=64)
    assert lstm.segment(torch.empty(10, 32, 200, 1)) == 200
    long = torch.empty(1).expand(10, 32, 20_000, 1)
    assert 1 < lstm.segment(long) * cell.SAVED * 10 * 32 * 64 * 4 <= cell.LIMIT / cell.SEGMENTS


STEP = """
import sys, torch
from pathlib import Path
from unrolled.models import cell
from unrolled.registry import load
from unrolled.models.network import Network
cell.LIMIT = int(float(sys.argv[2]))
def highest():  # not getrusage: a child's begins with its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
def train(t):
    x, y = torch.randn(1, 32, t, 1), torch.randn(1, 32, t, 1)
    network = Network(load("cells", sys.argv[1])(1, hidden=64), 1)
    theta = (0.1 * torch.randn(1, network.parameters)).requires_grad_()
    adam = torch.optim.Adam([theta])
    (network(network.unpack(theta), x) - y).square().mean().backward()
    adam.step()
train(10)
before = highest()
train(20_000)
print(before, highest())
"""


def peak(name: str, limit: float) -> tuple[int, int]:
    """Return the peak memory in bytes of a process before and after a step on 20 000 steps at H = 64, B = 32."""
    source = str(Path(cell.__file__).parents[2])
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": source}
    done = subprocess.run(
        [sys.executable, "-c", STEP, name, str(limit)],
        env=os.environ | one,
        text=True,
        capture_output=True,
        check=True,
    )
    before, after = map(int, done.stdout.split())
    return before, after


ON_LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")


@ON_LINUX
@pytest.mark.parametrize("name", ["lstm", "lem"])  # those that save most
def test_20_000_steps_fit_in_2_gib(name: str) -> None:
    before, after = peak(name, cell.LIMIT)
    assert after < 2 * GIB and after - before < GIB


@ON_LINUX
def test_without_segments_they_need_more() -> None:
    before, after = peak("lstm", 1e12)
    assert after - before > GIB


def textbook(network: Network, theta: Tensor, x: Tensor, steps: int, rest: Tensor | None) -> Tensor:
    """Return the closed loop written out: one step, one readout, and the output is the next input."""
    w, t = network.unpack(theta), x.shape[2]
    state, outputs = network.cell.start(x), []
    for i in range(t + steps - 1):
        fed = x[:, :, i] if i < t else outputs[-1]
        if i >= t and rest is not None:
            fed = torch.cat([fed, rest[:, :, i - t]], dim=-1)
        state = network.cell.step(w, fed, state)
        outputs.append(network.readout(w, state[0]))
    return torch.stack(outputs[t - 1 :], dim=2)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("readout", [(), (4,)])
@pytest.mark.parametrize("steps", [1, 2, 30])
@pytest.mark.parametrize("name", CELLS)
def test_free_run_is_the_loop(name: str, steps: int, readout: tuple[int, ...], given: bool) -> None:
    network, theta = make(name, d=3, k=2 if given else 3, readout=readout)
    theta = theta * (0.05 if network.cell.expands else 1.0)  # products of outputs would grow beyond all bounds
    x = inputs(3, 4, 6, 3)
    rest = inputs(3, 4, steps - 1, 1) if given else None
    found = free_run(network, network.unpack(theta), x, steps, rest)
    expected = textbook(network, theta, x, steps, rest)
    assert found.shape == (3, 4, steps, network.outputs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)  # outputs of some cells have no bound


def test_a_wrong_readout_in_the_loop_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    network, theta = make("lstm", d=1)
    x, kind = inputs(3, 4, 6, 1), type(network.cell)
    right = kind.closed
    monkeypatch.setattr(kind, "closed", lambda self, w, v, c, kept: right(self, w, v, 1.001 * c, kept))
    found = free_run(network, network.unpack(theta), x, 30)
    assert not torch.allclose(found, textbook(network, theta, x, 30, None), rtol=0, atol=1e-9)


def test_one_output_of_a_window_is_a_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    network, theta = make("window", d=2, k=1)
    x, rest = inputs(3, 4, 6, 2), inputs(3, 4, 29, 1)
    found = free_run(network, network.unpack(theta), x, 30, rest)
    monkeypatch.setattr(type(network.cell), "step", None)
    with torch.no_grad():
        regressed = free_run(network, network.unpack(theta), x, 30, rest)
    assert torch.allclose(regressed, found, rtol=1e-9), "it takes no step"


def test_a_linear_network_in_closed_loop_is_its_matrix() -> None:
    """h_{t+1} = h_t (W + V U) + b + c U, in NumPy."""
    network = Network(make_cell("elman", 1, hidden=4, activation="identity"), 1)
    theta = torch.randn(2, network.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 3
    w = {name: part.numpy() for name, part in network.unpack(theta).items()}
    x = inputs(2, 1, 1, 1).detach()
    found = free_run(network, network.unpack(theta), x, 12).numpy()
    for s in range(2):
        m = w["W"][s] + w["V0"][s] @ w["U"][s]
        h = x.numpy()[s, 0] @ w["U"][s] + w["b"][s]
        for t in range(12):
            np.testing.assert_allclose(found[s, 0, t], (h @ w["V0"][s] + w["c0"][s])[0], rtol=1e-10)
            h = h @ m + w["b"][s] + w["c0"][s] @ w["U"][s]


def test_free_run_refuses_what_it_cannot_do() -> None:
    network, theta = make("elman", d=2, k=1)
    with pytest.raises(ValueError, match=r"need `given` of shape \(3, 4, 9, 1\)"):
        free_run(network, network.unpack(theta), inputs(3, 4, 6, 2), 10)
    flat = Network(make_cell("elman", 6, hidden=5), 1, flatten_window=True)
    theta = torch.zeros(3, flat.parameters)
    with pytest.raises(ValueError, match="flattens its window"):
        free_run(flat, flat.unpack(theta), torch.zeros(3, 4, 6, 1), 10)
