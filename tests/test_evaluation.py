"""Scores, statistics and eigenvalues, each against something independent."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from unrolled.analysis import evaluate, metrics, power_spectrum, statistics, step_matrix, tolerance
from unrolled.config import Method, Study
from unrolled.training.job import Job, Result

Array = NDArray[Any]
RANDOM = np.random.default_rng(0)


def asks(score: str, **change: Any) -> Study:
    """Return a study's row that asks for a score."""
    sizes = {"step": 0.1, "train": 1, "val": 1, "test": 1, "window": 1, "epochs": 1, "batch": 1}
    return Study(question="?", score=score, **{"system": "sine", "task": "next_value"} | sizes | change)


def test_scores_against_sums_by_hand() -> None:
    predicted, truth = RANDOM.normal(size=(3, 5, 4, 2)), RANDOM.normal(size=(5, 4, 2))
    by_hand = [np.mean([(a - b) ** 2 for a, b in zip(p.flat, truth.flat, strict=True)]) for p in predicted]
    test = {"targets": truth}
    assert metrics.score(asks("mse"), {"test": predicted}, test) == pytest.approx(by_hand)
    assert metrics.score(asks("rmse"), {"test": predicted}, test) == pytest.approx(np.sqrt(by_hand))
    both = {"forecast": predicted, "test": predicted + 1}
    assert metrics.score(asks("forecast_rmse"), both, test) == pytest.approx(np.sqrt(by_hand))


def drifting(rates: list[float], steps: int = 200) -> tuple[Array, Array]:
    """Return predictions (1, N, T, 1) that leave a square wave of size 1 by rate × time, and the wave."""
    truth = np.tile(np.resize([1.0, -1.0], steps)[None, :, None], (len(rates), 1, 1))
    return (truth + np.array(rates)[:, None, None] * np.arange(steps)[:, None])[None], truth


def test_valid_time_is_where_the_error_passes_the_threshold_in_lyapunov_times() -> None:
    predicted, truth = drifting([0.0041, 0.0081, 0.041])  # 0.4 is passed at the steps 98, 50 and 10
    np.testing.assert_array_equal(metrics.valid_steps(predicted, truth), [[98, 50, 10]])
    study = asks("valid_time", system="lorenz63", task="forecast", step=0.02)
    found = metrics.score(study, {"alone": predicted, "test": predicted}, {"alone": truth, "targets": truth})
    assert found == pytest.approx([50 * 0.02 * 0.9056])
    assert metrics.valid_time(study, *drifting([0.0083, 0.0083, 0.041])) != pytest.approx(found)


def test_valid_time_of_a_forecast_that_is_never_lost_or_not_finite() -> None:
    predicted, truth = drifting([0.0, 0.0])
    predicted[0, 1, 7:] = np.nan
    np.testing.assert_array_equal(metrics.valid_steps(predicted, truth), [[200, 7]])


def test_interval_covers_the_median_as_often_as_it_says() -> None:
    draws = RANDOM.lognormal(size=(200, 30))
    covered = [low <= 1.0 <= high for low, high in map(statistics.interval, draws)]
    assert 0.88 < np.mean(covered) < 0.99


def test_interval_of_equal_scores_is_a_point() -> None:
    assert statistics.interval(np.full(5, 0.3)) == [0.3, 0.3]


def test_paired_p_is_scipys_on_logarithms() -> None:
    ours, reference = RANDOM.lognormal(size=6), RANDOM.lognormal(size=6)
    expected = stats.ttest_rel(np.log(ours), np.log(reference)).pvalue
    assert statistics.paired_p(ours, reference) == pytest.approx(expected)
    assert statistics.paired_p(ours, reference) != pytest.approx(stats.ttest_rel(ours, reference).pvalue)


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (4, 2.569), (9, 3.102), (10, 3.164)])
def test_critical_difference_is_that_of_demsars_table(methods: int, q: float) -> None:
    for studies in (5, 14):
        expected = q * np.sqrt(methods * (methods + 1) / (6 * studies))
        assert statistics.critical_difference(methods, studies) == pytest.approx(expected, rel=5e-4)
        assert statistics.critical_difference(methods + 1, studies) != pytest.approx(expected, rel=1e-2)


