"""Every cell: its fused form is its textbook form, forwards and backwards."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weights
from unrolled.registry import load, names

CELLS = names("cells")
PEERS = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
Case = tuple[Cell, Weights, Tensor, State]


def fused(name: str) -> bool:
    return hasattr(load("cells", name), "fused")


FUSED = [name for name in CELLS if fused(name)]
KINDS = [(name, kind) for name in FUSED for kind in ("tanh", "relu", "identity") if name == "elman" or kind == "tanh"]
SIZES = [  # S, B, T, D, H: a usual one, then each size at its least, and odd ones for the vector loops
    (3, 4, 7, 2, 5),
    (1, 4, 7, 2, 5),
    (3, 1, 7, 2, 5),
    (3, 4, 1, 2, 5),
    (3, 4, 7, 1, 1),
    (2, 3, 20, 4, 19),
    (2, 9, 12, 1, 32),
]


def case(name: str, sizes: tuple[int, ...] = SIZES[0], kind: str = "tanh", dtype: torch.dtype = torch.float64) -> Case:
    """Return a cell, its weights as views of θ, inputs and a state, all but x from one generator."""
    replicas, batch, steps, inputs, hidden = sizes
    random = torch.Generator().manual_seed(1)
    cell = load("cells", name)(inputs, hidden, activation=kind, window=3)
    shapes = cell.shapes()
    theta = torch.randn(replicas, sum(map(prod, shapes.values())), generator=random, dtype=dtype)
    theta = (theta / (inputs + hidden) ** 0.5).requires_grad_()
    pieces = theta.split([prod(shape) for shape in shapes.values()], dim=1)
    w = {key: piece.reshape(replicas, *shapes[key]) for key, piece in zip(shapes, pieces, strict=True)}
    x = torch.randn(replicas, batch, steps, inputs, generator=random, dtype=dtype, requires_grad=True)
    start = cell.start(x)
    state = tuple(torch.randn(part.shape, generator=random, dtype=dtype, requires_grad=True) for part in start)
    return cell, w, x, state


def pull(run: Callable[..., tuple[Tensor, State]], w: Weights, x: Tensor, state: State) -> list[Tensor]:
    """Return outputs, last state, and the gradients of a scalar that weighs each of them differently."""
    outputs, last = run(w, x, state)
    parts = (outputs, *last)
    total = sum((part * torch.linspace(-1, 1, part.numel()).to(part).reshape(part.shape)).sum() for part in parts)
    gradients = torch.autograd.grad(total, [x, *state, *w.values()])
    return [part.detach() for part in (outputs, *last, *gradients)]


def assert_close(found: list[Tensor], expected: list[Tensor], relative: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=relative * max(1.0, float(other.abs().max())))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_fused_is_textbook(name: str, kind: str, sizes: tuple[int, ...]) -> None:
    cell, w, x, state = case(name, sizes, kind)
    assert_close(pull(cell.fused, w, x, state), pull(cell.unroll, w, x, state), 1e-12)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_fused_is_textbook_float32(name: str, kind: str, sizes: tuple[int, ...]) -> None:
    # Each step rounds sums of H + D + 1 products and a tanh (4 ulp), and the steps add up; the
    # weights above do not amplify. So T (H + D + 5) ulp bounds what two right forms may differ by.
    _, _, steps, inputs, hidden = sizes
    ours = case(name, sizes, kind, torch.float32)
    tolerance = float(np.finfo(np.float32).eps) * steps * (hidden + inputs + 5)
    assert_close(pull(ours[0].fused, *ours[1:]), pull(ours[0].unroll, *ours[1:]), tolerance)


@pytest.mark.parametrize("name", CELLS)
def test_the_state_carries_on(name: str) -> None:
    cell, w, x, state = case(name)
    whole, last = cell.run(w, x, state)
    first, middle = cell.run(w, x[:, :, :3], state)
    second, end = cell.run(w, x[:, :, 3:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=2), whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(end, last, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_run_is_step_after_step(name: str) -> None:
    cell, w, x, state = case(name)
    found, expected = pull(cell.run, w, x, state), pull(cell.unroll, w, x, state)
    assert_close(found, expected, 1e-12)
    with pytest.raises(AssertionError):
        assert_close([1.001 * part for part in found], expected, 1e-12)


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 33])
def test_the_parallel_scan_is_the_recurrence(steps: int) -> None:
    cell, w, x, state = case("lru", (3, 4, steps, 2, 5))
    found, expected = pull(cell.scanned, w, x, state), pull(cell.unroll, w, x, state)
    assert_close(found, expected, 1e-12)
    if steps > 1:
        other = {**w, "nu": 1.001 * w["nu"]}
        with pytest.raises(AssertionError):
            assert_close(pull(lambda _, *rest: cell.scanned(other, *rest), w, x, state), expected, 1e-12)


def check_gradient(name: str, kind: str) -> bool:
    cell, w, x, state = case(name, (2, 2, 3, 2, 3), kind)
    keys, leaves = list(w), [part.detach().requires_grad_() for part in (*w.values(), x, *state)]

    def flat(*parts: Tensor) -> tuple[Tensor, ...]:
        outputs, last = cell.fused(dict(zip(keys, parts, strict=False)), parts[len(keys)], parts[len(keys) + 1 :])
        return outputs, *last

    return bool(gradcheck(flat, leaves, rtol=1e-6, atol=1e-7, raise_exception=False))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_adjoint_is_the_gradient(name: str, kind: str) -> None:
    assert check_gradient(name, kind)


@pytest.mark.parametrize("spoilt", ["dw", "dh"])
@pytest.mark.parametrize("name", FUSED)
def test_a_wrong_adjoint_is_found(name: str, spoilt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"unrolled.models.cells.{name}")
    right = module.adjoint
    place = right.py_func.__code__.co_varnames.index(spoilt)

    def wrong(*arrays: np.ndarray) -> None:
        right(*arrays)
        arrays[place][...] *= 1.001

    monkeypatch.setattr(module, "adjoint", wrong)
    assert not check_gradient(name, "tanh")


def peer_of(name: str, kind: str, cell: Cell, w: Weights, s: int) -> torch.nn.RNNBase:
    """Return torch's network with the weights of replica s; its recurrent bias is ours only in d."""
    options = {"nonlinearity": kind} if name == "elman" else {}
    peer = PEERS[name](cell.inputs, cell.hidden, batch_first=True, dtype=torch.float64, **options)
    recurrent = torch.zeros_like(w["b"][s, 0])
    if "d" in w:
        recurrent[-cell.hidden :] = w["d"][s, 0]
    with torch.no_grad():
        for to, value in zip(peer.parameters(), (w["U"][s].T, w["W"][s].T, w["b"][s, 0], recurrent), strict=True):
            to.copy_(value)
    return peer


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, k in KINDS if n in PEERS and k != "identity"])
def test_equal_to_torch(name: str, kind: str) -> None:
    cell, w, x, state = case(name, kind=kind)
    outputs, last = cell.fused(w, x, state)
    ours = torch.autograd.grad(outputs.square().sum() + last[-1].sum(), [x, *state, *w.values()])
    found = dict(zip(["x", *range(len(state)), *w], ours, strict=True))
    for s in range(len(x)):
        peer = peer_of(name, kind, cell, w, s)
        x_s, *start = (part[s].detach().requires_grad_() for part in (x, *state))
        begin = [part[None] for part in start]
        theirs, end = peer(x_s, begin[0] if len(begin) == 1 else tuple(begin))
        end = end[-1] if isinstance(end, tuple) else end
        (theirs.square().sum() + end.sum()).backward()
        u, recurrent, b, d = (each.grad for each in peer.parameters())
        expected = {"x": x_s.grad, "U": u.T, "W": recurrent.T, "b": b[None], "d": d[None, -cell.hidden :]}
        expected |= {number: part.grad for number, part in enumerate(start)}
        torch.testing.assert_close(outputs[s], theirs, rtol=0, atol=1e-13)
        for key, gradient in found.items():
            torch.testing.assert_close(gradient[s], expected[key], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUSED)
