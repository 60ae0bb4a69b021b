"""Tasks of symbols: what they ask, what a guess comes to, and that training knows it."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import small_studies
from conftest import experiment_of
from unrolled import registry
from unrolled.analysis import convergence
from unrolled.analysis.evaluate import _row, scored
from unrolled.config import DataRow
from unrolled.data import datasets
from unrolled.data.task import Data, Task
from unrolled.training.fit import fit
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Run

Array = NDArray[Any]
SYMBOLS = [name for name in registry.names("tasks") if registry.load("tasks", name).sourceless]


def made(task: str, **keys: Any) -> tuple[Task, DataRow, Data]:
    row = DataRow.model_validate({"task": task, "step": 1.0, "train": 64, "val": 16, "test": 32, "steps": 20} | keys)
    return registry.load("tasks", task)(**row.settings), row, datasets.make(row)


def symbols(data: Data) -> tuple[Array, Array]:
    """Return inputs and targets of the training set as places in the alphabet."""
    return data.train["inputs"].argmax(axis=-1), data.train["targets"].argmax(axis=-1)


def test_copy_memory_is_as_published() -> None:
    task, _, data = made("copy_memory", train=400)
    x, y = symbols(data)
    t, blank, delimiter = 20, 8, 9
    assert data.train["inputs"].shape[1:] == (t + 20, 10) and data.train["targets"].shape[1:] == (t + 20, 9)
    assert (x[:, 10 : t + 9] == blank).all() and (x[:, t + 9] == delimiter).all() and (x[:, t + 10 :] == blank).all()
    assert set(np.unique(x[:, :10])) == set(range(8)), "ten symbols of eight"
    assert (y[:, :-10] == blank).all() and (y[:, -10:] == x[:, :10]).all()
    assert (y[:, -10:] != x[:, 1:11]).any(), "in their order"
    assert task.chance() == pytest.approx(10 * np.log(8) / (t + 20))
    published = registry.load("tasks", "copy_memory")(steps=1000)
    assert f"{published.chance():.4f}" == "0.0204", "what Bai et al. find for RNN, LSTM and GRU"


def test_selective_copying_asks_for_scattered_symbols_in_their_order() -> None:
    _, _, data = made("selective_copying", train=400)
    x, y = symbols(data)
    places = [np.flatnonzero(row[:20] < 8) for row in x]
    assert all(len(each) == 4 for each in places)
    assert all((row[each] == true[-4:]).all() for row, true, each in zip(x, y, places, strict=True))
    assert (x[:, 20:] == 9).all() and (y[:, :20] == 8).all()
    counts = np.bincount(np.concatenate(places), minlength=20)
    assert counts.min() > 0 and abs(counts - 80).max() < 5 * 80**0.5, "anywhere"


@pytest.mark.parametrize(("symbols_asked", "places"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (30, 40), (60, 70)])])
def test_temporal_order_asks_which_came_first(symbols_asked: int, places: list[tuple[int, int]]) -> None:
    task, _, data = made("temporal_order", steps=100, symbols=symbols_asked, train=400)
    x, y = symbols(data)
    where = [np.flatnonzero(row < 2) for row in x]
    assert all(len(each) == symbols_asked for each in where)
    for number, (low, high) in enumerate(places):
        found = {int(each[number]) for each in where}
        assert found == set(range(low, high))
    names = ["".join("XY"[x[row, place]] for place in each) for row, each in enumerate(where)]
    assert [task.letters()[1][true] for true in y] == names and len(set(names)) == 2**symbols_asked  # type: ignore[attr-defined]
    assert task.chance() == pytest.approx(symbols_asked * np.log(2))  # type: ignore[attr-defined]


def test_temporal_order_of_mixed_lengths_has_its_places_in_the_last_steps() -> None:
    _, _, data = made("temporal_order", steps=100, shortest=20, train=2000)
    x, _ = symbols(data)
    first, second = np.array([np.flatnonzero(row < 2) for row in x]).T
    assert first.max() - first.min() > 60 and (second - first >= 0.3 * 20 - 1).all()
    length = (100 - first) / 0.85  # the first stands a tenth to two tenths after the beginning
    assert length.min() < 25 and length.max() > 95
    test = data.tests["test"].inputs.argmax(axis=-1)
    assert all(10 <= np.flatnonzero(row < 2)[0] < 20 for row in test), "a test is of the whole length"


@pytest.mark.parametrize("task", SYMBOLS)
def test_chance_is_the_loss_of_the_best_guess_that_sees_nothing(task: str) -> None:
    """The optimum over all constant predictions, found by gradient descent, and the trivial predictor of training."""
    own, row, data = made(task, train=20000, val=4000, test=2)
    y = torch.from_numpy(data.train["targets"])
    logits = torch.zeros(y.shape[1:], requires_grad=True)
    steps = torch.optim.LBFGS([logits], lr=1, max_iter=100)

    def loss() -> torch.Tensor:
        steps.zero_grad()
        found = torch.nn.functional.cross_entropy(logits.expand_as(y).flatten(0, -2), y.argmax(dim=-1).flatten())
        found.backward()
        return found

    steps.step(loss)  # type: ignore[arg-type]
    found, chance = float(loss().detach()), own.chance()  # type: ignore[attr-defined]
    assert found == pytest.approx(chance, rel=0.01)
    validation = Run(experiment_of(row, {"m": {"cell": "elman", "hidden": 2}}, "cross_entropy"), "m").validation(data)
    trivial = convergence.trivial_loss(data.train["targets"], validation, "cross_entropy")
    assert trivial == pytest.approx(chance, rel=0.01) and own.describe(row)["chance"] == pytest.approx(chance, rel=1e-5)
    everywhere = data.train["targets"].reshape(-1, y.shape[-1]).mean(axis=0)
    blind = float(-(everywhere * np.log(everywhere)).sum())
    assert own.many_to_one or blind > 1.3 * chance, "who does not even know the step"


@pytest.mark.parametrize("task", SYMBOLS)
def test_longer_test_sets_are_as_long_as_they_say(task: str) -> None:
    own, _, data = made(task, longer=[40, 100])
    extra = own.length(0)  # type: ignore[attr-defined]
    assert {name: test.inputs.shape[1] - extra for name, test in data.tests.items()} == {
        "test": 20,
        "steps_40": 40,
        "steps_100": 100,
    }
    plain = made(task)[2]
    np.testing.assert_array_equal(plain.train["inputs"], data.train["inputs"])
    np.testing.assert_array_equal(plain.tests["test"].inputs, data.tests["test"].inputs)


def test_recall_of_mixed_lengths_asks_the_same_of_the_last_steps() -> None:
    row = small_studies.study("recall_50", steps=60, shortest=10, longer=[120], train=3000)
    data = datasets.make(row)
    x, y = data.train["inputs"].astype(np.float64), data.train["targets"][:, 0]
    np.testing.assert_allclose(x.prod(axis=-1).sum(axis=1), y, atol=1e-6)
    assert (x[..., 1].sum(axis=1) == 2).all()
    first, second = np.array([np.flatnonzero(marks) for marks in x[..., 1]]).T
    assert (first[second < 60] <= second).all() and first.max() >= 50 and first.min() < 3
    assert ((60 - first) >= (60 - second)).all() and np.median(first) > 25, "most sequences are shorter"
    whole = datasets.make(small_studies.study("recall_50", steps=60, train=3000))
    assert np.median(np.argmax(whole.train["inputs"][..., 1], axis=1)) < 20
    longer = data.tests["steps_120"]
    assert longer.inputs.shape[1] == 120 and (longer.inputs[:, :60, 1].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(data.tests["test"].inputs, whole.tests["test"].inputs)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system": "sine"}, "takes neither 'system' nor 'record'"),
        ({"washout": 2}, "takes no washout"),
        ({"longer": [10]}, "needs 'longer' test sets than its 20 'steps'"),
        ({"symbols": 21, "task": "selective_copying"}, "needs at least as many 'steps' as 'symbols'"),
        ({"shortest": 20, "task": "temporal_order"}, "needs a 'shortest' below its 20 'steps'"),
        ({"steps": 9, "task": "temporal_order"}, "needs at least 10 'steps'"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], said: str) -> None:
    keys = {"task": "copy_memory", "step": 1.0, "train": 4, "val": 2, "test": 2, "steps": 20} | change
    row = DataRow.model_validate(keys)
    assert said in str(registry.load("tasks", row.task)(**row.settings).refuses(row, None))


def test_lengths_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        registry.load("tasks", "copy_memory")(steps=20, longer=[100, 50])


def test_a_network_is_trained_on_it_and_told_from_chance() -> None:
    """A short copy that a GRU can do, and one that it has no time to: predictions are probabilities."""
    rows = {"gru": {"cell": "gru", "hidden": 12, "learning_rates": [3e-2]}}
    states, runs = {}, {}
    for steps, epochs in ((2, 60), (60, 2)):
        _, row, data = made("copy_memory", steps=steps, symbols=1, alphabet=3, train=400)
        run = Run(experiment_of(row, rows, "cross_entropy", epochs=epochs, batch=20, seeds=1), "gru")
        result = fit(run, data)
        probabilities = result.predictions["test"]
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
        each = scored(run, result, data)
        states[steps] = _row(each)
        logits = run.ensemble(run.network(), result.theta).run(
            torch.from_numpy(data.tests["test"].inputs), "teacher_forced", 0
        )
        expected = torch.nn.functional.cross_entropy(
            logits[0].flatten(0, 1), torch.from_numpy(data.tests["test"].targets).argmax(-1).flatten()
        )
        assert each.scores[0] == pytest.approx(float(expected), rel=1e-4)
        runs[steps] = run, result, data
    assert states[2]["state"] != "at chance" and states[2]["extras"]["accuracy"] > 0.95
    assert states[60]["state"] == "at chance" and states[60]["extras"]["accuracy"] < 0.7
    run, result, data = runs[2]
    predictor = Predictor.of(run, result, data)
    found = predictor.predict(data.example, {"steps": 4})[0]
    np.testing.assert_allclose(found, result.predictions["test"][0, 0], atol=1e-5)
