"""The compiled update: what autograd gives of the textbook form, for every cell that has kernels.

Gradients are compared in float64 with automatic differentiation of `Cell.unroll`; whole updates with those of
`Optimiser.update`, the path of all that `supports` refuses.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import MakeRun, make_cell
from unrolled.data.task import Loss
from unrolled.models import cell as cell_module
from unrolled.models import kernels
from unrolled.models.network import Network
from unrolled.registry import load, names
from unrolled.training import fit as fit_module
from unrolled.training import passes, vanishing
from unrolled.training import update as update_module
from unrolled.training.arrangement import Arrangement, runs
from unrolled.training.batches import PopulationData
from unrolled.training.fit import fit
from unrolled.training.optimiser import LOSSES, GradientDescent, Optimiser
from unrolled.training.optimisers.adam import Adam
from unrolled.training.population import Population
from unrolled.training.update import CompiledUpdate, foldable, supports
from unrolled.training.workspace import stretches

COMPILED = [name for name in names("cells") if load("cells", name).compiled]
DESCENTS = [n for n in names("optimisers") if load("optimisers", n).update is GradientDescent.update]
CPU = torch.device("cpu")
S, N, BATCH, T, D, K = 3, 10, 4, 6, 3, 2
DOUBLE = torch.float64


@dataclass(frozen=True)
class Problem:
    """What a network is asked in a test."""

    cell: str = "elman"
    settings: tuple[tuple[str, Any], ...] = ()
    readout: tuple[int, ...] = ()
    many_to_one: bool = False
    washout: int = 0
    residual: float | None = None
    flatten_window: bool = False
    outputs: int = K
    hidden: int = 5
    truncate: int | None = None
    closed_loop: int = 0
    loss: Loss = "mean_square"

    def network(self) -> Network:
        """Return a network for it."""
        given = {"units": 3} | dict(self.settings)  # few, so that outputs stay of the size of 1
        cell = make_cell(self.cell, T * D if self.flatten_window else D, hidden=self.hidden, **given)
        about = self.truncate, self.washout, self.residual, self.closed_loop
        return Network(cell, self.outputs, self.readout, self.flatten_window, *about)


SHAPES = [
    Problem(),
    Problem(many_to_one=True),
    Problem(outputs=1, washout=2),
    Problem(readout=(7,), washout=2),
    Problem(readout=(7, 4), many_to_one=True),
    Problem(washout=1, residual=0.3),
    Problem(readout=(6,), residual=0.3),
    Problem(loss="cross_entropy", outputs=4, washout=1),
    Problem(loss="cross_entropy", readout=(7,), many_to_one=True),
]


def problem_of(cell: str, shape: Problem, **settings: Any) -> Problem:
    return Problem(**vars(shape) | {"cell": cell, "settings": tuple(settings.items())})


def made(
    problem: Problem,
    optimiser: Optimiser | None = None,
    dtype: torch.dtype = DOUBLE,
    seeds: tuple[int, ...] = (0, 1, 2),
    noise: float = 0.0,
    **given: Any,
) -> tuple[Population, PopulationData]:
    """Return a population, its weights of each seed's own, and its data."""
    network, random = problem.network(), np.random.default_rng(0)
    targets = (N, problem.outputs) if problem.many_to_one else (N, T - problem.washout, problem.outputs)
    split = {"inputs": random.standard_normal((N, T, D)), "targets": random.standard_normal(targets)}
    if problem.loss == "cross_entropy":
        split["targets"] = np.eye(problem.outputs)[random.integers(0, problem.outputs, targets[:-1])]
    split = {key: value.astype(torch.empty(0, dtype=dtype).numpy().dtype) for key, value in split.items()}
    rows = [np.random.default_rng(seed).standard_normal(network.parameters) / 2 for seed in seeds]
    theta, rates = torch.from_numpy(np.stack(rows)).to(dtype), torch.tensor([1e-2, 3e-3, 2e-2], dtype=dtype)
    given = {key: value.to(dtype) if isinstance(value, Tensor) else value for key, value in given.items()}
    rates = given.pop("learning_rates", rates[list(seeds)])
    population = Population(network, optimiser or Adam(), theta, rates, problem.many_to_one, loss=problem.loss, **given)
    return population, PopulationData(split, split, BATCH, list(seeds), noise)


