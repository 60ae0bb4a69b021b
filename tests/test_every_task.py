"""Every task on every study that puts it, made small: arrays, splits, seeds, washout, names, units and scaling.

A new task needs a study in `params.yaml`, and nothing here.
"""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import small_studies
from conftest import Refused
from unrolled import literature, registry, yaml_file
from unrolled.config import DataRow, Table
from unrolled.data import datasets, record
from unrolled.data.integrate import simulate
from unrolled.data.system import make, of
from unrolled.data.task import Data, History, Split, Task
from unrolled.data.tasks import simulation
from unrolled.data.tasks.forecast import PIECE, piecewise_error
from unrolled.data.tasks.next_value import NextValue
from unrolled.training.table import resolve_all

STUDIES = list(small_studies.TABLE.studies)
TASKS = registry.names("tasks")
Array = NDArray[Any]


@pytest.fixture(scope="module", autouse=True)
def measured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Stand where the made-up record lies."""
    folder = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield small_studies.write_record(folder)


@functools.cache
def _made(row: str) -> Data:
    return datasets.make(DataRow.model_validate_json(row))


def made(name: str, **changes: Any) -> tuple[DataRow, Task, Data]:
    """Return a small study's row, its task and its data, which tests leave as they are."""
    row = small_studies.study(name, **changes)
    task: Task = registry.load("tasks", row.task)(**row.settings)
    assert (reason := task.refuses(row, of(row))) is None, reason
    return row, task, _made(row.model_dump_json())


def splits_of(data: Data) -> dict[str, Split]:
    """Return the arrays of training, validation and all test sets."""
    tests = {name: {"inputs": t.inputs, "targets": t.targets, "times": t.times} for name, t in data.tests.items()}
    return {"train": data.train, "val": data.val} | tests


def content(data: Data) -> dict[str, bytes]:
    """Return all arrays as bytes."""
    return {f"{name} {key}": a.tobytes() for name, split in splits_of(data).items() for key, a in split.items()}


def test_every_task_is_put_by_a_study_of_the_table() -> None:
    others = Table.model_validate(yaml_file.read(small_studies.ROOT / literature.TABLE)).studies.values()
    assert {row.data.task for row in (*small_studies.TABLE.studies.values(), *others)} == set(TASKS)
    resolve_all(small_studies.TABLE)


@pytest.mark.parametrize("name", STUDIES)
def test_arrays_are_finite_and_of_the_stated_shapes(name: str) -> None:
    row, task, data = made(name)
    d, k = task.widths(row, of(row))
    number = np.float64 if row.settings.get("precision") == "double" else np.float32
    for split, arrays in splits_of(data).items():
        inputs, targets, times = arrays["inputs"], arrays["targets"], arrays["times"]
        assert set(arrays) == {"inputs", "targets", "times"} and inputs.dtype == targets.dtype == number
        assert inputs.ndim == 3 and len(inputs) == len(targets) > 0
        assert (inputs.shape[2], targets.shape[-1]) == (d, k), split
        assert targets.ndim == (2 if task.many_to_one and split != "closed_loop" else 3)
        assert times.dtype == np.float64 and times.shape == targets.shape[: targets.ndim - 1][-1:], split
        assert len(times) == 1 or (np.diff(times[: row.test]) > 0).all()
        assert all(np.isfinite(array).all() for array in arrays.values())
    assert next(iter(data.tests)) == "test" and task.kind
    assert data.train["inputs"].shape[1:] == data.val["inputs"].shape[1:] or row.record is not None


@pytest.mark.parametrize("name", STUDIES)
def test_names_and_units_fit_the_arrays(name: str) -> None:
    row, task, data = made(name)
    outputs, inputs = task.outputs(row, of(row)), task.inputs(row, of(row))
    if task.loss == "cross_entropy":
        for split in splits_of(data).values():
            assert set(np.unique(split["targets"])) == {0.0, 1.0} and (split["targets"].sum(axis=-1) == 1).all()
    assert data.facts["outputs"] == outputs and data.facts["inputs"] == inputs
    assert len(outputs) == data.train["targets"].shape[-1] and all(outputs.values()) and all(inputs.values())
    assert data.example is not None and data.example.shape[-1] == len(inputs) and len(data.example) == 1
    columns = task.columns(row)
    assert columns == [] or len(columns) == data.train["inputs"].shape[-1]
    assert set(task.default_inputs(row)) <= set(columns)
    for test in data.tests.values():
        assert test.label and test.unit
        assert test.scale is None or test.scale.shape == (len(outputs),)


