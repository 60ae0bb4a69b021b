"""The seeds as an ensemble: the score against its definition and the normal distribution, coverage, what has none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from unrolled.analysis.ensemble import covered, crps, ensemble, nominal
from unrolled.data.task import TestSet

DRAWS = 40_000


def by_definition(members: np.ndarray, y: float) -> float:
    """Return E|x - y| - ½ E|x - x'| over pairs of different members, one by one."""
    count = len(members)
    pairs = [abs(members[i] - members[j]) for i in range(count) for j in range(count) if i != j]
    return float(np.mean([abs(x - y) for x in members]) - 0.5 * np.mean(pairs))


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_it_is_what_its_definition_says(count: int) -> None:
    random = np.random.default_rng(count)
    members, truth = random.normal(size=(count, 4, 3)), random.normal(size=(4, 3))
    members[1, 0] = members[0, 0]  # equal ones too
    expected = [[by_definition(members[:, i, k], truth[i, k]) for k in range(3)] for i in range(4)]
    np.testing.assert_allclose(crps(members, truth), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(crps(1e6 + members, 1e6 + truth), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("y", [0.0, 0.7, -2.0])
def test_few_normal_members_have_the_score_of_the_normal_distribution(y: float) -> None:
    """CRPS(N(0, 1), y) = y (2 Φ(y) - 1) + 2 φ(y) - 1/√π, Gneiting & Raftery (2007), equation 21."""
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    members = np.random.default_rng(0).normal(size=(5, DRAWS))
    values = crps(members, np.full(DRAWS, y))
    error = values.std() / np.sqrt(DRAWS)
    assert abs(values.mean() - exact) < 4 * error
    unfair = values + np.abs(members[:, None] - members).mean(axis=(0, 1)) / 2 / 4  # with pairs of each with itself
    assert unfair.mean() - exact > 20 * error, "which takes few members for a worse forecast"


def test_the_truths_own_distribution_has_the_lowest_score() -> None:
    random = np.random.default_rng(1)
    truth, members = random.normal(size=DRAWS), random.normal(size=(5, DRAWS))
    scores = {spread: crps(spread * members, truth).mean() for spread in (0.25, 1.0, 3.0)}
    assert min(scores, key=lambda spread: scores[spread]) == 1.0
    assert crps(members + 1.0, truth).mean() > scores[1.0]


@pytest.mark.parametrize("count", [2, 5, 10])
def test_the_range_of_members_like_the_truth_covers_it_as_often_as_said(count: int) -> None:
    random = np.random.default_rng(count)
    truth, members = random.normal(size=DRAWS), random.normal(size=(count, DRAWS))
    error = np.sqrt(nominal(count) * (1 - nominal(count)) / DRAWS)
    assert abs(covered(members, truth).mean() - nominal(count)) < 4 * error
    for wrong in (0.5 * members, members + 1.0):  # too sure of themselves; wrong together
        assert covered(wrong, truth).mean() < nominal(count) - 20 * error
    assert covered(2 * members, truth).mean() > nominal(count) + 20 * error


def of(targets: np.ndarray, **about: object) -> TestSet:
    return replace(TestSet(targets, targets, np.arange(float(targets.shape[1]))), **about)  # type: ignore[arg-type]


def test_a_method_has_all_in_the_unit_of_the_test_set() -> None:
    random = np.random.default_rng(2)
    truth, predicted = random.normal(size=(6, 4, 2)).astype(np.float32), random.normal(size=(3, 6, 4, 2))
    found = ensemble(predicted, of(truth, scale=np.array([2.0, 50.0])), False)
    scaled, y = predicted * [2.0, 50.0], truth * [2.0, 50.0]
    expected = np.mean([by_definition(scaled[(slice(None), *at)], y[at]) for at in np.ndindex(y.shape)])
    assert found is not None and found["members"] == 3 and found["nominal"] == 0.5
    assert found["crps"] == pytest.approx(expected, rel=1e-5)
    assert found["mae"] == pytest.approx(np.median([np.abs(each - y).mean() for each in scaled]), rel=1e-5)
    inside = (scaled.min(axis=0) <= y) & (y <= scaled.max(axis=0))
    assert found["coverage"] == pytest.approx(inside.mean(), rel=1e-5)


def test_one_value_has_its_error_and_no_coverage() -> None:
    truth = np.zeros((5, 2), dtype=np.float32)
    for predicted, deterministic in ((np.full((3, 5, 2), 0.25), True), (np.full((1, 5, 2), -0.25), False)):
        found = ensemble(predicted, of(truth), deterministic)
        assert found == {"members": 1, "crps": 0.25, "mae": 0.25, "coverage": None, "nominal": None}


def test_what_is_not_finite_or_diverged_has_none_and_what_is_large_has_one() -> None:
    truth, predicted = np.zeros((5, 4, 2), dtype=np.float32), np.ones((3, 5, 4, 2), dtype=np.float32)
    assert ensemble(predicted[:0], of(truth), False) is None
    for bad in (np.nan, np.inf):
        one = predicted.copy()
        one[1, 2, 3, 0] = bad
        assert ensemble(one, of(truth), False) is None
    found = ensemble(np.stack([predicted[0], 3e38 * predicted[0], predicted[0]]), of(truth), False)
    assert found is not None and found["crps"] is not None and found["mae"] == 1 and found["coverage"] == 0
