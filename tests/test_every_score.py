"""Every score: against a formula of its own where its name is known, and in any case what a score must do."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score

from unrolled import registry
from unrolled.analysis.score import Score
from unrolled.data.lost import normalised_error
from unrolled.data.task import TestSet

Array = NDArray[Any]
SCORES = registry.names("scores")
THRESHOLD = 0.4


def waves(score: Score, unit: str = "mV", scale: float | None = None, lyapunov: float | None = 0.9) -> TestSet:
    """Return a test set of five waves of two outputs over 40 steps, run as the score asks."""
    if score.of_classes:
        return classes(unit, scale)
    phases = np.random.default_rng(0).uniform(0, 6, (5, 1, 2))
    targets = 3 + 2 * np.sin(phases + 0.3 * np.arange(40)[:, None])
    mode: Any = "closed_loop" if score.test == "closed_loop" else "teacher_forced"
    factor = None if scale is None else np.full(2, scale)
    return TestSet(targets, targets, 7 + 0.5 * np.arange(40), mode, "waves", unit, factor, lyapunov)


def classes(unit: str = "mV", scale: float | None = None) -> TestSet:
    """Return a test set of five sequences of one of three classes at each of 40 steps."""
    targets = np.eye(3)[np.random.default_rng(0).integers(0, 3, (5, 40))]
    return TestSet(targets, targets, np.arange(40.0), "teacher_forced", "classes", unit)


def predictions(test: TestSet, sizes: list[float]) -> Array:
    """Return predictions (S, N, T, K) of which each replica's errors are normal, of a standard deviation of its own."""
    noise = np.random.default_rng(1).normal(size=(len(sizes), *test.targets.shape))
    if test.label == "classes":  # probabilities, the surer of the truth the smaller the noise
        logits = 4 * test.targets + 4 * np.array(sizes)[:, None, None, None] * noise
        sure = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.where(np.array(sizes)[:, None, None, None] > 0, sure / sure.sum(axis=-1, keepdims=True), test.targets)
    return test.targets + np.array(sizes)[:, None, None, None] * noise


def _mse(predicted: Array, truth: Array, times: Array, lyapunov: float) -> float:
    return sum((a - b) ** 2 for a, b in zip(predicted.flat, truth.flat, strict=True)) / truth.size


def _nrmse(predicted: Array, truth: Array, times: Array, lyapunov: float) -> float:
    variances = [np.var(truth[..., k]) for k in range(truth.shape[-1])]
    return float((_mse(predicted, truth, times, lyapunov) / np.mean(variances)) ** 0.5)


def _valid_time(predicted: Array, truth: Array, times: Array, lyapunov: float) -> float:
    size = sum(np.var(truth[..., k]) for k in range(truth.shape[-1])) ** 0.5
    found = []
    for one, true in zip(predicted, truth, strict=True):
        steps = 0
        while steps < len(times) and np.linalg.norm(one[steps] - true[steps]) <= THRESHOLD * size:
            steps += 1
        found.append(steps * (times[1] - times[0]) * lyapunov)
    return float(np.median(found))


def _flat(values: Array) -> torch.Tensor:
    return torch.from_numpy(values).flatten(0, -2)


FORMULAS: dict[str, Callable[[Array, Array, Array, float], float]] = {
    "mse": _mse,
    "rmse": lambda *given: _mse(*given) ** 0.5,
    "forecast_rmse": lambda *given: _mse(*given) ** 0.5,
    "nrmse": _nrmse,
    "nrmse_horizon": lambda p, y, times, lyapunov: (
        float(np.mean(np.square(p[:, -1] - y[:, -1])) / np.mean([np.var(y[..., k]) for k in range(2)])) ** 0.5
    ),
    "valid_time": _valid_time,
    "cross_entropy": lambda p, y, times, lyapunov: float(
        torch.nn.functional.nll_loss(torch.log(_flat(p)), _flat(y).argmax(dim=1))
    ),
    "accuracy": lambda p, y, times, lyapunov: accuracy_score(_flat(y).argmax(dim=1), _flat(p).argmax(dim=1)),
}
"""Of one replica, independent of the source; a new score need not stand here."""


@pytest.fixture(params=SCORES)
def score(request: pytest.FixtureRequest) -> Score:
    found: Score = registry.make("scores", request.param)
    return found


def test_errors_are_by_test_sequence_and_the_score_by_replica(score: Score) -> None:
    test = waves(score)
    predicted = predictions(test, [0.1, 0.5, 2.0])
    errors = score.errors(predicted, test)
    assert errors.shape == (3, 5) and score.aggregate(errors).shape == (3,)
    np.testing.assert_array_equal(score(predicted, test), score.aggregate(errors))
    other = predicted.copy()
    # One sequence changes its own errors only, where they are not relative to all.
    other[:, 2] = 0.0 if score.of_classes else other[:, 2] + 100.0
    changed = score.errors(other, test) != errors
    assert changed[:, 2].any() and not np.delete(changed, 2, axis=1).any()


def test_replicas_do_not_depend_on_each_other(score: Score) -> None:
    test = waves(score)
    predicted = predictions(test, [0.1, 0.5, 2.0])
    together = score(predicted, test)
    for number in range(3):
        np.testing.assert_array_equal(score(predicted[[number]], test), together[[number]])
    assert len(set(together)) == 3