def order_of(seeds: tuple[int, ...] = (0, 1, 2), epoch: int = 0) -> Tensor:
    return torch.from_numpy(np.stack([np.random.default_rng([seed, epoch]).permutation(N) for seed in seeds]))


def textbook(population: Population, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return loss (S,) and gradient (S, P) by automatic differentiation of the equations."""
    network, theta = population.network, population.theta.detach().clone().requires_grad_()
    w, given = network.unpack(theta), x.flatten(2)[:, :, None] if network.flatten_window else x
    h = network.cell.unroll(w, given, network.cell.start(given))[0]
    h = h[:, :, -1:] if population.many_to_one else h
    for number in range(len(network.layers)):
        h = torch.relu(h) if number else h
        h = h @ w[f"V{number}"][:, None] + w[f"c{number}"][:, None]
    if network.residual is not None:
        h = x[..., -network.outputs :] + network.residual * h
    h = h[:, :, 0] if population.many_to_one else h[:, :, network.washout :]
    loss = (h - y).square().flatten(1).mean(dim=1)
    if population.loss == "cross_entropy":  # of PyTorch, which takes the places of the classes
        pairs = ((one.flatten(0, -2), true.argmax(dim=-1).flatten()) for one, true in zip(h, y, strict=True))
        loss = torch.stack([torch.nn.functional.cross_entropy(*pair) for pair in pairs])
    return loss.detach(), torch.autograd.grad(loss.sum(), theta)[0]


def relative(found: Any, expected: Any) -> float:
    """Return the largest difference of any replica, relative to its largest value."""
    found, expected = (np.asarray(each).reshape(len(each), -1) for each in (found, expected))
    return float((np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)).max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("cell", COMPILED)
def test_loss_and_gradient_are_those_of_the_textbook_form(cell: str, shape: Problem) -> None:
    population, data = made(problem_of(cell, shape))
    assert supports(population, data, CPU) is None
    update, index = CompiledUpdate(population, data), order_of()[:, :BATCH].contiguous()
    update.differentiate(index.numpy())
    loss, gradient = textbook(population, *data.train[index])
    assert relative(update.loss, loss) < 1e-12
    assert relative(update.gradient, gradient) < 1e-10
    other = textbook(population, *data.train[index.roll(1, dims=0)])
    assert relative(update.loss, other[0]) > 1e-4 and relative(update.gradient, other[1]) > 1e-4


def test_cross_entropy_neither_overflows_nor_hides_a_nan() -> None:
    out = np.array([1e4, 0.0, -1e4, 2e4], np.float32).reshape(1, 4, 1)  # softmax of the last: one
    for wanted, expected in ((3, 0.0), (0, 1e4), (2, 3e4)):
        targets, loss, d = np.eye(4, dtype=np.float32)[[wanted]][None], np.zeros(1, np.float32), np.zeros_like(out)
        passes.cross_entropy(out, targets, np.zeros((1, 1), np.int64), 1, loss, d)
        assert loss[0] == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(d[0, :, 0], np.eye(4)[3] - np.eye(4)[wanted], atol=1e-7)
    out[0, 1] = np.nan
    passes.cross_entropy(out, targets, np.zeros((1, 1), np.int64), 1, loss, d)
    assert np.isnan(loss[0]) and np.isnan(d).any()


@pytest.mark.parametrize("cell", COMPILED)
def test_a_flat_window_is_one_step(cell: str) -> None:
    population, data = made(problem_of(cell, Problem(many_to_one=True, flatten_window=True)))
    update, index = CompiledUpdate(population, data), order_of()[:, :BATCH].contiguous()
    update.differentiate(index.numpy())
    loss, gradient = textbook(population, *data.train[index])
    assert relative(update.loss, loss) < 1e-12 and relative(update.gradient, gradient) < 1e-10


@pytest.mark.parametrize("truncate", [1, 2, 4, T - 1])
@pytest.mark.parametrize("shape", [Problem(washout=1), Problem(many_to_one=True)], ids=str)
@pytest.mark.parametrize("cell", COMPILED)
def test_truncated_gradients_are_those_of_the_textbook_form(cell: str, shape: Problem, truncate: int) -> None:
    population, data = made(Problem(**vars(shape) | {"cell": cell, "truncate": truncate}))
    assert supports(population, data, CPU) is None
    update, index = CompiledUpdate(population, data), order_of()[:, :BATCH].contiguous()
    update.differentiate(index.numpy())
    population.network.cell.compiled = False  # type: ignore[misc]
    loss = population.losses(data.train[index])
    (gradient,) = torch.autograd.grad(loss.sum(), population.theta)
    assert relative(update.loss, loss.detach()) < 1e-12 and relative(update.gradient, gradient) < 1e-10
    assert relative(update.gradient, textbook(population, *data.train[index])[1]) > 1e-4


def looped(population: Population, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return loss and gradient of a sequence that ends in closed loop, step by step by the equations."""
    network, theta = population.network, population.theta.detach().clone().requires_grad_()
    w, outputs = network.unpack(theta), list[Tensor]()
    state = network.cell.start(x)
    for t in range(T):
        own = t >= T - network.closed_loop
        given = torch.cat([outputs[-1], x[:, :, t, network.outputs :]], dim=-1) if own else x[:, :, t]
        state = network.cell.step(w, given, state)
        outputs.append(state[0] @ w["V0"] + w["c0"])
    loss = (torch.stack(outputs[network.washout :], dim=2) - y).square().flatten(1).mean(dim=1)
    return loss.detach(), torch.autograd.grad(loss.sum(), theta)[0]


LOOPS = [
    Problem(closed_loop=1),
    Problem(closed_loop=T - 1),
    Problem(closed_loop=3, washout=2),
    Problem(closed_loop=2, outputs=D),
]


@pytest.mark.parametrize("shape", LOOPS, ids=str)
@pytest.mark.parametrize("cell", COMPILED)
def test_gradients_through_the_closed_loop_are_those_of_the_equations(cell: str, shape: Problem) -> None:
    population, data = made(problem_of(cell, shape))
    index = order_of()[:, :BATCH].contiguous()
    expected = looped(population, *data.train[index])
    loss = population.losses(data.train[index])
    (gradient,) = torch.autograd.grad(loss.sum(), population.theta)
    assert relative(loss.detach(), expected[0]) < 1e-12 and relative(gradient, expected[1]) < 1e-10
    forced = textbook(population, *data.train[index])
    assert relative(gradient, forced[1]) > 1e-3  # teacher forcing is something else
    if supports(population, data, CPU) is None:
        update = CompiledUpdate(population, data)
        for _ in range(2):  # nothing is left over from the batch before
            update.differentiate(index.numpy())
            assert relative(update.loss, expected[0]) < 1e-12 and relative(update.gradient, expected[1]) < 1e-10
    else:
        assert not foldable(population.network)


@pytest.mark.parametrize("cell", ["elman", "gru", "lem"])
def test_noise_reaches_the_inputs_given_in_closed_loop(cell: str) -> None:
    shape = problem_of(cell, Problem(closed_loop=3))
    population, data = made(shape, noise=0.5)
    other, same = made(shape, noise=0.5)
    if supports(population, data, CPU) is None:
        CompiledUpdate(population, data).epoch(order_of())
        by_autograd(other, same, order_of())
        assert relative(population.theta.detach(), other.theta.detach()) < 1e-9
    quiet, without = made(shape)
    by_autograd(quiet, without, order_of())
    by_autograd(other, same, order_of())
    assert relative(quiet.theta.detach(), other.theta.detach()) > 1e-4


def test_stretches_end_with_a_whole_one() -> None:
    assert stretches(7, 3, last=False) == [(0, 1), (1, 4), (4, 7)]
    assert stretches(6, 3, last=False) == [(0, 3), (3, 6)] and stretches(6, 3, last=True) == [(3, 6)]
    assert stretches(6, 9, last=False) == stretches(6, None, last=True) == [(0, 6)]


@pytest.mark.parametrize("shape", [SHAPES[1], *SHAPES[2:5]], ids=str)
@pytest.mark.parametrize("settings", [{"window": 3}, {"window": 2, "powers": 3}], ids=str)
def test_without_weights_only_the_readout_is_trained(settings: dict[str, int], shape: Problem) -> None:
    population, data = made(problem_of("window", shape, **settings))
    assert supports(population, data, CPU) is None
    update, index = CompiledUpdate(population, data), order_of()[:, :BATCH].contiguous()
    update.differentiate(index.numpy())
    loss, gradient = textbook(population, *data.train[index])
    assert relative(update.loss, loss) < 1e-12 and relative(update.gradient, gradient) < 1e-10
    CompiledUpdate(population, data).epoch(order_of())
    other, same = made(problem_of("window", shape, **settings))
    by_autograd(other, same, order_of())
    assert relative(population.theta.detach(), other.theta.detach()) < 1e-10


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_other_activations(activation: str) -> None:
    population, data = made(problem_of("elman", Problem(hidden=19), activation=activation))
    update, index = CompiledUpdate(population, data), order_of()[:, :1].contiguous()
    update.differentiate(index.numpy())
    loss, gradient = textbook(population, *data.train[index])
    assert relative(update.loss, loss) < 1e-12 and relative(update.gradient, gradient) < 1e-10


def by_autograd(population: Population, data: PopulationData, order: Tensor) -> list[Tensor]:
    """Train an epoch on the path without the compiled update."""
    for index in order.split(BATCH, dim=1):
        x, y = data.train[index]
        noise = data.draw_noise(*x.shape[1:3])
        population.training_step((x if noise is None else x + torch.from_numpy(noise), y), 0)
    return population._epoch


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("shape", [*SHAPES[:5], *SHAPES[7:]], ids=str)
def test_the_regulariser_is_that_of_autograd(shape: Problem, activation: str) -> None:
    weights = torch.tensor([0.7, 0.0, 2.0])
    population, data = made(problem_of("elman", shape, activation=activation), omega=weights)
    assert supports(population, data, CPU) is None
    update, index = CompiledUpdate(population, data), order_of()[:, :BATCH].contiguous()
    about = LOSSES[population.loss], population.many_to_one, population.omega
    loss, expected = vanishing.loss_and_gradient(population.network, population.theta, data.train[index], *about)
    for _ in range(2):  # nothing is left over from the batch before
        update.differentiate(index.numpy())
        assert relative(update.loss, loss) < 1e-12 and relative(update.gradient, expected) < 1e-10
    plain = textbook(population, *data.train[index])[1]
    assert relative(update.gradient[[0]], plain[[0]]) > 1e-4 and relative(update.gradient[[1]], plain[[1]]) < 1e-10


def test_the_regulariser_knows_gradients_whose_square_is_no_float32() -> None:
    rows = []
    for dtype in (torch.float32, DOUBLE):
        population, data = made(Problem(many_to_one=True, outputs=1), dtype=dtype, omega=torch.ones(3))
        with torch.no_grad():
            population.theta *= 1e-5
        update = CompiledUpdate(population, data)
        update.differentiate(order_of()[:, :BATCH].contiguous().numpy())
        rows.append(update.gradient[:, D * 5 : D * 5 + 25].astype(np.float64))  # by W
    assert np.isfinite(rows[0]).all() and relative(rows[0], rows[1]) < 1e-3 and abs(rows[1]).max() > 1e-3


@pytest.mark.parametrize(("dtype", "tolerance"), [(DOUBLE, 1e-10), (torch.float32, 1e-4)], ids=str)
@pytest.mark.parametrize("name", DESCENTS)
def test_epochs_are_those_of_autograd(name: str, dtype: torch.dtype, tolerance: float) -> None:
    given = {"clip_norm": torch.tensor([0.5, torch.inf, 1.5]), "clip_value": torch.tensor([torch.inf, 0.3, 0.2])}
    (one, data), (other, same) = (
        made(Problem(washout=2), load("optimisers", name)(), dtype, decay=12, **given) for _ in range(2)
    )
    update = CompiledUpdate(one, data)
    start = one.theta.detach().clone()
    for epoch in range(3):  # batches of 4, 4 and 2
        order = order_of(epoch=epoch)
        losses, expected = update.epoch(order), by_autograd(other, same, order)
        assert relative(torch.stack(losses), torch.stack(expected)) < tolerance
        other._epoch.clear()
    assert relative(one.theta.detach() - start, other.theta.detach() - start) < tolerance
    assert one.updates == other.updates == 9 and one.passes == other.passes
    assert one.passes == {"forward": 3 * N, "backward": 3 * N, "curvature": 0}
    assert sorted(update.parts) == [2, BATCH], "last and full batches"


@pytest.mark.parametrize("change", ["clip_norm", "clip_value", "decay"])
def test_clipping_and_schedule_matter_to_each_replica(change: str) -> None:
    changed: Any = 3 if change == "decay" else torch.tensor([0.05, torch.inf, torch.inf])
    (one, data), (other, same) = (
        made(Problem(), load("optimisers", "sgd")()),
        made(Problem(), load("optimisers", "sgd")(), **{change: changed}),
    )
    CompiledUpdate(one, data).epoch(order_of())
    CompiledUpdate(other, same).epoch(order_of())
    touched = (one.theta != other.theta).any(dim=1).tolist()
    assert touched == ([True] * 3 if change == "decay" else [True, False, False])


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE], ids=str)
@pytest.mark.parametrize("cell", COMPILED)
def test_a_replica_is_trained_the_same_in_any_company(cell: str, dtype: torch.dtype, monkeypatch: Any) -> None:
    problem = problem_of(cell, Problem(readout=(3,), hidden=17))
    together, data = made(problem, dtype=dtype, noise=0.1)
    losses = torch.stack(CompiledUpdate(together, data).epoch(order_of()))
    again, data = made(problem, dtype=dtype, noise=0.1)
    monkeypatch.setattr(update_module, "CACHE", 1)  # each replica by itself
    part = CompiledUpdate(again, data)
    assert torch.equal(torch.stack(part.epoch(order_of())), losses)
    assert torch.equal(again.theta, together.theta) and len(part.parts[BATCH]) == S
    single, data = made(problem, dtype=dtype, seeds=(1,), noise=0.1)
    losses_of_one = CompiledUpdate(single, data).epoch(order_of((1,)))
    assert torch.equal(torch.stack(losses_of_one)[:, 0], losses[:, 1])
    assert torch.equal(single.theta[0], together.theta[1]) and not torch.equal(single.theta[0], together.theta[0])