def test_a_replica_is_the_same_alone(name: str, dtype: torch.dtype) -> None:
    cell, w, x, state = case(name, (4, 5, 9, 1, 17), dtype=dtype)
    together = pull_ones(cell, w, x, state)
    for s in range(4):
        one = slice(s, s + 1)
        alone = pull_ones(cell, {key: value[one] for key, value in w.items()}, x[one], tuple(p[one] for p in state))
        assert all(torch.equal(part[one], other) for part, other in zip(together, alone, strict=True))


def pull_ones(cell: Cell, w: Weights, x: Tensor, state: State) -> list[Tensor]:
    """Return outputs, last state and gradients of a scalar that treats all replicas alike."""
    outputs, last = cell.fused(w, x, state)
    total = outputs.square().sum() + sum(part.sum() for part in last)
    return [outputs, *last, *torch.autograd.grad(total, [x, *state, *w.values()])]


@pytest.mark.parametrize("name", FUSED)
def test_strided_and_shared_inputs(name: str) -> None:
    cell, w, x, state = case(name)
    twisted = x.detach().permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0).requires_grad_()
    turned = tuple(part.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for part in state)
    assert not twisted.is_contiguous()
    for found, expected in zip(pull(cell.fused, w, twisted, turned), pull(cell.fused, w, x, state), strict=True):
        assert torch.equal(found, expected)
    shared = x.detach()[:1].expand_as(x)
    assert torch.equal(cell.fused(w, shared, state)[0], cell.fused(w, shared.contiguous(), state)[0])
    leaf = x.detach()[:1].requires_grad_()
    both = [torch.autograd.grad(f(w, leaf.expand_as(x), state)[0].sum(), leaf)[0] for f in (cell.fused, cell.unroll)]
    torch.testing.assert_close(*both, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FUSED)
