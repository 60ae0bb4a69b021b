"""Measured series: read, checked, cut; what is wrong with a table is said in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import Refused
from unrolled import registry
from unrolled.config import Series, Study
from unrolled.data import record
from unrolled.training.job import Job
from unrolled.training.learn import learn

SIZES = {"question": "?", "step": 0.5, "window": 3, "epochs": 2, "batch": 4, "score": "nrmse", "steps": 10}


@pytest.fixture
def table(in_tmp: Path) -> pd.DataFrame:
    """Write 120 rows of a driven decay, y_{t+1} = 0.8 y_t + u_{t+1}, and return them."""
    u = np.random.default_rng(0).normal(3, 2, 120)
    y = np.zeros(120)
    for i in range(1, 120):
        y[i] = 0.8 * y[i - 1] + u[i]
    frame = pd.DataFrame({"drive": u, "level": y, "note": ["a"] * 120})
    frame.to_csv("tank.csv", index=False)
    return frame


def asks(task: str, **change: Any) -> Study:
    """Return a study of the table."""
    columns = {"inputs": ["drive"]} if task == "response" else {}
    series = Series(**{"file": "tank.csv", "outputs": ["level"]} | columns | change.pop("series", {}))
    return Study(**SIZES | {"task": task, "series": series, "train": 60, "val": 24, "test": 36} | change)  # type: ignore[arg-type]


def cut(row: Study) -> dict[str, Any]:
    """Return the splits."""
    splits: dict[str, Any] = registry.load("tasks", row.task)().cut(row, record.load(row))[0]
    return splits


def test_values_are_in_units_of_the_learning_data_and_splits_do_not_overlap(table: pd.DataFrame) -> None:
    row = asks("forecast", horizon=4)
    splits, series = cut(row), record.load(row)
    level = table["level"].to_numpy()
    np.testing.assert_allclose(series.mean, level[:60].mean())
    np.testing.assert_allclose(series.spread, level[:60].std())
    scaled = (level - series.mean) / series.spread
    first = {"train": 0, "val": 60, "test": 84}
    for name, split in splits.items():
        stride = 15 if name == "test" else 5
        for i, (window, target) in enumerate(zip(split["inputs"], split["targets"], strict=True)):
            begin = first[name] + i * stride
            np.testing.assert_allclose(window[:, 0], scaled[begin : begin + 10], rtol=1e-5)
            np.testing.assert_allclose(target[:, 0], scaled[begin + 1 : begin + 11], rtol=1e-5)
    assert [len(s["inputs"]) for s in splits.values()] == [10, 3, 2]
    np.testing.assert_allclose(splits["test"]["alone"][1, :, 0], scaled[84 + 15 + 10 : 84 + 30], rtol=1e-5)


def test_response_sees_the_inputs_and_the_output_before_the_first_step(table: pd.DataFrame) -> None:
    row = asks("response")
    splits, series = cut(row), record.load(row)
    scale, offset = series.spread[1], series.mean[1]
    test = splits["test"]
    assert test["inputs"].shape == (3, 10, 2) and (test["inputs"][:, 1:, 1] == 0).all()
    drive = test["inputs"][:, :, 0] * series.spread[0] + series.mean[0]
    state = test["inputs"][:, 0, 1] * scale + offset
    for step in range(10):  # the recurrence of the table, from what the network sees
        state = 0.8 * state + drive[:, step]
        np.testing.assert_allclose(test["targets"][:, step, 0] * scale + offset, state, rtol=1e-4)


def test_a_method_learns_a_measured_series(table: pd.DataFrame) -> None:
    row = asks("response", train=80, val=20, test=20, window=8)
    method = {"about": "?", "cell": "window", "initialiser": "uniform", "optimiser": "ridge", "learning_rates": [1e-2]}
    from unrolled.analysis import metrics
    from unrolled.config import Method

    job = Job("s", "linear", row, Method(**method), 1, cut(row))  # type: ignore[arg-type]
    assert metrics.score(row, learn(job).predictions, job.splits["test"])[0] < 0.6


def test_what_is_wrong_with_a_table_is_named(table: pd.DataFrame, refused: Refused) -> None:
    with refused("column of tank.csv 'levle' is not known", "did you mean 'level'?"):
        record.load(asks("forecast", series={"outputs": ["levle"]}))
    with refused("tank.csv: line 2, column 'note' holds 'a', not a finite number (120 such in all)"):
        record.load(asks("forecast", series={"outputs": ["note"]}))
    with refused("missing.csv is missing", "params.yaml"):
        record.load(asks("forecast", series={"file": "missing.csv"}))
    with refused("'csv' needs 'file'"):
        record.load(asks("forecast", series={"file": None}))
    with refused("has 120 rows, train + val + test ask for 960"):
        record.load(asks("forecast", train=900))
    with refused("'val' has 8 values, one window needs 11"):
        cut(asks("forecast", val=8))
    with refused("'test' has 12 values, one window needs 41"):
        cut(asks("forecast", test=12, horizon=30))
    with refused("'forecast' needs a series without inputs"):
        cut(asks("forecast", series={"inputs": ["drive"]}))
    with refused("'response' needs a series with inputs"):
        cut(asks("response", series={"inputs": []}))
    with refused("'forecast' needs 'steps'"):
        cut(asks("forecast", steps=None))
    with refused("task 'recall' takes no series"):
        cut(asks("recall"))
    table.loc[7, "level"] = np.nan
    table.to_csv("tank.csv", index=False)
    with refused("line 9, column 'level' holds 'nan'"):
        record.load(asks("forecast"))
    table.assign(level=1.0).to_csv("tank.csv", index=False)
    with refused("column 'level' is constant over the learning data"):
        record.load(asks("forecast"))
    Path("tank.csv").write_text("")
    with refused("tank.csv is not a table"):
        record.load(asks("forecast"))


def test_the_laser_is_that_of_the_competition() -> None:
    series = registry.load("records", "santa_fe").read(Series(source="santa_fe", outputs=["intensity"]))
    assert len(series) == 10093 and series["intensity"].between(0, 255).all()
    assert series["intensity"].iloc[:5].tolist() == [86, 141, 95, 41, 22]