def test_input_noise_is_each_seed_s_own() -> None:
    (one, data), (other, same), (quiet, silent) = (
        made(Problem(residual=0.5), noise=noise) for noise in (0.2, 0.2, 0.0)
    )
    for population, batches in ((one, data), (quiet, silent)):
        CompiledUpdate(population, batches).epoch(order_of())
    by_autograd(other, same, order_of())
    assert relative(one.theta.detach(), other.theta.detach()) < 1e-10
    assert relative(one.theta.detach(), quiet.theta.detach()) > 1e-4


@pytest.mark.parametrize("name", DESCENTS)
@pytest.mark.parametrize("cell", ["elman", "gru", "lru"])
def test_a_replica_that_diverges_leaves_the_others(cell: str, name: str) -> None:
    problem = problem_of(cell, Problem(readout=(4,)))
    (sound, data), (sick, same) = made(problem, load("optimisers", name)()), made(problem, load("optimisers", name)())
    with torch.no_grad():
        sick.theta[1, 4] = torch.nan
    best = sick.best.clone()
    for population, batches in ((sound, data), (sick, same)):
        update = CompiledUpdate(population, batches)
        for epoch in range(2):
            update.epoch(order_of(epoch=epoch))
    assert sound.active.tolist() == [True] * 3 and sick.active.tolist() == [True, False, True]
    assert torch.equal(sick.theta[[0, 2]], sound.theta[[0, 2]])
    assert torch.equal(sick.theta[1], best[1]), "the best weights take the place of the broken ones"


