"""The population: replicas that are trained together as if each were alone, and the batches that each draws."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import MakeRun
from unrolled import registry
from unrolled.data.task import Data
from unrolled.registry import load, names
from unrolled.training.batches import PopulationData, ReplicaBatches
from unrolled.training.fit import fit
from unrolled.training.population import Population
from unrolled.training.runs import Result, Run

TANH = {"cell": "elman", "hidden": 6}
RATES = [1e-3, 1e-2, 3e-2]
FLOAT32 = 1e-4  # relative: batched products round in another order, and some dozen updates add up


def of(result: Result, seed: int, rate: float) -> int:
    """Return the place of a replica."""
    return int(np.flatnonzero((result.seeds == seed) & (result.learning_rates == rate))[0])


def close(one: Any, other: Any) -> bool:
    return bool(np.allclose(one, other, rtol=FLOAT32, atol=FLOAT32 * abs(other).max()))


@pytest.mark.parametrize("cell", names("cells"))
def test_a_replica_is_trained_the_same_by_itself_and_among_many(cell: str, make_run: MakeRun) -> None:
    method = {"cell": cell, "hidden": 5, "readout": [3], "clip_norm": [0.5]}
    single = fit(*make_run(method | {"learning_rates": [1e-2]}, seeds=1))
    many = fit(*make_run(method | {"learning_rates": RATES, "clip_norm": [0.5, 0.001]}, seeds=4))
    place = of(many, 0, 1e-2)
    assert len(single.theta) == 1 and len(many.theta) == 24
    for one, other in ((single.theta[0], many.theta[place]), (single.val_loss[:, 0], many.val_loss[:, place])):
        assert close(one, other)
    clipped_at_the_other = place + 4
    for neighbour in (of(many, 1, 1e-2), of(many, 0, 1e-3), clipped_at_the_other):
        assert not close(single.theta[0], many.theta[neighbour])


def test_training_twice_gives_the_same_bits(make_run: MakeRun) -> None:
    run, data = make_run(TANH | {"learning_rates": [1e-3, 1e-2]})
    first, second = fit(run, data), fit(run, data)
    for key in ("theta", "train_loss", "val_loss", "best_loss"):
        assert getattr(first, key).tobytes() == getattr(second, key).tobytes()
    assert first.predictions["closed_loop"].tobytes() == second.predictions["closed_loop"].tobytes()


def test_training_lowers_the_loss_of_every_replica(make_run: MakeRun) -> None:
    result = fit(*make_run(TANH, seeds=3, epochs=10))
    assert result.train_loss.shape == result.val_loss.shape == (10, 3)
    assert (result.train_loss[-1] < 0.5 * result.train_loss[0]).all()
    assert (result.val_loss[-1] < 0.5 * result.val_loss[0]).all()


def test_a_diverging_rate_is_counted_and_does_not_touch_the_others(make_run: MakeRun) -> None:
    method = TANH | {"optimiser": "sgd"}
    tame = fit(*make_run(method | {"learning_rates": [1e-2]}))
    wild = fit(*make_run(method | {"learning_rates": [1e30, 1e-2]}))
    np.testing.assert_array_equal(wild.diverged, wild.learning_rates == 1e30)
    assert close(wild.theta[~wild.diverged], tame.theta)
    assert np.isfinite(wild.theta).all()
    np.testing.assert_array_equal(wild.chosen, np.flatnonzero(wild.learning_rates == 1e-2))
    assert not tame.diverged.any()


def test_when_all_diverge_there_is_still_a_result(make_run: MakeRun) -> None:
    result = fit(*make_run(TANH | {"optimiser": "sgd", "learning_rates": [1e30]}))
    assert result.diverged.all() and len(result.chosen) == 2 and np.isinf(result.best_loss).all()


def population_of(
    run: Run, data: Data, theta: torch.Tensor, optimiser: str = "adam"
) -> tuple[Population, PopulationData]:
    rates, item = torch.full((len(theta),), 1e-2), registry.make("optimisers", optimiser)
    population = Population(run.network(), item, theta, rates, many_to_one=True)
    return population, PopulationData(data.train, data.val, run.experiment.fit.batch, list(range(len(theta))))


@pytest.mark.parametrize("optimiser", [n for n in names("optimisers") if load("optimisers", n).iterative])
def test_a_replica_that_is_not_a_number_is_frozen_and_the_others_go_on(optimiser: str, make_run: MakeRun) -> None:
    run, data = make_run(TANH)
    theta = torch.randn(3, run.network().parameters, generator=torch.Generator().manual_seed(0)) / 3
    broken = theta.clone()
    broken[1, 4] = torch.nan
    (sound, batches), (sick, _) = (population_of(run, data, each, optimiser) for each in (theta, broken))
    for x, y in [*batches.train_dataloader(), *batches.train_dataloader()]:
        for population in (sound, sick):
            population.training_step((x, y), 0)
    for batch in batches.val_dataloader():
        sound.validation_step(batch, 0)
        sick.validation_step(batch, 0)
    assert sound.active.tolist() == [True, True, True]
    assert sick.active.tolist() == [True, False, True]
    assert torch.equal(sick.theta[[0, 2]], sound.theta[[0, 2]])
    assert torch.equal(sick.best_loss[[0, 2]], sound.best_loss[[0, 2]])
    assert sick.best_loss[1] == torch.inf


def test_a_replica_that_diverges_late_keeps_its_best_weights(make_run: MakeRun) -> None:
    run, data = make_run(TANH)
    theta = torch.randn(2, run.network().parameters, generator=torch.Generator().manual_seed(0)) / 3
    population, batches = population_of(run, data, theta)
    population.save_best(torch.tensor([1.0, 1.0]))
    population.learning_rates = torch.tensor([1e-2, torch.inf])
    for batch in batches.train_dataloader():
        population.training_step(batch, 0)
    assert population.active.tolist() == [True, False]
    assert torch.equal(population.theta[1], theta[1]) and torch.equal(population.best[1], theta[1])
    assert not torch.equal(population.theta[0], theta[0])


def test_the_loss_is_the_mean_square_error_of_each_replica(make_run: MakeRun) -> None:
    run, data = make_run(TANH)
    network = run.network()
    theta = torch.randn(3, network.parameters, generator=torch.Generator().manual_seed(0))
    population, batches = population_of(run, data, theta)
    x, y = next(iter(batches.train_dataloader()))
    for s in range(3):
        predicted = network(network.unpack(theta[s : s + 1]), x[s : s + 1], last=True)
        expected = nn.functional.mse_loss(predicted[0], y[s])
        torch.testing.assert_close(population.losses((x, y))[s], expected, rtol=1e-5, atol=0)


def test_every_epoch_is_a_new_permutation_of_each_replica_s_own() -> None:
    batches = ReplicaBatches(10, 4, [7, 8, 7])
    first, second = (torch.cat(list(batches), dim=1) for _ in range(2))
    assert len(batches) == 3 and [b.shape for b in batches] == [(3, 4), (3, 4), (3, 2)]
    assert torch.equal(first.sort(dim=1).values, torch.arange(10).expand(3, 10))
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
    assert torch.equal(torch.cat(list(ReplicaBatches(10, 4, [8])), dim=1)[0], first[1])


def test_noise_is_on_the_inputs_of_training_batches_only_and_each_seed_has_its_own(make_run: MakeRun) -> None:
    plain, noisy, single = (
        fit(*make_run(TANH | {"input_noise": noise}, seeds=seeds)) for noise, seeds in ((None, 2), (0.5, 2), (0.5, 1))
    )
    assert not np.array_equal(plain.theta, noisy.theta)
    np.testing.assert_allclose(single.theta[0], noisy.theta[0], rtol=1e-4, atol=1e-6)
    _, data = make_run(TANH)
    batches = PopulationData(data.train, data.val, 16, [0, 1, 0], 0.5)
    batches.trainer = SimpleNamespace(training=True)  # type: ignore[assignment]
    x, y = next(iter(batches.train_dataloader()))
    first, second = (batches.on_after_batch_transfer([x, y], 0)[0] - x for _ in range(2))
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1]) and not torch.equal(first, second)
    assert float(first.std()) == pytest.approx(0.5, rel=0.1)
    batches.trainer = SimpleNamespace(training=False)  # type: ignore[assignment]
    assert batches.on_after_batch_transfer([x, y], 0)[0] is x


def test_a_study_may_let_the_rate_fall(make_run: MakeRun) -> None:
    constant, cosine = fit(*make_run(TANH)), fit(*make_run(TANH, schedule="cosine"))
    np.testing.assert_allclose(cosine.train_loss[0], constant.train_loss[0], rtol=0.2)
    moved = [np.linalg.norm(each.theta - each.halfway, axis=1) for each in (constant, cosine)]
    assert (moved[1] < moved[0]).all()