def test_a_perfect_prediction_is_best_and_worse_ones_are_worse(score: Score) -> None:
    test, sign = waves(score), -1 if score.higher_is_better else 1
    perfect, near, far, lost = score(predictions(test, [0.0, 0.5, 2.0, 30.0]), test)
    assert sign * perfect < sign * near < sign * far <= sign * lost
    assert score.higher_is_better or score.statistical or perfect == 0


def test_logarithms_grow_as_it_gets_worse_and_know_no_zero(score: Score) -> None:
    test = waves(score)
    values = score(predictions(test, [0.0, 0.5, 2.0, 30.0]), test)
    logs, atol = score.logs(values, test), score.floor(test) if score.unit(test) == "share" else 0.0
    assert np.isfinite(logs).all() and logs[0] < logs[1] < logs[2] <= logs[3]
    np.testing.assert_allclose(score.from_logs(logs), np.maximum(values, score.floor(test)), rtol=1e-12, atol=atol)
    assert np.isnan(score.logs(np.array([np.nan]), test)).all()


def test_formulas(score: Score) -> None:
    name = registry_name(score)
    if name not in FORMULAS:
        return
    test = waves(score)
    predicted = predictions(test, [0.2, 0.7])
    by_hand = [FORMULAS[name](one, test.targets, test.times, 0.9) for one in predicted]
    assert score(predicted, test) == pytest.approx(by_hand, rel=1e-12)
    assert score(predicted, test) != pytest.approx([1.001 * each for each in by_hand], rel=1e-4)


def registry_name(score: Score) -> str:
    """Return the name by which a score is found."""
    return next(name for name in SCORES if registry.load("scores", name) is type(score))


def test_the_formulas_are_of_scores_that_exist() -> None:
    assert set(FORMULAS) <= set(SCORES)


def test_the_unit_is_of_the_numbers(score: Score) -> None:
    """Multiplying truth and scale changes the number as the unit says: (mV)² twice, mV once, dimensionless not."""
    plain, scaled = waves(score), waves(score, scale=10.0)
    ratio = score(predictions(scaled, [0.3]), scaled)[0] / score(predictions(plain, [0.3]), plain)[0]
    unit = score.unit(plain)
    power = 2 if "²" in unit else 1 if re.fullmatch(r"\(?mV\)?", unit) else 0
    assert unit and ratio == pytest.approx(10.0**power) and score.label


def test_what_is_not_finite_is_never_a_good_score(score: Score) -> None:
    test = waves(score)
    predicted = predictions(test, [0.0, 0.0])
    predicted[1] = np.nan
    with np.errstate(all="ignore"):
        good, bad = score(predicted, test)
    assert not np.isfinite(bad) or (bad < good) == score.higher_is_better != (bad > good)


def test_a_forecast_that_is_never_lost_is_valid_to_its_horizon_and_nan_loses_it() -> None:
    valid: Score = registry.make("scores", "valid_time")
    test = waves(valid, lyapunov=None)
    predicted = predictions(test, [0.0])
    predicted[0, 1, 7:] = np.nan
    np.testing.assert_allclose(valid.errors(predicted, test), [[20.0, 3.5, 20.0, 20.0, 20.0]])
    assert valid.unit(test) == "units of time" and valid.unit(waves(valid)) == "Lyapunov times"


def test_accuracy_counts_no_blanks() -> None:
    accuracy: Score = registry.make("scores", "accuracy")
    test = classes()
    predicted = np.broadcast_to(np.eye(3)[2], test.targets.shape)[None]  # always the blank
    share = float(test.targets[..., 2].mean())
    assert accuracy(predicted, test) == pytest.approx([share])
    assert accuracy(predicted, replace(test, blank=2)) == 0
    perfect = accuracy(test.targets[None], replace(test, blank=2))
    assert perfect == 1 and accuracy.logs(perfect, test) == pytest.approx([np.log(0.5 / 200)])


def test_of_classes_with_one_answer_a_sequence() -> None:
    targets = np.eye(4)[[0, 1, 2, 3, 0]]
    test, random = TestSet(targets, targets, np.arange(5.0)), np.random.default_rng(0)
    predicted = random.dirichlet(np.ones(4), (2, 5))
    entropy: Score = registry.make("scores", "cross_entropy")
    expected = [-np.log((each * targets).sum(axis=-1)).mean() for each in predicted]
    assert entropy(predicted, test) == pytest.approx(expected) and entropy.errors(predicted, test).shape == (2, 5)
    nothing = np.where(targets, 0.0, 1 / 3)[None]
    assert 80 < float(entropy(nothing, test)[0]) < 90, "a probability of zero is the least float32"


def test_the_normalised_error_of_the_mean_is_one_on_average() -> None:
    truth = np.random.default_rng(0).normal(2, 5, (50, 40, 3))
    error = normalised_error(np.broadcast_to(truth.mean(axis=(0, 1)), truth.shape)[None], truth)
    assert error.shape == (1, 50, 40) and np.square(error).mean() == pytest.approx(1.0, rel=1e-12)