def test_a_rate_that_breaks_a_replica_is_found_at_its_next_loss() -> None:
    population, data = made(Problem(), load("optimisers", "sgd")(), torch.float32)
    population.learning_rates = torch.tensor([1e-2, 1e30, 1e-2])
    losses = CompiledUpdate(population, data).epoch(order_of())
    assert population.active.tolist() == [True, False, True]
    assert not torch.isfinite(losses[1][1]) and torch.isfinite(losses[2]).all()


class Halved(Adam):
    """Adam with half its step: a subclass that overrides the textbook form only."""

    def direction(self, gradient: Tensor) -> Tensor:
        """Return half of Adam's."""
        return 0.5 * super().direction(gradient)


class Renamed(Adam):
    """Adam with other constants."""

    beta1 = 0.5


@pytest.mark.parametrize("kind", [Halved, Renamed])
def test_a_subclass_of_an_optimiser_is_taken_at_its_word(kind: type[Adam]) -> None:
    (one, data), (other, same), (plain, third) = made(Problem(), kind()), made(Problem(), kind()), made(Problem())
    for population, batches in ((one, data), (plain, third)):
        CompiledUpdate(population, batches).epoch(order_of())
    by_autograd(other, same, order_of())
    assert relative(one.theta.detach(), other.theta.detach()) < 1e-10
    assert relative(one.theta.detach(), plain.theta.detach()) > 1e-4