@pytest.mark.parametrize("name", STUDIES)
def test_test_sets_say_how_they_are_run(name: str) -> None:
    row, task, data = made(name)
    modes = {key: test.mode for key, test in data.tests.items()}
    assert modes["test"] == ("simulation" if task.mode == "simulation" else "teacher_forced")
    assert {mode for key, mode in modes.items() if key not in ("closed_loop", "free_run")} == {modes["test"]}
    assert {modes.get(key, "closed_loop") for key in ("closed_loop", "free_run")} == {"closed_loop"}
    assert ("closed_loop" in task.lacks(row, of(row))) == ("closed_loop" not in data.tests)


def test_errors_grow_on_a_test_set_that_some_study_has() -> None:
    for name in small_studies.TASKS:
        growth = registry.load("tasks", name).error_growth
        assert growth is None or any(growth in made(study)[2].tests for study in small_studies.studies_of(name))


@pytest.mark.parametrize("name", STUDIES)
def test_facts_are_json_and_say_the_solver_error_and_over_how_long(name: str) -> None:
    row, task, data = made(name)
    facts = json.loads(json.dumps(data.facts, allow_nan=False))
    assert facts["task"] == row.task and facts["step"] == row.step and facts["time_unit"] == row.unit_of_time
    if task.sourceless:
        assert facts["drawn"] and "solver_error" not in facts and row.system is row.record is None
    elif row.system is None:
        assert facts["source"] == "made_up.csv" and len(facts["scaling"]["mean"]) == len(facts["inputs"])
    else:
        assert 0 <= facts["solver_error"] < make(row.system, row.parameters).max_solver_error
        assert facts["solver_error_over"] and facts["equation"] and facts["rtol"] == 100 * facts["atol"]


def shared(one: Split, other: Split, key: str) -> bool:
    """Return whether two splits have a target in common."""
    rows = [{row.tobytes() for row in split[key].reshape(len(split[key]), -1)} for split in (one, other)]
    return bool(rows[0] & rows[1])


@pytest.mark.parametrize("name", STUDIES)
def test_no_target_of_one_split_is_a_target_of_another(name: str) -> None:
    """Of few classes, of which there are the same everywhere, no input."""
    _, task, data = made(name)
    splits, key = splits_of(data), "inputs" if task.loss == "cross_entropy" else "targets"
    train, val, test = splits["train"], splits["val"], splits["test"]
    assert not shared(train, val, key) and not shared(train, test, key) and not shared(val, test, key)
    assert shared(train, train, key)


@pytest.mark.parametrize("task", small_studies.TASKS)
def test_data_depend_on_the_seed_and_on_nothing_else(task: str) -> None:
    differ = []
    for name in small_studies.studies_of(task):
        row, _, data = made(name)
        assert content(datasets.make(row)) == content(data)
        if row.record is None:
            differ.append(content(datasets.make(row.model_copy(update={"seed": 6}))) != content(data))
    assert any(differ) or not differ, "no study of this task draws anything"


@pytest.mark.parametrize("name", STUDIES)
def test_the_washout_is_cut_off_the_targets(name: str) -> None:
    row, task, data = made(name)
    later = row.model_copy(update={"washout": row.washout + 2})
    if task.refuses(later, of(row)) is not None:
        assert row.washout == 0 and data.washout == 0
        return
    other = datasets.make(later)
    assert (data.washout, other.washout) == (row.washout, row.washout + 2)
    for key in ("train", "val", "test"):
        one, two = splits_of(data)[key], splits_of(other)[key]
        assert one["targets"].shape[1] == one["inputs"].shape[1] - row.washout
        np.testing.assert_array_equal(two["targets"], one["targets"][:, 2:])
        np.testing.assert_array_equal(two["times"], one["times"][2:])
    if "closed_loop" in data.tests:
        np.testing.assert_array_equal(other.tests["closed_loop"].targets, data.tests["closed_loop"].targets)


