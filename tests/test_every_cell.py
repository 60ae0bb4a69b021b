"""Every cell: its step is a recurrence, its compiled form is that recurrence, forwards and backwards.

Cells are found by their place, so that a new file is tested without a change here. What has no
compiled form is tested by its textbook form; a `torch_peer` is compared where there is one.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from conftest import make_cell
from unrolled.models import kernels, recurrence
from unrolled.models.cell import Cell, Role, State, Weights
from unrolled.models.cells import elman
from unrolled.registry import load, names

CELLS = names("cells")
COMPILED = [name for name in CELLS if load("cells", name).compiled]
Case = tuple[Cell, Weights, Tensor, State]
SIZES = [  # S, B, T, D, H: a usual one, then each size at its least, and odd ones for the vector loops
    (3, 4, 7, 2, 5),
    (1, 4, 7, 2, 5),
    (3, 1, 7, 2, 5),
    (3, 4, 1, 2, 5),
    (3, 4, 7, 1, 1),
    (2, 3, 20, 4, 19),
    (2, 9, 12, 1, 32),
]


def variants(cells: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return each cell with its defaults, and with each other choice of a setting that has choices."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name in cells:
        found.append((name, {}))
        for key, field in load("cells", name).Settings.model_fields.items():
            if get_origin(field.annotation) is Literal:
                found += [(name, {key: value}) for value in get_args(field.annotation) if value != field.default]
    return found


def case(
    name: str,
    settings: dict[str, Any] | None = None,
    sizes: tuple[int, ...] = SIZES[0],
    dtype: torch.dtype = torch.float64,
) -> Case:
    """Return a cell, its weights as views of θ, inputs and a state, all but x from one generator."""
    replicas, batch, steps, inputs, hidden = sizes
    random = torch.Generator().manual_seed(1)
    cell = make_cell(name, inputs, hidden=hidden, window=3, **settings or {})
    shapes = {key: weight.shape for key, weight in cell.weights().items()}
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
    leaves = [x, *state, *w.values()]  # an output of which the next step knows nothing is a state without gradient
    gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return [part.detach() for part in (outputs, *last, *gradients)]


def assert_close(found: list[Tensor], expected: list[Tensor], relative: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=relative * max(1.0, float(other.abs().max())))


@pytest.mark.parametrize("name", CELLS)
def test_declares_weights_and_features(name: str) -> None:
    cell, w, x, state = case(name)
    assert cell.features == cell.expand(cell.unroll(w, x, state)[0]).shape[3]
    for weight in cell.weights().values():
        rows, columns = weight.shape
        assert weight.role in get_args(Role) and weight.fan_in >= 1
        assert rows == 1 or weight.fan_in >= rows, "what enters through this weight alone"
        assert weight.role != "recurrent" or columns % rows == 0, "square blocks"
        assert weight.role not in ("bias", "gate_bias", "diagonal") or rows == 1
    for gate in (cell.forget_gate, cell.input_gate):
        assert gate is None or "gate_bias" in {weight.role for weight in cell.weights().values()}


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("name", "settings"), variants(COMPILED), ids=str)
def test_compiled_is_textbook(name: str, settings: dict[str, Any], sizes: tuple[int, ...]) -> None:
    cell, w, x, state = case(name, settings, sizes)
    assert_close(pull(cell.run_compiled, w, x, state), pull(cell.unroll, w, x, state), 1e-12)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("name", "settings"), variants(COMPILED), ids=str)
def test_compiled_is_textbook_float32(name: str, settings: dict[str, Any], sizes: tuple[int, ...]) -> None:
    # Each step rounds sums of H + D + 1 products and a tanh (4 ulp), and the steps add up; the
    # weights above do not amplify. So T (H + D + 5) ulp bounds what two right forms may differ by.
    _, _, steps, inputs, hidden = sizes
    cell, *given = case(name, settings, sizes, torch.float32)
    tolerance = float(np.finfo(np.float32).eps) * steps * (hidden + inputs + 5)
    assert_close(pull(cell.run_compiled, *given), pull(cell.unroll, *given), tolerance)


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
    assert_close(pull(cell.run, w, x, state), pull(cell.unroll, w, x, state), 1e-12)


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 33])
def test_the_parallel_scan_is_the_recurrence(steps: int) -> None:
    cell, w, x, state = case("lru", sizes=(3, 4, steps, 2, 5))
    assert_close(pull(cell.scanned, w, x, state), pull(cell.unroll, w, x, state), 1e-12)


def gradient_is_right(name: str, settings: dict[str, Any]) -> bool:
    """Compare the gradient of `run` with finite differences."""
    cell, w, x, state = case(name, settings, (2, 2, 3, 2, 3))
    keys, leaves = list(w), [part.detach().requires_grad_() for part in (*w.values(), x, *state)]

    def flat(*parts: Tensor) -> tuple[Tensor, ...]:
        outputs, last = cell.run(dict(zip(keys, parts, strict=False)), parts[len(keys)], parts[len(keys) + 1 :])
        return outputs, *last

    return bool(gradcheck(flat, leaves, rtol=1e-6, atol=1e-7, raise_exception=False))


@pytest.mark.parametrize(("name", "settings"), variants(CELLS), ids=str)
def test_the_gradient_is_that_of_finite_differences(name: str, settings: dict[str, Any]) -> None:
    assert gradient_is_right(name, settings)


def test_a_wrong_adjoint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = elman.adjoint

    def wrong(*arrays: Any) -> None:
        right(*arrays)
        arrays[5][...] *= 1.001  # ∂L/∂w

    monkeypatch.setattr(elman, "adjoint", wrong)
    assert not gradient_is_right("elman", {})


@pytest.mark.parametrize("name", CELLS)
def test_the_tangent_is_the_derivative_along_a_direction(name: str) -> None:
    cell, w, x, _ = case(name)
    w, x, nudge = {key: part.detach() for key, part in w.items()}, x.detach(), 1e-6
    dw = {key: torch.randn(part.shape, generator=torch.Generator().manual_seed(2)).double() for key, part in w.items()}
    ahead, behind = (cell.run({k: w[k] + sign * nudge * dw[k] for k in w}, x)[0] for sign in (1, -1))
    found = cell.tangent(w, dw, x, cell.run(w, x)[0])
    torch.testing.assert_close(found, (ahead - behind) / (2 * nudge), rtol=1e-6, atol=1e-7)


PEERS = [each for each in variants(CELLS) if case(*each)[0].torch_peer() is not None]


@pytest.mark.parametrize(("name", "settings"), PEERS, ids=str)
def test_equal_to_torch(name: str, settings: dict[str, Any]) -> None:
    cell, w, x, state = case(name, settings)
    outputs, last = cell.run(w, x, state)
    ours = torch.autograd.grad(outputs.square().sum() + last[-1].sum(), [x, *state, *w.values()])
    for s in range(len(x)):
        peer = cell.torch_peer()
        leaves = [part[s].detach().requires_grad_() for part in (x, *state, *w.values())]
        x_s, own = leaves[0], dict(zip(w, leaves[1 + len(state) :], strict=True))
        given = cell.peer_weights(own)
        with torch.no_grad():
            for parameter, value in zip(peer.parameters(), given, strict=True):
                parameter.copy_(value)
        begin = [part[None] for part in leaves[1 : 1 + len(state)]]
        theirs, end = peer(x_s, begin[0] if len(begin) == 1 else tuple(begin))
        end = end[-1] if isinstance(end, tuple) else end
        direct = torch.autograd.grad(theirs.square().sum() + end.sum(), [*leaves[: 1 + len(state)], *peer.parameters()])
        pairs = [each for each in zip(given, direct[1 + len(state) :], strict=True) if each[0].requires_grad]
        chained = torch.autograd.grad([to for to, _ in pairs], list(own.values()), [back for _, back in pairs])
        torch.testing.assert_close(outputs[s], theirs, rtol=0, atol=1e-13)
        for found, expected in zip(ours, (*direct[: 1 + len(state)], *chained), strict=True):
            torch.testing.assert_close(found[s], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", COMPILED)
def test_a_replica_is_the_same_in_any_population(name: str, dtype: torch.dtype) -> None:
    cell, w, x, state = case(name, {}, (4, 5, 9, 1, 17), dtype=dtype)

    def pull_ones(w: Weights, x: Tensor, state: State) -> list[Tensor]:
        outputs, last = cell.run_compiled(w, x, state)
        total = outputs.square().sum() + sum(part.sum() for part in last)
        return [outputs, *last, *torch.autograd.grad(total, [x, *state, *w.values()])]

    together = pull_ones(w, x, state)
    for s in range(4):
        one = slice(s, s + 1)
        single = pull_ones({key: value[one] for key, value in w.items()}, x[one], tuple(p[one] for p in state))
        assert all(torch.equal(part[one], other) for part, other in zip(together, single, strict=True))


@pytest.mark.parametrize("name", COMPILED)
def test_strided_and_shared_inputs(name: str) -> None:
    cell, w, x, state = case(name)
    run = cell.run_compiled
    twisted = x.detach().permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0).requires_grad_()
    turned = tuple(part.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for part in state)
    assert not twisted.is_contiguous()
    for found, expected in zip(pull(run, w, twisted, turned), pull(run, w, x, state), strict=True):
        assert torch.equal(found, expected)
    shared = x.detach()[:1].expand_as(x)
    assert torch.equal(run(w, shared, state)[0], run(w, shared.contiguous(), state)[0])
    leaf = x.detach()[:1].requires_grad_()
    both = [torch.autograd.grad(f(w, leaf.expand_as(x), state)[0].sum(), leaf)[0] for f in (run, cell.unroll)]
    torch.testing.assert_close(*both, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", COMPILED)
def test_an_empty_sequence_leaves_the_state(name: str) -> None:
    cell, w, x, state = case(name)
    outputs, last = cell.run_compiled(w, x[:, :, :0], state)
    assert outputs.shape == (*x.shape[:2], 0, cell.features)
    assert all(torch.equal(end, begin) for end, begin in zip(last, state, strict=True))
    gradients = torch.autograd.grad(sum(part.sum() for part in last), [*state, *w.values()])
    for number, gradient in enumerate(gradients):
        assert torch.equal(gradient, torch.full_like(gradient, number < len(state)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "settings"), variants(COMPILED), ids=str)
def test_nan_passes_through(name: str, settings: dict[str, Any], dtype: torch.dtype) -> None:
    cell, w, x, state = case(name, settings, dtype=dtype)
    x.data[1, :, 2] = torch.nan
    outputs, last = cell.run_compiled(w, x, state)
    gradients = torch.autograd.grad(outputs.sum(), list(w.values()))
    assert outputs[1, :, 2:].isnan().all() and outputs[1, :, :2].isfinite().all()
    assert outputs[[0, 2]].isfinite().all() and last[0][1].isnan().all()
    assert all(part[[0, 2]].isfinite().all() for part in gradients)
    assert any(part[1].isnan().any() for part in gradients)


@pytest.mark.parametrize("name", COMPILED)
def test_without_gradient_the_outputs_are_the_same(name: str) -> None:
    cell, w, x, state = case(name)
    expected = cell.run_compiled(w, x, state)[0]
    with torch.no_grad():
        outputs, _ = cell.run_compiled(w, x, state)
    assert not outputs.requires_grad and torch.equal(outputs, expected)


@pytest.mark.parametrize("name", COMPILED)
def test_other_types_take_the_textbook_form(name: str) -> None:
    cell, w, x, state = case(name, dtype=torch.bfloat16)
    assert not recurrence.supported(x) and not recurrence.supported(x.float(), x.double())
    assert torch.equal(cell.run(w, x, state)[0], cell.unroll(w, x, state)[0])


def test_a_second_derivative_is_refused() -> None:
    cell, w, x, state = case("elman")
    (gradient,) = torch.autograd.grad(cell.run_compiled(w, x, state)[0].square().sum(), [x], create_graph=True)
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
Elman(1, hidden=1).run(w, torch.ones(1, 1, 2, 1))
"""
    source = str(Path(kernels.__file__).parents[2])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": source}
    command = [sys.executable, "-c", code]
    said = [subprocess.run(command, env=environment, check=True, capture_output=True).stderr for _ in range(2)]
    assert said == [b"compiling the elman cell (once) ...\n", b""]
