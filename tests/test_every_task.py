"""Every task: the arrays it makes, and what it reads from a model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import MakeJob, Refused
from unrolled import config, registry
from unrolled.config import Study
from unrolled.data.record import Measured
from unrolled.data.system import make
from unrolled.data.task import Facts, Split, Task
from unrolled.data.tasks.forecast import piecewise_error, trajectories

TASKS = registry.names("tasks")
TABLE = config.load(Path(__file__).parents[1] / "params.yaml")
SMALL: dict[str, Any] = {"train": 30, "val": 6, "test": 8, "window": 4, "seed": 5}
Built = tuple[Task, Study, dict[str, Split], Facts]


def build(name: str, **change: Any) -> Built:
    """Build the task's first study in `config.yaml`, made small."""
    rows = [row for row in TABLE.studies.values() if row.task == name]
    assert rows, f"no study in config.yaml asks for task '{name}'"
    row = rows[0].model_copy(update=SMALL | ({"steps": 12} if rows[0].steps else {}) | change)
    task = registry.load("tasks", name)()
    if row.series is not None:  # 300 values of it
        row = row.model_copy(update={"steps": 12, "train": 200, "val": 50, "test": 50} | change)
        random = np.random.default_rng(row.seed)
        series = Measured(*random.normal(size=(2, 300, 1)), mean=np.zeros(2), spread=np.ones(2), start=4)
        splits, facts = task.cut(row, series)
        return task, row, splits, facts | {"outputs": row.series.outputs}
    return task, row, *task.build(row, make(row.system, row.parameters))


@pytest.fixture(params=TASKS)
def built(request: pytest.FixtureRequest) -> Built:
    return build(request.param)


class Untrained:
    """Two replicas that answer with fixed random weights of the last few inputs."""

    def __init__(self, inputs: int, outputs: int, last: bool) -> None:
        self.last = last
        self.weights = torch.randn(2, inputs, outputs, generator=torch.Generator().manual_seed(0)) / inputs

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return (2, B, [T,] K)."""
        inputs = inputs.expand(2, *inputs.shape[-3:]) if inputs.dim() == 3 else inputs
        answers = inputs.cumsum(dim=2).tanh() @ self.weights[:, None]
        return answers[:, :, -1] if self.last else answers

    def simulate(self, inputs: Tensor) -> Tensor:
        """Return (2, B, T - 4, K)."""
        return self(inputs)[:, :, 4:]

    def run_alone(self, warm_up: Tensor, steps: int) -> Tensor:
        """Return (2, B, steps, K), each output fed back."""
        series, outputs = warm_up.expand(2, *warm_up.shape), []
        for _ in range(steps):
            outputs.append((series.cumsum(dim=2).tanh() @ self.weights[:, None])[:, :, -1])
            series = torch.cat([series, outputs[-1][:, :, None]], dim=2)
        return torch.stack(outputs, dim=2)


def model_for(built: Built) -> Untrained:
    task, _, splits, _ = built
    return Untrained(splits["test"]["inputs"].shape[-1], splits["test"]["targets"].shape[-1], task.last)


def test_splits_hold_finite_sequences_of_the_stated_shape(built: Built) -> None:
    task, _, splits, facts = built
    assert list(splits) == ["train", "val", "test"]
    for split in splits.values():
        inputs, targets = split["inputs"], split["targets"]
        assert inputs.dtype == targets.dtype == np.float32
        assert inputs.ndim == 3 and len(inputs) == len(targets) > 0
        assert targets.ndim == (2 if task.last else 3)
        assert targets.shape[-1] == len(facts["outputs"])
        assert all(np.isfinite(array).all() for array in split.values())
    assert task.kind and 0 <= json.loads(json.dumps(facts, allow_nan=False))["solver_error"] < 1e-3  # see `checked`


def test_data_depend_on_the_seed_alone(built: Built) -> None:
    again = build(type_name(built))
    for split, arrays in built[2].items():
        assert all(array.tobytes() == again[2][split][name].tobytes() for name, array in arrays.items())


def type_name(built: Built) -> str:
    return next(name for name in TASKS if registry.load("tasks", name) is type(built[0]))


def test_no_target_of_one_split_is_a_target_of_another(built: Built) -> None:
    rows = {name: {row.tobytes() for row in split["targets"]} for name, split in built[2].items()}
    assert not rows["train"] & rows["test"] and not rows["val"] & rows["test"] and not rows["train"] & rows["val"]


def test_predictions_have_the_replica_axis_first_and_are_finite(built: Built) -> None:
    predictions = built[0].predict(model_for(built), built[2])
    assert "test" in predictions
    assert predictions["test"].shape == (2, *built[2]["test"]["targets"].shape)
    for array in predictions.values():
        assert len(array) == 2 and np.isfinite(array).all()


def test_a_forecast_has_the_steps_asked_for(built: Built) -> None:
    task, _, splits, _ = built
    warm_up = torch.from_numpy(splits["test"]["inputs"][:3])
    forecast = task.forecast(model_for(built), warm_up, 4)
    assert forecast.shape == (2, len(warm_up), 4, splits["test"]["targets"].shape[-1])
    assert torch.equal(forecast[:, :, :2], task.forecast(model_for(built), warm_up, 2))


class SineRecurrence:
    """x_{n+1} = 2 cos(ω Δt) x_n - x_{n-1}, which continues any sine of that frequency exactly."""

    def __init__(self, phase: float) -> None:
        self.factor = 2 * np.cos(phase)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the next value (1, B, 1)."""
        inputs = inputs[None] if inputs.dim() == 3 else inputs
        return self.factor * inputs[:, :, -1] - inputs[:, :, -2]