@pytest.mark.parametrize("name", STUDIES)
def test_an_example_in_the_users_units_is_what_a_network_gets_of_the_first_test_sequence(name: str) -> None:
    row, task, data = made(name)
    assert data.example is not None
    steps = data.tests["test"].inputs.shape[1]
    encoded = task.encode(np.asarray(data.example, np.float64), data.facts, of(row), steps)
    expected = data.tests["test"].inputs[:1, : encoded.shape[1]]
    assert encoded.shape[1] in (steps, data.example.shape[1])
    np.testing.assert_allclose(encoded, expected, rtol=0, atol=2e-6 * max(1.0, abs(expected).max()))
    wrong = task.encode(np.asarray(data.example, np.float64) + 0.1, data.facts, of(row), steps)
    assert abs(wrong - expected).max() > 1e-3


@pytest.mark.parametrize("name", STUDIES)
def test_outputs_are_decoded_to_their_units(name: str, measured: pd.DataFrame) -> None:
    row, task, data = made(name)
    targets = data.tests["test"].targets[0].astype(np.float64)
    decoded = task.decode(targets, data.facts)
    if row.record is not None:
        whole = measured[row.record.outputs].to_numpy()
        first = row.train + row.val + row.washout + (0 if task.mode == "simulation" else 1)
        np.testing.assert_allclose(decoded, whole[first : first + len(decoded)], rtol=0, atol=1e-5)
        assert abs(decoded - whole[first - 1 : first - 1 + len(decoded)]).max() > 0.01
        assert data.tests["test"].scale == pytest.approx(whole[: row.train].std(axis=0))
    elif "scaling" in data.facts:
        plain = made(name, standardise=False)[2].tests["test"].targets[0]
        np.testing.assert_allclose(decoded, plain, rtol=0, atol=1e-5 * abs(plain).max())
        assert abs(targets - plain).max() > 0.1
    else:
        np.testing.assert_array_equal(decoded, targets)


@pytest.mark.parametrize("name", STUDIES)
def test_tables_of_data_and_examples_hold_what_they_name(name: str) -> None:
    row, task, data = made(name)
    outputs = list(task.outputs(row, of(row)))
    inputs = [each for each in task.inputs(row, of(row)) if each not in outputs and row.record is not None]
    channels = task.channels(data, inputs, outputs)
    assert list(channels.columns) == ["split", "channel", "time", "value"] and len(channels) > 0
    assert np.isfinite(channels["value"]).all() and set(channels["split"]) <= {"train", "val", "test"}
    if not task.many_to_one and not task.sourceless:
        assert set(channels["channel"]) == {*inputs, *outputs}
    assert set(channels["channel"]) <= {*task.inputs(row, of(row)), *outputs}
    test = data.tests["test"]
    lines = {"truth": test.targets, "rnn": test.targets + 1}
    table = task.example(lines, test.times, outputs)
    assert list(table.columns) == ["method", "output", "time", "value"] and set(table["output"]) == set(outputs)
    two = [table.loc[table["method"] == each, "value"].to_numpy() for each in ("truth", "rnn")]
    assert len(two[0]) > 0 and np.isin(table["time"], test.times).all()
    np.testing.assert_allclose(two[1], two[0] + 1, rtol=1e-5)


@pytest.mark.parametrize("name", small_studies.TASKS)
def test_what_a_task_adds_is_json(name: str) -> None:
    row, task, _ = made(small_studies.studies_of(name)[0])
    history = History(np.ones((3, 2)), updates=4)
    json.dumps([task.describe(row), task.extras(np.ones(2), history)])


def test_an_unknown_task_lists_the_known(refused: Refused) -> None:
    with refused("task 'next_valeu' is not known", "did you mean 'next_value'?", *TASKS):
        registry.load("tasks", "next_valeu")


# --- what each task is, against its definition


def test_next_value_windows_are_the_points_before_their_target() -> None:
    row, _, data = made("sine", noise=[-1.0, 1.0])
    parts = [data.train, data.val, splits_of(data)["test"]]
    series = np.concatenate([data.train["inputs"][0, :, 0], *(split["targets"][:, 0] for split in parts)])
    times = np.concatenate([split["times"] for split in parts])
    assert len(series) == row.train + row.val + row.test
    np.testing.assert_allclose(times, row.step * np.arange(row.window, len(series)), rtol=1e-14)
    targets = iter(range(row.window, len(series)))
    for window in np.concatenate([split["inputs"] for split in parts]):
        target = next(targets)
        np.testing.assert_array_equal(window[:, 0], series[target - row.window : target])
    assert [len(split["targets"]) for split in parts] == [row.train - row.window, row.val, row.test]


