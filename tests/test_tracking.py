"""MLflow on a store of its own: what is logged, which model is the champion, and what a failing store costs."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from conftest import Refused, experiment_of
from unrolled import paths
from unrolled.config import DataRow
from unrolled.data import datasets, store
from unrolled.data.task import Data
from unrolled.training import champion, mlflow_store, mlflow_ui, results, tracking
from unrolled.training.fit import fit
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Run
from unrolled.training.tracking import Tracker
from unrolled.training.workers import Done

ROW = DataRow.model_validate(
    {"task": "forecast", "system": "lorenz63", "steps": 12, "horizon": 4, "standardise": True, "transient": 1.0}
    | {"step": 0.02, "train": 8, "val": 4, "test": 3, "window": 3}
)
METHODS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "elman", "hidden": 4, "label": "RNN", "about": "simple", "learning_rates": [1e-3, 1e-2]},
    "linear": {"cell": "window", "optimiser": "ridge"},
    "start": {"cell": "elman", "hidden": 4, "optimiser": "fixed"},
}
BEGUN, SECONDS, WRITTEN = 1.7e9, 12.5, 1.6e9
"""When training began and how long it took; when the result was written of what is logged later."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand in a folder of its own, with a study's data and no settings of the user's."""
    own = tmp_path_factory.mktemp("tracking")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(own)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.save("study", datasets.make(ROW), "as made here")
        yield own


@pytest.fixture(scope="module")
def data(folder: Path) -> Data:
    return store.load("study")


@pytest.fixture(scope="module")
def done(data: Data) -> dict[str, Done]:
    """Return three finished runs, saved; what is not trained has the lowest validation loss of all."""
    experiment = experiment_of(ROW, METHODS, "rmse", seeds=2)
    found = {}
    for name in METHODS:
        run = Run(experiment, name)
        result = fit(run, data)
        if name == "start":
            result = replace(result, best_loss=0 * result.best_loss)
        results.save(run, result, SECONDS)
        found[name] = Done(run, result, BEGUN, SECONDS)
    return found


@pytest.fixture(scope="module")
def tracker(folder: Path, done: dict[str, Done]) -> Tracker:
    """Return a tracker that has logged two runs as they finished, and then completed all three."""
    own = tracking.connect()
    for name in ("rnn", "start"):
        own.log(done[name])
    os.utime(paths.KEPT / f"{results.mark(done['linear'].run)}.seconds", (WRITTEN, WRITTEN))
    own.complete([each.run for each in done.values()])
    return own


def methods_of(tracker: Tracker) -> dict[str, Any]:
    """Return the run of each method."""
    [experiment] = [each for each in tracker.client.search_experiments() if each.name == "unrolled/study"]
    found = tracker.client.search_runs([experiment.experiment_id], "tags.kind = 'method'")
    assert len(found) == len(METHODS)
    return {run.data.tags["method"]: run for run in found}


def replicas_of(tracker: Tracker, parent: Any) -> list[Any]:
    condition = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return list(tracker.client.search_runs([parent.info.experiment_id], condition))


def test_a_method_is_a_run_with_what_it_was_trained_by(tracker: Tracker, done: dict[str, Done]) -> None:
    own, result = methods_of(tracker)["rnn"], done["rnn"].result
    params = own.data.params
    assert params["data.system"] == "lorenz63" and params["data.steps"] == "12" and params["fit.batch"] == "16"
    assert params["method.cell"] == "elman" and "method.label" not in params
    assert params["parameters"] == str(done["rnn"].run.network().parameters)
    assert float(params["chosen.learning_rate"]) == pytest.approx(result.learning_rates[result.chosen[0]])
    assert own.data.tags["mlflow.note.content"] == "RNN. simple"
    assert own.data.tags["fingerprint"] == results.mark(done["rnn"].run)
    assert own.data.metrics["cost/seconds"] == SECONDS
    assert own.data.metrics["val/best_loss"] == pytest.approx(np.median(result.best_loss[result.chosen]))
    assert own.data.metrics["cost/passes"] == result.passes @ [1, 1, 2]
    assert own.data.metrics["cost/weights"] == done["rnn"].run.network().parameters
    assert own.data.metrics["val/best_epoch"] == np.median(result.val_loss[:, result.chosen].argmin(axis=0) + 1)
    middle = tracker.client.get_metric_history(own.info.run_id, "val/loss")
    np.testing.assert_allclose(
        [m.value for m in sorted(middle, key=lambda m: m.step)],
        np.median(result.val_loss[:, result.chosen], axis=1),
        rtol=1e-6,
    )
    source = {key: own.data.tags[f"mlflow.{key}"] for key in ("source.name", "source.type", "user")}
    assert source == {
        "source.name": "python -m unrolled.stages train",
        "source.type": "LOCAL",
        "user": mlflow_store.user(),
    }
    [dataset] = own.inputs.dataset_inputs
    assert dataset.dataset.name == "study" and dataset.dataset.digest == store.checksum("study")[:16]
    kept = tracker.client.download_artifacts(own.info.run_id, "rnn.npz")
    assert results.read(Path(kept))[0] == results.mark(done["rnn"].run)