class OwnUpdate(Adam):
    """An optimiser with an update of its own."""

    def update(self, population: Any, batch: Any) -> Tensor:
        """Do as Adam."""
        return super().update(population, batch)


def test_what_is_not_supported_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def reason(
        problem: Problem = Problem(), optimiser: Optimiser | None = None, device: str = "cpu", **own: Any
    ) -> Any:
        population, data = made(problem, optimiser)
        for key, value in own.items():
            setattr(population.network, key, value)
        return supports(population, data, torch.device(device))

    assert reason() is None
    assert "CPU" in reason(device="cuda")
    monkeypatch.setattr(load("cells", "gru"), "compiled", False)
    assert "no kernels" in reason(Problem("gru"))
    assert "residual" in reason(Problem("window", residual=0.1))
    assert reason(Problem("window")) is None
    assert "an update of its own" in reason(optimiser=OwnUpdate())
    assert "an update of its own" in reason(optimiser=load("optimisers", "hessian_free")())
    assert "flat" in reason(Problem(flatten_window=True))
    assert "residual" in reason(Problem(many_to_one=True, residual=0.1))
    assert "shape" in reason(outputs=K + 1)
    assert "residual" in reason(Problem(loss="cross_entropy", residual=0.3))
    for cut in (Problem(truncate=2), Problem(closed_loop=2)):
        population, data = made(cut, omega=torch.tensor([0.0, 0.5, 0.0]))
        assert "regulariser" in str(supports(population, data, CPU))
    population, data = made(Problem())
    population.theta.data = population.theta.data.float()
    assert "type" in str(supports(population, data, CPU))
    monkeypatch.setattr(update_module, "LIMIT", 100)
    assert "too many" in reason(Problem("window"))
    monkeypatch.setattr(cell_module, "LIMIT", 100)
    assert "segments" in reason()