def test_paired_p_leaves_out_diverged_pairs() -> None:
    ours, reference = RANDOM.lognormal(size=6), RANDOM.lognormal(size=6)
    ours[1], reference[4] = np.nan, np.inf
    kept = [0, 2, 3, 5]
    assert statistics.paired_p(ours, reference) == statistics.paired_p(ours[kept], reference[kept])
    assert statistics.paired_p(ours[:2], reference[:2]) is None
    assert statistics.paired_p(reference[:3], reference[:3]) == 1.0


def test_holm_by_hand() -> None:
    corrected = statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None, "e": 0.9})
    assert corrected == {"a": 0.04, "b": pytest.approx(0.09), "c": pytest.approx(0.09), "d": None, "e": 0.9}


def test_holm_keeps_the_family_error() -> None:
    """Under true null hypotheses at most 5 % of families have any rejection; uncorrected, far more do."""
    families = RANDOM.uniform(size=(2000, 8))
    lowest = [min(p for p in statistics.holm(dict(enumerate(f))).values() if p is not None) for f in families.tolist()]
    assert np.mean(np.array(lowest) < 0.05) < 0.065
    assert np.mean(families.min(axis=1) < 0.05) > 0.25


def test_eigenvalues_do_not_depend_on_the_basis() -> None:
    matrix, basis = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=(4, 4))
    similar = basis @ matrix @ np.linalg.inv(basis)
    assert step_matrix.eigenvalues(similar) == pytest.approx(step_matrix.eigenvalues(matrix), abs=1e-9)
    assert step_matrix.eigenvalues(2 * matrix) != pytest.approx(step_matrix.eigenvalues(matrix), abs=1e-9)


def test_decay_and_frequency_of_the_damped_oscillator() -> None:
    eta, step = 0.2, 0.1
    exact = np.exp(complex(-eta / 2, np.sqrt(1 - eta**2 / 4)) * step)
    assert step_matrix.decay_and_frequency(exact, step) == pytest.approx((0.1, np.sqrt(0.99)))
    euler = 1 + step * complex(-eta / 2, np.sqrt(1 - eta**2 / 4))
    assert step_matrix.decay_and_frequency(euler, step)[0] < 0.06


def pairs_of_errors(rates: list[float], system: str = "lorenz63") -> evaluate.Pairs:
    """Return one method with one replica, whose forecasts leave the truth by rate × time."""
    predicted, truth = drifting(rates)
    row = asks("valid_time", system=system, task="forecast", step=0.02)
    split = {"inputs": truth, "targets": truth, "alone": truth, "times": np.arange(200.0)}
    one = np.array([0])
    result = Result(
        *([one] * 4),
        one,
        np.array([0.1]),
        np.array([False]),
        *([np.empty((0, 1))] * 2),
        one,
        np.zeros(3),
        {"alone": predicted, "test": predicted},
    )
    return {"esn": (Job("s", "esn", row, Method(about="?", cell="leaky"), 1, {"test": split}), result)}


def test_growth_is_the_error_over_the_start_points_against_lyapunov_times() -> None:
    table = evaluate.growth(pairs_of_errors([0.001, 0.003, 0.009]))
    np.testing.assert_allclose(table["time"], np.arange(0, 200, 4) * 0.02 * 0.9056)
    steps = np.arange(0, 200, 4)
    np.testing.assert_allclose(table["median"], 0.003 * steps, atol=1e-12)
    np.testing.assert_allclose(table["low"], 0.002 * steps, atol=1e-12)
    assert abs(table["high"] - 0.003 * steps).max() > 0.1


def test_growth_of_a_system_without_exponent_is_against_its_own_time() -> None:
    table = evaluate.growth(pairs_of_errors([0.001, 0.003, 0.009], system="fitzhugh_nagumo"))
    np.testing.assert_allclose(table["time"], np.arange(0, 200, 4) * 0.02)


