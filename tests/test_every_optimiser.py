"""Every optimiser: equal to an independent implementation, for each replica on its own."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from conftest import MakeRun, make_cell
from unrolled.models.ensemble import Ensemble
from unrolled.models.network import Network
from unrolled.registry import load, make, names
from unrolled.training.fit import fit
from unrolled.training.optimiser import Batch, Optimiser
from unrolled.training.optimisers.ridge import GRID
from unrolled.training.population import Population

OPTIMISERS = names("optimisers")
ITERATIVE = [name for name in OPTIMISERS if load("optimisers", name).iterative]
TRAINING = [name for name in OPTIMISERS if load("optimisers", name).trains]
PEERS = [name for name in OPTIMISERS if make("optimisers", name).torch_peer([torch.zeros(1)], 0.1) is not None]
"""Those that PyTorch has too; what it has not is compared in a test of its own."""
REPLICAS, UPDATES = 3, 20
RATES = torch.tensor([1e-3, 1e-2, 3e-2], dtype=torch.float64)


def bound(value: float | None) -> Tensor:
    """Return the same threshold for every replica, infinite for none."""
    return torch.full_like(RATES, torch.inf if value is None else value)


def problem(
    optimiser: Optimiser, clip_norm: float | None = None, scale: float = 1.0, clip_value: float | None = None
) -> tuple[Population, list[Batch]]:
    """Return a small nonlinear population in float64, and a batch for each update."""
    random = torch.Generator().manual_seed(0)
    network = Network(make_cell("elman", 2, hidden=3), 1)
    theta = torch.randn(REPLICAS, network.parameters, generator=random, dtype=torch.float64)
    clipping = {"clip_norm": bound(clip_norm), "clip_value": bound(clip_value)}
    population = Population(network, optimiser, theta, RATES, many_to_one=True, **clipping)
    x = torch.randn(UPDATES, REPLICAS, 6, 5, 2, generator=random, dtype=torch.float64)
    y = scale * x.sum(dim=(3, 4)).sin()[..., None]
    return population, list(zip(x, y, strict=True))


def one_by_one(
    population: Population, start: Tensor, batches: list[Batch], factor: float, annealed: tuple[int, int] | None = None
) -> Tensor:
    """Return θ after every replica was trained by itself by PyTorch's optimiser, at `factor` times its rate.

    The rate falls to a hundredth between two updates, `annealed`, and stays there, or it stays from the beginning.
    """
    rows = []
    for s in range(REPLICAS):
        theta = start[s : s + 1].clone().requires_grad_()
        steps = population.optimiser.torch_peer([theta], factor * float(RATES[s]))
        assert steps is not None
        begin, end = annealed or (0, 0)
        anneal = torch.optim.lr_scheduler.CosineAnnealingLR(steps, max(1, end - begin), 0.01 * float(RATES[s]))
        for number, (x, y) in enumerate(batches):
            steps.zero_grad()
            predicted = population.network(population.network.unpack(theta), x[s : s + 1], last=True)
            torch.nn.functional.mse_loss(predicted, y[s : s + 1]).backward()
            torch.nn.utils.clip_grad_norm_([theta], float(population.clip_norm[s]))
            torch.nn.utils.clip_grad_value_([theta], float(population.clip_value[s]))
            steps.step()
            if begin <= number < end:
                anneal.step()
        rows.append(theta.detach())
    return torch.cat(rows)


def distance(name: str, factor: float = 1.0, other: dict[str, float] | None = None, **clipping: float) -> float:
    """Return the largest difference of θ from PyTorch's, which gets the rate times `factor`, or `other` thresholds."""
    population, batches = problem(make("optimisers", name), scale=5.0 if clipping else 1.0, **clipping)
    start = population.theta.detach().clone()
    for batch in batches:
        population.optimiser.update(population, batch)
    for key, value in (other or {}).items():
        setattr(population, key, bound(value))
    return float((population.theta.detach() - one_by_one(population, start, batches, factor)).abs().max())


def test_what_pytorch_has_is_found() -> None:
    assert {"adam", "sgd"} <= set(PEERS), "else nothing is compared"