METHOD = {"cell": "lstm", "hidden": 6, "learning_rates": [1e-2, 3e-2], "clip_norm": [0.5]}
RESPONSE = {"system": "oscillator", "task": "response", "step": 0.1, "steps": 12, "train": 20, "batch": 8}


@pytest.mark.parametrize("change", [{}, RESPONSE | {"schedule": "cosine"}], ids=["many-to-one", "many-to-many"])
@pytest.mark.parametrize("noise", [None, 0.1])
def test_a_whole_fit_is_that_of_autograd(
    change: dict[str, Any], noise: float | None, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = METHOD | ({} if noise is None else {"input_noise": noise})
    run, data = make_run(method, epochs=4, **change)
    told: list[int] = []
    first, second = fit(run, data, told.append), fit(run, data)
    monkeypatch.setattr(fit_module, "supports", lambda *_: "switched off")
    expected = fit(run, data)
    for key in ("theta", "halfway", "best_loss", "train_loss", "val_loss", "passes", "chosen", "diverged"):
        found, same, by = (np.asarray(getattr(each, key)) for each in (first, second, expected))
        assert found.tobytes() == same.tobytes(), "the same bits twice"
        np.testing.assert_allclose(found, by, rtol=2e-4, atol=2e-4 * np.abs(by).max())
    assert told == [1] * 4
    assert first.theta.tobytes() != expected.theta.tobytes(), "the compiled update was taken"


def test_the_runs_of_an_arrangement_put_every_weight_into_its_place() -> None:
    np.testing.assert_array_equal(runs(np.array([3.0, 4.0, 0.0, 1.0])), [[2, 0, 2], [0, 3, 1]])
    for name in COMPILED:
        network, random = problem_of(name, Problem()).network(), np.random.default_rng(0)
        theta = random.standard_normal((2, network.parameters))
        arrangement = Arrangement(network, theta)
        assert arrangement.ordered == (name not in ("lru", "alrnn"))  # exponentials, and a sum of two weights
        arrangement.fill(theta)
        expected = network.cell.kernel_weights(network.unpack(torch.from_numpy(theta)))
        for found, part in zip(arrangement.weights, expected, strict=True):
            np.testing.assert_array_equal(found, part.numpy())


def test_a_frozen_loss_keeps_the_type() -> None:
    loss, finite = np.array([1.0, np.inf, 1.0], np.float32), np.zeros(3, np.bool_)
    gradient = np.array([[3.0, 4.0], [1.0, 1.0], [np.nan, 0.0]], np.float32)
    bounds = np.array([2.5, np.inf, np.inf], np.float32), np.array([1.75, np.inf, np.inf], np.float32)
    passes.clip(gradient, loss, *bounds, finite)
    assert finite.tolist() == [True, False, False]
    np.testing.assert_allclose(gradient[0], [1.5, 1.75], rtol=1e-6)


@kernels.compiled
def tanh_of(a: np.ndarray) -> None:
    """Apply the tanh of the kernels in place."""
    for j in range(len(a)):
        a[j] = kernels.tanh(a[j])


def test_the_rational_tanh_is_one_where_the_nearest_number_is() -> None:
    a = np.concatenate([np.linspace(8, 10, 100_001), [1e3, 1e30, np.inf]]).astype(np.float32)
    found = np.concatenate([a, -a])
    tanh_of(found)
    nearest = np.tanh(a.astype(np.float64)).astype(np.float32)
    for each in (found[: len(a)], -found[len(a) :]):
        np.testing.assert_array_equal(each == 1, nearest == 1)


@pytest.mark.parametrize("cell", COMPILED)
def test_saturated_units_have_no_gradient(cell: str) -> None:
    # The inputs are large: every tanh is ±1 and every sigmoid 0 or 1, as in the textbook form.
    population, data = made(problem_of(cell, Problem(hidden=4)), dtype=torch.float32)
    data.train.inputs *= 1e3 if cell == "selective" else 1e6  # its output is a product of four of them
    update, index = CompiledUpdate(population, data), order_of()[:, :BATCH].contiguous()
    update.differentiate(index.numpy())
    gradient = textbook(population, *data.train[index])[1]
    w, found = population.network.unpack(gradient), population.network.unpack(torch.from_numpy(update.gradient))
    largest = w["V0"].abs().max()
    torch.testing.assert_close(found["U"], w["U"], rtol=1e-3, atol=1e-3 * float(largest))


def test_lightning_sees_an_epoch_as_one_step() -> None:
    population, data = made(Problem())
    population.train_epoch, data.whole_epochs = CompiledUpdate(population, data).epoch, True
    loader = data.train_dataloader()
    assert len(loader) == 1 and data.updates == 3
    (order,) = loader
    assert order.shape == (S, N)
    population.training_step(order, 0)
    assert len(population._epoch) == population.updates == 3
    population._trainer = SimpleNamespace(max_epochs=1)
    population.on_train_epoch_end()
    assert torch.equal(population.halfway, population.theta) and len(population.history["train"]) == 1
