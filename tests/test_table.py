"""`unrolled check`: all that is wrong with a table, one line each, in seconds; what is doubtful; and what it costs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import real_table
import tiny
from real_table import DELETED, PATH, edited
from unrolled import cli, paths, yaml_file
from unrolled.errors import UnrolledError
from unrolled.stages import configure
from unrolled.training.table import Checked, check, check_rows

SINE, LORENZ, BOX, RECALL = (f"studies.{name}." for name in ("sine", "lorenz", "silverbox", "recall_50"))


def table(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the real table with some keys changed, with the studies that these name and a few others."""
    raw = edited(changes)
    kept = {"sine", "recall_50", "silverbox"} | {key.split(".")[1] for key in changes if key.startswith("studies.")}
    return raw | {"studies": {name: row for name, row in raw["studies"].items() if name in kept}}


def checked(changes: dict[str, Any]) -> Checked:
    """Return what is found in it."""
    return check_rows(table(changes), "params.yaml")


COPY = "studies.copy_memory."
SERIES = {key: value for key, value in real_table.ALL["studies"]["sine"]["data"].items() if key != "parameters"}
REFUSED: list[tuple[str, Any, list[str]]] = [
    # names
    *[
        (f"studies.{name}", real_table.ALL["studies"]["sine"], ["studies: ", "cannot be a name"])
        for name in (
            *("", "-x", "x y", "ä", "x;touch y", "x" * 65, "1", "trained", "Measured", "data", "CON", "index"),
        )
    ],
    ("methods.truth", {"label": "?", "cell": "elman"}, ["methods: 'truth' cannot be a name"]),
    ("methods.RNN", {"label": "?", "cell": "elman"}, ["'rnn' and 'RNN' are one name"]),
    ("groups.Lstm", ["rnn"], ["'groups.Lstm' has the name of a method"]),
    # keys that change nothing
    (BOX + "data.parameters", {"a": 1.0}, ["a record has no 'parameters'"]),
    (RECALL + "data.horizon", 5, ["'studies.recall_50.data.horizon' is not known"]),
    (
        "studies.santa_fe.data.standardise",
        True,
        ["data.standardise changes nothing", "'forecast' on a record", "steps"],
    ),
    ("studies.santa_fe.data.record.file", "x.csv", ["'santa_fe' comes without a file, so it takes no 'file'"]),
    ("studies.santa_fe.data.record.units", {"x": "V"}, ["'units' names 'x', which is neither input nor output"]),
    (LORENZ + "data.val_horizon", 1451, ["needs a 'horizon' of at least the 'val_horizon'"]),
    ("methods.linear.epochs", 3, ["methods.linear.epochs changes nothing", "optimiser 'ridge'"]),
    ("methods.linear.clip_norm", [1.0], ["methods.linear.clip_norm changes nothing"]),
    ("methods.linear.hidden", 3, ["methods.linear.hidden changes nothing", "cell 'window'"]),
    ("methods.linear.initialiser", "keras", ["methods.linear.initialiser changes nothing", "solves"]),
    ("methods.ffnn.truncate", 3, ["methods.ffnn.truncate changes nothing", "no recurrence"]),
    ("methods.exact.learning_rates", [0.1], ["methods.exact.learning_rates changes nothing", "optimiser 'fixed'"]),
    (
        "methods.rnn_hessian_free.clip_norm",
        [0.1],
        ["clip_norm changes nothing", "which uses epochs, batch, centred, steps"],
    ),
    ("methods.rnn_truncated.truncate", 400, [".truncate, 400, changes nothing", "sequences of 20 steps"]),
    ("methods.lem.options", {"activation": "relu"}, ["methods.lem.options: 'activation' is not known. Known: dt"]),
    ("studies.recall_5000.fit.tuning_seeds", 4, ["tuning_seeds is 4: it is a part of the 3 'seeds'"]),
    ("studies.sine.methods", [{"rnn": {"hidden": 3}}, "rnn"], ["'rnn' stands twice"]),
    (SINE + "fit.learning_rates", [0.1, 0.1], ["two of the values are equal"]),
    # pairs that do not fit
    (
        SINE + "data",
        SERIES | {"system": "mackey_glass"},
        ["task 'next_value' knows no delay, which 'mackey_glass' has"],
    ),
    (RECALL + "data.system", "oscillator", ["task 'recall' needs a system that sums its forces"]),
    (LORENZ + "data.system", "sine", ["needs trajectories that differ"]),
    (BOX + "data.record.inputs", ["V1", "V2"], ["column 'V2' is listed twice among inputs and outputs"]),
    (
        BOX + "data.record",
        {"source": "silverbox", "inputs": ["y_init"], "outputs": ["V2"]},
        ["task 'simulation' makes columns called", "call the file's column 'y_init' otherwise"],
    ),
    (SINE + "methods", ["newer"], ["studies.sine.methods: no method is left"]),
    ("methods.lru.options", {"r_min": 0.9999}, ["methods.lru.options", "'r_min', 0.9999, is less than 'r_max'"]),
    ("methods.rnn.flatten_window", True, ["flatten_window needs a task that gives a window at a time"]),
    (SINE + "data.window", DELETED, ["task 'next_value' needs a 'window'"]),
    (RECALL + "data.window", DELETED, ["methods.linear sees a window of past inputs: add 'window'"]),
    ("studies.mackey_glass.data.parameters", {"tau": -17.0}, ["'tau' is greater than 0"]),
    ("random_networks.initialisers", {"chrono": "tanh"}, ["initialisers.chrono: it cannot be used", "no gate"]),
    # sizes, memory, integration, training
    ("studies.santa_fe.data.val", 100, ["'val' has 100 values, one window needs 300"]),
    (BOX + "data.test", 50, ["needs 'test' of more than the washout of 50"]),
    (RECALL + "data.test", 1, ["needs 2 values, and 'test' leaves 1"]),
    (SINE + "fit.seeds", 10**6, ["fit.seeds is 1000000", "less than or equal to 1000"]),
    ("studies.duffing.data.train", 10**9, ["studies.duffing.data.train: the arrays would take", "GiB to use"]),
    ("studies.duffing.fit.parameters", 10**9, ["studies.duffing.fit.parameters: training studies.duffing.methods.rnn"]),
    ("methods.esn.hidden", 10**6, ["methods.esn.hidden: training", "GiB"]),
    (SINE + "fit.epochs", 10**9, ["studies.sine.fit.epochs: training", "days on one core"]),
    # classes, symbols and lengths
    (COPY + "methods", ["rnn", "esn"], [COPY + "methods.esn: 'ridge' solves for real values", "asks for classes"]),
    (COPY + "methods", [{"rnn": {"centred": True}}], ["rnn.centred: the targets are classes, which have no mean"]),
    (COPY + "score", "mse", [COPY + "score: 'mse' is of real values, which task 'copy_memory' has not"]),
    (RECALL + "score", "accuracy", ["'accuracy' is of classes, which task 'recall' has not"]),
    (COPY + "data.system", "sine", ["task 'copy_memory' takes neither 'system' nor 'record'"]),
    (COPY + "data.longer", [40], ["needs 'longer' test sets than its 50 'steps'"]),
    (COPY + "data.symbols", 0, [COPY + "data.symbols is 0"]),
    (RECALL + "data.shortest", 50, ["task 'recall' needs a 'shortest' below its 50 'steps'"]),
    ("methods.lstm.omega", [1.0], ["lstm.omega: needs a cell that is h = σ(x U + h W + b)"]),
    ("methods.rnn_truncated.omega", [1.0], ["rnn_truncated.omega: it does not go with 'truncate'"]),
    ("methods.esn.omega", [1.0], ["methods.esn.omega changes nothing", "optimiser 'ridge'"]),
    (LORENZ + "data.step", 1.0e6, ["studies.lorenz.data.step: the integration would take"]),
    (SINE + "data.parameters", {"omega": 1.0e9}, ["data.parameters.omega: the integration would take"]),
    ("studies.mackey_glass.data.parameters", {"tau": 1.0e-6}, ["data.parameters.tau: the integration would take"]),
]


