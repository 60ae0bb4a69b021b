"""Reservoirs at their limit: double precision, singular values, squared units, differences, agreement of solvers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import small_studies
from conftest import experiment_of, make_cell
from unrolled import registry
from unrolled.analysis import autonomous
from unrolled.config import Method
from unrolled.data import datasets
from unrolled.data.integrate import simulate
from unrolled.data.system import make
from unrolled.data.tasks.forecast import solvers_agree
from unrolled.models.closed_loop import free_run
from unrolled.models.network import Network
from unrolled.training import contracts
from unrolled.training.fit import fit
from unrolled.training.optimisers.ridge import FINE, GRID, solve
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Run, initial_weights

RESERVOIR = {"label": "?", "cell": "leaky", "hidden": 30, "initialiser": "echo_state", "optimiser": "ridge"}
NGRC = {"label": "?", "cell": "ngrc", "optimiser": "ridge", "precision": "double", "residual": "last"}


def test_singular_values_keep_what_the_gram_matrix_loses() -> None:
    random = np.random.default_rng(0)
    left, right = (np.linalg.qr(random.normal(size=shape))[0] for shape in ((5000, 20), (20, 20)))
    left -= left.mean(axis=0)
    h = torch.from_numpy(left * np.logspace(0, -9, 20) @ right.T + random.normal(size=20))
    truth = torch.from_numpy(right[:, -1:] * 1e9 + right[:, :1])  # along the weakest and the strongest direction
    y = h @ truth
    slopes, offsets = solve(h, y, [1e-40])
    found = (h @ slopes[0] + offsets[0] - y).abs().max() / y.std()
    centred = h - h.mean(0)
    gram = torch.linalg.pinv(centred.T @ centred) @ centred.T @ (y - y.mean(0))
    lost = (centred @ gram - (y - y.mean(0))).abs().max() / y.std()
    assert found < 1e-4 < 0.1 < lost


def test_ridges_are_those_of_the_normal_equations() -> None:
    random = np.random.default_rng(1)
    h, y = torch.from_numpy(random.normal(size=(4000, 7)) + 3), torch.from_numpy(random.normal(size=(4000, 2)) - 1)
    slopes, offsets = solve(h, y)  # in more than one piece
    centred, wanted = h - h.mean(0), y - y.mean(0)
    for place, ridge in enumerate(GRID):
        exact = torch.linalg.solve(
            centred.T @ centred / 4000 + ridge * torch.eye(7, dtype=h.dtype), centred.T @ wanted / 4000
        )
        torch.testing.assert_close(slopes[place], exact, rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(offsets[place], y.mean(0, keepdim=True) - h.mean(0) @ exact, rtol=1e-10, atol=1e-12)


def test_fewer_samples_than_features_are_interpolated() -> None:
    random = np.random.default_rng(2)
    h, y = torch.from_numpy(random.normal(size=(6, 20))), torch.from_numpy(random.normal(size=(6, 2)))
    slopes, offsets = solve(h, y, [1e-12])
    torch.testing.assert_close(h @ slopes[0] + offsets[0], y, rtol=0, atol=1e-8)


def quadratic_map(steps: int) -> np.ndarray:
    """Return an orbit of Hénon's map as a delay equation, x' = 1 - 1.4 x² + 0.3 x of the step before."""
    x = [0.1, 0.2]
    for _ in range(steps - 2):
        x.append(1 - 1.4 * x[-1] ** 2 + 0.3 * x[-2])
    return np.array(x)[:, None]


def test_products_follow_a_quadratic_map_exactly_and_lack_a_cubic_one() -> None:
    series = torch.from_numpy(quadratic_map(400))
    for cubic in (0.0, 0.1):
        target = series[1:] + cubic * series[:-1] ** 3
        network = Network(make_cell("ngrc", 1, taps=2), 1)
        h, _ = network.hidden({"none": torch.zeros(1)}, series[None, None, :-1], last=False)
        features = network.cell.expand(h)[0, 0]
        x, before = series[1:-1, 0], series[:-2, 0]
        expected = torch.stack([before, x, before * before, before * x, x * x], dim=1)
        assert torch.equal(features[1:], expected) and network.cell.features == 5
        slopes, offsets = solve(features[1:], target[1:], [1e-20])
        error = (features[1:] @ slopes[0] + offsets[0] - target[1:]).abs().max()
        assert (error < 1e-10) == (cubic == 0.0)
        if cubic == 0.0:
            w = {"V0": slopes, "c0": offsets}
            found = free_run(network, w, series[None, None, :30], 12)[0, 0]
            torch.testing.assert_close(found, series[30:42], rtol=0, atol=1e-6)  # the map is chaotic


@pytest.mark.parametrize("residual", [None, 0.3])
@pytest.mark.parametrize("squared", [True, False])
def test_closed_loop_with_squares_and_differences_is_the_loop_in_numpy(squared: bool, residual: float | None) -> None:
    network = Network(make_cell("leaky", 2, hidden=5, leak_rate=0.6, squared=squared), 2, residual=residual)
    theta = 0.4 * torch.randn(1, network.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = network.unpack(theta)
    warm_up = torch.randn(1, 1, 4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u, rec, b, v, c = (w[name][0].numpy() for name in ("U", "W", "b", "V0", "c0"))
    h, x, expected = np.zeros((1, 5)), np.zeros((1, 2)), []

    def output() -> np.ndarray:
        seen = h.copy()
        if squared:
            seen[:, 1::2] **= 2
        y = seen @ v + c
        return y if residual is None else x + residual * y

    for t in range(4 + 6):
        x = warm_up[0, :, t].numpy() if t < 4 else expected[-1]
        h = 0.4 * h + 0.6 * np.tanh(x @ u + h @ rec + b)
        expected += [output()] if t >= 3 else []
    found = free_run(network, w, warm_up, 7)[0, 0].numpy()
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=1e-13)


def test_exponents_of_differences_are_those_of_the_same_map_without() -> None:
    """Of x + s (h V + c), with x the last part of h, the readout s V with s⁻¹ more on that part is the same map."""
    plain, own = (Network(make_cell("ngrc", 1, taps=2), 1, residual=scale) for scale in (None, 0.5))
    v = torch.tensor([0.3, 0.0, 0.0, 0.0, -1.4], dtype=torch.float64)[:, None]
    moved = v - torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64)[:, None]
    thetas = [torch.cat([each.flatten(), c])[None] for each, c in ((v, torch.ones(1)), (2 * moved, 2 * torch.ones(1)))]
    inputs = torch.from_numpy(quadratic_map(50))[None]
    found = [autonomous.exponents(n, theta, inputs, 2, 4000) for n, theta in zip((plain, own), thetas, strict=True)]
    assert found[0] is not None and found[1] is not None
    assert found[0][0] == pytest.approx(found[1][0], abs=0.03) == pytest.approx(0.419, abs=0.03)  # Hénon's
    assert sum(found[0]) == pytest.approx(np.log(0.3), abs=1e-6)  # its determinant


def small_run(**changes: object) -> tuple[Run, object]:
    row = small_studies.study("lorenz", precision="double")
    return Run(experiment_of(row, {"m": RESERVOIR | changes}, epochs=2), "m"), datasets.make(row)


def test_double_precision_goes_from_data_to_forecast() -> None:
    errors = {}
    for precision, number in (("single", np.float32), ("double", np.float64)):
        run, data = small_run(precision=precision)
        assert data.train["inputs"].dtype == np.float64
        result = fit(run, data)
        assert result.theta.dtype == number == result.predictions["closed_loop"].dtype
        predictor = Predictor.of(run, result, data)
        mean, deviation = (np.array(data.facts["scaling"][key]) for key in ("mean", "standard_deviation"))
        raw = mean + deviation * data.tests["closed_loop"].inputs[:1]
        again = (predictor.predict(raw, {"steps": 3}) - mean) / deviation
        own = result.predictions["closed_loop"][list(result.chosen).index(result.best), 0, :3]
        errors[precision] = float(abs(again[0] - own).max())
    assert errors["double"] < 1e-12 < errors["single"] < 1e-4


def test_tuned_options_are_weights_of_their_own_and_validation_chooses() -> None:
    run, data = small_run(precision="double", tuned={"spectral_radius": [0.3, 1.2]})
    assert [dict(each.options) for each in run.hyperparameters] == [{"spectral_radius": 0.3}, {"spectral_radius": 1.2}]
    network = run.network(data)
    theta = initial_weights(run, network, run.select(data), [(0, 0), (0, 1)])
    first, second = (network.unpack(row[None])["W"][0] for row in theta)
    torch.testing.assert_close(first * 4, second, rtol=1e-10, atol=1e-12)
    result = fit(run, data)
    losses = result.best_loss[result.seeds == run.experiment.seeds[0]]
    assert (
        run.hyperparameters[int(result.tried[result.best])].options == run.hyperparameters[int(losses.argmin())].options
    )
    wrong = Method(**RESERVOIR | {"tuned": {"spectral_radius": [0.3, -1.0], "leak": [0.1, 0.2]}})
    lines = list(contracts.of_row(wrong, "m"))
    assert len(lines) == 2 and "spectral_radius" in lines[0] and "'leak' is not known" in lines[1]


def test_differences_need_inputs_that_are_outputs() -> None:
    row = small_studies.study("recall_50")
    task = registry.load("tasks", row.task)(**row.settings)
    lines = contracts.of_pair(Method(**NGRC), task, row, make("integrator", {}), "m")
    assert any(line.startswith("m.residual: last needs") for line in lines)


def test_solvers_part_where_errors_have_grown_and_never_without_chaos() -> None:
    times = 0.02 * np.arange(1401.0)
    lorenz, start = make("lorenz63", {}), np.array([[1.0, 2.0, 20.0], [-5.0, -3.0, 25.0]])
    exact = simulate(lorenz, start, times, rtol=1e-13)
    agreed = solvers_agree(lorenz, exact, 0.02)
    loose = solvers_agree(lorenz, simulate(lorenz, start, times, rtol=1e-6), 0.02)
    assert (loose < agreed).all() and (agreed * 0.02 * 0.9056 > 18).all() and (loose * 0.02 * 0.9056 < 15).all()
    circle = make("van_der_pol", {"mu_min": 1.0, "mu_max": 1.0})
    states = simulate(lorenz.__class__(rho=0.5), start, times)  # every orbit ends in the origin
    assert (solvers_agree(lorenz.__class__(rho=0.5), states, 0.02) == 1400).all() and circle.lyapunov is None


def test_a_valid_time_ends_where_the_solvers_part() -> None:
    _, data = small_run()
    test, score = data.tests["closed_loop"], registry.make("scores", "valid_time")
    assert test.agreed is not None and len(test.agreed) == len(test.targets)
    perfect = test.targets[None]
    early = replace(test, agreed=np.full(len(test.targets), 3))
    step = test.times[1] - test.times[0]
    assert score(perfect, early) == pytest.approx(3 * step * test.lyapunov)
    assert score(perfect, test) > score(perfect, early)
    assert set(GRID) < set(FINE) and min(FINE) == 1e-20
