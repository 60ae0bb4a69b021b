"""`config.yaml`: what is wrong is said in one line that names the key and what is allowed."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from conftest import Refused
from unrolled import config, full, paths, registry
from unrolled.errors import UnrolledError

TABLE = Path(__file__).parents[1] / "params.yaml"
RAW = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
Change = dict[str, Any]


def write(changes: Change) -> None:
    """Write the real table with some keys changed (`a.b.c: value`) or renamed (`a.b.c > d`)."""
    raw = deepcopy(RAW)
    for key, value in changes.items():
        *parents, last = key.split(".")
        row = raw
        for parent in parents:
            row = row[parent]
        if last.startswith("rename "):
            _, old, new = last.split()
            row[new] = row.pop(old)
        else:
            row[last] = value
    paths.PARAMS.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")


def test_the_real_table_loads_and_changes_nothing() -> None:
    table = config.load(TABLE)
    assert list(table.studies) == list(RAW["studies"]) and list(table.methods) == list(RAW["methods"])
    assert table.study("sine").window == RAW["studies"]["sine"]["window"]


def test_the_unchanged_copy_loads(in_tmp: Path) -> None:
    write({})
    assert config.load() == config.load(TABLE)


@pytest.mark.parametrize(
    ("key", "misspelt", "meant"),
    [
        ("studies.sine", "windw", "window"),
        ("studies.sine", "nois", "noise"),
        ("training", "sedes", "seeds"),
        ("training", "clip_nrom", "clip_norm"),
        ("methods.rnn", "hiden", "hidden"),
        ("methods.lstm", "optimizer", "optimiser"),
        ("theory", "hiden", "hidden"),
    ],
)
def test_a_misspelt_key_is_named_with_the_one_meant(
    key: str, misspelt: str, meant: str, in_tmp: Path, refused: Refused
) -> None:
    old = meant if meant in _row(key) else None
    write({f"{key}.rename {old} {misspelt}" if old else f"{key}.{misspelt}": 1})
    with refused(f"'{key}.{misspelt}' is not known", f"did you mean '{meant}'?", "Known: "):
        config.load()


def _row(key: str) -> dict[str, Any]:
    row = RAW
    for part in key.split("."):
        row = row[part]
    return row


def test_a_misspelt_section_is_named_with_the_one_meant(in_tmp: Path, refused: Refused) -> None:
    write({"rename methods method": None})
    with refused("'method' is not known", "did you mean 'methods'?"):
        config.load()


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("studies.sine.step", "1e-3", ["'1e-3'", "1.0e-3"]),
        ("studies.sine.parameters", {"omega": "1e-3"}, ["'1e-3'", "1.0e-3"]),
        ("training.learning_rates", ["1e-3"], ["'1e-3'", "1.0e-3"]),
        ("studies.sine.step", -0.1, ["-0.1", "greater than 0"]),
        ("studies.sine.step", 0, ["0", "greater than 0"]),
        ("studies.sine.step", float("nan"), ["nan"]),
        ("studies.sine.step", float("inf"), ["inf"]),
        ("studies.sine.parameters", {"omega": float("nan")}, ["nan"]),
        ("studies.sine.train", 6.5, ["6.5", "integer"]),
        ("studies.sine.train", 0, ["0", "greater than or equal to 1"]),
        ("studies.sine.noise", [2.0, 0.0], ["2.0"]),
        ("studies.sine.noise", [0.0], ["at least 2"]),
        ("studies.sine.score", "mae", ["'mae'", "rmse"]),
        ("training.learning_rates", [], ["at least 1"]),
        ("training.learning_rates", [-1e-3], ["-0.001", "greater than 0"]),
        ("methods.rnn.hidden", True, ["True", "integer"]),
        ("methods.rnn.clip_norm", [0.0], ["0.0", "greater than 0"]),
        ("methods.rnn.activation", "tnah", ["'tnah'", "tanh"]),
        ("methods.rnn", None, ["None"]),
    ],
)
def test_a_value_that_is_not_allowed_is_named(
    key: str, value: Any, parts: list[str], in_tmp: Path, refused: Refused
) -> None:
    write({key: value})
    with refused(key, *parts):
        config.load()


def test_the_hint_on_numbers_is_given_for_numbers_alone(in_tmp: Path) -> None:
    write({"studies.sine.score": "mae"})
    with pytest.raises(UnrolledError) as caught:
        config.load()
    assert "1e-3" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("studies.sine.system", "sin", "systems"),
        ("studies.oscillator.task", "respnse", "tasks"),
        ("methods.lstm.cell", "lsmt", "cells"),
        ("methods.rnn.optimiser", "adm", "optimisers"),
        ("training.initialiser", "unifrm", "initialisers"),
    ],
)
def test_an_unknown_item_lists_the_known(key: str, value: str, kind: str, in_tmp: Path, refused: Refused) -> None:
    write({key: value})
    with refused(f"'{value}' is not known; did you mean", *registry.names(kind)):
        config.load()


def test_an_unknown_study_in_only_lists_the_known(in_tmp: Path, refused: Refused) -> None:
    write({"methods.rnn.only": ["sine", "nosy_sine"]})
    with refused("methods.rnn.only", "'nosy_sine' is not known", "did you mean 'noisy_sine'?", *RAW["studies"]):
        config.load()


def test_an_unknown_study_lists_the_known(refused: Refused) -> None:
    for ask in (config.load(TABLE).study, config.load(TABLE).methods_of):
        with refused("study 'osc' is not known", *RAW["studies"]):
            ask("osc")


def test_a_name_with_nothing_near_is_a_whole_sentence(refused: Refused) -> None:
    with refused("cell 'zzz' is not known. Known: cornn"):
        registry.load("cells", "zzz")


def test_a_missing_key_is_named(in_tmp: Path, refused: Refused) -> None:
    raw = deepcopy(RAW)
    del raw["studies"]["sine"]["step"]
    paths.PARAMS.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with refused("'studies.sine.step' is missing", "params.yaml"):
        config.load()


def test_a_missing_file_is_named(in_tmp: Path, refused: Refused) -> None:
    with refused("params.yaml is missing", "root folder"):
        config.load()


@pytest.mark.parametrize(
    "content", [b"studies: [\n a: b\n", b"a: b: c", b"\tx: 1", b"studies:\n  a: \x07", b"\xff\xfe\x80"]
)
def test_what_is_not_yaml_is_refused(content: bytes, in_tmp: Path, refused: Refused) -> None:
    paths.PARAMS.write_bytes(content)
    with refused("params.yaml", "not valid YAML"):
        config.load()


@pytest.mark.parametrize("content", ["", "- 1\n", "3\n"])
def test_what_is_not_a_table_is_refused(content: str, in_tmp: Path, refused: Refused) -> None:
    paths.PARAMS.write_text(content, encoding="utf-8")
    with refused("params.yaml", "studies", "training", "methods"):
        config.load()


def test_a_method_takes_what_it_leaves_out_from_training() -> None:
    table = config.load(TABLE)
    row = table.methods_of("noisy_sine")["rnn_relu"]
    assert (row.optimiser, row.initialiser) == ("rmsprop", "keras")
    assert row.learning_rates == table.training.learning_rates
    assert table.methods_of("sine")["rnn"].optimiser == table.training.optimiser == "adam"
    assert "rnn_relu" not in table.methods_of("sine")


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config.load(TABLE).studies["sine"].step = 1.0


def test_a_study_names_its_methods_and_what_differs_in_them(in_tmp: Path) -> None:
    changes = {"rnn": {"hidden": 5}, "esn": {"options": {"leak": 0.5}}, "rnn_relu": {}}
    write({"studies.sine.methods": changes, "studies.sine.seeds": 2, "studies.sine.learning_rates": [0.5]})
    table = config.load()
    found = table.methods_of("sine")
    assert list(found) == ["rnn", "esn"], "rnn_relu is a method of noisy_sine only"
    assert found["rnn"].hidden == 5 and found["rnn"].cell == table.methods["rnn"].cell
    assert found["esn"].options == table.methods["esn"].options | {"leak": 0.5}
    assert found["rnn"].learning_rates == [0.5] and table.seeds_of("sine") == 2
    untouched = table.methods_of("noisy_sine")
    assert untouched["rnn"].hidden == table.methods["rnn"].hidden and len(untouched) > 15
    assert untouched["rnn"].learning_rates == table.training.learning_rates != [0.5]
    assert table.seeds_of("noisy_sine") == table.training.seeds


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"rn": {}}, ["studies.sine.methods: method 'rn' is not known", "did you mean 'rnn'?"]),
        ({"rnn": {"hiden": 3}}, ["studies.sine.methods.rnn.hiden", "did you mean 'hidden'?"]),
        ({"rnn": {"hidden": "3"}}, ["studies.sine.methods.rnn.hidden", "'3'"]),
    ],
)
def test_what_a_study_changes_in_a_method_is_checked(
    in_tmp: Path, refused: Refused, changes: dict[str, Any], parts: list[str]
) -> None:
    write({"studies.sine.methods": changes})
    with refused(*parts):
        config.load()


def test_the_full_table_is_larger_and_valid(in_tmp: Path) -> None:
    changes = yaml.safe_load((TABLE.parent / "full.yaml").read_text(encoding="utf-8"))
    Path("params.yaml").write_text(yaml.safe_dump(full.merged(RAW, changes), sort_keys=False))
    larger, usual = config.load(), config.load(TABLE)
    assert larger.training.seeds > usual.training.seeds
    for name, study in usual.studies.items():
        assert larger.studies[name].epochs > study.epochs and larger.seeds_of(name) >= usual.seeds_of(name)
        assert set(larger.methods_of(name)) >= set(usual.methods_of(name))
    longest = [max(s.steps or 0 for s in table.studies.values() if s.task == "recall") for table in (usual, larger)]
    assert longest == [1000, 5000]


def test_merging_changes_one_key_and_leaves_its_neighbours() -> None:
    table = {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]}
    assert full.merged(table, {"a": {"c": {"d": 3}}, "e": [4]}) == {"a": {"b": 1, "c": {"d": 3}}, "e": [4]}
    assert table["a"]["c"] == {"d": 2}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("theory.lengths", [100, 10, 50], "the values ascend"),
        ("theory.gains", [4.0, 0.25], "the values ascend"),
        ("theory.gains", [0.0, 4.0], "greater than 0"),
        ("theory.points", 1, "greater than or equal to 4"),
        ("theory.initialisers", {"orthogonal": "sine"}, "'tanh' or 'relu'"),
        ("theory.initialisers", {"orthogonl": "tanh"}, "did you mean 'orthogonal'?"),
    ],
)
def test_what_the_theory_is_asked_is_checked(key: str, value: Any, said: str, in_tmp: Path, refused: Refused) -> None:
    write({key: value})
    with refused(key, said):
        config.load()