@pytest.mark.parametrize(("key", "value", "parts"), REFUSED, ids=[f"{key}-{n}" for n, (key, *_) in enumerate(REFUSED)])
def test_what_cannot_be_meant_is_refused_by_name(key: str, value: Any, parts: list[str], in_tmp: Path) -> None:
    beside = {"groups.newer": []} if value == ["newer"] else {RECALL + "score": "nrmse"} if value == 1 else {}
    found = checked({key: value} | beside)
    assert any(all(part in line for part in parts) for line in found.problems), found.problems
    assert found.table is None and len(found.problems) <= len(real_table.ALL["studies"])


def test_all_problems_are_said_at_once(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes: dict[str, Any] = {SINE + "score": "mmse", LORENZ + "data.steps": "many", "methods.linear.epochs": 3}
    changes |= {"methods.gru.cell": 5, "random_networks.points": 2, "seed": -1, SINE + "data.windw": 3, "shard": {}}
    Path("params.yaml").write_text(yaml.safe_dump(table(changes), sort_keys=False), encoding="utf-8")
    lines = check().problems
    said = ("sine.score: score 'mmse'", "lorenz.data.steps is 'many'", "linear.epochs", "gru.cell is 5", "points is 2")
    for part in (*said, "seed is -1", "'studies.sine.data.windw' is not known", "'shard' is not known"):
        assert sum(part in line for line in lines) == 1, (part, lines)
    assert len(lines) == 8
    own = [next(n for n, line in enumerate(lines) if part in line) for part in (*said[:2], said[3], said[2], said[4])]
    assert own == sorted(own)  # as they stand in the table
    with pytest.raises(SystemExit) as stopped:
        cli.main(["check"])
    assert stopped.value.code == 1
    assert capsys.readouterr().out.splitlines() == [*lines, "params.yaml: 8 problems"]
    with pytest.raises(SystemExit) as stopped:
        configure.main()
    assert str(stopped.value.code).splitlines() == [f"unrolled: {line}" for line in lines]
    assert not paths.EXPERIMENTS.exists()


def test_a_sound_table_is_counted(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["check", "--file", str(PATH)])
    raw = real_table.RAW
    said = capsys.readouterr().out
    assert f"{len(raw['studies'])} studies, {len(raw['methods'])} methods, " in said
    assert said.endswith(": no problem found\n") and said.count("\n") == 1  # no warning


def test_what_no_method_of_a_study_uses_any_more_is_a_warning(in_tmp: Path) -> None:
    found = check_rows(edited({"studies.recall_1000.methods": ["esn"]}), "params.yaml")
    said = [line for line in found.warnings if "not used by any of the study's methods" in line]
    keys = ("fit.schedule", "fit.learning_rates", "fit.tuning_seeds", "data.window")
    assert found.problems == [] and {line.split()[0] for line in said} == {f"studies.recall_1000.{key}" for key in keys}


def test_few_test_windows_are_a_warning(in_tmp: Path) -> None:
    found = checked({"studies.santa_fe.data.test": 700, "methods.rnn.compare_with": {"rn": "?"}})
    assert found.problems == [] and [line.partition(":")[0] for line in found.warnings] == [
        "studies.santa_fe.data.test, 700, makes 2 test windows of 300 steps",
        "methods.rnn.compare_with",
    ]
    tiny.write(in_tmp)
    assert check().problems == []


MEANT = {
    "030": 30,
    "1e-05": 1e-5,
    "1.0e-3": 1e-3,
    "5E3": 5e3,
    "-1": -1,
    "0o17": 15,
    "0x1F": 31,
    "true": True,
    "~": None,
}
TEXT = ("yes", "no", "on", "12:30", "2024-01-31", "1_000", "1e", "NO", "0b11")


def test_numbers_and_words_are_those_of_yaml_1_2(in_tmp: Path) -> None:
    path = in_tmp / "x.yaml"
    for text, value in MEANT.items():
        path.write_text(f"a: {text}\n")
        assert yaml_file.read(path) == {"a": value}
    for text in TEXT:
        path.write_text(f"a: {text}\n")
        assert yaml_file.read(path) == {"a": text}
    path.write_text("a: {b: 1, c: 2}\n", encoding="utf-8-sig")
    assert yaml_file.read(path) == {"a": {"b": 1, "c": 2}}
    assert yaml_file.read(PATH) == real_table.RAW


TWICE = {
    "a: 1\nb: 2\na: 3\n": "key 'a' stands twice, in lines 1 and 3",
    "x:\n  m: {k: 1,\n      k: 2}\n": "key 'k' stands twice, in lines 2 and 3",
    "s: &s {k: 1, k: 2}\nx: {<<: *s}\n": "key 'k' stands twice, in lines 1 and 1",
    's: &s {"k": 1}\nx: {<<: *s, <<: *s}\n': "key '<<' stands twice, in lines 2 and 2",
    'a: 1\n"a": 3\n': "key 'a' stands twice, in lines 1 and 2",
}


@pytest.mark.parametrize("text", TWICE)
def test_a_key_that_stands_twice_is_refused_with_both_lines(text: str, in_tmp: Path) -> None:
    path = in_tmp / "x.yaml"
    path.write_text(text)
    with pytest.raises(UnrolledError) as caught:
        yaml_file.read(path)
    assert str(caught.value) == f"{path}: {TWICE[text]}: take one out"


def test_a_key_over_a_merge_is_meant(in_tmp: Path) -> None:
    path = in_tmp / "x.yaml"
    path.write_text("s: &s {k: 1, l: 2}\nx: {<<: *s, k: 3}\ny: {k: 3, <<: [*s, {m: 1}]}\n")
    assert yaml_file.read(path)["x"] == {"k": 3, "l": 2} and yaml_file.read(path)["y"] == {"k": 3, "l": 2, "m": 1}


@pytest.mark.parametrize(
    "text", ["[" * 2000, "a: !!timestamp b", "a: !!bool b", "a: !!int b", "a: " + "9" * 5000, "? [1]\n: 2"]
)
def test_what_is_not_a_table_of_names_is_refused(text: str, in_tmp: Path) -> None:
    path = in_tmp / "x.yaml"
    path.write_text(text)
    with pytest.raises(UnrolledError) as caught:
        yaml_file.read(path)
    assert "\n" not in str(caught.value)
