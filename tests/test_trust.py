"""No stage uses a file that is not what was written: swapped, altered or damaged ones are one line, with a remedy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from conftest import Refused
from unrolled import config, errors, files, fingerprint, paths
from unrolled.analysis import tables
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.report import results as evaluations
from unrolled.stages import configure, evaluate, generate, train
from unrolled.training import results
from unrolled.training.fit import fit
from unrolled.training.runs import Run

SINE, RECALL = "sine", "recall_50"
METHODS = ("linear", "esn")
GENERATE, TRAIN, EVALUATE = "run `dvc repro --force generate@sine`", "run `dvc repro train`", "run `dvc repro evaluate`"
Damage = Callable[[], None]


def runs(study: str = SINE) -> list[Run]:
    """Return the quick runs of a study."""
    own = config.experiment(study)
    own = own.model_copy(update={"methods": {name: own.methods[name] for name in METHODS}})
    return [Run(own, name) for name in METHODS]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which two small studies are trained, and one is evaluated."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        table = tiny.raw("next_value", "recall")
        for study in table["studies"].values():
            study["methods"] = list(METHODS)
        (folder / "params.yaml").write_text(json.dumps(table), encoding="utf-8")
        configure.main()
        for study in (SINE, RECALL):
            generate.main(study)
            for run in runs(study):
                results.save(run, fit(run, store.load(study)), 1.0)
        evaluate.study(SINE)
    return folder


@pytest.fixture(autouse=True)
def here(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a copy of it."""
    shutil.copytree(whole, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def change_json(path: Path, **changes: Any) -> None:
    """Change keys of a file, as an editor would."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


# --- data


def swap() -> None:
    """Swap training and test data."""
    folder = paths.dataset(SINE)
    train_, test = ((folder / f"{name}.npz").read_bytes() for name in ("train", "test"))
    (folder / "train.npz").write_bytes(test)
    (folder / "test.npz").write_bytes(train_)


def of_another_study() -> None:
    """Put another study's folder in place of this one's."""
    shutil.rmtree(paths.dataset(SINE))
    shutil.copytree(paths.dataset(RECALL), paths.dataset(SINE))


def rewrite(part: str, name: str, change: Callable[[Any], Any]) -> None:
    """Write a file again, with one array changed."""
    path = paths.dataset(SINE) / f"{part}.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays[name] = change(arrays[name])
    np.savez(path, **arrays)


def nan(array: Any) -> Any:
    """Return the array with a value that is none."""
    return np.where(np.arange(array.size).reshape(array.shape) == 1, np.nan, array)


DATA: dict[str, tuple[Damage, str]] = {
    "train and test swapped": (swap, "test.npz is damaged, or another file than its sidecar describes"),
    "of another study": (of_another_study, "data/studies/sine holds data of another row, record or source"),
    "one value changed": (lambda: rewrite("val", "targets", lambda a: a + 1), "val.npz is damaged"),
    "not a number": (lambda: rewrite("train", "inputs", nan), "train.npz is damaged"),
    "another shape": (lambda: rewrite("test", "inputs", lambda a: a[:, 1:]), "test.npz is damaged"),
    "cut off": (lambda: (paths.dataset(SINE) / "val.npz").write_bytes(b"PK"), "val.npz is damaged"),  # type: ignore[dict-item]
    "a fact changed": (lambda: change_json(paths.sidecar(SINE), step=9.0), "dataset.json is damaged or was changed"),
}


@pytest.mark.parametrize("what", DATA)
def test_damaged_data_stop_training_and_evaluation_and_are_made_again(what: str, refused: Refused) -> None:
    damage, said = DATA[what]
    own = config.experiment(SINE)
    before = {path.name: path.read_bytes() for path in paths.dataset(SINE).iterdir()}
    damage()
    with refused(said, GENERATE):
        train.load([Run(own, name) for name in METHODS])
    with refused(said, GENERATE):
        evaluate.study(SINE)
    generate.main(SINE)
    after = {path.name: path.read_bytes() for path in paths.dataset(SINE).iterdir()}
    assert after == before, "the remedy mends it, and what was trained on it stays as it is"
    assert all(results.kept(run) for run in runs())


def test_what_is_wrong_with_the_data_of_several_studies_is_said_at_once(refused: Refused) -> None:
    for study in (SINE, RECALL):
        (paths.dataset(study) / "val.npz").write_bytes(b"")
    with refused("generate@sine", "generate@recall_50"):
        train.load([*runs(SINE), *runs(RECALL)])


def test_test_data_that_never_change_are_refused_before_training_where_the_score_is_in_their_units(
    refused: Refused,
) -> None:
    own = config.experiment(SINE)
    data = store.load(SINE)
    data.tests["test"].targets[:] = 0.3
    store.save(SINE, data, store.mark(own.data))
    constant = own.model_copy(update={"score": "nrmse", "scored_on": "test"})
    with refused("studies.sine.score: 'nrmse' is in units of the truth", "choose another"):
        train.load([Run(constant, "linear")])
    assert train.load([Run(constant.model_copy(update={"score": "rmse"}), "linear")]).keys() == {SINE}


# --- results


def altered(change: Callable[[dict[str, Any]], None], method: str = "linear") -> None:
    """Write a result again, with other arrays under the same fingerprint; the kept one beside it too."""
    path = results.path_of(SINE, method)
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    for each in (path, paths.KEPT / f"{arrays['fingerprint']}.npz"):
        each.unlink()
        np.savez(each, **arrays)


def nan_weights(arrays: dict[str, Any]) -> None:
    """Break the weights."""
    arrays["theta"] = arrays["theta"] * np.nan


def better_predictions(arrays: dict[str, Any]) -> None:
    """Improve the predictions."""
    arrays["predictions.test"] = arrays["predictions.test"] * 0.999


def other_losses(arrays: dict[str, Any]) -> None:
    """Improve the validation loss."""
    arrays["best_loss"] = arrays["best_loss"] / 2


def fewer_arrays(arrays: dict[str, Any]) -> None:
    """Leave one out."""
    del arrays["passes"]


@pytest.mark.parametrize("change", [nan_weights, better_predictions, other_losses, fewer_arrays])
def test_an_altered_result_is_trained_again_and_not_evaluated(
    change: Callable[[dict[str, Any]], None], refused: Refused
) -> None:
    run, before = runs()[0], results.path_of(SINE, "linear").read_bytes()
    altered(change)
    assert not results.kept(run) and results.distrusted(run)
    with refused("data/trained/sine/linear.npz is damaged or was changed by hand", TRAIN):
        evaluate.study(SINE)
    results.save(run, fit(run, store.load(SINE)), 1.0)
    assert results.path_of(SINE, "linear").read_bytes() == before and not results.distrusted(run)


def test_the_result_of_another_run_is_not_taken_and_all_that_is_wrong_is_said_at_once(refused: Refused) -> None:
    first, second = (results.path_of(SINE, name) for name in METHODS)
    first.write_bytes(results.path_of(RECALL, "linear").read_bytes())
    second.write_bytes(b"PK\x03\x04")
    with refused("linear.npz does not belong to", "esn.npz is damaged", TRAIN):
        evaluate.study(SINE)
    assert [results.kept(run) for run in runs()] == [True, True], "both are put back from those kept"
    assert "sine: " in evaluate.study(SINE)


# --- what is resolved, and what is evaluated


@pytest.mark.parametrize("name", ["sine.json", "sine.data.json", "index.json", "random_networks.json"])
@pytest.mark.parametrize("change", ["edited", "cut off", "not a table"])
def test_an_experiment_that_was_edited_is_one_line(name: str, change: str, refused: Refused) -> None:
    path = paths.EXPERIMENTS / name
    before = path.read_bytes()
    if change == "edited":
        change_json(path, seed=3, studies=[], score="rmse", test=1)
    else:
        path.write_bytes(before[:-9] if change == "cut off" else b"[1, 2]")
    read = {"sine.json": config.experiment, "sine.data.json": config.data_row, "index.json": lambda _: config.studies()}
    with refused(f"data/experiments/{name} is damaged", "run `dvc repro configure`, which makes it from params.yaml"):
        read.get(name, lambda _: files.read_sealed(paths.RANDOM, config.CONFIGURE))(SINE)
    configure.main()
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["metrics.json", "growth.csv", "../../curves/sine.csv", fingerprint.FILE])
@pytest.mark.parametrize("how", ["edited", "gone"])
def test_an_evaluation_that_was_edited_is_not_shown_and_made_again(name: str, how: str, refused: Refused) -> None:
    folder = paths.evaluated(SINE)
    path, before = folder / name, (folder / name).read_bytes()
    assert not evaluate._stale(SINE) and evaluations.read([SINE]).studies[0].name == SINE
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(before.replace(b"0", b"1") if b"0" in before else before + b"1")
    with refused(EVALUATE, path.name):
        evaluations.read([SINE])
    assert evaluate._stale(SINE)
    evaluate.study(SINE)
    assert path.read_bytes() == before and not evaluate._stale(SINE)


# --- a fault in one part does not take the others


def broken(*given: Any) -> Any:
    """Fail as a fault in the source would."""
    raise ZeroDivisionError("a\nfault")


@pytest.fixture
def lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do as in a user's run: a fault is said, and all else goes on."""
    monkeypatch.delenv(errors.STRICT)


def test_a_fault_is_told_in_one_line_with_its_place_and_raised_in_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        errors.attempt(broken)
    monkeypatch.delenv(errors.STRICT)
    assert errors.attempt(lambda: 3) == 3
    found = errors.attempt(lambda: files.sha256(Path("nowhere")))
    assert isinstance(found, errors.Fault) and found.startswith("FileNotFoundError: ") and "(files.py:" in found

    def refuse() -> None:
        raise UnrolledError("no luck: buy a ticket")

    assert errors.attempt(refuse) == "no luck: buy a ticket"


@pytest.mark.usefixtures("lived_with")
def test_a_method_that_cannot_be_evaluated_says_so_and_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from unrolled.analysis import evaluate as analysis

    own = analysis.gradient_flow.of_method
    monkeypatch.setattr(analysis.gradient_flow, "of_method", broken)
    said = evaluate.study(SINE)
    assert "; esn not evaluated: ZeroDivisionError: a fault (analysis/evaluate.py:" in said
    assert "dvc repro --force evaluate" in said
    found = evaluations.read([SINE]).studies[0]
    assert found.methods["linear"]["rank"] == 1 and "fault" not in found.methods["linear"]
    assert found.methods["esn"]["state"] == "not evaluated" and found.methods["esn"]["rank"] is None
    assert set(found.tables["forecasts"]["method"]) == {"truth", "linear"}
    monkeypatch.setattr(analysis.gradient_flow, "of_method", own)
    assert evaluate._stale(SINE), "the next run tries again"
    assert "not evaluated" not in evaluate.study(SINE)


@pytest.mark.usefixtures("lived_with")
def test_a_study_that_cannot_be_evaluated_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "curves", broken)
    assert evaluate.study(SINE).startswith("sine: not evaluated: ZeroDivisionError: a fault (")
    assert "its evaluation failed, ZeroDivisionError" in evaluations.read([SINE]).not_run[SINE]
    assert evaluate._stale(SINE)