@pytest.mark.parametrize("name", PEERS)
def test_equals_torch_for_every_replica_at_its_own_rate(name: str) -> None:
    assert distance(name) < 1e-11
    assert distance(name, factor=1.001) > 1e-6


@pytest.mark.parametrize("name", PEERS)
def test_clipping_is_that_of_torch_for_every_replica_by_itself(name: str) -> None:
    # At 8 about half of the gradients are clipped. torch divides by ‖∇L‖ + 1e-6, we by ‖∇L‖ + 1e-12
    assert distance(name, clip_norm=8.0) < 1e-6
    assert distance(name, clip_norm=8.0, other={"clip_norm": 8.8}) > 1e-5


def test_clipping_by_value_is_that_of_torch() -> None:
    assert distance("sgd", clip_value=0.5) < 1e-12
    assert distance("sgd", clip_value=0.5, other={"clip_value": 0.55}) > 1e-5


def test_the_momentum_is_that_of_the_paper() -> None:
    optimiser = make("optimisers", "nesterov", {"momentum": 0.995})
    found = [optimiser.momentum(update) for update in (0, 999, 1000, 10**6)]
    assert found == [0.9, 0.9, 0.995, 0.995]


def look_ahead(population: Population, batches: list[Batch], momenta: list[float]) -> Tensor:
    """Return the points θ + μ v after each update of v ← μ v - α ∇L(θ + μ v), θ ← θ + v, as the paper writes it."""
    theta, rates = population.theta.detach().clone(), RATES[:, None]
    v = torch.zeros_like(theta)
    for (x, y), mu in zip(batches, momenta, strict=False):
        ahead = (theta + mu * v).requires_grad_()
        predicted = population.network(population.network.unpack(ahead), x, last=True)
        (gradient,) = torch.autograd.grad((predicted - y).square().flatten(1).mean(dim=1).sum(), ahead)
        v = mu * v - rates * gradient
        theta = theta + v
    return theta + momenta[len(batches)] * v


@pytest.mark.parametrize("late", [0, 1])
def test_nesterov_looks_ahead_while_the_momentum_grows(late: int) -> None:
    population, batches = problem(make("optimisers", "nesterov", {"first_updates": 3, "first_momentum": 0.5}))
    momenta = [population.optimiser.momentum(i) for i in range(UPDATES + 2)]
    expected = look_ahead(population, batches, momenta[late:])  # one update late is a wrong schedule
    for batch in batches:
        population.optimiser.update(population, batch)
    assert (float((population.theta.detach() - expected).abs().max()) < 1e-12) == (late == 0)


def test_clipping_leaves_a_small_gradient_as_it_is() -> None:
    free, tight = (problem(make("optimisers", "sgd"), clip) for clip in (None, 1e3))
    for population, batches in (free, tight):
        population.optimiser.update(population, batches[0])
    assert torch.equal(free[0].theta, tight[0].theta)


@pytest.mark.parametrize("name", ITERATIVE)
def test_replicas_do_not_touch_each_other(name: str) -> None:
    first, batches = problem(make("optimisers", name), clip_norm=1.0)
    second, _ = problem(make("optimisers", name), clip_norm=1.0)
    with torch.no_grad():
        second.theta[1] *= 3.0
    for batch in batches:
        first.optimiser.update(first, batch)
        second.optimiser.update(second, batch)
    assert torch.equal(first.theta[[0, 2]], second.theta[[0, 2]])
    assert not torch.equal(first.theta[1], second.theta[1])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_update_returns_the_loss_before_it(name: str) -> None:
    population, batches = problem(make("optimisers", name))
    expected = population.losses(batches[0]).detach()
    assert torch.equal(population.optimiser.update(population, batches[0]), expected)


@pytest.mark.parametrize("name", TRAINING)
def test_trains(name: str, make_run: MakeRun) -> None:
    cell = {"cell": "elman", "hidden": 6}
    result = fit(*make_run(cell | {"optimiser": name}, epochs=30))
    untrained = fit(*make_run(cell | {"optimiser": "fixed"}))
    assert not result.diverged.any()
    assert (result.best_loss < 0.5 * untrained.best_loss).all()


