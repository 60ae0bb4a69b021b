"""Statistics of a few seeds, each against something independent."""

import numpy as np
import pytest
import yaml
from scipy import stats

from pipeline import ROOT
from unrolled import config
from unrolled.analysis import statistics
from unrolled.full import merged

TABLES = [yaml.safe_load((ROOT / name).read_text()) for name in ("params.yaml", "full.yaml")]
SEEDS = sorted(
    {
        study.fit.get("seeds", table.defaults.get("seeds", 5))
        for raw in (TABLES[0], merged(*TABLES))
        for table in [config.Table.model_validate(raw)]
        for study in table.studies.values()
    }
)
"""The numbers of seeds that the default and the published table use."""


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("n", SEEDS)
def test_the_interval_covers_the_median_as_often_as_it_says(n: int, random: np.random.Generator) -> None:
    found = [statistics.interval(draws) for draws in random.lognormal(size=(4000, n))]
    assert {(each["n"], each["kind"]) for each in found} == {(n, "range over seeds")}
    [coverage] = {each["coverage"] for each in found}
    assert coverage == 1 - 2 * 0.5**n
    covered = np.mean([each["low"] <= 1.0 <= each["high"] for each in found])
    error = np.sqrt(coverage * (1 - coverage) / len(found))
    assert covered == pytest.approx(coverage, abs=4 * error)
    assert covered != pytest.approx(1 - 2 * 0.5 ** (n - 2), abs=4 * error), "that of two seeds fewer"


def test_the_interval_of_equal_scores_is_the_point_of_one_value() -> None:
    found = statistics.interval(np.full(5, 0.3))
    assert (found["low"], found["high"], found["n"], found["coverage"]) == (0.3, 0.3, 1, None)


@pytest.mark.parametrize("scores", [[], [np.nan, np.inf]])
def test_there_is_no_interval_without_a_finite_score(scores: list[float]) -> None:
    found = statistics.interval(np.array(scores))
    assert (found["low"], found["high"], found["n"], found["coverage"]) == (None, None, 0, None)


def test_the_interval_leaves_out_what_is_not_finite() -> None:
    assert statistics.interval(np.array([0.2, np.inf, 0.4, np.nan])) == statistics.interval(np.array([0.2, 0.4]))


def test_paired_p_is_scipys_on_logarithms(random: np.random.Generator) -> None:
    ours, reference = random.lognormal(size=(2, 6))
    expected = stats.ttest_rel(np.log(ours), np.log(reference)).pvalue
    assert statistics.paired_p(ours, reference) == pytest.approx(expected)
    assert statistics.paired_p(ours, reference) != pytest.approx(stats.ttest_rel(ours, reference).pvalue)


def test_paired_p_leaves_out_diverged_pairs(random: np.random.Generator) -> None:
    ours, reference = random.lognormal(size=(2, 6))
    ours[1], reference[4] = np.nan, np.inf
    kept = [0, 2, 3, 5]
    assert statistics.paired_p(ours, reference) == statistics.paired_p(ours[kept], reference[kept])
    assert statistics.paired_p(ours[:2], reference[:2]) is None
    assert statistics.paired_p(reference[:3], reference[:3]) == 1.0


def test_holm_by_hand() -> None:
    corrected = statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None, "e": 0.9})
    assert corrected == {"a": 0.04, "b": pytest.approx(0.09), "c": pytest.approx(0.09), "d": None, "e": 0.9}


def test_holm_keeps_the_family_error(random: np.random.Generator) -> None:
    """Under true null hypotheses at most 5 % of families have any rejection; uncorrected, far more do."""
    families = random.uniform(size=(2000, 8))
    lowest = [min(p for p in statistics.holm(dict(enumerate(f))).values() if p is not None) for f in families.tolist()]
    assert np.mean(np.array(lowest) < 0.05) < 0.065
    assert np.mean(families.min(axis=1) < 0.05) > 0.25


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (4, 2.569), (9, 3.102), (10, 3.164)])
def test_critical_difference_is_that_of_demsars_table(methods: int, q: float) -> None:
    for studies in (5, 14):
        expected = q * np.sqrt(methods * (methods + 1) / (6 * studies))
        assert statistics.critical_difference(methods, studies) == pytest.approx(expected, rel=5e-4)
        assert statistics.critical_difference(methods + 1, studies) != pytest.approx(expected, rel=1e-2)
