"""What is said of a study in numbers and tables: on every study of the table, made small, and on made-up results."""

import functools
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

import small_studies
from conftest import MakeRun, Refused, experiment_of
from unrolled import registry
from unrolled.analysis import record, table_file, tables, tolerance
from unrolled.analysis.evaluate import Evaluated, at_edge, evaluate, further_score, scored
from unrolled.config import DataRow
from unrolled.data import datasets
from unrolled.data.task import Data, TestSet
from unrolled.training.fit import fit
from unrolled.training.runs import Result, Run

pytestmark = pytest.mark.usefixtures("made_up_record")
Array = NDArray[Any]
METHODS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "elman", "hidden": 4},
    "sgd": {"cell": "elman", "hidden": 3, "optimiser": "sgd"},
    "linear": {"cell": "window", "optimiser": "ridge"},
    "start": {"cell": "elman", "hidden": 4, "optimiser": "fixed"},
}
STUDY_KEYS = {
    *("score", "score_label", "unit", "better", "question", "label", "task", "kind", "lyapunov", "measured", "step"),
    *(
        "steps",
        "time_unit",
        "sequences",
        "outputs",
        "inputs",
        "closed_loop",
        "example_axis",
        "tests",
        "test_label",
        "methods",
        "attractor_floor",
        "error_unit",
    ),
}
ROW_KEYS = {
    *("label", "about", "family", "cell", "initialiser", "optimiser", "hidden", "score", "interval", "logs", "seeds"),
    *("diverged", "trained", "learning_rate", "tried", "clip", "at_edge", "tuned_by_hand", "parameters", "passes"),
    *("trains", "autoregressive", "recurrent", "network", "rank", "chosen_by_validation", "val_loss", "best_epoch"),
    *("updates", "deterministic", "extras", "attractor", "ensemble"),
}
"""What the page and the claims read of every method."""


Whole = tuple[list[Evaluated], Data, dict[str, Any], dict[str, Any]]


@functools.cache
def evaluated(study: str) -> Whole:
    """Return a small study of the table with four methods on three seeds: runs, data, metrics, tables."""
    row = small_studies.study(study)
    experiment = experiment_of(row, METHODS, small_studies.TABLE.studies[study].score, seeds=3, epochs=2)
    data = datasets.make(row)
    runs = [Run(experiment, name) for name in METHODS]
    done = [scored(run, fit(run, data), data) for run in runs]
    return done, data, *evaluate(done, data)


studies = pytest.mark.parametrize("study", list(small_studies.TABLE.studies))


@studies
def test_every_study_says_what_the_page_and_the_claims_read(study: str) -> None:
    done, data, metrics, _ = evaluated(study)
    json.dumps(metrics, allow_nan=False)
    assert metrics.keys() >= STUDY_KEYS and list(metrics["methods"]) == list(METHODS)
    further = set(data.tests) - {"test", "closed_loop", "in_sample", "free_run"}
    assert set(metrics["tests"]) == further and metrics["closed_loop"] == ("closed_loop" in data.tests)
    score = registry.make("scores", small_studies.TABLE.studies[study].score)
    for each in done:
        row = metrics["methods"][each.run.name]
        assert row.keys() >= ROW_KEYS and ("tests" in row) == bool(further)
        assert ("one_step" in row) == metrics["closed_loop"] and ("in_sample" in row) == ("in_sample" in data.tests)
        expected = score(each.result.predictions[score.test], data.tests[score.test])
        assert row["seeds"] == pytest.approx(expected.tolist(), rel=1e-5)
        floored = np.maximum(expected, score.floor(data.tests[score.test]))
        assert row["score"] == pytest.approx(stats.gmean(floored), rel=1e-5)
    losses = {each.run.name: np.median(each.result.best_loss[each.result.chosen]) for each in done[:3]}
    chosen = [name for name, row in metrics["methods"].items() if row["chosen_by_validation"]]
    assert chosen == [min(losses, key=lambda name: losses[name])]


