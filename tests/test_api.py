"""The five lines for researchers: arrays, training, scores, predictions, forecasts; without DVC and MLflow."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import small_studies
import tiny
import unrolled
from conftest import Refused
from unrolled import api
from unrolled.config import Table
from unrolled.report import forecast
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand where the tiny table and its record lie."""
    place = tmp_path_factory.mktemp("api")
    tiny.write(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield place


@pytest.fixture
def table(folder: Path) -> Table:
    return tiny.table()


STUDIES = [small_studies.studies_of(task)[0] for task in small_studies.TASKS]


def test_the_five_lines_of_the_docstring(folder: Path) -> None:
    assert api.__doc__ is not None
    lines = [line.strip() for line in api.__doc__.splitlines() if line.startswith("    ")]
    code = "\n".join(lines).replace('"gru"', '"rnn"').replace("epochs=10", "epochs=1")
    assert len(lines) == 6 and "oscillator" in code
    scope: dict[str, Any] = {}
    exec(code.replace("gru.forecast", "made = gru.forecast"), scope)
    data, trained = scope["data"], scope["gru"]
    assert trained.scores.shape == (3,) and np.isfinite(trained.scores).all()
    test = data.tests["test"]
    assert trained.predictions["test"].shape == (3, *test.targets.shape)
    assert scope["made"].shape == (1, test.targets.shape[1], 2)


def test_a_table_may_be_given_as_an_object_or_by_its_path(table: Table, folder: Path, in_tmp: Path) -> None:
    given = unrolled.load("sine", table=table)
    assert unrolled.load("sine", table=folder / "params.yaml") is given, "data are made once a session"
    with pytest.raises(unrolled.errors.UnrolledError, match=r"params.yaml is missing"):
        unrolled.load("sine")


def test_data_of_another_seed_are_other_data(folder: Path) -> None:
    one, other = unrolled.load("oscillator"), unrolled.load("oscillator", data_seed=4)
    assert other.train["inputs"].shape == one.train["inputs"].shape
    assert not np.array_equal(other.train["inputs"], one.train["inputs"])


def test_changes_go_into_the_experiment(folder: Path) -> None:
    own = unrolled.experiment("sine", seeds=4, epochs=7, seed=2, data_seed=3)
    assert (own.fit.epochs, own.seeds, own.data.seed) == (7, [2000, 2001, 2002, 2003], 3)
    raw = tiny.raw()
    raw["studies"]["sine"]["methods"] = [{"rnn": {"epochs": 3}}]
    table = Table.model_validate(raw)
    assert [
        Run(unrolled.experiment("sine", table=table, **more), "rnn").fit.epochs for more in ({}, {"epochs": 7})
    ] == [3, 7]
    assert list(own.methods) == ["rnn", "linear", "esn"]
    assert list(unrolled.experiment("sine", ["esn", "rnn"]).methods) == ["rnn", "esn"]


def test_a_change_of_one_method_in_the_study_is_kept_without_the_others(table: Table) -> None:
    row = table.study("sine").model_copy(update={"methods": [{"rnn": {"hidden": 5}, "esn": {"hidden": 6}}]})
    own = table.model_copy(update={"studies": {"sine": row}})
    assert list(unrolled.experiment("sine", ["rnn"], own).methods) == ["rnn"]
    assert unrolled.experiment("sine", ["rnn"], own).methods["rnn"].hidden == 5


def test_a_method_that_the_study_does_not_list_is_trained_too(table: Table) -> None:
    row = table.study("sine").model_copy(update={"methods": ["rnn"]})
    own = table.model_copy(update={"studies": {"sine": row}})
    assert unrolled.train("sine", "linear", table=own).scores.shape == (2,)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: unrolled.load("sin"), ["study 'sin' is not known; did you mean 'sine'?"]),
        (lambda: unrolled.train("sine", "rn"), ["method 'rn' is not known; did you mean 'rnn'?"]),
        (lambda: unrolled.train("sine", "rnn", epoch=3), ["change 'epoch' is not known; did you mean 'epochs'?"]),
        (lambda: unrolled.train("sine", "rnn", epochs=0), ["studies.sine.fit.epochs is 0"]),
        (lambda: unrolled.train("sine", "rnn", seed=-1), ["seed is -1", "at least 0"]),
        (lambda: unrolled.load("sine", data_seed="a"), ["data_seed is 'a'"]),
        (lambda: unrolled.train("sine", "gru_autoregressive"), ["'gru_autoregressive' needs a measured record"]),
    ],
)
def test_what_is_wrong_is_one_line(call: Any, parts: list[str], folder: Path, refused: Refused) -> None:
    with refused(*parts):
        call()


def test_training_is_the_same_each_time_and_depends_on_the_seed(table: Table) -> None:
    epochs: list[int] = []
    one = unrolled.train("sine", "rnn", table=table, progress=epochs.append)
    assert sum(epochs) == one.run.experiment.fit.epochs * 1 == len(one.result.train_loss)
    np.testing.assert_array_equal(unrolled.train("sine", "rnn", table=table).theta, one.theta)
    assert not np.array_equal(unrolled.train("sine", "rnn", table=table, seed=1).theta, one.theta)


