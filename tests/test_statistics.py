"""Statistics of a few seeds, each against something independent, and at the numbers of seeds that are used."""

import math

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import stats

from pipeline import ROOT
from unrolled import config
from unrolled.analysis import statistics
from unrolled.analysis.statistics import LEVEL, REGION, category, solves
from unrolled.full.project import merged

Array = NDArray[np.float64]
TABLES = [yaml.safe_load((ROOT / name).read_text()) for name in ("params.yaml", "full.yaml")]
SEEDS = {
    study.fit.get("seeds", table.defaults.get("seeds", 5))
    for raw in (TABLES[0], merged(*TABLES))
    for table in [config.Table.model_validate(raw)]
    for study in table.studies.values()
}
"""The numbers of seeds that the default and the published table use."""
LOG = math.log(REGION)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


# Intervals.


@pytest.mark.parametrize("n", sorted(SEEDS | {3, 5, 10}))
def test_the_interval_covers_the_mean_as_often_as_it_says(n: int, random: np.random.Generator) -> None:
    found = [statistics.interval(logs) for logs in random.normal(1.0, 0.3, (4000, n))]
    assert {(each["n"], each["kind"], each["coverage"]) for each in found} == {(n, "t interval of log scores", 0.95)}
    covered = np.mean([each["low"] <= 1.0 <= each["high"] for each in found])
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / len(found)))
    narrower = np.mean(
        [abs((each["low"] + each["high"]) / 2 - 1) <= 0.4 * (each["high"] - each["low"]) for each in found]
    )
    assert narrower < covered - 0.01, "a shorter one does not"


def test_the_interval_is_scipys(random: np.random.Generator) -> None:
    logs = random.normal(size=5)
    found = statistics.interval(np.array([*logs, np.nan, -np.inf]))
    expected = stats.t.interval(0.95, 4, loc=logs.mean(), scale=stats.sem(logs))
    assert (found["low"], found["high"]) == pytest.approx(expected) and found["n"] == 5


@pytest.mark.parametrize(("logs", "n"), [([], 0), ([np.nan], 0), ([0.3], 1)])
def test_one_value_has_no_interval(logs: list[float], n: int) -> None:
    found = statistics.interval(np.array(logs))
    assert (found["low"], found["high"], found["n"], found["coverage"]) == (None, None, n, None)


# The decision on one pair.