def of_ridge(network: Network, theta: Tensor, many_to_one: bool = True) -> Population:
    """Return replicas to be trained by ridge regression."""
    return Population(network, make("optimisers", "ridge"), theta, torch.zeros(len(theta)).double(), many_to_one)


def regression() -> tuple[Population, Batch, Batch]:
    """Return a population whose last layer is a regression on a window, and noisy data for it."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4, 2))
    y = x.reshape(60, 8)[:, :5] @ random.normal(size=(5, 2)) + 2.0 * random.normal(size=(60, 2)) + 3.0
    network = Network(make_cell("window", 2, window=4), 2)
    population = of_ridge(network, torch.from_numpy(random.normal(size=(2, network.parameters))))
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    return population, (x[:20], y[:20]), (x[20:], y[20:])


def ridge_of_sklearn(train: Batch, val: Batch) -> tuple[list[float], list[Ridge]]:
    """Return the validation loss and the model of every λ; sklearn's α is n λ."""
    (x, y), (x_val, y_val) = ((a.reshape(len(a), -1).numpy(), b.numpy()) for a, b in (train, val))
    models = [Ridge(alpha=len(x) * ridge, solver="svd").fit(x, y) for ridge in GRID]
    return [float(np.mean((model.predict(x_val) - y_val) ** 2)) for model in models], models


def test_ridge_is_that_of_sklearn_with_the_penalty_best_on_validation_data() -> None:
    population, train, val = regression()
    population.optimiser.finish(population, train, val)
    losses, models = ridge_of_sklearn(train, val)
    best = int(np.argmin(losses))
    assert 0 < best < len(GRID) - 1
    weights = population.network.unpack(population.best)
    for s in range(2):
        np.testing.assert_allclose(weights["V0"][s].T, models[best].coef_, rtol=0, atol=1e-12)
        np.testing.assert_allclose(weights["c0"][s, 0], models[best].intercept_, rtol=0, atol=1e-12)
        assert float(population.best_loss[s]) == pytest.approx(losses[best], rel=1e-12)
        for neighbour in (best - 1, best + 1):
            assert abs(weights["V0"][s].T.numpy() - models[neighbour].coef_).max() > 1e-3


