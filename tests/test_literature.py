"""Rows that follow published protocols: the table, the records, what is shown of them, and the parts they need."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.io import savemat
from sklearn.linear_model import Ridge

import made_up
import small_studies
import tiny
from conftest import Refused
from unrolled import literature, paths, registry
from unrolled.config import DataRow, RecordRow
from unrolled.data import datasets, official, record
from unrolled.data.integrate import by_default, simulate
from unrolled.data.records import cascaded_tanks, mackey_glass_euler
from unrolled.data.system import make
from unrolled.data.task import TestSet
from unrolled.errors import NotRunError
from unrolled.models.cells.window import Window
from unrolled.models.initialiser import Problem
from unrolled.models.network import Network
from unrolled.report import published, results
from unrolled.report.page import facts, of_studies
from unrolled.report.results import Results
from unrolled.training.optimisers.least_squares import LeastSquares
from unrolled.training.table import check

Array = NDArray[Any]
ENTRIES = [each for each in results.published() if "record" in each]
RECORDS = results.records(small_studies.ROOT / paths.LITERATURE)


def test_the_table_has_no_problem_and_every_published_row_is_a_row_of_it() -> None:
    found = check(small_studies.ROOT / literature.TABLE)
    assert found.problems == [] and found.table is not None
    methods = {each.name: set(each.methods) for each in found.experiments}
    assert {entry["record"] for entry in ENTRIES} == set(methods)
    for entry in ENTRIES:
        assert entry["method"] in methods[entry["record"]]
        assert min(len(entry[key]) for key in ("model", "source", "followed")) > 10


def test_a_dozen_values_are_computed_by_the_protocol_of_their_source() -> None:
    rows = published.followed(ENTRIES, RECORDS or {})
    same = [row for row in rows if row["protocol"] == "same"]
    assert len(same) >= 12 and all("differs" not in row for row in same)
    exact = [row for row in same if row["record"] in ("silverbox_baselines", "cascaded_tanks")]
    assert len(exact) == 8
    for row in exact:  # nothing is random there: theirs has three digits
        assert row["ours"] == pytest.approx(row["value"], rel=2e-3) and row["verdict"] == published.AS_GOOD


def test_records_say_how_they_came_about() -> None:
    assert RECORDS
    for name, found in RECORDS.items():
        assert found["experiment"]["name"] == name and found["versions"]["torch"] and found["date"]
        for row in found["methods"].values():
            assert row["fit_seconds"] >= 0 and len(row["seeds"]) == found["experiment"]["fit"].get("seeds", 5)


def test_a_row_without_a_record_is_not_run() -> None:
    rows = published.followed(ENTRIES, {})
    assert {row["verdict"] for row in rows} == {published.NOT_RUN} and all(row["ours"] is None for row in rows)
    assert f"{len(rows)} of the {len(rows)} rows are not run yet" in facts.followed(rows)
    table = of_studies.followed(rows)
    assert table is not None and all("not run" in str(row.cells) for row in table.rows)


def entry(**more: Any) -> dict[str, Any]:
    return {"record": "a", "method": "m", "model": "M", "value": 2.0, "source": "s", "followed": "f"} | more


def kept(seeds: list[float], better: str = "lower") -> dict[str, Any]:
    """Return a record of one method."""
    method = made_up.row("m", 3.0, 1) | {"seeds": seeds, "fit_seconds": 1.0}
    about = {
        "score": "mse",
        "unit": "V²",
        "better": better,
        "commit": "c",
        "date": "d",
        "label": "A",
        "test_label": "test",
    }
    return {"a": about | {"tests": {"harder": {"label": "harder"}}, "methods": {"m": method}}}


def test_what_is_said_over_seeds_is_the_statistic_of_the_source() -> None:
    seeds = np.random.default_rng(0).permutation(np.arange(1.0, 101)).tolist()
    (found,) = published.followed([entry(statistic="median")], kept(seeds))
    assert found["ours"] == 50.5 and (found["interval"]["low"], found["interval"]["high"]) == (40.0, 61.0)
    assert 0.95 <= found["interval"]["coverage"] < 0.97
    (few,) = published.followed([entry(statistic="median")], kept([1.0, 2.0, 9.0]))
    assert few["ours"] == 2.0 and few["interval"]["low"] is None
    for better, best in (("lower", 1.0), ("higher", 100.0)):
        (found,) = published.followed([entry(statistic="best")], kept(seeds, better))
        assert found["ours"] == best and found["interval"]["low"] is None
    (found,) = published.followed([entry()], kept(seeds))
    assert found["ours"] == 3.0 and found["verdict"].startswith("ours is worse") and found["protocol"] == "same"
    (found,) = published.followed([entry(test="harder", differs="the data")], kept(seeds))
    assert found["ours"] == 6.0 and found["protocol"] == "other" and found["on"] == "harder"


def test_records_are_shown_in_the_figure_and_the_table() -> None:
    shown = Results([made_up.study()], literature=RECORDS)
    figure = registry.load("figures", "published")()
    assert figure.applies(shown) and not figure.applies(replace(shown, literature=None))
    assert "by the same protocol" in figure.draw(shown).get_suptitle().replace("\n", " ")
    table = of_studies.followed(published.followed(ENTRIES, RECORDS or {}))
    assert table is not None and len(table.rows) == len(ENTRIES)
    assert results.read([], Path("nowhere")).to_follow == []


def test_a_table_is_run_and_its_record_written(
    in_tmp: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNROLLED_WORKERS", "1")
    monkeypatch.setattr(literature.lifetime, "begin", lambda module: None)
    table = tiny.raw("next_value")
    (name,) = table["studies"]
    table["studies"][name]["methods"] = ["linear"]
    literature.TABLE.write_text(yaml.safe_dump(table, sort_keys=False))
    with pytest.raises(SystemExit, match=r"study of literature\.yaml 'sin' is not known"):
        literature.main(["sin"])
    literature.main([name])
    found = json.loads((paths.LITERATURE / f"{name}.json").read_text())
    assert list(found["methods"]) == ["linear"] and found["methods"]["linear"]["score"] > 0
    assert found["experiment"]["data"]["system"] == "sine" and (literature.FOLDER / name / "reports").is_dir()
    literature.main([name])
    assert "0 studies evaluated, 1 kept" in capsys.readouterr().out


def test_least_squares_is_that_of_sklearn_and_of_numpy() -> None:
    random = np.random.default_rng(0)
    h, y = random.normal(size=(200, 5)) * [1, 10, 0.1, 1e3, 1], random.normal(size=(200, 2))
    tensors = torch.from_numpy(h), torch.from_numpy(y)
    v, c = LeastSquares(constant=False).solve(*tensors)
    np.testing.assert_allclose(v.numpy(), np.linalg.lstsq(h, y, rcond=None)[0], rtol=1e-9)
    assert not c.any()
    v, c = LeastSquares(penalty=3.0).solve(*tensors)
    with_one = np.c_[h, np.ones(200)]
    expected = Ridge(alpha=3.0, fit_intercept=False, tol=1e-12).fit(with_one, y).coef_.T
    np.testing.assert_allclose(np.concatenate([v, c]), expected, rtol=1e-7, atol=1e-10)
    assert abs(np.concatenate([v, c]) - np.linalg.lstsq(with_one, y, rcond=None)[0]).max() > 1e-4


def alone(network: Network, theta: torch.Tensor) -> Any:
    """Return a population of one replica, as `finish` sees it."""
    nothing = lambda *given, **named: torch.zeros(1)  # noqa: E731
    does = dict.fromkeys(("count", "validation_loss", "save_best", "freeze_diverged"), nothing)
    return SimpleNamespace(network=network, theta=theta, best_loss=torch.zeros(1), many_to_one=False, **does)


def solved(**settings: Any) -> tuple[Array, Array, Array]:
    """Return the readout that least squares gives a small reservoir, its states and targets after a washout of 5."""
    random = np.random.default_rng(1)
    network = Network(registry.load("cells", "leaky")(1, hidden=3, leak_rate=0.5), 1)
    theta = torch.from_numpy(random.normal(size=(1, network.parameters)))
    x, y = torch.from_numpy(random.normal(size=(2, 60, 1))), torch.from_numpy(random.normal(size=(2, 55, 1)))
    states = network.hidden(network.unpack(theta), x[None], False)[0][0, :, 5:].numpy()
    LeastSquares(constant=False, **settings).finish(alone(network, theta), (x, y), (x, y))
    return network.unpack(theta)["V0"][0].numpy(), states, y.numpy()


def test_solutions_are_averaged_over_sequences_and_noise_enters_the_states() -> None:
    v, h, y = solved()
    both = np.linalg.lstsq(h.reshape(-1, 3), y.reshape(-1, 1), rcond=None)[0]
    np.testing.assert_allclose(v, both, rtol=1e-9)
    mean = np.mean([np.linalg.lstsq(*pair, rcond=None)[0] for pair in zip(h, y, strict=True)], axis=0)
    np.testing.assert_allclose(solved(averaged=True)[0], mean, rtol=1e-9)
    assert abs(mean - both).max() > 1e-3
    little, much = (abs(solved(noise=noise)[0] - both).max() for noise in (1e-7, 0.3))
    assert 1e-9 < little < 1e-5 < 1e-3 < much


@pytest.mark.parametrize("every", [False, True])
def test_values_left_out_and_powers_are_the_plain_loop(every: bool) -> None:
    options: dict[str, Any] = {"fewer": 1, ("every_power" if every else "powers"): 3}
    cell = Window(2, window=3, **options)
    network = Network(cell, 1)
    random = np.random.default_rng(0)
    theta = torch.from_numpy(0.1 * random.normal(size=(1, network.parameters)))
    w, x = network.unpack(theta), random.normal(size=9)
    v, c = w["V0"][0, :, 0].numpy(), float(w["c0"][0, 0, 0])
    y, u = [0.0] * 2 + [0.3] * 3, np.concatenate([[0.0] * 3, x])

    def features(t: int) -> Array:
        """Return y_{t-1}, y_{t-2}, u_t, u_{t-1}, u_{t-2} in the order of time, and powers."""
        values = np.array([u[t - 2], y[t - 2], u[t - 1], y[t - 1], u[t]])
        return (
            np.concatenate([values**p for p in (1, 2, 3)])
            if every
            else np.array([*values, y[t - 1] ** 2, y[t - 1] ** 3])
        )

    for t in range(5, 12):
        y.append(float(features(t) @ v + c))
    given = np.stack([y[2:11], u[3:]], axis=1)
    teacher = torch.from_numpy(given)[None, None]
    outputs, state = cell.run(w, teacher)
    np.testing.assert_allclose(outputs[0, 0, 2:].numpy() @ v + c, y[5:12], rtol=1e-12)
    stepped = cell.start(teacher)
    for now in teacher.unbind(2):
        stepped = cell.step(w, now, stepped)
    assert all(torch.equal(one, other) for one, other in zip(state, stepped, strict=True))
    first = torch.tensor([[[y[4]]]], dtype=torch.float64)
    free = cell.regress(w["V0"], w["c0"], first, cell.run(w, teacher[:, :, :2])[1], teacher[:, :, 2:, 1:])
    assert free is not None
    np.testing.assert_allclose(free[0, 0, :, 0].numpy(), y[5:12], rtol=1e-12)


def test_a_window_of_which_nothing_is_left_is_one_line(refused: Refused) -> None:
    with refused("'fewer' leaves nothing of a window of 3"):
        Window(2, window=3, fewer=3)


def laser(**more: Any) -> DataRow:
    row = {"record": {"source": "santa_fe", "outputs": ["intensity"]}, "task": "continuation", "step": 1.0}
    return DataRow.model_validate(row | {"train": 60, "test": 20, "val": 40, "washout": 10} | more)


def test_a_test_comes_at_once_after_the_training_and_is_seen_from_its_washout_on() -> None:
    raw = record.load(laser()).outputs[:, 0]
    data = datasets.make(laser(skip=1, standardise="all", precision="double"))
    z = (raw[1:] - raw[1:].mean()) / raw[1:].std()
    for split, (begin, end) in {"train": (0, 60), "val": (70, 118), "test": (50, 80)}.items():
        found = vars(data.tests["test"]) if split == "test" else getattr(data, split)
        np.testing.assert_allclose(found["inputs"][0, :, 0], z[begin:end], rtol=1e-12)
        np.testing.assert_allclose(found["targets"][0, :, 0], z[begin + 11 : end + 1], rtol=1e-12)
    assert abs(datasets.make(laser(skip=1)).train["inputs"][0, :, 0] - z[:60]).max() > 1e-3


def test_the_laser_is_tested_where_its_source_is() -> None:
    """√(1 - R²) times deviation over mean of the test is the other error that the source gives: to nine digits."""
    found = check(small_studies.ROOT / literature.TABLE)
    row = next(each.data for each in found.experiments if each.name == "santa_fe_laser")
    for skip, right in ((1, True), (0, False)):
        own = row.model_copy(update={"settings": row.settings | {"skip": skip}})
        test = datasets.make(own).tests["test"].targets[0, :, 0]
        expected = 1.2411893284366495 / np.sqrt(1 - 0.9991013356587573)
        assert (test.std() / abs(test.mean()) == pytest.approx(expected, rel=1e-9)) == right


def test_a_horizon_cuts_the_test_into_forecasts(refused: Refused) -> None:
    row = laser(test=45, horizon=4, steps=35, standardise="none", precision="double")
    data, raw = datasets.make(row), registry.make("records", "santa_fe").read(row.record)["intensity"].to_numpy()
    assert data.train["inputs"].shape == (2, 35, 1) and data.tests["closed_loop"].targets.shape == (3, 5, 1)
    np.testing.assert_allclose(data.train["inputs"][1, :, 0], raw[25:60])
    for k in range(3):
        first = 60 + 15 * k
        np.testing.assert_allclose(data.tests["closed_loop"].inputs[k, :, 0], raw[first : first + 10])
        np.testing.assert_allclose(data.tests["closed_loop"].targets[k, :, 0], raw[first + 10 : first + 15])
    np.testing.assert_allclose(data.val_tests["closed_loop"].inputs[0, :, 0], raw[105:115])
    task = registry.load("tasks", "continuation")
    for wrong, said in ((laser(washout=60), "'train'"), (laser(test=5, horizon=4), "'test'"), (laser(val=1), "'val'")):
        reason = task(**wrong.settings).refuses(wrong, None)
        assert reason is not None and said in reason


def test_the_coarse_delay_equation_is_euler_s_recursion_and_squashed() -> None:
    y = mackey_glass_euler.series(17)
    assert len(y) == mackey_glass_euler.LENGTH and 0.2 < y.min() < y.max() < 1.5
    assert y.var() == pytest.approx(0.051, abs=0.002)
    assert mackey_glass_euler.series(30).var() == pytest.approx(0.078, abs=0.002)
    past = [mackey_glass_euler.FIRST] * 171
    for _ in range(10 * (mackey_glass_euler.TRANSIENT + 2)):
        past.append(past[-1] + 0.1 * (0.2 * past[-171] / (1 + past[-171] ** 10) - 0.1 * past[-1]))
    assert past[170::10][mackey_glass_euler.TRANSIENT :] == pytest.approx(y[:3], rel=1e-12)
    table = registry.make("records", "mackey_glass_euler").read(
        RecordRow(source="mackey_glass_euler", outputs=["tau_17"])
    )
    np.testing.assert_allclose(np.arctanh(table["tau_17"]) + 1, y)


def test_an_error_in_original_coordinates_is_not_that_of_what_is_squashed() -> None:
    y = np.random.default_rng(0).normal(1, 0.3, (6, 5, 1))
    test = TestSet(np.zeros((6, 2, 1)), np.tanh(y - 1), np.arange(5.0), "closed_loop")
    predicted = np.tanh(y + 0.1 - 1)[None]
    found = registry.make("scores", "nrmse_unsquashed")(predicted, test)
    assert found == pytest.approx([0.1 / y.std()], rel=1e-9)
    assert abs(found - registry.make("scores", "nrmse_horizon")(predicted, test)).max() > 1e-3
    assert np.isfinite(registry.make("scores", "nrmse_unsquashed")(3 + predicted, test)).all()


def test_scipy_s_defaults_are_those_of_one_trajectory_and_far_from_exact() -> None:
    system, times = make("fitzhugh_nagumo", {}), np.linspace(0, 100, 251)
    initial = np.array([[-0.3, 0.0], [0.8, 0.0]])
    loose = by_default(system, initial, times)
    alone = solve_ivp(
        lambda t, s: system.rhs(t, s, None), (0, 100), initial[1], t_eval=times, rtol=1e-3, atol=1e-6, method="RK45"
    )
    np.testing.assert_array_equal(loose[1], alone.y.T)
    assert 1e-3 < abs(loose - simulate(system, initial, times)).max() < 1


def problem(hidden: int) -> Problem:
    return Problem(Network(registry.load("cells", "leaky")(1, hidden=hidden), 1).weights())


def test_weights_of_random_sign_have_nearly_one_size_and_the_radius() -> None:
    w = registry.make("initialisers", "equal_signs", {"spectral_radius": 0.9, "density": 0.84}).initialise(
        problem(256), np.random.default_rng(0)
    )
    sizes = abs(w["W"][w["W"] != 0])
    assert sizes.std() / sizes.mean() < 0.02 and (w["W"] != 0).mean() == pytest.approx(0.84, abs=1e-4)
    assert abs(np.linalg.eigvals(w["W"])).max() == pytest.approx(0.9) and abs(abs(w["U"]).mean() - 0.5) < 0.02
    assert abs((w["W"] > 0).mean() - 0.42) < 0.02


def test_weights_of_three_values_are_zero_or_one_number() -> None:
    options = {"density": 0.05, "bias_scale": 0.028}
    w = registry.make("initialisers", "three_valued", options).initialise(problem(200), np.random.default_rng(0))
    assert len(np.unique(abs(w["W"]).round(12))) == 2 and (w["W"] != 0).mean() == pytest.approx(0.05, abs=0.01)
    assert abs(np.linalg.eigvals(w["W"])).max() == pytest.approx(0.79)
    assert set(np.unique(w["b"])) == {-0.028, 0.0, 0.028} and (w["b"] == 0).mean() == pytest.approx(0.5, abs=0.1)
    assert 0.5 < abs(w["U"]).max() <= 0.56


def test_the_readout_of_lem_s_code_is_normal_with_variance_two_over_n() -> None:
    own = Problem(Network(registry.load("cells", "lem")(1, hidden=100), 40).weights())
    w = registry.make("initialisers", "kaiming_readout").initialise(own, np.random.default_rng(0))
    assert w["V0"].std() == pytest.approx((2 / 100) ** 0.5, rel=0.05) and abs(w["V0"]).max() > 0.1 * 3
    assert abs(np.concatenate([each.ravel() for name, each in w.items() if name != "V0"])).max() <= 0.1


def test_the_tanks_are_read_as_they_are_and_say_where_they_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / cascaded_tanks.FILE
    path.parent.mkdir(parents=True)
    path.parent.with_suffix(".zip").touch()
    columns = {
        key: np.random.default_rng(k).normal(size=(1024, 1)) for k, key in enumerate(("uEst", "yEst", "uVal", "yVal"))
    }
    savemat(path, columns | {"Ts": [[4.0]]})
    monkeypatch.setenv(official.FOLDER, str(tmp_path))
    row = RecordRow(source="cascaded_tanks", inputs=["pump"], outputs=["level"])
    item = registry.make("records", "cascaded_tanks")
    np.testing.assert_array_equal(item.read(row).to_numpy(), np.hstack([columns["uEst"], columns["yEst"]]))
    np.testing.assert_array_equal(item.tests(row)["test"].to_numpy(), np.hstack([columns["uVal"], columns["yVal"]]))
    path.unlink()
    with pytest.raises(NotRunError, match=r"dataBenchmark\.mat"):
        item.read(row)