def test_nrmse_is_the_error_over_the_spread_and_alone_counts_the_last_step() -> None:
    predicted, truth = drifting([0.001, 0.003])
    rms = np.sqrt(np.mean(np.square(predicted[0] - truth)))  # the wave has spread 1
    assert metrics.score(asks("nrmse"), {"test": predicted}, {"targets": truth}) == pytest.approx([rms])
    last = np.sqrt(np.mean(np.square([0.199, 3 * 0.199])))
    both = {"alone": 2 * predicted, "test": predicted}, {"alone": 2 * truth, "targets": truth}
    assert metrics.score(asks("nrmse_alone"), *both) == pytest.approx([last])
    assert metrics.score(asks("nrmse_alone"), {"alone": 2 * predicted}, {"alone": truth}) != pytest.approx([last])


def test_recall_counts_the_seeds_that_solve_it_and_the_updates_they_need() -> None:
    row = asks("mse", system="integrator", task="recall", steps=50).model_copy(update={"batch": 4})
    truth = np.zeros((6, 1))
    predicted = np.stack([np.full((6, 1), error) for error in (0.01, 0.039, 0.041)])
    losses = np.array([[1.0, 1.0, 1.0], [0.001, 1.0, 1.0], [0.001, 0.001, 1.0]])
    splits = {
        "train": {"inputs": np.zeros((10, 50, 2))},
        "test": {"inputs": truth, "targets": truth, "times": truth[:, 0]},
    }
    three = np.arange(3)
    result = Result(
        *([three] * 4),
        three * 0,
        three * 0.0,
        three < 0,
        losses,
        losses,
        three,
        np.zeros(3),
        {"test": predicted},
    )
    job = Job("s", "gru", row, Method(about="?", cell="gru"), 3, splits)
    found = evaluate._solved(job, result, evaluate.scores_of(job, result))
    assert found == {"solved": pytest.approx(2 / 3), "updates": 9.0, "steps": 50}  # three batches an epoch


def test_the_default_tolerance_is_far_off_for_the_neuron_and_not_asked_of_chaos() -> None:
    row = asks("rmse", system="fitzhugh_nagumo", task="forecast").model_copy(
        update={"steps": 1000, "step": 0.4, "test": 1024, "observed": ["v"]}
    )
    loose = tolerance.default_tolerance(row)
    assert loose is not None and 0.02 < loose < 0.2  # 0.042 was measured by others for the median of 20
    assert tolerance.default_tolerance(row.model_copy(update={"system": "lorenz63", "observed": None})) is None
    calm = row.model_copy(update={"system": "sine", "observed": None, "steps": 5, "step": 0.01})
    assert 0 < (tolerance.default_tolerance(calm) or 0) < 1e-3


def waves(frequency: float, size: float = 1.0) -> Array:
    """Return 20 noisy sines of random phase, (N, T, 1), sampled every 0.05 units of time."""
    phase = RANDOM.uniform(0, 2 * np.pi, (20, 1))
    times = 0.05 * np.arange(800)
    return (size * np.sin(2 * np.pi * frequency * times + phase) + 0.01 * RANDOM.normal(size=(20, 800)))[:, :, None]


def test_spectrum_has_its_peak_at_the_frequency_and_the_power_of_a_sine() -> None:
    frequency, power = power_spectrum.spectrum(waves(1.25), 0.05)
    assert frequency[power.argmax()] == pytest.approx(1.25)
    assert power.sum() * (frequency[1] - frequency[0]) == pytest.approx(0.5, rel=0.05)


def test_climate_is_near_for_the_same_frequencies_whatever_the_phase_and_far_for_others() -> None:
    truth = waves(1.25)
    assert power_spectrum.distance(waves(1.25), truth, 0.05) < 0.15
    assert power_spectrum.distance(waves(1.25, size=0.1), truth, 0.05) > 0.3
    assert power_spectrum.distance(waves(2.5), truth, 0.05) > 0.5
    gone = truth.copy()
    gone[:, 50:] = np.nan
    assert power_spectrum.distance(gone, truth, 0.05) > 0.5


def test_a_climate_is_asked_of_long_runs_in_chaos_alone() -> None:
    assert len(evaluate.climates(pairs_of_errors([0.001]))) == 0, "200 steps are too few"