def test_ridge_solves_the_last_layer_and_keeps_all_others() -> None:
    _, train, val = regression()
    network = Network(make_cell("window", 2, window=4), 2, (12,))
    start = torch.randn(2, network.parameters, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    population = of_ridge(network, start)
    population.optimiser.finish(population, train, val)
    before, after = network.unpack(start), network.unpack(population.best)
    assert torch.equal(before["V0"], after["V0"]) and torch.equal(before["c0"], after["c0"])
    for s in range(2):
        hidden = [torch.relu(x.reshape(len(x), -1) @ before["V0"][s] + before["c0"][s]) for x, _ in (train, val)]
        losses, models = ridge_of_sklearn((hidden[0], train[1]), (hidden[1], val[1]))
        np.testing.assert_allclose(after["V1"][s].T, models[int(np.argmin(losses))].coef_, rtol=0, atol=1e-8)


@pytest.mark.parametrize("residual", [None, 0.5])
def test_ridge_regresses_on_the_steps_after_the_washout(residual: float | None) -> None:
    """Of a residual on what the inputs lack; the features are the states as the whole sequence made them."""
    washout = 3
    network = Network(make_cell("elman", 2, hidden=4), 2, washout=washout, residual=residual)
    random = torch.Generator().manual_seed(2)
    theta = torch.randn(2, network.parameters, generator=random, dtype=torch.float64)
    x = torch.randn(30, 8, 2, generator=random, dtype=torch.float64)
    y = x.cumsum(1)[:, washout:] + torch.randn(30, 8 - washout, 2, generator=random, dtype=torch.float64)
    train, val = (x[:20], y[:20]), (x[20:], y[20:])
    population = of_ridge(network, theta, many_to_one=False)
    population.optimiser.finish(population, train, val)
    weights, start = network.unpack(population.best), network.unpack(theta)
    for s in range(2):
        w = {name: weight[s : s + 1] for name, weight in start.items()}
        rows = [
            (
                network.cell.unroll(w, u[None], network.cell.start(u[None]))[0][0, :, washout:].flatten(0, 1),
                ((z - u[:, washout:]) / residual if residual else z).flatten(0, 1),
            )
            for u, z in (train, val)
        ]
        losses, models = ridge_of_sklearn(*rows)
        best = int(np.argmin(losses))
        np.testing.assert_allclose(weights["V0"][s].T, models[best].coef_, rtol=0, atol=1e-8)
        assert float(population.best_loss[s]) == pytest.approx((residual or 1.0) ** 2 * losses[best], rel=1e-9)
        predicted = network({name: weight[s : s + 1] for name, weight in weights.items()}, val[0][None])
        assert float((predicted - val[1]).square().mean()) == pytest.approx(float(population.best_loss[s]), rel=1e-9)


def test_ridge_chooses_its_penalty_in_closed_loop_where_validation_is() -> None:
    """On trajectories with noise, the penalty that is best one step ahead is not the best in closed loop."""
    network = Network(make_cell("leaky", 1, hidden=8, leak_rate=0.5), 1, washout=5)
    random = np.random.default_rng(3)
    theta = torch.from_numpy(random.normal(size=(2, network.parameters)) / 2)
    phases = random.uniform(0, 2 * np.pi, (24, 1, 1))
    clean = np.sin(phases + 0.3 * np.arange(60)[:, None])
    series = torch.from_numpy(clean + 0.2 * random.normal(size=clean.shape))
    train = (series[:16, :40], series[:16, 6:41])
    one_step, loop = (series[16:, :40], series[16:, 6:41]), (series[16:, :40], torch.from_numpy(clean[16:, 40:]))
    chosen = {}
    for mode, val in (("teacher_forced", one_step), ("closed_loop", loop)):
        population = of_ridge(network, theta, many_to_one=False)
        population.validation = (mode, False)  # type: ignore[assignment]
        population.optimiser.finish(population, train, val)
        chosen[mode] = population.best
        ensemble = Ensemble(network, population.best, many_to_one=False)
        found = ensemble.run(val[0], mode, val[1].shape[1])  # type: ignore[arg-type]
        loss = (found - val[1]).square().flatten(1).mean(dim=1)
        np.testing.assert_allclose(population.best_loss, loss, rtol=1e-9)
    beaten = Ensemble(network, chosen["teacher_forced"], many_to_one=False).run(loop[0], "closed_loop", 20)
    other = (beaten - loop[1]).square().flatten(1).mean(dim=1)
    assert (other >= loss * (1 - 1e-9)).all() and (other > 1.01 * loss).any()


def test_fixed_changes_nothing_and_records_the_validation_loss() -> None:
    population, batches = problem(make("optimisers", "fixed"))
    start = population.theta.detach().clone()
    for batch in batches:
        population.optimiser.update(population, batch)
    x, y = batches[0][0][0], batches[0][1][0]
    population.optimiser.finish(population, (x, y), (x, y))
    assert torch.equal(population.theta, start) and torch.equal(population.best, start)
    expected = population.losses((x.expand(REPLICAS, *x.shape), y)).detach()
    assert torch.equal(population.best_loss, expected)


@pytest.mark.parametrize("name", PEERS)
def test_the_rate_falls_as_torch_anneals_it(name: str) -> None:
    def distance_over(decay: int | None) -> float:
        population, batches = problem(make("optimisers", name))
        population.decay, start = decay, population.theta.detach().clone()
        for index, batch in enumerate(batches):
            population.training_step(batch, index)
        return float((population.theta.detach() - one_by_one(population, start, batches, 1.0, (10, 16))).abs().max())

    assert distance_over(UPDATES) < 1e-11
    assert distance_over(UPDATES + 1) > 1e-6 and distance_over(None) > 1e-6
