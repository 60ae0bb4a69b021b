"""Distances of attractors against known ones, on distributions, waves and matrices; and the floor of each number."""

import json

import numpy as np
import pytest
import torch

import made_up
from conftest import MakeRun, make_cell
from unrolled.analysis import attractor, autonomous
from unrolled.analysis.attractor import Array, hellinger_distance
from unrolled.analysis.evaluate import evaluate, scored
from unrolled.analysis.scores.d_stsp import BINS, state_space_divergence
from unrolled.models.network import Network
from unrolled.report.page import of_one_study
from unrolled.training.fit import fit
from unrolled.training.runs import initial_weights

METHODS = {"cell": "elman", "hidden": 8}
LORENZ = {"system": "lorenz63", "task": "forecast", "step": 0.02, "steps": 30, "horizon": 300, "transient": 5.0}
LORENZ |= {"standardise": True, "train": 4, "val": 2, "test": 12, "score": "valid_time"}


def normal(shift: float, seed: int = 0) -> Array:
    """Return normal points, (1, 400000, 1)."""
    return shift + np.random.default_rng(seed).normal(size=(1, 400_000, 1))


def test_equal_sets_have_no_divergence_and_disjoint_ones_the_bound() -> None:
    truth = normal(0.0)
    assert state_space_divergence(truth, truth) == 0
    span = 4 * truth.std() / BINS
    low = truth.mean() - 2 * truth.std()
    cells = ((truth - low) / span)[(truth >= low + span) & (truth < low + 10 * span)].astype(int)
    p = np.bincount(cells, minlength=10) / len(cells)
    one = p[3]
    elsewhere = low + 3.5 * span + np.zeros((1, 1000, 1))  # all in the fourth cell
    q = 1e-5 / (1000 + 1e-4)
    others = p[(p > 0) & (np.arange(10) != 3)]
    expected = (others * np.log(others / q)).sum() + one * np.log(one)
    assert state_space_divergence(elsewhere, truth) == pytest.approx(expected, rel=1e-4)
    assert expected > 10


def test_of_two_normal_distributions_it_is_the_sum_over_cells() -> None:
    from scipy.stats import norm

    truth, moved = normal(0.0), normal(0.5, 1)
    edges = np.linspace(-2, 2, 11)[1:]
    p, q = (np.diff(norm.cdf(edges, mean)) for mean in (0.0, 0.5))
    p, q = p / p.sum(), q / q.sum()
    found = state_space_divergence(moved, truth)
    assert found == pytest.approx((p * np.log(p / q)).sum(), rel=0.05)
    assert found > 20 * state_space_divergence(normal(0.0, 2), truth)


def test_what_is_outside_or_not_finite_is_in_no_cell() -> None:
    truth = normal(0.0)
    half = truth.copy()
    half[:, ::2] = np.nan
    assert state_space_divergence(half, truth) < 1e-3
    half[:, 1::2] = np.inf
    assert np.isnan(state_space_divergence(half, truth)) and np.isnan(hellinger_distance(half, truth))
    assert attractor.distances(half, truth) == {"d_stsp": None, "d_h": None}


def sine(frequency: float, seed: int = 0) -> Array:
    """Return 5 sines of random phase with so many periods a segment, (5, 4000, 1)."""
    phase = np.random.default_rng(seed).uniform(0, 6, (5, 1, 1))
    return 3 + 2 * np.sin(2 * np.pi * frequency / attractor.SEGMENT * np.arange(4000)[:, None] + phase)


@pytest.mark.parametrize("apart", [0, 2, 4, 40])
def test_of_two_sines_it_is_the_distance_of_two_gaussians(apart: int) -> None:
    """Smoothed lines are Gaussians of width σ = 2, whose overlap is exp(-Δ² / 8 σ²); phase and size do not count."""
    found = hellinger_distance(7 * sine(100 + apart, 1), sine(100))
    assert found == pytest.approx(np.sqrt(1 - np.exp(-(apart**2) / 32)), abs=1e-3)


def test_orbits_that_settle_have_no_spectrum_in_common() -> None:
    noise = 1e-8 * np.random.default_rng(0).normal(size=(5, 4000, 1))
    assert hellinger_distance(3 + noise, sine(100)) == 1
    assert hellinger_distance(3 + 1e7 * noise, sine(100)) < 1


def test_the_prediction_error_is_in_variances() -> None:
    truth = 5 * np.random.default_rng(0).normal(size=(2, 10_000, 2))
    assert attractor.prediction_error(truth[0] + [5, 10], truth[0], truth) == pytest.approx(2.5, rel=0.05)
    assert attractor.prediction_error(truth[0], truth[1], truth) == pytest.approx(2, rel=0.05)