@studies
def test_errors_on_further_test_sets_are_in_their_unit(study: str) -> None:
    done, data, metrics, _ = evaluated(study)
    kind = further_score(registry.make("scores", small_studies.TABLE.studies[study].score))
    assert kind == {"recall": "mse", "simulation": "rmse", "response": "rmse"}.get(metrics["task"], kind)
    for name, about in metrics["tests"].items():
        test = data.tests[name]
        score = registry.make("scores", kind)
        assert about == {"label": test.label, "unit": score.unit(test), "score": score.label}
        scale = np.ones(test.targets.shape[-1]) if test.scale is None else test.scale
        for each in done:
            errors = [
                -np.mean((test.targets * np.log(p)).sum(axis=-1))
                if kind == "cross_entropy"
                else np.mean(((p - test.targets) * scale).astype(float) ** 2) ** (1.0 if kind == "mse" else 0.5)
                for p in each.result.predictions[name].astype(np.float64)
            ]
            found = metrics["methods"][each.run.name]["tests"][name]
            assert found["score"] == pytest.approx(stats.gmean(errors), rel=1e-5)
            if found["interval"]["n"] == 3:
                half = np.exp(stats.t.ppf(0.975, 2) * stats.sem(np.log(errors)))
                assert found["interval"]["low"] == pytest.approx(stats.gmean(errors) / half, rel=1e-4)
                assert found["interval"]["high"] == pytest.approx(stats.gmean(errors) * half, rel=1e-4)


@studies
def test_a_deterministic_method_has_one_value_and_a_reference_no_rank(study: str) -> None:
    _, _, metrics, _ = evaluated(study)
    rows = metrics["methods"]
    linear, rnn, start = (rows[name] for name in ("linear", "rnn", "start"))
    assert linear["interval"]["n"] == 1 and linear["interval"]["low"] is linear["interval"]["coverage"] is None
    assert linear["deterministic"] and linear["logs"]["variance"] == 0 and linear["learning_rate"] is None
    assert not rnn["deterministic"] and (rnn["interval"]["n"], rnn["interval"]["coverage"]) == (3, 0.95)
    assert start["rank"] is None and not start["trains"] and not start["chosen_by_validation"]
    assert linear["updates"] == 0 < rnn["updates"] and linear["best_epoch"] is None and rnn["best_epoch"] in (1, 2)
    assert start["family"] == "reference" and start["learning_rate"] is None
    sign = -1 if metrics["better"] == "higher" else 1
    best_first = sorted(("rnn", "sgd", "linear"), key=lambda name: sign * rows[name]["score"])
    assert [rows[name]["rank"] for name in best_first] == [1, 2, 3]


@studies
def test_the_seeds_are_an_ensemble_on_the_test_set_that_is_scored(study: str) -> None:
    done, data, metrics, _ = evaluated(study)
    for each in done:
        found, test = metrics["methods"][each.run.name]["ensemble"], data.tests[each.score.test]
        predicted = each.result.predictions[each.score.test].astype(np.float64)
        if not np.isfinite(predicted).all():
            assert found is None
            continue
        scale = np.ones(test.targets.shape[-1]) if test.scale is None else test.scale
        errors = (np.abs(predicted - test.targets) * scale).reshape(3, -1).mean(axis=1)
        assert found["mae"] == pytest.approx(np.median(errors), rel=1e-5)
        if each.deterministic:
            assert found["members"] == 1 and found["crps"] == found["mae"] and found["coverage"] is None
            continue
        assert found["members"] == 3 and found["nominal"] == 0.5 and 0 <= found["coverage"] <= 1
        assert found["crps"] < errors.mean() * (1 + 1e-5), "less what the spread is worth"
    assert metrics["error_unit"] == data.tests[done[0].score.test].unit


@studies
def test_the_tables_hold_what_they_say(study: str) -> None:
    done, data, metrics, found = evaluated(study)
    assert set(found) == set(tables.NAMES)
    curves, forecasts, own_data = (found[name] for name in ("curves", "forecasts", "data"))
    rnn = curves[(curves["method"] == "rnn") & (curves["loss"] == "val")]
    result = done[0].result
    np.testing.assert_allclose(rnn["median"], np.median(result.val_loss, axis=1), rtol=1e-6)
    np.testing.assert_allclose(rnn[["low", "high"]], np.quantile(result.val_loss, [0, 1], axis=1).T, rtol=1e-6)
    assert set(curves["method"]) == {"rnn", "sgd"}, "what takes no epochs has no curve"
    assert list(forecasts.columns) == ["method", "output", "time", "value"]
    assert list(dict.fromkeys(forecasts["method"])) == ["truth", *METHODS]
    assert set(forecasts["output"]) == set(metrics["outputs"])
    assert list(own_data.columns) == ["split", "channel", "time", "value"]
    assert set(own_data["channel"]) <= {*metrics["inputs"], *metrics["outputs"]} and len(own_data)
    assert set(found["gradients"]["method"]) == {"rnn", "sgd", "start"}, "of methods with a recurrence"
    error_growth = done[0].run.task.error_growth
    assert set(found["growth"]["method"]) == (set(METHODS) if error_growth in data.tests else set())
    assert ("lost_above" in metrics) == (error_growth in data.tests)
    for table in found.values():
        assert table.select_dtypes("number").notna().all(axis=None)


