"""Training a run: its seeds, the choice of hyperparameters, the washout, the validation loss, the predictions."""

from typing import Any

import numpy as np
import pytest
import torch

import small_studies
from conftest import MakeRun, experiment_of
from unrolled.data import datasets
from unrolled.data.task import Data
from unrolled.models.ensemble import Ensemble
from unrolled.training.fit import fit
from unrolled.training.runs import Run, choose, initial_weights

TANH = {"cell": "elman", "hidden": 6}
RATES = [1e-3, 1e-2, 3e-2]
SIZES = {"steps": 20, "train": 8, "val": 4, "test": 3, "step": 0.02}
FORECAST = SIZES | {"task": "forecast", "system": "lorenz63", "horizon": 5, "standardise": True}
RESPONSE = SIZES | {"task": "response", "system": "oscillator"}
RIDGE = {"cell": "leaky", "hidden": 8, "initialiser": "echo_state", "optimiser": "ridge"}
WASHOUT = 6


def of_table_seed(run: Run, seed: int) -> Run:
    """Return the same run with another `seed` of the table."""
    return Run(run.experiment.model_copy(update={"seed": seed}), run.name)


def test_another_seed_of_the_table_gives_other_replicas(make_run: MakeRun) -> None:
    run, data = make_run(TANH | {"input_noise": 0.1}, seeds=2, epochs=1)
    again, other = of_table_seed(run, 0), of_table_seed(run, 3)
    assert run.experiment.seeds == [0, 1] and other.experiment.seeds == [3000, 3001]
    ours, same, theirs = (fit(each, data) for each in (run, again, other))
    assert same.theta.tobytes() == ours.theta.tobytes()
    assert theirs.seeds.tolist() == [3000, 3001]
    starts = np.concatenate(
        [initial_weights(each, each.network(), data, each.tuning_replicas()) for each in (run, other)]
    )
    assert len(np.unique(starts, axis=0)) == 4
    assert abs(theirs.theta - ours.theta).max() > 0.1


@pytest.mark.parametrize(
    ("tried", "loss", "diverged", "expected"),
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
    tried: list[int], loss: list[int], diverged: list[int], expected: list[int]
) -> None:
    broken = np.isin(np.arange(len(tried)), diverged)
    np.testing.assert_array_equal(choose(np.array(tried), np.array(loss, float), broken), expected)