def welch(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return d = ȳ_b - ȳ_a, its variance and its degrees of freedom of logs (..., n), by the functions under test."""
    n = a.shape[-1]
    terms = np.stack([a.var(axis=-1, ddof=1) / n, b.var(axis=-1, ddof=1) / n], axis=-1)
    return b.mean(axis=-1) - a.mean(axis=-1), terms.sum(axis=-1), statistics.satterthwaite(terms, np.full(2, n - 1.0))


def test_beyond_the_region_p_is_scipys_welch_test_of_the_bound(random: np.random.Generator) -> None:
    a, b = random.normal(0, 0.1, 5), random.normal(0.5, 0.4, 5)
    assert statistics.p_value(*welch(a, b)) == pytest.approx(stats.ttest_ind(b - LOG, a, equal_var=False).pvalue)
    assert statistics.p_value(*welch(b, a)) == pytest.approx(stats.ttest_ind(b - LOG, a, equal_var=False).pvalue)
    assert statistics.p_value(*welch(a, b)) != pytest.approx(stats.ttest_ind(b, a, equal_var=False).pvalue)
    assert statistics.p_value(*welch(a, b)) != pytest.approx(stats.ttest_ind(b - LOG, a).pvalue)


def test_within_the_region_p_is_twice_that_of_two_one_sided_tests(random: np.random.Generator) -> None:
    a, b = random.normal(0, 0.02, 5), random.normal(0.03, 0.04, 5)
    one_sided = [
        stats.ttest_ind(b + shift, a, equal_var=False, alternative=which).pvalue
        for shift, which in ((LOG, "greater"), (-LOG, "less"))
    ]
    assert statistics.p_value(*welch(a, b)) == pytest.approx(2 * max(one_sided))


def test_categories_are_of_the_region() -> None:
    assert [category(d) for d in (0.0, 0.99 * LOG, -0.99 * LOG)] == ["equivalent"] * 3
    assert (category(1.01 * LOG), category(-1.01 * LOG)) == ("better", "worse")


def test_satterthwaite_by_hand() -> None:
    assert statistics.satterthwaite(np.array([3.0]), np.array([4.0])) == 4.0
    assert statistics.satterthwaite(np.array([1.0, 1.0]), np.array([4.0, 4.0])) == 8.0
    assert statistics.satterthwaite(np.array([2.0, 0.0]), np.array([4.0, 9.0])) == 4.0


def test_the_jackknife_of_a_mean_is_its_variance(random: np.random.Generator) -> None:
    x = random.normal(size=(3, 40))
    left = np.stack([np.delete(x, i, axis=1).mean(axis=1) for i in range(40)], axis=1)
    assert statistics.jackknife(left) == pytest.approx(x.var(axis=1, ddof=1) / 40)


def test_holm_by_hand() -> None:
    corrected = statistics.holm(np.array([0.01, 0.04, 0.03, np.nan, 0.9]))
    assert corrected[[0, 1, 2, 4]] == pytest.approx([0.04, 0.09, 0.09, 0.9]) and np.isnan(corrected[3])
    assert statistics.holm(np.array([[0.02, 0.9], [0.5, 0.02]])).tolist() == [[0.04, 0.9], [0.5, 0.04]]


# Families of pairs.


def seeds_of(shape: tuple[int, ...], sd: float, heavy: bool, random: np.random.Generator) -> Array:
    """Return logs of scores about zero: normal, or with the tails of a t distribution with three degrees of freedom."""
    return sd * (random.standard_t(3, shape) / np.sqrt(3) if heavy else random.normal(size=shape))


def left_out(shape: tuple[int, ...], count: int, random: np.random.Generator) -> Array:
    """Return log of the mean over shared sequences with each left out (..., N + 1), and with none in the last place.

    The difficulty of a sequence is lognormal, and what a method makes of it varies beside it; its mean is one.
    """
    difficulty = random.normal(0, 0.3, (*shape, 1, count)) + random.normal(0, 0.2, (*shape, 2, count))
    errors = np.exp(difficulty - (0.3**2 + 0.2**2) / 2)
    total = errors.sum(axis=-1, keepdims=True)
    logs = np.concatenate([np.log((total - errors) / (count - 1)), np.log(total / count)], axis=-1)
    return np.asarray(logs[..., 1, :] - logs[..., 0, :])


def decided(
    ratio: Array,
    n: int,
    sd: float,
    random: np.random.Generator,
    heavy: bool = False,
    count: int = 1,
    families: int = 2000,
) -> tuple[Array, Array]:
    """Return for families of pairs with given true ratios (m,) whether each is decided, and the difference d."""
    shape = (families, len(ratio))
    a, b = seeds_of((*shape, n), sd, heavy, random), seeds_of((*shape, n), sd, heavy, random)
    d, variance, freedom = welch(a, b + np.log(ratio)[:, None])
    if count > 1:
        left = left_out(shape, count, random)
        shared = statistics.jackknife(left[..., :-1])
        terms = np.stack([x.var(axis=-1, ddof=1) / n for x in (a, b)] + [shared], axis=-1)
        freedom = statistics.satterthwaite(terms, np.array([n - 1.0, n - 1.0, count - 1.0]))
        d, variance = d + left[..., -1], variance + shared
    return statistics.holm(statistics.p_value(d, variance, freedom)) <= LEVEL, d


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy"])
@pytest.mark.parametrize("count", [1, 32, 1000], ids="N{}".format)
@pytest.mark.parametrize("n", [5, 10], ids="n{}".format)
@pytest.mark.parametrize("true", [1.0, REGION], ids=["equal", "bound"])
def test_a_family_holds_a_false_decision_in_at_most_one_in_twenty(
    true: float, n: int, count: int, heavy: bool, random: np.random.Generator
) -> None:
    """At the bound of the region every decision is false, "equivalent" too; of equal methods "better" and "worse"."""
    for sd in (0.03, 0.2):
        families = 2000 if count < 1000 else 400
        found, d = decided(np.full(9, true), n, sd, random, heavy, count, families)
        false = found if true == REGION else found & (np.abs(d) > LOG)
        limit = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / families)
        assert false.any(axis=1).mean() <= limit


def test_one_pair_at_the_bound_uses_the_level_up(random: np.random.Generator) -> None:
    """Half of it is for "better"; where seeds differ little, the other half for "equivalent"."""
    for sd, shares in ((0.01, (0.025, 0.025)), (0.3, (0.025, 0.0))):
        found, d = decided(np.array([REGION]), 5, sd, random, families=20_000)
        assert ((found & (d > LOG)).mean(), (found & (d <= LOG)).mean()) == pytest.approx(shares, abs=0.005)


def test_without_holm_a_family_would_hold_more(random: np.random.Generator) -> None:
    a, b = random.normal(0, 0.2, (2, 2000, 9, 5))
    p = statistics.p_value(*welch(a, b + LOG))
    assert (p <= LEVEL).any(axis=1).mean() > 0.15


@pytest.mark.parametrize(
    ("n", "sd", "pairs", "least"), [(5, 0.2, 1, 0.95), (5, 0.2, 9, 0.75), (10, 0.3, 9, 0.85), (5, 0.1, 9, 0.99)]
)
def test_a_factor_of_two_is_found_in_a_family_of_so_many(
    n: int, sd: float, pairs: int, least: float, random: np.random.Generator
) -> None:
    for ratio in (2.0, 0.5):
        found, d = decided(np.full(pairs, ratio), n, sd, random)
        assert (found & (np.sign(d) == np.sign(np.log(ratio)))).mean() >= least


def test_a_factor_of_two_is_found_less_often_among_equal_pairs(random: np.random.Generator) -> None:
    found, d = decided(np.array([2.0] + [1.0] * 8), 5, 0.2, random, families=4000)
    assert 0.68 < (found & (d > LOG))[:, 0].mean() < 0.76


def test_equal_methods_are_found_equivalent_where_seeds_differ_little(random: np.random.Generator) -> None:
    found, d = decided(np.array([1.0]), 5, 0.03, random)
    assert (found & (np.abs(d) <= LOG)).mean() >= 0.8
    wide, d = decided(np.array([1.0]), 5, 0.3, random)
    assert not (wide & (np.abs(d) <= LOG)).any(), "silence is no equality"


# Over studies.

BCG = [
    *((4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761)),
    *((180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600)),
    *((186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825)),
]
"""Tuberculosis with and without vaccination: cases and others of both groups (Colditz et al., JAMA 271 (1994) 698)."""


def test_the_mean_over_studies_is_that_of_a_published_example() -> None:
    """Viechtbauer, J. Stat. Softw. 36 (2010) 3, works it out: DerSimonian-Laird τ² 0.3088, mean -0.7141, Q 152.23."""
    cases, others, control, rest = np.array(BCG, dtype=float).T
    d = np.log(cases / (cases + others)) - np.log(control / (control + rest))
    variances = 1 / cases - 1 / (cases + others) + 1 / control - 1 / (control + rest)
    mean, variance, weights = statistics.random_effects(d, variances)
    assert mean == pytest.approx(-0.7141, abs=5e-5)
    assert 1 / weights * weights[0] * (variances[0] + 0.3088) == pytest.approx(variances + 0.3088, rel=1e-3)
    by_hand = sum(w * (y - mean) ** 2 for w, y in zip(weights, d, strict=True)) / (sum(weights) * (len(d) - 1))
    assert variance == pytest.approx(by_hand)
    assert np.sqrt(variance) == pytest.approx(0.18, abs=0.01), "0.1787 without Hartung and Knapp's change"


def test_the_mean_of_like_studies_has_no_variance_between_them() -> None:
    variances = np.array([0.1, 0.2, 0.4])
    mean, variance, weights = statistics.random_effects(np.array([0.5, 0.5, 0.5]), variances)
    assert (mean, variance) == (pytest.approx(0.5), pytest.approx(0.0, abs=1e-20))
    assert weights == pytest.approx((1 / variances) / (1 / variances).sum())


@pytest.mark.parametrize("k", [4, 10])
def test_the_mean_over_studies_is_as_often_off_as_it_says(k: int, random: np.random.Generator) -> None:
    variances = random.uniform(0.01, 0.04, k)
    draws = [statistics.random_effects(random.normal(LOG, np.sqrt(variances + 0.1)), variances) for _ in range(4000)]
    better = [m > LOG and statistics.p_value(np.array(m), np.array(v), np.array(k - 1.0)) <= LEVEL for m, v, _ in draws]
    assert np.mean(better) == pytest.approx(LEVEL / 2, abs=0.008)


# What is solved or not.


@pytest.mark.parametrize(
    ("solved", "of", "answer"),
    [
        *((3, 5, None), (4, 5, True), (5, 5, True), (1, 5, False), (2, 5, None), (7, 10, None), (8, 10, True)),
        *((3, 3, True), (0, 3, False), (2, 3, None), (1, 1, None), (0, 1, None)),
    ],
)
def test_so_many_seeds_tell_whether_a_method_solves(solved: int, of: int, answer: bool | None) -> None:
    assert solves(solved, of) is answer


def test_the_probability_is_by_jeffreys_prior(random: np.random.Generator) -> None:
    p = random.beta(0.5, 0.5, 400_000)
    posterior = p[random.binomial(5, p) == 4]
    assert np.mean(posterior > 0.5) == pytest.approx(0.912, abs=0.005)