def test_an_empty_sequence_leaves_the_state(name: str) -> None:
    cell, w, x, state = case(name)
    outputs, last = cell.fused(w, x[:, :, :0], state)
    assert outputs.shape == (*x.shape[:2], 0, cell.features)
    assert all(torch.equal(end, begin) for end, begin in zip(last, state, strict=True))
    gradients = torch.autograd.grad(sum(part.sum() for part in last), [*state, *w.values()])
    for number, gradient in enumerate(gradients):
        assert torch.equal(gradient, torch.full_like(gradient, number < len(state)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_nan_passes_through(name: str, kind: str, dtype: torch.dtype) -> None:
    cell, w, x, state = case(name, kind=kind, dtype=dtype)
    x.data[1, :, 2] = torch.nan
    outputs, last, *_ = pull(cell.fused, w, x, state)
    gradients = torch.autograd.grad(cell.fused(w, x, state)[0].sum(), list(w.values()))
    assert outputs[1, :, 2:].isnan().all() and outputs[1, :, :2].isfinite().all()
    assert outputs[[0, 2]].isfinite().all() and last[1].isnan().all()
    assert all(part[[0, 2]].isfinite().all() for part in gradients)
    assert any(part[1].isnan().any() for part in gradients)


@pytest.mark.parametrize("name", FUSED)
def test_nothing_is_kept_without_gradient(name: str) -> None:
    cell, w, x, state = case(name)
    expected = cell.fused(w, x, state)[0]
    with torch.no_grad():
        outputs, _ = cell.fused(w, x, state)
    assert not outputs.requires_grad and torch.equal(outputs, expected)


@pytest.mark.parametrize("name", FUSED)
def test_other_types_take_the_textbook_form(name: str) -> None:
    cell, w, x, state = case(name, dtype=torch.bfloat16)
    assert torch.equal(cell.run(w, x, state)[0], cell.unroll(w, x, state)[0])


@pytest.mark.parametrize("name", FUSED)
def test_a_second_derivative_is_refused(name: str) -> None:
    cell, w, x, state = case(name)
    (gradient,) = torch.autograd.grad(cell.fused(w, x, state)[0].square().sum(), [x], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@kernels.compiled
def tanh_of(a: np.ndarray) -> None:
    """Apply the tanh of the kernels in place."""
    for j in range(len(a)):
        a[j] = kernels.tanh(a[j])


def test_the_rational_tanh() -> None:
    sign_and_size = np.geomspace(1e-30, 1e30, 400_001)
    a = np.concatenate([-sign_and_size, sign_and_size, np.linspace(-12, 12, 1_000_001)]).astype(np.float32)
    found, exact = a.copy(), np.tanh(a.astype(np.float64))
    tanh_of(found)
    ulp = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert np.abs((found - exact) / ulp).max() < 5
    assert np.abs(found).max() <= 1
    special = np.array([np.nan, np.inf, -np.inf, 0], np.float32)
    tanh_of(special)
    assert np.isnan(special[0]) and special[3] == 0
    assert special[1] == -special[2] and 1 - 5 * np.spacing(np.float32(0.5)) < special[1] <= 1


def test_compiling_is_announced_once(tmp_path: Path) -> None:
    code = """
import torch
from unrolled.models.cells.elman import Elman
w = {"U": torch.ones(1, 1, 1), "W": torch.ones(1, 1, 1), "b": torch.ones(1, 1, 1)}
Elman(1, 1).run(w, torch.ones(1, 1, 2, 1))
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    said = [subprocess.run(command, env=environment, check=True, capture_output=True).stderr for _ in range(2)]
    assert said == [b"compiling the fused elman cell (once) ...\n", b""]