def forecast_error(job: Any, phase: float) -> float:
    model, test = SineRecurrence(phase), job.splits["test"]
    warm_up = torch.from_numpy(test["inputs"][:1]).double()
    forecast = job.task().forecast(model, warm_up, 20)[0, 0, :, 0].numpy()
    return float(abs(forecast - np.sin(test["times"])).max())


def test_next_value_forecasts_run_on_alone_and_follow_the_sine(make_job: MakeJob) -> None:
    job = make_job({"cell": "elman"}, noise=None)
    assert forecast_error(job, 0.3) < 1e-5
    assert forecast_error(job, 0.31) > 0.1


def test_next_value_forecast_sees_nothing_of_the_test(make_job: MakeJob) -> None:
    job = make_job({"cell": "elman"})
    spoilt = {name: {key: array.copy() for key, array in split.items()} for name, split in job.splits.items()}
    spoilt["test"]["inputs"][1:] = 9.0
    spoilt["test"]["targets"][:] = 9.0
    one, other = (job.task().predict(SineRecurrence(0.3), splits) for splits in (job.splits, spoilt))
    np.testing.assert_array_equal(one["forecast"], other["forecast"])
    assert not np.array_equal(one["test"], other["test"])


def test_next_value_windows_are_the_points_before_their_target() -> None:
    _, row, splits, _ = build("next_value", noise=[-1.0, 1.0])
    series = np.concatenate([splits["train"]["inputs"][0, :, 0], *(s["targets"][:, 0] for s in splits.values())])
    times = np.concatenate([split["times"] for split in splits.values()])
    assert len(series) == row.train + row.val + row.test
    np.testing.assert_allclose(times, row.step * np.arange(row.window, len(series)), rtol=1e-14)
    targets = iter(range(row.window, len(series)))
    for split in splits.values():
        for window in split["inputs"]:
            target = next(targets)
            np.testing.assert_array_equal(window[:, 0], series[target - row.window : target])
    assert [len(split["targets"]) for split in splits.values()] == [row.train - row.window, row.val, row.test]


def test_noise_is_uniform_between_its_bounds_and_clean_is_the_expected_value() -> None:
    _, _, splits, _ = build("next_value", noise=[0.0, 2.0], train=4000, step=0.02)
    noise = (splits["train"]["targets"] - splits["train"]["clean"]).ravel()
    assert abs(noise.mean()) < 5 * (1 / 3 / len(noise)) ** 0.5
    assert noise.var() == pytest.approx(1 / 3, rel=0.05)
    assert -1 <= noise.min() < -0.99 and 0.99 < noise.max() <= 1
    np.testing.assert_allclose(splits["train"]["clean"][:, 0], 1 + np.sin(splits["train"]["times"]), atol=1e-6)


def test_response_is_the_exact_state_for_its_inputs_and_a_late_force_is_not() -> None:
    _, row, splits, _ = build("response", steps=40)
    system = make(row.system, row.parameters)
    starts = np.concatenate([split["inputs"][:, 0, 1:] for split in splits.values()])
    assert len(np.unique(starts, axis=0)) == row.train + row.val + row.test
    for split in splits.values():
        inputs = split["inputs"].astype(float)
        assert (inputs[:, 1:, 1:] == 0).all()
        exact = system.exact(row.step * np.arange(41), inputs[:, 0, 1:], inputs[:, :, 0])
        np.testing.assert_allclose(split["targets"], exact[:, 1:], rtol=0, atol=1e-6)
        late = system.exact(row.step * np.arange(41), inputs[:, 0, 1:], np.roll(inputs[:, :, 0], 1, axis=1))
        assert abs(split["targets"] - late[:, 1:]).max() > 1e-2