def test_seeds_that_did_not_tune_are_trained_with_the_chosen_rate_as_if_they_had(make_run: MakeRun) -> None:
    row = TANH | {"learning_rates": RATES}
    (everyone, data), (few, _) = make_run(row, seeds=4), make_run(row, seeds=4, tuning_seeds=2)
    assert (everyone.epochs, few.epochs) == (3, 6)
    told: list[int] = []
    all_, some = fit(everyone, data), fit(few, data, told.append)
    assert len(some.seeds) == 2 * len(RATES) + 2 and told == [1] * few.epochs
    chosen = some.tried[some.chosen[0]]
    assert some.seeds[some.chosen].tolist() == [0, 1, 2, 3] and set(some.tried[some.chosen]) == {chosen}
    same = np.flatnonzero(all_.tried == chosen)
    np.testing.assert_allclose(some.theta[some.chosen], all_.theta[same], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(some.val_loss[:, some.chosen], all_.val_loss[:, same], rtol=1e-4)
    assert abs(some.theta[some.chosen] - all_.theta[same][::-1]).max() > 1e-2


def test_a_method_may_have_epochs_batches_and_a_schedule_of_its_own(make_run: MakeRun) -> None:
    (own, data), (study, _) = make_run(TANH | {"epochs": 2, "batch": 11, "schedule": "cosine"}), make_run(TANH)
    changed = study.experiment.fit.model_copy(update={"epochs": 2, "batch": 11, "schedule": "cosine"})
    same = Run(study.experiment.model_copy(update={"fit": changed}), "method")
    assert (own.fit, own.epochs) == (changed, 2) and study.fit == study.experiment.fit != changed
    ours, theirs, others = (fit(each, data) for each in (own, same, study))
    np.testing.assert_array_equal(ours.theta, theirs.theta)
    assert len(ours.train_loss) == 2 and abs(ours.theta - others.theta).max() > 1e-3


def test_with_one_choice_of_hyperparameters_all_seeds_are_trained_at_once(make_run: MakeRun) -> None:
    run, _ = make_run(TANH, seeds=4, tuning_seeds=2)
    assert run.epochs == run.experiment.fit.epochs and len(run.tuning_replicas()) == 4 and not run.final_replicas(0)


def test_the_best_weights_are_those_of_the_lowest_validation_loss(make_run: MakeRun) -> None:
    result = fit(*make_run(TANH | {"learning_rates": [0.1]}, seeds=4, epochs=12))
    assert (result.val_loss.argmin(axis=0) < 11).any(), "the last epoch must not be the best of all"
    np.testing.assert_allclose(result.best_loss, result.val_loss.min(axis=0), rtol=1e-5)


def test_predictions_are_those_of_the_best_weights_of_the_chosen_replicas(make_run: MakeRun) -> None:
    run, data = make_run(TANH | {"learning_rates": [1e-4, 0.1]}, epochs=12)
    result = fit(run, data)
    np.testing.assert_array_equal(result.chosen, [2, 3])
    assert (result.val_loss[:, result.chosen].argmin(axis=0) < 11).any(), "best and last weights must differ"
    ensemble = Ensemble(run.network(), torch.from_numpy(result.theta[result.chosen]), many_to_one=True)
    assert set(result.predictions) == set(data.tests)
    expected = ensemble(torch.from_numpy(data.tests["test"].inputs)).numpy()
    np.testing.assert_array_equal(result.predictions["test"], expected)


def by_hand(run: Run, data: Data, theta: Any) -> list[float]:
    """Return the validation loss of each replica in plain steps: its own outputs fed back after the washout."""
    data, losses = run.select(data), []
    network, x, y = run.network(data), torch.from_numpy(data.val["inputs"]), data.val["targets"]
    fed_back = run.method.inputs is not None and "y_prev" in run.method.inputs
    for each in theta:
        w = network.unpack(torch.from_numpy(each)[None])
        state, total = network.cell.start(x[None]), 0.0
        for t in range(x.shape[1]):
            now = x[:, t]
            if fed_back and t > network.washout:
                now = torch.cat([output, now[:, output.shape[1] :]], dim=1)  # noqa: F821
            state = network.cell.step(w, now[None], state)
            output = network.readout(w, state[0])[0]
            if t >= network.washout:
                total += float((output.double() - torch.from_numpy(y[:, t - network.washout])).square().sum())
        losses.append(total / y.size)
    return losses


CASES = {
    "gradient descent": (TANH | {"learning_rates": [1e-2, 1e-3]}, FORECAST | {"washout": WASHOUT}),
    "gradient descent without washout": (TANH, FORECAST),
    "ridge": (RIDGE, FORECAST | {"washout": WASHOUT}),
    "fixed": (TANH | {"optimiser": "fixed"}, FORECAST | {"washout": WASHOUT}),
    "autoregressive": ({"cell": "elman", "hidden": 6, "inputs": ["y_prev", "V1"]}, None),
    "autoregressive ridge": ({"cell": "window", "optimiser": "ridge", "inputs": ["y_prev", "V1"]}, None),
}


"""A method, and what differs in its study; by default a made-up record."""


@pytest.mark.usefixtures("made_up_record")
@pytest.mark.parametrize("case", CASES)
def test_the_validation_loss_is_that_of_the_best_weights_by_hand(case: str, make_run: MakeRun) -> None:
    method, study = CASES[case]
    if study is None:
        row = small_studies.study("silverbox")
        run, data = Run(experiment_of(row, {"method": method}), "method"), datasets.make(row)
        assert row.washout > 0
    else:
        run, data = make_run(method, **study)
    result = fit(run, data)
    expected = by_hand(run, data, result.theta)
    np.testing.assert_allclose(result.best_loss, expected, rtol=1e-4)
    own = run.select(data)
    if study is None:
        teacher_forced = Ensemble(run.network(own), torch.from_numpy(result.theta), many_to_one=False)
        error = teacher_forced(torch.from_numpy(own.val["inputs"])).numpy() - own.val["targets"]
        assert abs(np.square(error).mean(axis=(1, 2, 3)) / expected - 1).min() > 1e-3, "it gets its own outputs"


LOOP = FORECAST | {"horizon": 9, "val_horizon": 4, "score": "valid_time"}


def loop_by_hand(run: Run, data: Data, theta: Any) -> list[float]:
    """Return the mean square error of each replica in closed loop after the validation sequences, in plain steps."""
    network, losses = run.network(data), []
    x, wanted = torch.from_numpy(data.val["inputs"]), data.val_tests["closed_loop"].targets
    for each in theta:
        w = network.unpack(torch.from_numpy(each)[None])
        state, outputs = network.cell.start(x[None]), []
        for t in range(x.shape[1] + wanted.shape[1] - 1):
            state = network.cell.step(w, x[None, :, t] if t < x.shape[1] else outputs[-1], state)
            outputs.append(network.readout(w, state[0]))
        found = torch.stack(outputs[x.shape[1] - 1 :], dim=2)[0].double().numpy()
        losses.append(float(np.square(found - wanted).mean()))
    return losses


@pytest.mark.parametrize("method", [TANH, RIDGE, TANH | {"optimiser": "fixed"}], ids=["adam", "ridge", "fixed"])
def test_what_is_scored_in_closed_loop_is_validated_in_closed_loop(method: dict[str, Any], make_run: MakeRun) -> None:
    run, data = make_run(method, **LOOP)
    assert data.val_tests["closed_loop"].targets.shape[1] == 5 and data.tests["closed_loop"].targets.shape[1] == 10
    result = fit(run, data)
    np.testing.assert_allclose(result.best_loss, loop_by_hand(run, data, result.theta), rtol=1e-4)
    one_step, same = make_run(method, **LOOP | {"score": "rmse"})
    other = fit(one_step, same)
    np.testing.assert_allclose(other.best_loss, by_hand(one_step, same, other.theta), rtol=1e-4)
    assert abs(other.best_loss / result.best_loss - 1).min() > 1e-2


def test_a_replica_that_explodes_in_closed_loop_goes_on(make_run: MakeRun) -> None:
    linear = {"cell": "elman", "hidden": 6, "options": {"activation": "identity"}, "learning_rates": [0.3]}
    run, data = make_run(linear, **LOOP | {"horizon": 3000, "val_horizon": 3000, "epochs": 6})
    result = fit(run, data)
    exploded = ~np.isfinite(result.val_loss)
    assert exploded.any() and np.isfinite(result.train_loss).all(), "it trains on"
    assert (result.diverged == exploded.all(axis=0)).all(), "and has diverged only if no epoch chose weights"
    assert not result.diverged.all()


def test_training_in_closed_loop_changes_what_is_trained(make_run: MakeRun) -> None:
    (forced, data), (loop, _) = make_run(TANH, **LOOP), make_run(TANH | {"closed_loop": 8}, **LOOP)
    ours, theirs = fit(forced, data), fit(loop, data)
    assert abs(ours.train_loss[0] / theirs.train_loss[0] - 1).min() > 1e-3
    assert abs(ours.theta - theirs.theta).max() > 1e-3


@pytest.mark.parametrize("method", [TANH, TANH | {"optimiser": "hessian_free"}, RIDGE])
@pytest.mark.parametrize("study", [FORECAST, RESPONSE], ids=["forecast", "response"])
def test_the_first_steps_carry_no_loss_anywhere(
    method: dict[str, Any], study: dict[str, Any], make_run: MakeRun
) -> None:
    (run, data), (whole_run, whole) = make_run(method, **study, washout=WASHOUT), make_run(method, **study)
    for ours, theirs in ((data.train, whole.train), (data.val, whole.val)):
        np.testing.assert_array_equal(ours["inputs"], theirs["inputs"])
        np.testing.assert_array_equal(ours["targets"], theirs["targets"][:, WASHOUT:])
    np.testing.assert_array_equal(data.tests["test"].targets, whole.tests["test"].targets[:, WASHOUT:])
    np.testing.assert_array_equal(data.tests["test"].times, whole.tests["test"].times[WASHOUT:])
    assert data.washout == run.network().washout == WASHOUT
    result, on_all = fit(run, data), fit(whole_run, whole)
    assert result.predictions["test"].shape[1:] == data.tests["test"].targets.shape
    assert not np.allclose(result.theta, on_all.theta, rtol=1e-3)
    assert not np.allclose(result.best_loss, on_all.best_loss, rtol=1e-3)


def test_a_regression_that_no_validation_loss_chose_counts_as_diverged(make_run: MakeRun) -> None:
    run, data = make_run({"cell": "leaky", "hidden": 4, "optimiser": "ridge"})
    assert not fit(run, data).diverged.any()
    data.val["targets"][:] = 1e30  # whose square no float32 holds
    result = fit(run, data)
    assert result.diverged.all() and result.loss == np.inf