@studies
def test_forecasts_are_in_the_units_of_the_data(study: str) -> None:
    _, data, metrics, found = evaluated(study)
    which = registry.load("scores", small_studies.TABLE.studies[study].score).test
    test, scaling = data.tests[which], data.facts.get("scaling")
    truth = test.targets.astype(np.float64)
    if scaling is not None:
        k = truth.shape[-1]
        truth = scaling["mean"][-k:] + scaling["standard_deviation"][-k:] * truth
    drawn = found["forecasts"]
    for k, output in enumerate(metrics["outputs"]):
        shown = drawn[(drawn["method"] == "truth") & (drawn["output"] == output)]
        times = test.times if test.times.size else np.arange(len(shown))
        line = truth[:, k] if truth.ndim == 2 else truth[0, :, k]
        assert np.isin(np.round(shown["time"], 9), np.round(times, 9)).all()
        times = times[: small_studies.study(study).test] if truth.ndim == 2 else times  # the first series
        places = np.searchsorted(np.round(times, 9), np.round(shown["time"], 9))
        np.testing.assert_allclose(shown["value"], line[places], rtol=1e-6, atol=1e-9)
        typical = drawn[(drawn["method"] == "rnn") & (drawn["output"] == output)]["value"].to_numpy()
        assert abs(typical - shown["value"].to_numpy()).max() > 0


def test_recall_counts_the_seeds_that_solve_it_and_the_updates_they_need(make_run: MakeRun) -> None:
    study = {"system": "integrator", "task": "recall", "step": 1.0, "steps": 6, "train": 10, "batch": 4, "epochs": 3}
    run, data = make_run({"cell": "gru", "hidden": 3}, seeds=3, **study)
    result = fit(run, data)
    truth = data.tests["test"].targets
    result.predictions["test"][:] = np.stack([truth + error for error in (0.01, 0.039, 0.041)])
    result.val_loss[:] = [[1.0, 1.0, 1.0], [0.001, 1.0, 1.0], [0.001, 0.001, 1.0]]
    metrics, _ = evaluate([scored(run, result, data)], data)
    row = metrics["methods"]["method"]["extras"]
    assert row["solved"] == row["sequences_solved"] == pytest.approx(2 / 3, rel=1e-5) and row["steps"] == 6
    assert metrics["methods"]["method"]["updates"] == 9
    assert row["updates"] == 9.0  # three batches an epoch, and the median seed needs three epochs
    assert metrics["recall"]["steps"] == 6 and metrics["recall"]["chance"] == pytest.approx(1 / 6, rel=1e-5)


def test_a_diverged_replica_is_counted_and_left_out(make_run: MakeRun) -> None:
    run, data = make_run({"cell": "elman", "hidden": 3, "optimiser": "sgd", "learning_rates": [1e-2]}, seeds=3)
    result = fit(run, data)
    own = scored(run, result, data)
    result.diverged[1] = True
    broken = scored(run, result, data)
    assert np.isnan(broken.scores[1]) and np.isfinite(broken.scores[[0, 2]]).all()
    assert broken.typical in (0, 2) and np.isfinite(own.scores).all()
    row = evaluate([broken], data)[0]["methods"]["method"]
    assert row["diverged"] == 1 and row["trained"] == 3 and row["seeds"][1] is None
    assert row["score"] == pytest.approx(stats.gmean(own.scores[[0, 2]]), rel=1e-5)
    assert row["interval"]["n"] == 2 and row["rank"] == 1 and row["ensemble"]["members"] == 2


