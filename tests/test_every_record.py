"""Measured records: read, checked, scaled; what is wrong is said in one line; what cannot be had is not run."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

import small_studies
from conftest import Refused
from pipeline import silverbox as write_silverbox
from unrolled import registry
from unrolled.config import DataRow, RecordRow
from unrolled.data import datasets, official, record, store
from unrolled.data.record import Record
from unrolled.data.records import silverbox
from unrolled.data.records.santa_fe import SantaFe
from unrolled.data.records.silverbox import Silverbox
from unrolled.errors import NotRunError
from unrolled.files import sha256

Array = NDArray[Any]
BOX = RecordRow(source="silverbox", inputs=["V1"], outputs=["V2"], units={"V1": "mV", "V2": "mV"})


@pytest.fixture
def table(in_tmp: Path) -> pd.DataFrame:
    """Write 120 rows of a driven decay, and return them."""
    u = np.random.default_rng(0).normal(3, 2, 120)
    frame = pd.DataFrame({"drive": u, "level": np.cumsum(u - 3), "note": ["a"] * 120})
    frame.to_csv("tank.csv", index=False)
    return frame


def asks(**change: Any) -> DataRow:
    """Return the data of a study of the table: forecasts of its level."""
    own = {"file": "tank.csv", "outputs": ["level"]} | change.pop("record", {})
    row = {"task": "forecast", "steps": 10, "step": 0.5, "train": 60, "val": 24, "test": 36, "window": 3}
    return DataRow.model_validate(row | {"record": own} | change)


@pytest.mark.parametrize("name", registry.names("records"))
def test_every_record_is_one_and_says_what_it_is(name: str) -> None:
    item = registry.make("records", name)
    assert isinstance(item, Record) and type(item).__doc__
    assert all(isinstance(label, str) for label in item.test_labels.values())


def test_values_are_in_standard_deviations_of_the_training_data(table: pd.DataFrame) -> None:
    series = record.load(asks(record={"inputs": ["drive"]}))
    columns = table[["drive", "level"]].to_numpy()
    np.testing.assert_allclose(series.mean, columns[:60].mean(axis=0))
    np.testing.assert_allclose(series.standard_deviation, columns[:60].std(axis=0))
    np.testing.assert_allclose(series.inputs[:, 0] * series.standard_deviation[0] + series.mean[0], columns[:, 0])
    np.testing.assert_allclose(series.outputs[:, 0] * series.output_scale[0] + series.mean[1], columns[:, 1])
    assert series.scaling["mean"] == series.mean.tolist()
    assert not np.allclose(series.mean, columns.mean(axis=0), rtol=1e-3)


def test_windows_lie_inside_their_split(table: pd.DataFrame) -> None:
    row, level = asks(horizon=4), table["level"].to_numpy()
    data, series = datasets.make(row), record.load(row)
    scaled = (level - series.mean) / series.standard_deviation
    splits = {"train": data.train, "val": data.val, "test": vars(data.tests["test"])}
    for (name, split), first in zip(splits.items(), (0, 60, 84), strict=True):
        stride = {"train": 5, "val": 1, "test": 15}[name]
        for i, (window, target) in enumerate(zip(split["inputs"], split["targets"], strict=True)):
            begin = first + i * stride
            np.testing.assert_allclose(window[:, 0], scaled[begin : begin + 10], rtol=1e-5)
            np.testing.assert_allclose(target[:, 0], scaled[begin + 1 : begin + 11], rtol=1e-5)
    assert [len(split["inputs"]) for split in splits.values()] == [10, 10, 2]
    longer = datasets.make(asks(train=11, val=90, test=15, horizon=4)).val_tests["closed_loop"]
    assert longer.inputs.shape[:2] == (16, 10) and longer.targets.shape[:2] == (16, 5)
    np.testing.assert_allclose(data.tests["closed_loop"].targets[1, :, 0], scaled[84 + 15 + 10 : 84 + 30], rtol=1e-5)


def test_what_is_wrong_with_a_table_is_named(table: pd.DataFrame, refused: Refused) -> None:
    with refused("column of tank.csv 'levle' is not known", "did you mean 'level'?"):
        record.load(asks(record={"outputs": ["levle"]}))
    with refused("tank.csv: line 2, column 'note' holds 'a', not a number (120 such in all)"):
        record.load(asks(record={"outputs": ["note"]}))
    with refused("missing.csv is missing", "params.yaml"):
        record.load(asks(record={"file": "missing.csv"}))
    with refused("has 120 rows, train + val + test ask for 960"):
        record.load(asks(train=900))
    with refused("'val' has 8 values, one window needs 11"):
        datasets.make(asks(val=8))
    with refused("'test' has 12 values, one window needs 41"):
        datasets.make(asks(test=12, horizon=30, val_horizon=1))
    table.loc[7, "level"] = np.nan
    table.to_csv("tank.csv", index=False)
    with refused("line 9, column 'level': a sample is missing (1 in all)"):
        record.load(asks())
    table.assign(level=1.0).to_csv("tank.csv", index=False)
    with refused("column 'level' is constant over the training data"):
        record.load(asks())
    Path("tank.csv").write_text("")
    with refused("tank.csv is empty"):
        record.load(asks())


def test_the_laser_is_that_of_the_competition(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    row = RecordRow(source="santa_fe", outputs=["intensity"])
    series = SantaFe().read(row)
    assert len(series) == 10093 and series["intensity"].between(0, 255).all()
    assert series["intensity"].iloc[:5].tolist() == [86, 141, 95, 41, 22]
    monkeypatch.setattr("unrolled.data.records.santa_fe.find_spec", lambda name: None)
    with pytest.raises(NotRunError, match="pip install reservoirpy"):
        SantaFe().read(row)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Array, Array]:
    """Write a made-up Silverbox; return its folder, input and output [V]."""
    folder = tmp_path_factory.mktemp("measured")
    return folder, *write_silverbox(folder)


def test_the_silverbox_has_the_official_splits_in_millivolts(
    box: tuple[Path, Array, Array], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], refused: Refused
) -> None:
    folder, u, y = box
    monkeypatch.setenv(official.FOLDER, str(folder))
    training, tests = Silverbox().read(BOX), Silverbox().tests(BOX)
    end, columns = 40650 + int(0.75 * (len(u) - 40650)), 1e3 * np.stack([u, y], axis=1)
    expected = {"test": slice(end, None), "arrow": slice(100, 40575), "arrow_no_extrapolation": slice(100, 32100)}
    assert list(tests) == list(expected)
    np.testing.assert_array_equal(training.to_numpy(), columns[40650:end])
    for name, rows in expected.items():
        np.testing.assert_array_equal(tests[name].to_numpy(), columns[rows])
    assert capfd.readouterr() == ("", "")
    sizes = {"step": 1.0, "train": 2000, "val": 1000, "test": len(u) - end, "window": 2, "washout": 50, "steps": 80}
    row = DataRow.model_validate(sizes | {"task": "simulation", "record": BOX.model_dump()})
    data = datasets.make(row)
    assert {name: test.label for name, test in data.tests.items()} == {
        "test": "multisine",
        "arrow": "arrow",
        "arrow_no_extrapolation": "arrow, no extrapolation",
    }
    for name, rows in expected.items():
        scored = columns[rows][50:, 1]
        test = data.tests[name]
        deviation = columns[40650 : 40650 + 2000, 1].std()
        assert test.unit == "mV" and test.scale == pytest.approx([deviation])
        np.testing.assert_allclose(np.diff(test.targets[0, :, 0]) * deviation, np.diff(scored), atol=1e-4)
    with refused("first official test of silverbox has", "values, not 1000"):
        record.load(row.model_copy(update={"test": 1000}))


def test_the_official_washout_is_that_of_the_table(box: tuple[Path, Array, Array]) -> None:
    import nonlinear_benchmarks

    official = nonlinear_benchmarks.Silverbox(dir_placement=str(box[0]))[1]
    of_table = small_studies.TABLE.study("silverbox").data.washout
    assert {test.state_initialization_window_length for test in official} == {of_table}


def test_without_network_or_package_or_folder_the_silverbox_is_not_run_and_says_why(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, capfd: pytest.CaptureFixture[str]
) -> None:
    import nonlinear_benchmarks

    def offline(**kwargs: Any) -> None:
        print("Download attempt 1 failed")
        raise Exception("Download failed after 5 attempts:\nno route")

    monkeypatch.delenv(official.FOLDER, raising=False)
    monkeypatch.setattr(nonlinear_benchmarks, "Silverbox", offline)
    with refused(
        "could not be downloaded (Download failed after 5 attempts: no route)", official.FOLDER, "SNLS80mV.mat"
    ):
        Silverbox().read(BOX)
    monkeypatch.setenv(official.FOLDER, "nowhere")
    with refused("UNROLLED_MEASURED is nowhere", "unset it"):
        Silverbox().read(BOX)
    monkeypatch.delenv(official.FOLDER)
    monkeypatch.setitem(sys.modules, "nonlinear_benchmarks", None)
    with pytest.raises(NotRunError, match="pip install nonlinear_benchmarks"):
        Silverbox().read(BOX)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("broken", ["cut", "empty", "other"])
def test_a_damaged_file_is_one_line(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    write_silverbox(tmp_path, 41000)
    path = tmp_path / silverbox.FILE
    content = {"cut": path.read_bytes()[:3000], "empty": b""}.get(broken)
    if content is None:
        savemat(path, {"x": np.zeros(3)})
    else:
        path.write_bytes(content)
    monkeypatch.setenv(official.FOLDER, str(tmp_path))
    with refused("SNLS80mV.mat is damaged", "delete the folder", "Silverbox"):
        Silverbox().read(BOX)


def test_data_are_made_again_when_the_file_of_the_record_changes(table: pd.DataFrame) -> None:
    row, before = asks(), sha256(Path("tank.csv"))
    one = store.mark(row)
    table["level"] += 1.0
    table.to_csv("tank.csv", index=False)
    assert sha256(Path("tank.csv")) != before and store.mark(row) != one