def test_every_replica_is_a_child_with_its_curves(tracker: Tracker, done: dict[str, Done]) -> None:
    parent, result = methods_of(tracker)["rnn"], done["rnn"].result
    children = {
        (int(each.data.params["seed"]), f"{float(each.data.params['learning_rate']):g}"): each
        for each in replicas_of(tracker, parent)
    }
    assert len(children) == len(result.seeds) == 4, "two rates with two seeds, those that tuned included"
    for place in range(4):
        child = children[int(result.seeds[place]), f"{result.learning_rates[place]:g}"]
        assert child.data.tags["chosen"] == str(place in result.chosen).lower()
        assert child.data.metrics["val/best_loss"] == pytest.approx(result.best_loss[place])
        for name, curve in (("train/loss", result.train_loss), ("val/loss", result.val_loss)):
            logged = sorted(tracker.client.get_metric_history(child.info.run_id, name), key=lambda m: m.step)
            assert [m.step for m in logged] == [1, 2, 3]
            np.testing.assert_allclose([m.value for m in logged], curve[:, place], rtol=1e-6)


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    curve = np.arange(1.0, 751.0)
    logged = tracking._curves(curve, 2 * curve, 7)
    for name, factor in (("train/loss", 1), ("val/loss", 2)):
        own = [(m.step, m.value) for m in logged if m.key == name]
        assert own[0] == (1, factor) and own[-1] == (750, 750 * factor) and 90 < len(own) <= 101
        assert all(value == factor * step for step, value in own)
    assert tracking._curves(curve[:0], curve[:0], 7) == [] and len(tracking._curves(curve[:3], curve[:3], 7)) == 6


def test_runs_start_and_end_when_their_training_did(tracker: Tracker) -> None:
    """Also of a run that is logged later: when its result was written, and the seconds before."""
    found = methods_of(tracker)
    for each in (found["rnn"], *replicas_of(tracker, found["rnn"])):
        assert each.info.status == "FINISHED"
        assert (each.info.start_time, each.info.end_time) == (1000 * BEGUN, 1000 * (BEGUN + SECONDS))
    late = found["linear"].info
    assert (late.start_time, late.end_time) == (1000 * (WRITTEN - SECONDS), 1000 * WRITTEN)


def test_logging_again_adds_nothing_but_what_was_cut_off(tracker: Tracker, done: dict[str, Done]) -> None:
    runs = [each.run for each in done.values()]
    tracker.complete(runs)
    before = methods_of(tracker)
    versions = tracker.client.search_model_versions(f"name = '{mlflow_store.model_name('study')}'")
    assert len(versions) == 1, "the champion is registered once"
    tracker.client.set_terminated(before["start"].info.run_id, "KILLED")
    tracker.complete(runs)
    [experiment] = {run.info.experiment_id for run in before.values()}
    condition = "tags.method = 'start' and attributes.status = 'FINISHED'"
    [again] = tracker.client.search_runs([experiment], condition)
    assert again.info.run_id != before["start"].info.run_id
    tracker.client.delete_run(before["start"].info.run_id)


def test_the_champion_is_the_trained_method_with_the_lowest_validation_loss(
    tracker: Tracker, done: dict[str, Done], data: Data
) -> None:
    def lowest(name: str) -> float:
        result = done[name].result
        return float(result.best_loss[result.chosen].min())

    name, predictor = champion.load_predictor("study", None, {n: each.run for n, each in done.items()})
    assert lowest("start") < lowest("linear") < lowest("rnn"), "what is not trained is no champion"
    assert name == "linear"
    expected = Predictor.of(done["linear"].run, done["linear"].result, data)
    np.testing.assert_array_equal(
        predictor.predict(data.example, {"steps": 3}), expected.predict(data.example, {"steps": 3})
    )
    assert predictor.names == data.facts["inputs"] and predictor.facts["outputs"] == data.facts["outputs"]