def test_all_exponents_of_a_linear_network_are_those_of_its_closed_matrix() -> None:
    made = Network(make_cell("elman", 3, hidden=6, activation="identity"), 3)
    theta = 0.3 * torch.randn(1, made.parameters, generator=torch.Generator().manual_seed(2))
    w = {name: weight[0].double().numpy() for name, weight in made.unpack(theta).items()}
    seen = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1))
    found = autonomous.exponents(made, theta, seen, 9, steps=600, transient=100)
    assert found is not None and len(found) == 6, "no more than the state has"
    moduli = np.sort(abs(np.linalg.eigvals(w["W"] + w["V0"] @ w["U"])))[::-1]
    np.testing.assert_allclose(found, np.log(moduli), atol=1e-2)
    assert abs(found - np.log(np.sort(abs(np.linalg.eigvals(w["W"])))[::-1])).max() > 0.1


@pytest.fixture
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TRANSIENT": 500, "STEPS": 4000, "EXPONENT_TIME": 20.0}.items():
        monkeypatch.setattr(attractor, name, value)


def test_the_floor_is_far_below_an_untrained_network(make_run: MakeRun, shorter: None) -> None:
    run, data = make_run(METHODS, **LORENZ)
    found = attractor.reference(run, data)
    assert found is not None
    floor = found.floor
    assert floor["exponents"] == pytest.approx([0.9056, 0, -14.5723], abs=0.06) and floor["steps"] == 4000
    assert abs(found.orbits[..., 2].mean() - 23.5) < 0.5, "in the system's units"
    theta = initial_weights(run, run.network(), data, [(0, 0)])[0].numpy()
    predicted = run.ensemble(run.network(), theta[None]).predict(data.tests["closed_loop"])[0]
    own = attractor.of_method(run, theta, predicted, data, found.orbits)
    json.dumps(own, allow_nan=False)
    assert floor["d_stsp"] < 0.1 < 5 < own["d_stsp"] and floor["d_h"] < 0.05 < 0.5 < own["d_h"]
    assert floor["pe_20"] < 1e-10 < 0.1 < own["pe_20"] and own["exponents"][0] < 0 < 0.8 < floor["exponents"][0]
    grown = attractor.of_method(run, 50 * theta, 1e30 * predicted, data, found.orbits)
    json.dumps(grown, allow_nan=False)


def test_a_forecast_twenty_steps_ahead_is_held_against_the_state_twenty_steps_ahead(
    make_run: MakeRun, shorter: None
) -> None:
    run, data = make_run(METHODS, **LORENZ)
    theta = initial_weights(run, run.network(), data, [(0, 0)])[0].numpy()
    truth = np.random.default_rng(0).normal(size=(2, 4000, 3))
    exact = data.tests["closed_loop"].targets
    late = np.roll(exact, 1, axis=1)
    own, other = (attractor.of_method(run, theta, each, data, truth)["pe_20"] for each in (exact, late))
    assert own == 0 < other


@pytest.mark.parametrize(
    "change",
    [{"observed": ["x"]}, {"horizon": 100}, {"system": "mackey_glass", "step": 1.0}, {"system": "van_der_pol"}],
    ids=str,
)
def test_it_applies_to_chaos_observed_in_full_only(make_run: MakeRun, change: dict[str, object]) -> None:
    run, data = make_run(METHODS, **LORENZ | change)
    assert not attractor.applies(run, data) and attractor.reference(run, data) is None


def test_metrics_and_page_have_it_beside_its_floor(make_run: MakeRun, shorter: None) -> None:
    run, data = make_run(METHODS, epochs=1, **LORENZ)
    metrics, _ = evaluate([scored(run, fit(run, data), data)], data)
    row = metrics["methods"]["method"]
    assert row["exponent"] == row["attractor"]["exponents"][0]
    assert row["attractor"]["d_stsp"] > metrics["attractor_floor"]["d_stsp"]
    shown = made_up.study()
    assert of_one_study.attractor(shown) is None
    shown.metrics["attractor_floor"] = metrics["attractor_floor"]
    table = of_one_study.attractor(shown)
    assert table is not None and table.rows[0].cells[0] == of_one_study.FLOOR
    assert len(table.rows) == 1 + len(shown.methods) and table.rows[0].cells[4].startswith("0.9")
    assert table.rows[1].cells[1:] == ["5.07", "", "0.018", ""]