def test_several_test_series_differ_in_their_noise_alone() -> None:
    row, _, data = made("noisy_sine", test_series=3)
    _, _, one = made("noisy_sine", test_series=1)
    test, first = data.tests["test"], one.tests["test"]
    assert len(test.targets) == 3 * len(first.targets) == 3 * row.test
    np.testing.assert_array_equal(test.targets[: row.test], first.targets)
    np.testing.assert_array_equal(test.times, np.tile(first.times, 3))
    np.testing.assert_array_equal(data.tests["closed_loop"].targets, one.tests["closed_loop"].targets)
    low, high = row.settings["noise"]
    clean = np.sin(row.parameters["omega"] * test.times) + (low + high) / 2
    noise = test.targets[:, 0].astype(float) - clean
    assert abs(noise).max() <= (high - low) / 2 + 1e-6 and abs(np.corrcoef(noise.reshape(3, -1))[0, 1:]).max() < 0.9
    assert data.facts["floor"]["out_of_sample"] == pytest.approx(float(np.square(noise).mean()), rel=1e-5)
    drawn = NextValue(**row.settings).channels(data, [], ["x"])
    assert (drawn["split"] == "test").sum() == row.test


def test_next_value_starts_its_closed_loop_before_the_test_and_sees_nothing_of_it() -> None:
    row, _, data = made("noisy_sine")
    loop, test = data.tests["closed_loop"], data.tests["test"]
    assert loop.inputs.shape == (1, row.window, 1) and loop.targets.shape == (1, row.test, 1)
    np.testing.assert_array_equal(loop.targets[0], test.targets[: row.test])
    seen = np.concatenate([data.train["targets"], data.val["targets"]])[-row.window :]
    np.testing.assert_array_equal(loop.inputs[0], seen)
    assert not np.isin(loop.inputs, test.targets).any()


def test_noise_is_uniform_between_its_bounds_and_its_variance_is_the_floor() -> None:
    row, _, data = made("sine", noise=[0.0, 2.0], train=4000, step=0.02)
    noise = data.train["targets"][:, 0] - 1 - np.sin(data.train["times"])
    assert abs(noise.mean()) < 5 * (1 / 3 / len(noise)) ** 0.5
    assert -1 <= noise.min() < -0.99 and 0.99 < noise.max() <= 1
    floor = data.facts["floor"]
    assert floor["theory"] == pytest.approx(1 / 3) and floor["in_sample"] == pytest.approx(noise.var(), rel=0.01)
    assert floor["in_sample"] == pytest.approx(1 / 3, rel=0.05)
    assert abs(floor["out_of_sample"] - floor["in_sample"]) > 1e-3, "of the series drawn"
    assert "floor" not in made("sine")[2].facts and row.washout == 0


def test_response_is_the_exact_state_for_its_inputs_and_a_late_force_is_not() -> None:
    row, _, data = made("oscillator")
    system, steps = make(row.system or "", row.parameters), row.settings["steps"]
    starts = np.concatenate([split["inputs"][:, 0, 1:] for split in splits_of(data).values()])
    assert len(np.unique(starts, axis=0)) == row.train + row.val + row.test
    for split in splits_of(data).values():
        inputs, times = split["inputs"].astype(float), row.step * np.arange(steps + 1)
        assert (inputs[:, 1:, 1:] == 0).all()
        exact = system.exact(times, inputs[:, 0, 1:], inputs[:, :, 0])
        late = system.exact(times, inputs[:, 0, 1:], np.roll(inputs[:, :, 0], 1, axis=1))
        assert exact is not None and late is not None
        np.testing.assert_allclose(split["targets"], exact[:, 1:], rtol=0, atol=1e-6)
        assert abs(split["targets"] - late[:, 1:]).max() > 1e-2