def test_the_model_takes_raw_values_of_any_length_and_gives_raw_values(
    tracker: Tracker, done: dict[str, Done], data: Data
) -> None:
    model = mlflow.pyfunc.load_model(f"models:/{mlflow_store.model_name('study')}@champion")
    predictor = Predictor.of(done["linear"].run, done["linear"].result, data)
    raw = data.facts["scaling"]["mean"] + np.array(data.facts["scaling"]["standard_deviation"]) * np.concatenate(
        [data.tests["test"].inputs, data.tests["test"].inputs], axis=1
    )
    for given in (data.example, raw):
        np.testing.assert_array_equal(model.predict(given, {"steps": 4}), predictor.predict(given, {"steps": 4}))
    assert model.predict(data.example).shape == (1, 2, 3), "the steps of the example"
    truth = (
        data.facts["scaling"]["mean"]
        + np.array(data.facts["scaling"]["standard_deviation"]) * (data.tests["closed_loop"].targets[:1, :2])
    )
    assert abs(model.predict(data.example) - truth).max() < 0.2 * abs(truth).max()


def test_a_named_method_is_made_from_its_result(tracker: Tracker, done: dict[str, Done], data: Data) -> None:
    runs = {name: each.run for name, each in done.items()}
    name, predictor = champion.load_predictor("study", "rnn", runs)
    expected = Predictor.of(done["rnn"].run, done["rnn"].result, data).predict(data.example, {"steps": 3})
    assert name == "rnn" and np.array_equal(predictor.predict(data.example, {"steps": 3}), expected)


def test_a_model_that_is_not_there_is_said_in_one_line(
    tracker: Tracker, done: dict[str, Done], refused: Refused
) -> None:
    runs = {name: each.run for name, each in done.items()}
    with refused("method of study 'study' 'rn' is not known", "did you mean 'rnn'?"):
        champion.load_predictor("study", "rn", runs)
    with refused("has no model of 'other'", "dvc repro train", "unrolled track"):
        champion.load_predictor("other", None, runs)
    other = Run(experiment_of(ROW, METHODS, seeds=3), "rnn")
    with refused("has no model of 'study' by rnn"):
        champion.load_predictor("study", "rnn", {"rnn": other})


def test_scores_stand_on_the_methods_runs_and_anew_each_time(tracker: Tracker, done: dict[str, Done]) -> None:
    runs = [each.run for each in done.values()]
    for value in (0.5, 0.25):
        numbers = {"rnn": {"test/score": value, "test/rank": 1.0}, "start": {"test/score": None}}
        tracker.log_scores(runs, numbers, {"score": "RMSE (mV)", "better": "lower"})
    found = methods_of(tracker)
    assert found["rnn"].data.metrics["test/score"] == 0.25 and found["rnn"].data.metrics["test/rank"] == 1.0
    assert not any(key.startswith("test/") for key in (*found["start"].data.metrics, *found["linear"].data.metrics))
    experiment = tracker.client.get_experiment_by_name("unrolled/study")
    assert (experiment.tags["score"], experiment.tags["better"]) == ("RMSE (mV)", "lower")
    other = Run(experiment_of(ROW, METHODS, "rmse", seeds=3), "rnn")  # never logged
    tracker.log_scores([other], {"rnn": {"test/score": 9.0}}, {})
    assert methods_of(tracker)["rnn"].data.metrics["test/score"] == 0.25


def test_the_pages_have_a_link_a_study_sorted_by_score(tracker: Tracker, done: dict[str, Done]) -> None:
    for better, ascending in (("lower", "true"), ("higher", "false")):
        tracker.log_scores([done["rnn"].run], {}, {"better": better})
        head, link = mlflow_ui.links(tracker.client, "http://127.0.0.1:5000")
        assert head.startswith("MLflow: http://127.0.0.1:5000 ")
        name, place = link.split()
        own = tracker.client.get_experiment_by_name("unrolled/study").experiment_id
        assert name == "unrolled/study" and place.startswith(f"http://127.0.0.1:5000/#/experiments/{own}/runs?")
        asked = dict(parse_qsl(place.partition("?")[2]))
        assert asked == {
            "workflowType": "machine_learning",
            "searchFilter": "tags.kind = 'method'",
            "orderByKey": "metrics.`test/score`",
            "orderByAsc": ascending,
        }


class Broken:
    """A client whose every call fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [MlflowException("disk full"), OSError("disk full")])
def test_a_store_that_fails_later_costs_one_line_and_no_result(
    error: Exception, done: dict[str, Done], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Tracker(Broken(error))  # type: ignore[arg-type]
    for each in done.values():
        broken.log(each)
    broken.complete([each.run for each in done.values()])
    [said] = capsys.readouterr().out.splitlines()
    assert "disk full" in said and "unrolled track" in said
    assert all(results.kept(each.run) for each in done.values())


@pytest.mark.parametrize("uri", ["sqlite:////proc/none/mlflow.db", "nonsense://here"])
def test_a_store_that_cannot_be_used_is_an_error_before_anything_runs(
    uri: str, folder: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with refused(f"the MLflow store {uri} cannot be used", "MLFLOW_TRACKING_URI", "nothing already computed is lost"):
        tracking.connect()