def test_where_every_seed_diverged_there_is_neither_score_nor_rank(make_run: MakeRun) -> None:
    run, data = make_run({"cell": "elman", "hidden": 3, "optimiser": "sgd", "learning_rates": [1e30]}, seeds=3)
    metrics, found = evaluate([scored(run, fit(run, data), data)], data)
    json.dumps(metrics, allow_nan=False)
    row = metrics["methods"]["method"]
    assert row["score"] is row["logs"] is row["rank"] is row["interval"]["low"] is row["ensemble"] is None
    assert row["diverged"] == 3 and row["seeds"] == [None] * 3
    assert set(found["forecasts"]["method"]) == {"truth", "method"}


def test_predictions_that_are_not_finite_cost_no_number_of_the_others() -> None:
    row = small_studies.study(next(n for n in small_studies.TABLE.studies if evaluated(n)[2]["tests"]))
    experiment = experiment_of(row, {"rnn": METHODS["rnn"]}, "rmse", seeds=3, epochs=1)
    run, data = Run(experiment, "rnn"), datasets.make(row)
    result = fit(run, data)
    name = next(name for name in data.tests if name not in ("test", "closed_loop", "in_sample", "free_run"))
    result.predictions[name][1] = np.inf
    metrics, _ = evaluate([scored(run, result, data)], data)
    json.dumps(metrics, allow_nan=False)
    assert metrics["methods"]["rnn"]["tests"][name]["interval"]["n"] == 2


def made_up(make_run: MakeRun, rates: list[float], lyapunov: float | None, steps: int = 200) -> tuple[Evaluated, Data]:
    """Return a method with one replica, whose forecasts leave a square wave of size one by rate × step."""
    run, data = make_run(
        {"cell": "leaky", "hidden": 3}, task="forecast", system="lorenz63", step=0.02, steps=8, horizon=4
    )
    truth = np.tile(np.resize([1.0, -1.0], steps)[None, :, None], (len(rates), 1, 1))
    predicted = (truth + np.array(rates)[:, None, None] * np.arange(1.0, steps + 1)[:, None])[None]
    times = 6.0 + 0.02 * np.arange(steps)
    test = TestSet(truth, truth, times, "closed_loop", lyapunov=lyapunov)
    tests = {"test": TestSet(truth, truth, times), "closed_loop": test}
    one = np.array([0])
    fields = dict.fromkeys(Result.__dataclass_fields__, one) | {"diverged": np.array([False])}
    result = Result(**fields | {"predictions": {"closed_loop": predicted, "test": predicted}})
    return Evaluated(run, result, data, np.array([0.1])), Data(data.train, data.val, tests)


@pytest.mark.parametrize("lyapunov", [0.9056, None])
def test_growth_is_the_error_over_the_start_points_against_lyapunov_times(
    lyapunov: float | None, make_run: MakeRun
) -> None:
    one, data = made_up(make_run, [0.001, 0.003, 0.009], lyapunov)
    table = tables.growth([one], data)
    steps = np.arange(1, 201, tables.EVERY)
    np.testing.assert_allclose(table["time"], (steps - 1) * 0.02 * (lyapunov or 1.0), atol=1e-12)
    np.testing.assert_allclose(table["median"], 0.003 * steps, atol=1e-12)
    np.testing.assert_allclose(table["low"], 0.002 * steps, atol=1e-12)
    assert abs(table["high"] - 0.003 * steps).max() > 0.1


def test_growth_of_forecasts_that_overflow_is_bounded(make_run: MakeRun) -> None:
    one, data = made_up(make_run, [0.0, np.inf, np.inf, np.inf], None)
    assert (tables.growth([one], data)["median"] == tables.LARGEST).all()


def test_a_power_spectrum_is_asked_of_long_runs_in_chaos_only(make_run: MakeRun) -> None:
    for steps, lyapunov, there in ((300, 0.9, True), (200, 0.9, False), (300, None, False)):
        one, data = made_up(make_run, [0.001], lyapunov, steps)
        assert (len(tables.spectra([one], data)) > 0) == there


def run_on(**row: Any) -> Run:
    """Return a run on a study whose data nobody needs."""
    sizes = {"train": 1, "val": 1, "test": 1, "window": 1, "task": "forecast"}
    return Run(experiment_of(DataRow.model_validate(sizes | row), {"rnn": METHODS["rnn"]}), "rnn")