def test_a_study_that_does_not_fit_its_task_is_refused(refused: Refused) -> None:
    with refused("'response' needs 'steps'", "params.yaml"):
        build("response", steps=None)
    with refused("'response' needs a driven system", "params.yaml"):
        build("response", system="sine", parameters={})
    with refused("'next_value' needs window < train", "params.yaml"):
        build("next_value", window=30)
    with refused("'next_value' needs window < train", "params.yaml"):
        build("next_value", window=3000)


def test_an_unknown_task_lists_the_known(refused: Refused) -> None:
    with refused("task 'next_valeu' is not known", "did you mean 'next_value'?", *TASKS):
        registry.load("tasks", "next_valeu")


def oscillation(count: int = 6, **change: Any) -> Built:
    """Return the task `forecast` of the sine's two states, run on alone for 30 steps."""
    row = TABLE.study("lorenz").model_copy(
        update=SMALL | {"system": "sine", "steps": 20, "horizon": 30, "transient": 0.0, "test": count} | change
    )
    task = registry.load("tasks", "forecast")()
    return task, row, *task.build(row, make(row.system, row.parameters))


class Rotation:
    """The exact step of x'' = -x, as a model that needs no memory."""

    def __init__(self, angle: float) -> None:
        cos, sin = np.cos(angle), np.sin(angle)
        self.matrix = torch.tensor([[cos, -sin], [sin, cos]]).float()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the next states (1, B, T, 2)."""
        return (inputs @ self.matrix)[None]

    def run_alone(self, warm_up: Tensor, steps: int) -> Tensor:
        """Return (1, B, steps, 2)."""
        outputs = [warm_up[:, -1] @ self.matrix]
        for _ in range(steps - 1):
            outputs.append(outputs[-1] @ self.matrix)
        return torch.stack(outputs, dim=1)[None]


def test_forecast_goes_on_where_the_observed_steps_end() -> None:
    task, row, splits, facts = oscillation(standardise=False, observed=None)
    assert facts["outputs"] == ["x", "v"] and splits["test"]["alone"].shape == (6, 31, 2)
    np.testing.assert_array_equal(splits["test"]["alone"][:, 0], splits["test"]["targets"][:, -1])
    for angle, right in ((row.step, True), (1.01 * row.step, False)):
        found = task.predict(Rotation(angle), splits)
        for name, truth in (("test", "targets"), ("alone", "alone")):
            assert (abs(found[name][0] - splits["test"][truth]).max() < 1e-5) == right


def test_forecast_shows_the_observed_states_in_units_of_their_spread() -> None:
    _, _, splits, facts = oscillation(observed=["y", "x"], system="lorenz63")
    assert facts["outputs"] == ["y", "x"]
    whole = np.concatenate([splits["train"]["inputs"], splits["train"]["alone"]], axis=1).astype(np.float64)
    assert abs(whole.mean(axis=(0, 1))).max() < 1e-5
    assert abs(whole.std(axis=(0, 1)) - 1).max() < 1e-5


def test_forecast_refuses_an_unknown_state_a_driven_system_and_no_steps(refused: Refused) -> None:
    with refused("'u' is not known", "x, y, z"):
        oscillation(observed=["u"], system="lorenz63")
    with refused("without a force"):
        oscillation(system="oscillator")
    with refused("needs 'steps'"):
        oscillation(steps=None)


def test_a_wrong_piece_of_a_trajectory_is_found(refused: Refused) -> None:
    system = make("lorenz63", {})
    times = 0.02 * np.arange(301.0)
    states, _ = trajectories(TABLE.study("lorenz"), system, times, 0, 3)
    assert piecewise_error(system, times, states) < 1e-8
    states[1, 222] += 1e-6
    with refused("solver error"):
        piecewise_error(system, times, states)


def test_response_outside_has_stronger_forces_and_leaves_the_other_splits_alone() -> None:
    row = TABLE.study("duffing").model_copy(update=SMALL | {"steps": 12, "test": 40, "outside": None})
    task, system = registry.load("tasks", "response")(), make(row.system, row.parameters)
    plain, _ = task.build(row, system)
    both, _ = task.build(row.model_copy(update={"outside": [5.0, 6.0]}), system)
    for split, arrays in plain.items():
        assert all(array.tobytes() == both[split][name].tobytes() for name, array in arrays.items())
    test = both["test"]
    assert abs(test["outside_inputs"][:, :, 0]).max() > 3 > abs(test["inputs"][:, :, 0]).max()
    assert test["outside"].shape == test["targets"].shape
    found = task.predict(Untrained(3, 2, last=False), both)
    assert set(found) == {"test", "outside"} and not np.array_equal(found["test"], found["outside"])
    assert set(task.predict(Untrained(3, 2, last=False), plain)) == {"test"}


def test_recall_asks_for_the_sum_of_the_marked_values_and_of_no_others() -> None:
    _, _, splits, facts = build("recall", steps=30, train=400, test=300)
    assert facts["solver_error"] < 1e-12
    for split in splits.values():
        values, marks = split["inputs"][..., 0], split["inputs"][..., 1]
        assert set(np.unique(marks)) == {0.0, 1.0}
        assert (marks[:, :15].sum(axis=1) == 1).all() and (marks[:, 15:].sum(axis=1) == 1).all()
        np.testing.assert_allclose(split["targets"][:, 0], (values * marks).sum(axis=1), atol=1e-6)
        assert abs(split["targets"][:, 0] - (values * np.roll(marks, 1, axis=1)).sum(axis=1)).max() > 0.1
    train = splits["train"]
    assert len(np.unique(np.argmax(train["inputs"][:, :15, 1], axis=1))) == 15
    assert np.square(train["targets"] - 1).mean() == pytest.approx(1 / 6, rel=0.2)


def test_recall_refuses_one_step_and_a_system_without_a_force(refused: Refused) -> None:
    with refused("'recall' needs 'steps' of at least 2"):
        build("recall", steps=1)
    with refused("'recall' needs a driven system"):
        build("recall", system="sine")


def test_initial_value_shows_the_first_state_once_and_asks_for_the_trajectory() -> None:
    row = TABLE.study("initial_value").model_copy(update=SMALL | {"steps": 20, "observed": None, "system": "sine"})
    task, system = registry.load("tasks", "initial_value")(), make("sine", {})
    splits, _ = task.build(row.model_copy(update={"parameters": {}}), system)
    test = splits["test"]
    assert (test["inputs"][:, 1:] == 0).all()
    exact = system.exact(row.step * np.arange(21), test["inputs"][:, 0].astype(float), None)
    np.testing.assert_allclose(test["targets"], exact[:, 1:], rtol=0, atol=1e-6)
    assert abs(test["targets"] - exact[:, :-1]).max() > 1e-3


def test_initial_value_shows_each_trajectory_its_own_stiffness_as_a_logarithm() -> None:
    _, row, splits, facts = build("initial_value", parameters={"least": 1.0, "most": 3.0})
    assert facts["outputs"] == ["x"] and splits["train"]["targets"].shape[-1] == 1
    shown, initial = splits["train"]["inputs"][:, 0], splits["train"]["initial"]
    np.testing.assert_allclose(10 ** shown[:, 2], initial[:, 2], rtol=1e-5)
    assert len(np.unique(initial[:, 2])) == row.train and 1 <= initial[:, 2].min() < initial[:, 2].max() <= 3


def test_initial_value_goes_on_beyond_what_was_learned() -> None:
    task, _, splits, _ = build("initial_value", parameters={"least": 1.0, "most": 3.0})
    model = Untrained(3, 1, last=False)
    warm_up = torch.from_numpy(splits["test"]["inputs"][:2])
    assert task.forecast(model, warm_up, 30).shape == (2, 2, 30, 1)


def test_initial_value_refuses_a_driven_system_and_no_steps(refused: Refused) -> None:
    with refused("'initial_value' needs a system without a force"):
        build("initial_value", system="oscillator", parameters={})
    with refused("'initial_value' needs 'steps'"):
        build("initial_value", steps=None)


def test_a_delay_equation_is_observed_and_run_on_without_its_transient() -> None:
    _, row, splits, facts = build(
        "forecast", system="mackey_glass", parameters={}, observed=None, horizon=9, transient=50.0, standardise=False
    )
    assert facts["outputs"] == ["x"] and facts["solver_error"] < 1e-8
    assert splits["test"]["alone"].shape == (row.test, 10, 1)
    assert splits["train"]["inputs"].std() > 0.01