def test_stronger_forces_are_a_test_set_beside_the_others() -> None:
    plain, both = (made("duffing", stronger_force=bounds)[2] for bounds in (None, [5.0, 6.0]))
    assert set(both.tests) - set(plain.tests) == {"stronger_force"}
    assert {key: each for key, each in content(both).items() if not key.startswith("stronger")} == content(plain)
    stronger, usual = both.tests["stronger_force"].inputs, both.tests["test"].inputs
    assert abs(stronger[:, :, 0]).max() > 3 > abs(usual[:, :, 0]).max() and stronger.shape == usual.shape


def test_a_forecast_goes_on_where_the_observed_steps_end() -> None:
    row, _, data = made("lorenz", system="sine", parameters={}, transient=0.0, standardise=False)
    angle, test, loop = row.step, data.tests["test"], data.tests["closed_loop"]
    assert list(data.facts["outputs"]) == ["x", "v"]
    assert loop.targets.shape[1] == row.settings["horizon"] + 1
    np.testing.assert_array_equal(loop.targets[:, 0], test.targets[:, -1])
    for factor, right in ((1.0, True), (1.01, False)):  # the exact step of x'' = -x
        cos, sin = np.cos(factor * angle), np.sin(factor * angle)
        step = np.array([[cos, -sin], [sin, cos]])
        assert (abs(test.inputs[:, row.washout :] @ step - test.targets).max() < 1e-6) == right
        assert (abs(loop.targets[:, :-1] @ step - loop.targets[:, 1:]).max() < 1e-6) == right
    np.testing.assert_allclose(loop.times - test.times[-1], row.step * np.arange(len(loop.times)), atol=1e-12)


def test_observed_states_come_in_their_order_and_in_standard_deviations() -> None:
    row, _, data = made("lorenz", observed=["y", "x"], washout=0, horizon=None, val_horizon=None)
    assert list(data.facts["outputs"]) == ["y", "x"]
    whole = np.concatenate([data.train["inputs"][:, :1], data.train["targets"]], axis=1).astype(np.float64)
    assert abs(whole.mean(axis=(0, 1))).max() < 1e-5 and abs(whole.std(axis=(0, 1)) - 1).max() < 1e-5
    every = made("lorenz", washout=0, horizon=None, val_horizon=None, standardise=False)[2]
    decoded = registry.load("tasks", "forecast")(**row.settings).decode(data.train["inputs"], data.facts)
    np.testing.assert_allclose(decoded, every.train["inputs"][..., [1, 0]], rtol=0, atol=1e-4)


def test_a_wrong_piece_of_a_trajectory_is_found(refused: Refused) -> None:
    system, times = make("lorenz63", {}), 0.02 * np.arange(2.0 * PIECE + 1)
    states = simulate(system, system.start(np.random.default_rng(0), 3), times)
    assert piecewise_error(system, times, states) < 1e-8
    states[1, PIECE + 22] += 1e-6
    with refused("solver error"):
        piecewise_error(system, times, states)


def test_a_delay_equation_is_observed_after_its_transient() -> None:
    row, _, data = made("mackey_glass", standardise=False, transient=50.0)
    again = made("mackey_glass", standardise=False, transient=60.0)[2]
    assert data.facts["solver_error_over"].startswith("the whole of each trajectory")
    shift = round(10.0 / row.step)  # ten units of time later on the same trajectories
    np.testing.assert_allclose(data.train["inputs"][:, shift:], again.train["inputs"][:, :-shift], atol=1e-5)
    assert abs(data.train["inputs"] - again.train["inputs"]).max() > 1e-3


def test_recall_asks_for_the_sum_of_the_marked_values_and_of_no_others() -> None:
    _, _, data = made("recall_50", steps=30, train=400, test=300)
    assert data.facts["solver_error"] < 1e-12
    for split in splits_of(data).values():
        values, marks = split["inputs"][..., 0], split["inputs"][..., 1]
        assert set(np.unique(marks)) == {0.0, 1.0}
        assert (marks[:, :15].sum(axis=1) == 1).all() and (marks[:, 15:].sum(axis=1) == 1).all()
        np.testing.assert_allclose(split["targets"][:, 0], (values * marks).sum(axis=1), atol=1e-6)
        assert abs(split["targets"][:, 0] - (values * np.roll(marks, 1, axis=1)).sum(axis=1)).max() > 0.1
    assert len(np.unique(np.argmax(data.train["inputs"][:, :15, 1], axis=1))) == 15
    assert np.square(data.train["targets"] - 1).mean() == pytest.approx(1 / 6, rel=0.2)


