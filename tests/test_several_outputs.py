"""Records with several outputs, of unlike units, and with names and linear models that go their own way."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

import made_up
from conftest import Refused, experiment_of
from unrolled.analysis.evaluate import evaluate, scored
from unrolled.config import DataRow
from unrolled.data import datasets
from unrolled.data.task import AS_RECORDED, STANDARDISED, Data
from unrolled.data.tasks import simulation
from unrolled.report.forecast import Series
from unrolled.report.page import of_one_study
from unrolled.training.experiments import _task
from unrolled.training.fit import fit
from unrolled.training.runs import Run

Array = NDArray[Any]
SIZES = {"step": 1.0, "train": 128, "val": 64, "test": 64, "window": 2, "washout": 4, "steps": 16}


@pytest.fixture
def cell(in_tmp: Path) -> pd.DataFrame:
    """Write a fuel cell with outputs of very unlike sizes; return it."""
    random, state = np.random.default_rng(0), np.zeros((256, 2))
    u = random.normal(3, 1, 256)
    for t in range(1, 256):
        state[t] = 0.8 * state[t - 1] + [u[t], u[t] ** 2] + 0.1 * random.normal(size=2)
    frame = pd.DataFrame(
        {"u": u, "current": 1e-9 * state[:, 0], "pressure": 1e4 * state[:, 1], "again": state[:, 0] ** 2}
    )
    frame.to_csv("cell.csv", index=False)
    return frame


def asks(outputs: list[str], units: dict[str, str], task: str = "simulation", **change: Any) -> DataRow:
    """Return the data of a study of the fuel cell."""
    own = {"file": "cell.csv", "inputs": [] if task == "forecast" else ["u"], "outputs": outputs, "units": units}
    return DataRow.model_validate({"task": task, "record": own} | SIZES | change)


BOTH = ["current", "pressure"]
UNITS = [
    (["current"], {"current": "A"}, "A"),
    (["current"], {}, AS_RECORDED),
    (BOTH, {"current": "A", "pressure": "Pa"}, STANDARDISED),
    (BOTH, {"current": "A"}, STANDARDISED),
    (BOTH, {}, STANDARDISED),
    (BOTH, {"current": "V", "pressure": "V"}, "V"),  # unlike, but the user's word
]


@pytest.mark.parametrize("task", ["simulation", "response", "forecast"])
@pytest.mark.parametrize(("outputs", "units", "unit"), UNITS)
def test_errors_have_the_unit_that_all_outputs_share(
    task: str, outputs: list[str], units: dict[str, str], unit: str, cell: pd.DataFrame
) -> None:
    for test in datasets.make(asks(outputs, units, task)).tests.values():
        assert test.unit == unit
        errors = np.ones((1, len(outputs)))
        deviations = cell[outputs].to_numpy()[: SIZES["train"]].std(axis=0)
        expected = errors if unit == STANDARDISED else errors * deviations
        np.testing.assert_allclose(test.in_unit(errors), expected, rtol=1e-12)


def test_outputs_without_units_but_alike_are_scored_together_as_recorded(cell: pd.DataFrame) -> None:
    alike = cell.assign(again=2.5 * cell["current"] ** 1.0 + 1e-10 * np.sin(np.arange(256)))
    alike.to_csv("cell.csv", index=False)
    assert datasets.make(asks(["current", "again"], {})).tests["test"].unit == AS_RECORDED
    alike.assign(again=1.3 * alike["again"]).to_csv("cell.csv", index=False)
    assert datasets.make(asks(["current", "again"], {})).tests["test"].unit == STANDARDISED


def test_each_output_is_scored_in_its_own_unit_and_all_of_them_in_none(cell: pd.DataFrame) -> None:
    row = asks(BOTH, {"current": "A", "pressure": "Pa"})
    methods = {"rnn": {"cell": "elman", "hidden": 3}, "linear": {"cell": "window", "optimiser": "ridge"}}
    experiment, data = experiment_of(row, methods, "rmse", seeds=2, epochs=1), datasets.make(row)
    runs = [Run(experiment, name) for name in methods]
    done = [scored(run, fit(run, data), data) for run in runs]
    metrics, tables = evaluate(done, data)
    assert metrics["unit"] == STANDARDISED and metrics["outputs"] == {"current": "A", "pressure": "Pa"}
    truth = cell[BOTH].to_numpy()[192 + SIZES["washout"] :]
    deviations = cell[BOTH].to_numpy()[:128].std(axis=0)
    for each in done:
        predicted = each.run.task.decode(each.result.predictions["test"].astype(float), data.facts)[:, 0]
        errors = np.sqrt(np.square(predicted - truth).mean(axis=1))  # (S, K), in A and Pa
        errors = errors[:1] if each.deterministic else errors
        own = metrics["methods"][each.run.name]
        for k, name in enumerate(BOTH):
            assert own["outputs"][name]["score"] == pytest.approx(stats.gmean(errors[:, k]), rel=1e-4)
        together = np.sqrt(np.square(errors / deviations).mean(axis=1))
        assert own["score"] == pytest.approx(stats.gmean(together), rel=1e-4)
    shown = made_up.Evaluation("cell", metrics, tables, made_up.looks(dict.fromkeys(methods, "rnn")))
    table = of_one_study.outputs(shown)
    assert table is not None and table.heads == ["method", "current (A)", "pressure (Pa)"] and len(table.rows) == 2
    assert shown.score == f"RMSE ({STANDARDISED})"


def test_one_output_is_scored_as_ever_and_has_no_table_of_outputs(cell: pd.DataFrame) -> None:
    row = asks(["current"], {"current": "A"})
    experiment, data = (
        experiment_of(row, {"linear": {"cell": "window", "optimiser": "ridge"}}, "rmse"),
        datasets.make(row),
    )
    run = Run(experiment, "linear")
    metrics, tables = evaluate([scored(run, fit(run, data), data)], data)
    assert "outputs" not in metrics["methods"]["linear"] and metrics["unit"] == "A"
    shown = made_up.Evaluation("cell", metrics, tables, made_up.looks({"linear": "regression"}))
    assert of_one_study.outputs(shown) is None


def test_a_forecast_says_the_error_of_each_output_in_its_unit() -> None:
    truth, predicted = np.zeros((4, 2)), np.tile([2e-9, 3e4], (6, 1))
    series = Series(predicted, truth, 0.0, 1.0, {"current": "A", "pressure": "Pa"}, "s")
    assert series.said() == "RMSE 2e-09 A (current), 3e+04 Pa (pressure) where the truth is known"
    unlike = Series(predicted, truth, 0.0, 1.0, dict.fromkeys(BOTH, AS_RECORDED), "s")
    assert "2e-09 as recorded (current), 3e+04 as recorded (pressure)" in unlike.said()
    alike = Series(predicted, truth, 0.0, 1.0, dict.fromkeys(BOTH, "V"), "s")
    assert alike.said() == f"RMSE {np.sqrt(9e8 / 2):.3g} V where the truth is known"


@pytest.mark.parametrize("name", simulation.MADE)
def test_an_input_cannot_have_the_name_of_a_column_that_is_made(
    name: str, cell: pd.DataFrame, refused: Refused
) -> None:
    cell.rename(columns={"u": name}).to_csv("cell.csv", index=False)
    row = asks(["current"], {})
    assert row.record is not None
    taken = row.model_copy(update={"record": row.record.model_copy(update={"inputs": [name]})})
    with refused(
        "studies.x.data: task 'simulation' makes columns called", f"call the file's column '{name}' otherwise"
    ):
        _task(taken, "studies.x.data")
    _task(taken.model_copy(update={"task": "response"}), "studies.x.data")  # where no columns are made


@pytest.mark.parametrize("name", ["start", "linear", "before", "y", "F", "m"])
def test_an_input_of_any_other_name_is_all_that_a_method_gets(name: str, cell: pd.DataFrame) -> None:
    cell.rename(columns={"u": name}).to_csv("cell.csv", index=False)
    row = asks(["current"], {})
    assert row.record is not None
    named = row.model_copy(update={"record": row.record.model_copy(update={"inputs": [name]})})
    run, data = Run(experiment_of(named, {"rnn": {"cell": "elman", "hidden": 2}}), "rnn"), datasets.make(named)
    own: Data = run.select(data)
    assert own.train["inputs"].shape[-1] == own.tests["test"].inputs.shape[-1] == 1
    scaled = (cell["u"] - cell["u"][:128].mean()) / cell["u"][:128].std(ddof=0)
    np.testing.assert_allclose(own.tests["test"].inputs[0, :, 0], scaled[192:], atol=1e-5)


def radius(a: Array) -> float:
    """Return the largest modulus of the poles of y_t = Σ a_k y_{t-k}."""
    return float(np.abs(np.roots([1.0, *-a])).max())


def test_an_unstable_linear_model_is_drawn_in_and_fitted_again(in_tmp: Path) -> None:
    random = np.random.default_rng(3)
    u = random.normal(size=(400, 1))
    y = (
        np.cumsum(np.cumsum(u, axis=0), axis=0) * 1e-3 + np.exp(0.012 * np.arange(400))[:, None]
    )  # grows for as long as it is seen
    rows = np.concatenate([y[1:-1], y[:-2], u[2:], u[1:-1], u[:-2], np.ones((398, 1))], axis=1)
    plain = np.linalg.lstsq(rows, y[2:], rcond=None)[0][:, 0]
    assert radius(plain[:2]) > 1.001
    [(a, b, c)] = model = simulation.fit(u, y, 2)
    assert radius(a) == pytest.approx(simulation.STABLE)
    np.testing.assert_allclose(
        np.sort(np.roots([1.0, *-a])), np.sort(np.roots([1.0, *-plain[:2]])) * 0.999 / radius(plain[:2])
    )
    rest = np.linalg.lstsq(rows[:, 2:], y[2:, 0] - rows[:, :2] @ a, rcond=None)[0]
    np.testing.assert_allclose([*b.ravel(), c], rest, rtol=1e-8)
    longer = np.concatenate([u] * 200)
    wild = [(plain[:2], plain[2:-1].reshape(3, 1), float(plain[-1]))]
    assert not np.isfinite(simulation.linear_response(wild, longer, np.concatenate([y] * 200), 9)).all()
    found = simulation.linear_response(model, longer, np.concatenate([y] * 200), 9)
    assert np.isfinite(found).all() and np.abs(found).max() < 1e4 * np.abs(y).max()


def test_a_stable_linear_model_is_the_plain_one() -> None:
    random = np.random.default_rng(1)
    u, y = random.normal(size=(300, 2)), np.zeros((300, 1))
    for t in range(2, 300):
        y[t] = 1.2 * y[t - 1] - 0.7 * y[t - 2] + 0.3 * u[t - 1, 0] - 0.2 * u[t, 1] + 0.1 * random.normal()
    rows = np.concatenate([y[1:-1], y[:-2], u[2:], u[1:-1], u[:-2], np.ones((298, 1))], axis=1)
    [(a, b, c)] = simulation.fit(u, y, 2)
    assert radius(a) < 1
    np.testing.assert_array_equal([*a, *b.ravel(), c], np.linalg.lstsq(rows, y[2:, 0], rcond=None)[0])