def test_scores_weights_and_networks_belong_together(table: Table) -> None:
    trained = unrolled.train("oscillator", "rnn", table=table)
    test = trained.data.tests["test"]
    by_hand = np.sqrt(np.square(trained.predictions["test"] - test.targets).mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(trained.scores, by_hand, rtol=1e-5)
    found = trained.ensemble(torch.from_numpy(test.inputs)).numpy()
    np.testing.assert_allclose(found, trained.predictions["test"], rtol=0, atol=1e-6)
    sizes = {name: array.shape[1:] for name, array in trained.weights.items()}
    assert sizes == {name: weight.shape for name, weight in trained.network.weights().items()}
    flat = np.concatenate([array.reshape(2, -1) for array in trained.weights.values()], axis=1)
    np.testing.assert_array_equal(flat, trained.theta)


def trained_on(study: str, table: Table) -> list[api.Trained]:
    """Return every method of a tiny study, trained."""
    return [unrolled.train(study, name, table=table) for name in unrolled.experiment(study, table=table).methods]


@pytest.mark.parametrize("study", STUDIES)
def test_a_forecast_is_the_runs_own_prediction_in_the_units_of_the_study(study: str, table: Table) -> None:
    for trained in trained_on(study, table):
        run, result, data = trained.run, trained.result, trained.data
        series = forecast.of(Predictor.of(run, result, data), data, None)
        which = "closed_loop" if "closed_loop" in data.tests else "test"
        replica = result.chosen.tolist().index(result.best)
        both = [result.predictions[which][replica], data.tests[which].targets]
        own, truth = (run.task.decode(each.astype(float), data.facts) for each in both)
        own, truth = (each[:1] if each.ndim == 2 else each[0] for each in (own, truth))
        count = len(series.predicted)
        assert 1 <= count <= len(own) and series.outputs == data.facts["outputs"]
        size = 1 + abs(truth).max()
        rounding = 1e-3 if which == "closed_loop" else 1e-4  # it grows on its way, by another sum on each processor
        np.testing.assert_allclose(series.predicted, own[-count:], rtol=0, atol=rounding * size)
        np.testing.assert_allclose(series.truth, truth[-count:], rtol=0, atol=1e-9 * size)
        assert series.rmse() == pytest.approx(
            np.sqrt(np.square(own[-count:] - truth[-count:]).mean()), rel=10 * rounding
        )
        other = result.predictions[which][1 - replica]
        assert not run.optimiser.trains or len(np.unique(trained.theta, axis=0)) == 1 or not np.allclose(other, both[0])


def method_for(study: str, table: Table) -> str:
    """Return a reservoir, or for classes, which it does not take, a network."""
    return "esn" if "esn" in table.study(study).methods else "rnn"


@pytest.mark.parametrize("study", STUDIES)
def test_a_forecast_from_raw_inputs_is_the_one_from_the_arrays(study: str, table: Table) -> None:
    trained = unrolled.train(study, method_for(study, table), table=table)
    data, steps = trained.data, 3
    series = forecast.of(Predictor.of(trained.run, trained.result, data), data, None)
    raw = trained.forecast(data.example, steps)[0]
    count = min(steps, len(series.predicted))
    np.testing.assert_allclose(raw[:count], series.predicted[:count], rtol=1e-4, atol=1e-4 * abs(series.truth).max())
    spoilt = trained.forecast(np.asarray(data.example) + 0.3, steps)[0]
    assert abs(spoilt[:count] - raw[:count]).max() > 1e-4


def test_a_forecast_may_be_longer_where_nothing_more_needs_to_be_known(table: Table, refused: Refused) -> None:
    for study in STUDIES:
        trained = unrolled.train(study, method_for(study, table), table=table)
        predictor, data, task = Predictor.of(trained.run, trained.result, trained.data), trained.data, trained.run.task
        plain = forecast.of(predictor, data, None)
        longer = len(plain.truth) + 5
        if task.mode == "closed_loop" or task.open_ended:
            found = forecast.of(predictor, data, longer)
            assert found.predicted.shape == (longer, len(found.outputs)) and found.rmse() == pytest.approx(plain.rmse())
        else:
            with refused(f"--steps is {longer}", f"'{study}' are known for {len(plain.truth)} steps"):
                forecast.of(predictor, data, longer)


def test_a_forecast_of_the_wrong_columns_names_the_right_ones(table: Table, refused: Refused) -> None:
    trained = unrolled.train("silverbox", "linear", table=table)
    with refused("(B, T, 2), V1 (mV), V2 (mV); not (1, 5, 3)"):
        trained.forecast(np.zeros((1, 5, 3)), 2)


@pytest.mark.parametrize("module", ["unrolled", "unrolled.stages.generate", "unrolled.data.records.silverbox"])
def test_importing_for_data_loads_no_torch_lightning_or_mlflow(module: str) -> None:
    code = f"import {module}, sys; print([n for n in ('torch', 'pytorch_lightning', 'mlflow') if n in sys.modules])"
    code = f"import sys; sys.path.insert(0, {str(small_studies.ROOT / 'src')!r}); " + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_has_its_api_and_nothing_else_by_name() -> None:
    assert unrolled.load is api.load and unrolled.train is api.train and unrolled.experiment is api.experiment
    assert {"load", "train", "experiment", "published"} == set(unrolled.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = unrolled.lode