def test_the_default_tolerance_is_far_off_for_the_neuron_and_not_asked_of_chaos() -> None:
    neuron = run_on(system="fitzhugh_nagumo", steps=1000, step=0.4, test=1024, observed=["v"])
    loose = tolerance.default_tolerance(neuron)
    assert loose is not None and 0.02 < loose < 0.2  # 0.042 was measured by others for the median of 20
    assert tolerance.default_tolerance(run_on(system="lorenz63", steps=1000, step=0.4)) is None
    calm = tolerance.default_tolerance(run_on(system="sine", steps=5, step=0.01))
    assert calm is not None and 0 < calm < 1e-3


def test_a_choice_at_the_edge_of_its_grid_is_said_also_of_two(make_run: MakeRun) -> None:
    def edges(rates: list[float], tried: int, **more: Any) -> dict[str, str]:
        run, _ = make_run({"cell": "elman", "hidden": 3, "learning_rates": rates, **more})
        one = np.array([tried])
        return at_edge(run, Result(**dict.fromkeys(Result.__dataclass_fields__, one) | {"chosen": np.array([0])}))  # type: ignore[arg-type]

    assert edges([1e-3, 1e-2], 1) == {"learning_rate": "highest"} and edges([1e-3], 0) == {}
    assert edges([1e-3, 3e-3, 1e-2], 1) == {} and edges([1e-2, 1e-3], 1) == {"learning_rate": "lowest"}
    both = edges([1e-3, 1e-2], 0, clip_norm=[0.1, 0.3, 1.0])
    assert both == {"learning_rate": "lowest", "clip_norm": "lowest"}
    assert edges([1e-2], 1, clip_norm=[0.1, 0.3, 1.0]) == {}


def test_settings_tuned_by_hand_stand_in_the_row(make_run: MakeRun) -> None:
    run, data = make_run({"cell": "elman", "hidden": 3, "tuned_by_hand": "16 settings, on validation data"})
    metrics, _ = evaluate([scored(run, fit(run, data), data)], data)
    assert metrics["methods"]["method"]["tuned_by_hand"] == "16 settings, on validation data"


@studies
def test_records_of_single_methods_make_the_study_again(study: str, tmp_path: Path) -> None:
    done, data, metrics, frames = evaluated(study)
    about = {"commit": "", "date": "", "versions": {}, "processor": "", "code": "", "seconds": 1.0}
    records = [record.read(record.write(tmp_path, each, data, about)) for each in done]
    found, tables_again = record.joined(records)
    assert {key: value for key, value in found.items() if key != "sequences"} == {
        key: value for key, value in metrics.items() if key != "sequences"
    }
    assert list(found["methods"]) == list(metrics["methods"])
    assert found["sequences"]["blocks"] == metrics["sequences"]["blocks"]
    for one, others in metrics["sequences"]["variance"].items():
        assert found["sequences"]["variance"][one] == pytest.approx(others, rel=1e-3, abs=1e-9)
    for name, frame in frames.items():
        if len(frame):
            text = io.StringIO(frame.to_csv(index=False, float_format="%.6g"))
            written = pd.read_csv(text, dtype=table_file.TEXTS, keep_default_na=False, na_values=[""])
            pd.testing.assert_frame_equal(tables_again[name], written, check_dtype=False)
    assert record.experiment(records).methods == {each.run.name: each.run.method for each in done}
    for each, own in zip(done, records, strict=True):
        assert record.kept(each.run, tmp_path)
        other = each.run.experiment.model_copy(update={"seed": 1})
        assert not record.kept(replace(each.run, experiment=other), tmp_path)
        predictor, replica = own.predictor(), each.result.chosen[each.typical]
        assert np.array_equal(predictor.theta[0], each.result.theta[replica])


def test_a_record_is_the_same_bytes_and_a_damaged_one_is_named(tmp_path: Path, refused: Refused) -> None:
    done, data, _, _ = evaluated("oscillator")
    paths = [record.write(tmp_path / name, done[0], data, {"seconds": None}) for name in ("a", "b")]
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes() and len(content) < 100_000
    paths[0].write_bytes(content[: len(content) // 2])
    with refused(str(paths[0]), "damaged", "make full"):
        record.read(paths[0])
    with refused("missing", "make full"):
        record.read(tmp_path / "none.zip")
