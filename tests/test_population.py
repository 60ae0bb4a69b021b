"""The population: replicas that learn together as if each were alone."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import MakeJob
from unrolled.models.network import Network
from unrolled.registry import load, names
from unrolled.training.batches import PopulationData, ReplicaBatches
from unrolled.training.job import Job, Result, Trained, choose
from unrolled.training.learn import learn
from unrolled.training.population import Population

TANH = {"cell": "elman", "hidden": 6}
RATES = [1e-3, 1e-2, 3e-2]
FLOAT32 = 1e-4  # relative: batched products round in another order, and some dozen updates add up


def of(result: Result, seed: int, rate: float) -> int:
    """Return the place of a replica."""
    return int(np.flatnonzero((result.seeds == seed) & (result.rates == rate))[0])


def close(one: Any, other: Any) -> bool:
    return bool(np.allclose(one, other, rtol=FLOAT32, atol=FLOAT32 * abs(other).max()))


@pytest.mark.parametrize("cell", names("cells"))
def test_a_replica_learns_the_same_alone_and_among_many(cell: str, make_job: MakeJob) -> None:
    method = {"cell": cell, "hidden": 5, "readout": [3], "clip_norm": [0.5]}
    alone = learn(make_job(method | {"learning_rates": [1e-2]}, seeds=1))
    many = learn(make_job(method | {"learning_rates": RATES, "clip_norm": [0.5, 0.001]}, seeds=4))
    place = of(many, 0, 1e-2)
    assert len(alone.theta) == 1 and len(many.theta) == 24
    for one, other in ((alone.theta[0], many.theta[place]), (alone.val_loss[:, 0], many.val_loss[:, place])):
        assert close(one, other)
    clipped_at_two = place + 4
    for neighbour in (of(many, 1, 1e-2), of(many, 0, 1e-3), clipped_at_two):
        assert not close(alone.theta[0], many.theta[neighbour])


def test_learning_twice_gives_the_same_bits(make_job: MakeJob) -> None:
    job = make_job(TANH | {"learning_rates": [1e-3, 1e-2]})
    first, second = learn(job), learn(job)
    for key in ("theta", "train_loss", "val_loss", "best_loss"):
        assert getattr(first, key).tobytes() == getattr(second, key).tobytes()
    assert first.predictions["forecast"].tobytes() == second.predictions["forecast"].tobytes()


def test_learning_lowers_the_loss_of_every_replica(make_job: MakeJob) -> None:
    result = learn(make_job(TANH | {"learning_rates": [1e-2]}, seeds=3, epochs=10))
    assert result.train_loss.shape == result.val_loss.shape == (10, 3)
    assert (result.train_loss[-1] < 0.5 * result.train_loss[0]).all()
    assert (result.val_loss[-1] < 0.5 * result.val_loss[0]).all()


def test_a_diverging_rate_is_counted_and_does_not_touch_the_others(make_job: MakeJob) -> None:
    method = TANH | {"optimiser": "sgd"}
    tame = learn(make_job(method | {"learning_rates": [1e-2]}))
    wild = learn(make_job(method | {"learning_rates": [1e30, 1e-2]}))
    np.testing.assert_array_equal(wild.diverged, wild.rates == 1e30)
    assert close(wild.theta[~wild.diverged], tame.theta)
    assert np.isfinite(wild.theta).all()
    np.testing.assert_array_equal(wild.chosen, np.flatnonzero(wild.rates == 1e-2))
    assert not tame.diverged.any()


def test_when_all_diverge_there_is_still_a_result(make_job: MakeJob) -> None:
    result = learn(make_job(TANH | {"optimiser": "sgd", "learning_rates": [1e30]}))
    assert result.diverged.all() and len(result.chosen) == 2


def population_of(job: Job, theta: torch.Tensor, optimiser: str = "adam") -> tuple[Population, PopulationData]:
    rates = torch.full((len(theta),), 1e-2)
    population = Population(job.network(), load("optimisers", optimiser)(), theta, rates, last=True)
    return population, PopulationData(job.splits, job.study.batch, list(range(len(theta))))


@pytest.mark.parametrize("optimiser", [n for n in names("optimisers") if load("optimisers", n).iterative])
def test_a_replica_that_is_not_a_number_is_frozen_and_the_others_go_on(optimiser: str, make_job: MakeJob) -> None:
    job = make_job(TANH)
    theta = torch.randn(3, job.network().parameters, generator=torch.Generator().manual_seed(0)) / 3
    broken = theta.clone()
    broken[1, 4] = torch.nan
    (sound, data), (sick, _) = population_of(job, theta, optimiser), population_of(job, broken, optimiser)
    for x, y in [*data.train_dataloader(), *data.train_dataloader()]:
        for population in (sound, sick):
            population.training_step((x, y), 0)
    for batch in data.val_dataloader():
        sound.validation_step(batch, 0)
        sick.validation_step(batch, 0)
    assert sound.alive.tolist() == [True, True, True]
    assert sick.alive.tolist() == [True, False, True]
    assert torch.equal(sick.theta[[0, 2]], sound.theta[[0, 2]])
    assert torch.equal(sick.best_loss[[0, 2]], sound.best_loss[[0, 2]])
    assert sick.best_loss[1] == torch.inf


def test_a_replica_that_diverges_late_keeps_its_best_weights(make_job: MakeJob) -> None:
    job = make_job(TANH)
    theta = torch.randn(2, job.network().parameters, generator=torch.Generator().manual_seed(0)) / 3
    population, data = population_of(job, theta)
    population.keep(torch.tensor([1.0, 1.0]))
    population.rates = torch.tensor([1e-2, torch.inf])
    for batch in data.train_dataloader():
        population.training_step(batch, 0)
    assert population.alive.tolist() == [True, False]
    assert torch.equal(population.theta[1], theta[1]) and torch.equal(population.best[1], theta[1])
    assert not torch.equal(population.theta[0], theta[0])


def test_the_best_weights_are_those_of_the_lowest_validation_loss(make_job: MakeJob) -> None:
    job = make_job(TANH | {"learning_rates": [0.1]}, seeds=4, epochs=12)
    result = learn(job)
    assert (result.val_loss.argmin(axis=0) < 11).any(), "the last epoch must not be the best of all"
    np.testing.assert_array_equal(result.best_loss, result.val_loss.min(axis=0))
    model = Trained(job.network(), torch.from_numpy(result.theta), last=True)
    val = job.splits["val"]
    again = (model(torch.from_numpy(val["inputs"])).numpy() - val["targets"]) ** 2
    np.testing.assert_allclose(again.mean(axis=(1, 2)), result.best_loss, rtol=1e-5)


def test_predictions_are_those_of_the_best_weights_of_the_chosen_replicas(make_job: MakeJob) -> None:
    job = make_job(TANH | {"learning_rates": [1e-4, 0.1]}, epochs=12)
    result = learn(job)
    np.testing.assert_array_equal(result.chosen, [2, 3])
    assert (result.val_loss[:, result.chosen].argmin(axis=0) < 11).any(), "best and last weights must differ"
    model = Trained(job.network(), torch.from_numpy(result.theta[result.chosen]), last=True)
    expected = model(torch.from_numpy(job.splits["test"]["inputs"])).numpy()
    np.testing.assert_array_equal(result.predictions["test"], expected)


@pytest.mark.parametrize(
    ("rates", "loss", "diverged", "expected"),
    [
        ([1, 1, 1, 2, 2, 2], [1, 2, 30, 3, 3, 3], [], [0, 1, 2]),  # median 2 beats 3 though the mean does not
        ([1, 1, 1, 2, 2, 2], [0, 4, 4, 3, 3, 3], [], [3, 4, 5]),  # and 3 beats 4 though the best replica does not
        ([1, 1, 1, 2, 2, 2], [0, 0, 0, 3, 3, 3], [0, 1], [3, 4, 5]),
        ([1, 1, 1, 2, 2, 2], [0, 0, 0, 3, 3, 3], [0], [0, 1, 2]),
        ([1, 2, 1, 2], [5, 5, 5, 5], [], [0, 2]),  # of equals the first
        ([1, 1], [5, 5], [0, 1], [0, 1]),
    ],
)
def test_choose_takes_the_lowest_median_and_counts_diverged_as_infinite(
    rates: list[int], loss: list[int], diverged: list[int], expected: list[int]
) -> None:
    broken = np.isin(np.arange(len(rates)), diverged)
    np.testing.assert_array_equal(choose(np.array(rates, float), np.array(loss, float), broken), expected)


def test_progress_is_told_after_every_epoch(make_job: MakeJob) -> None:
    told: list[tuple[int, int]] = []
    learn(make_job(TANH, epochs=3), lambda history, replicas: told.append((len(history["train"]), len(history["val"]))))
    assert told == [(1, 1), (2, 2), (3, 3)]


def test_every_epoch_is_a_new_permutation_of_each_replica_s_own() -> None:
    batches = ReplicaBatches(10, 4, [7, 8, 7])
    first, second = (torch.cat(list(batches), dim=1) for _ in range(2))
    assert len(batches) == 3 and [b.shape for b in batches] == [(3, 4), (3, 4), (3, 2)]
    assert torch.equal(first.sort(dim=1).values, torch.arange(10).expand(3, 10))
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
    assert torch.equal(torch.cat(list(ReplicaBatches(10, 4, [8])), dim=1)[0], first[1])


def test_the_loss_is_the_mean_square_error_of_each_replica(make_job: MakeJob) -> None:
    job = make_job(TANH)
    theta = torch.randn(3, job.network().parameters, generator=torch.Generator().manual_seed(0))
    population, data = population_of(job, theta)
    x, y = next(iter(data.train_dataloader()))
    for s in range(3):
        predicted = job.network()(job.network().unpack(theta[s : s + 1]), x[s : s + 1], last=True)
        expected = nn.functional.mse_loss(predicted[0], y[s])
        torch.testing.assert_close(population.losses((x, y))[s], expected, rtol=1e-5, atol=0)


def torch_network(network: Network, weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Return the readout as torch's layers, with copied weights of the only replica."""
    layers: list[nn.Module] = []
    for number, (rows, columns) in enumerate(network.layers):
        linear = nn.Linear(rows, columns)
        linear.weight, linear.bias = (
            nn.Parameter(weights[key][0].T.squeeze(-1) if key[0] == "c" else weights[key][0].T)
            for key in (f"V{number}", f"c{number}")
        )
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("readout", [(), (7,), (7, 4)])
def test_the_readout_equals_torch_and_packing_is_undone_by_unpacking(readout: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(0)
    network = Network(load("cells", "elman")(2, 5), 3, readout)
    theta = torch.randn(1, network.parameters, generator=random)
    weights = network.unpack(theta)
    assert torch.equal(network.pack({key: value[0] for key, value in weights.items()}), theta[0])
    h = torch.randn(1, 4, 6, 5, generator=random)
    expected = torch_network(network, weights)(h)
    torch.testing.assert_close(network.readout(weights, h), expected)
    weights["c0"] = weights["c0"] + 1e-3
    assert not torch.allclose(network.readout(weights, h), expected)


def test_fold_gives_the_cell_its_whole_window_as_one_step(make_job: MakeJob) -> None:
    job = make_job(TANH | {"fold": True})
    network, unfolded = job.network(), replace(job, method=job.method.model_copy(update={"fold": False})).network()
    assert network.shapes["U"] == (5, 6) and unfolded.shapes["U"] == (1, 6)
    weights = network.unpack(torch.randn(1, network.parameters, generator=torch.Generator().manual_seed(0)))
    x = torch.from_numpy(job.splits["test"]["inputs"])[None]
    h = torch.tanh(x.flatten(2) @ weights["U"] + weights["b"])
    torch.testing.assert_close(network(weights, x, last=True), h @ weights["V0"] + weights["c0"])


def test_seeds_that_did_not_tune_learn_the_chosen_trial_as_if_they_had(make_job: MakeJob) -> None:
    row = TANH | {"learning_rates": RATES}
    everyone, few = make_job(row, seeds=4), replace(make_job(row, seeds=4), tuning_seeds=2)
    assert (everyone.rounds, few.rounds) == (1, 2)
    told: list[tuple[int, int]] = []
    all_, some = (
        learn(everyone),
        learn(few, lambda history, replicas: told.append((len(history["train"]), len(replicas)))),
    )
    assert len(some.seeds) == 2 * len(RATES) + 2 and told == [(e, s) for s in (2 * len(RATES), 2) for e in (1, 2, 3)]
    chosen = some.trials[some.chosen[0]]
    assert some.seeds[some.chosen].tolist() == [0, 1, 2, 3] and set(some.trials[some.chosen]) == {chosen}
    same = np.flatnonzero(all_.trials == chosen)
    np.testing.assert_allclose(some.theta[some.chosen], all_.theta[same], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(some.val_loss[:, some.chosen], all_.val_loss[:, same], rtol=1e-4)
    assert abs(some.theta[some.chosen] - all_.theta[same][::-1]).max() > 1e-2


def test_with_one_trial_all_seeds_learn_at_once(make_job: MakeJob) -> None:
    job = replace(make_job(TANH | {"learning_rates": [1e-2]}, seeds=4), tuning_seeds=2)
    assert job.rounds == 1 and len(job.first()) == 4 and not job.rest(0)


def test_noise_is_on_the_inputs_of_training_batches_alone_and_each_seed_has_its_own(make_job: MakeJob) -> None:
    row = TANH | {"learning_rates": [1e-2]}
    plain, noisy = (learn(make_job(row | change)) for change in ({}, {"input_noise": 0.5}))
    assert not np.array_equal(plain.theta, noisy.theta)
    one = learn(make_job(row | {"input_noise": 0.5}, seeds=1))
    np.testing.assert_allclose(one.theta[0], noisy.theta[0], rtol=1e-4, atol=1e-6)
    still = learn(make_job(row | {"input_noise": 0.5, "optimiser": "fixed"}))
    np.testing.assert_array_equal(still.theta, learn(make_job(row | {"optimiser": "fixed"})).theta)
    data = PopulationData(make_job(row).splits, 16, [0, 1, 0], 0.5)
    data.trainer = SimpleNamespace(training=True)  # type: ignore[assignment]
    x, y = next(iter(data.train_dataloader()))
    first, second = (data.on_after_batch_transfer([x, y], 0)[0] - x for _ in range(2))
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1]) and not torch.equal(first, second)
    assert float(first.std()) == pytest.approx(0.5, rel=0.1)
    data.trainer = SimpleNamespace(training=False)  # type: ignore[assignment]
    assert data.on_after_batch_transfer([x, y], 0)[0] is x


def test_a_study_may_let_the_rate_fall(make_job: MakeJob) -> None:
    method = TANH | {"learning_rates": [1e-2]}
    constant, cosine = learn(make_job(method)), learn(make_job(method, schedule="cosine"))
    np.testing.assert_allclose(cosine.train_loss[0], constant.train_loss[0], rtol=0.2)
    moved = [np.linalg.norm(each.theta - each.halfway, axis=1) for each in (constant, cosine)]
    assert (moved[1] < moved[0]).all()