def test_recall_counts_the_seeds_that_solve_it_and_the_updates_they_need() -> None:
    row, task, _ = made("recall_50")
    losses = np.array([[1.0, 1.0, 1.0], [0.001, 1.0, 1.0], [0.001, 0.001, 1.0]])
    found = task.extras(np.array([0.01, 0.039, 0.041]) ** 2, History(losses, updates=3))
    assert found == {"solved": pytest.approx(2 / 3), "updates": 9.0, "steps": row.settings["steps"]}
    assert task.describe(row)["recall"] == {"steps": row.settings["steps"], "chance": 0.166667, "solved": 0.0016}
    assert task.extras(np.full(3, np.nan), History(losses[:1], updates=3))["solved"] == 0


def test_initial_value_gives_the_first_state_once_and_asks_for_the_trajectory() -> None:
    row, _, data = made("initial_value", system="sine", parameters={}, observed=None)
    test = data.tests["test"]
    assert (test.inputs[:, 1:] == 0).all()
    times = row.step * np.arange(row.settings["steps"] + 1)
    exact = make("sine", {}).exact(times, test.inputs[:, 0].astype(float), None)
    assert exact is not None
    np.testing.assert_allclose(test.targets, exact[:, 1:], rtol=0, atol=1e-6)
    assert abs(test.targets - exact[:, :-1]).max() > 1e-3


def test_initial_value_gives_each_trajectory_its_own_stiffness_as_a_logarithm() -> None:
    row, task, data = made("initial_value", parameters={"mu_min": 1.0, "mu_max": 3.0})
    assert list(data.facts["outputs"]) == ["x"] and data.train["targets"].shape[-1] == 1
    mu = 10.0 ** data.train["inputs"][:, 0, 2]
    assert len(np.unique(mu)) == row.train and 1 <= mu.min() < mu.max() <= 3
    assert data.example is not None and 1 <= data.example[0, 0, 2] <= 3
    longer = task.encode(data.example, data.facts, of(row), 100)
    assert longer.shape == (1, 100, 3) and longer[0, 0, 2] == pytest.approx(np.log10(data.example[0, 0, 2]))


def test_simulation_hides_the_measured_outputs_of_a_test_after_the_washout() -> None:
    row, task, data = made("silverbox")
    n, test = row.washout, data.tests["test"]
    columns = task.columns(row)
    assert columns == ["y_prev", "V1", "y_init", "y_init", "y_linear"] and task.default_inputs(row) == ["V1"]
    series = record.load(row)
    spoilt = series.outputs.copy()
    spoilt[row.train + row.val + n :] += 1.0
    tests = []
    for outputs in (series.outputs, spoilt):
        tests.append(task.datasets(row, type(series)(**vars(series) | {"outputs": outputs})).tests["test"])
    np.testing.assert_array_equal(tests[0].inputs, test.inputs)
    np.testing.assert_array_equal(tests[1].inputs, test.inputs)
    assert abs(tests[1].targets - test.targets).min() > 0.9
    spoilt[row.train + row.val + n - 1] += 1.0
    seen = task.datasets(row, type(series)(**vars(series) | {"outputs": spoilt})).tests["test"]
    assert not np.array_equal(seen.inputs, test.inputs)


def test_simulation_columns_are_what_their_names_say() -> None:
    row, _, data = made("silverbox")
    series, n, x = record.load(row), row.washout, data.train["inputs"]
    stride, third = row.settings["steps"] // 2, data.train["inputs"][2]
    at = np.arange(2 * stride, 2 * stride + row.settings["steps"])
    np.testing.assert_allclose(third[:, 1], series.inputs[at, 0], atol=1e-6)
    np.testing.assert_allclose(third[1:, 0], series.outputs[at[:-1], 0], atol=1e-6)
    np.testing.assert_allclose(data.train["targets"][2, :, 0], series.outputs[at[n:], 0], atol=1e-6)
    np.testing.assert_allclose(third[1 : n + 1, 2], series.outputs[at[:n], 0], atol=1e-6)
    assert (third[1 : n + 1, 3] == 1).all() and (third[0, 2:4] == 0).all() and (third[n + 1 :, 2:4] == 0).all()
    assert x.shape[1] == row.settings["steps"] and data.val["inputs"].shape[:2] == (1, row.val)


def test_the_linear_model_in_simulation_is_the_plain_loop() -> None:
    random, n = np.random.default_rng(1), 9
    drive, exact = random.standard_normal((300, 2)), np.zeros((300, 1))
    for t in range(2, 300):
        exact[t] = 1.2 * exact[t - 1] - 0.7 * exact[t - 2] + 0.3 * drive[t - 1, 0] - 0.2 * drive[t, 1] + 0.1
    [(a, b, c)] = models = simulation.fit(drive, exact, 2)
    np.testing.assert_allclose([*a, *b.ravel(), c], [1.2, -0.7, 0, -0.2, 0.3, 0, 0, 0, 0.1], atol=1e-10)
    noisy = exact + 0.1 * random.standard_normal(exact.shape)
    found, expected = simulation.linear_response(models, drive, noisy, n), noisy.copy()
    for t in range(n, 300):
        expected[t] = a @ expected[t - 1 : t - 3 : -1, 0] + sum(b[lag] @ drive[t - lag] for lag in range(3)) + c
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert abs(simulation.linear_response(models, drive, noisy, n + 1) - expected).max() > 1e-6


def test_a_test_trajectory_is_given_where_its_tolerance_matters() -> None:
    row, task, data = made("fitzhugh_nagumo")
    system = of(row)
    assert system is not None
    found = task.trajectories(row, system, 4)
    assert found is not None
    times, initial, states = found
    assert initial.shape == (4, 2) and len(times) == row.settings["steps"] + 1
    np.testing.assert_allclose(states[:, 1:], data.tests["test"].targets[:4], atol=1e-6)
    chaotic, task, _ = made("lorenz")
    assert task.trajectories(chaotic, make("lorenz63", {}), 4) is None


def test_response_of_a_record_gets_the_output_before_the_first_step(measured: pd.DataFrame, in_tmp: Path) -> None:
    u = np.random.default_rng(0).normal(3, 2, 120)
    y = np.zeros(120)
    for t in range(1, 120):
        y[t] = 0.8 * y[t - 1] + u[t]
    pd.DataFrame({"drive": u, "level": y}).to_csv("tank.csv", index=False)
    own = {"record": {"file": "tank.csv", "inputs": ["drive"], "outputs": ["level"]}, "task": "response", "steps": 10}
    row = DataRow.model_validate(own | {"step": 0.5, "train": 60, "val": 24, "test": 36, "window": 3})
    data, task = datasets.make(row), registry.load("tasks", "response")(steps=10)
    test, series = data.tests["test"], record.load(row)
    assert test.inputs.shape == (3, 10, 2) and (test.inputs[:, 1:, 1] == 0).all()
    drive = test.inputs[:, :, 0] * series.standard_deviation[0] + series.mean[0]
    state = test.inputs[:, 0, 1] * series.standard_deviation[1] + series.mean[1]
    decoded = task.decode(test.targets, data.facts)
    for step in range(10):  # the recurrence of the table, from what the network gets
        state = 0.8 * state + drive[:, step]
        np.testing.assert_allclose(decoded[:, step, 0], state, rtol=1e-4)
    assert data.example is not None
    np.testing.assert_allclose(task.encode(data.example, data.facts, None, 10), test.inputs[:1], atol=1e-5)


def test_lyapunov_times_are_those_of_the_parameters_that_they_are_known_at() -> None:
    known, other = (made("lorenz", parameters=parameters)[2] for parameters in ({"rho": 28.0}, {"rho": 30.0}))
    assert known.tests["closed_loop"].lyapunov == make("lorenz63", {}).lyapunov
    assert other.tests["closed_loop"].lyapunov is None


def test_an_unstable_linear_model_is_an_error_that_names_the_window(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    row = small_studies.study("silverbox")
    monkeypatch.setattr(simulation, "fit", lambda u, y, lags: [(np.array([2.0]), np.ones((2, u.shape[1])), 0.0)])
    with refused("the linear model", "is unstable", "choose another 'window'"):
        datasets.make(row)
