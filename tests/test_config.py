"""`params.yaml`: what is wrong with the file is said in one line that names the key and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from conftest import Refused
from real_table import DELETED, PATH, RAW, edited
from unrolled import config, paths, registry
from unrolled.errors import UnrolledError
from unrolled.full import project as full


def write(changes: dict[str, Any]) -> None:
    """Write the real table with some keys changed."""
    paths.PARAMS.write_text(yaml.safe_dump(edited(changes), sort_keys=False), encoding="utf-8")


def test_the_real_table_loads_in_its_order() -> None:
    table = config.load(PATH)
    assert list(table.studies) == list(RAW["studies"]) and list(table.methods) == list(RAW["methods"])
    assert table.study("sine").data.window == RAW["studies"]["sine"]["data"]["window"]
    assert len(PATH.read_text(encoding="utf-8").splitlines()) <= 260


def test_the_tasks_own_keys_stand_beside_the_others(in_tmp: Path) -> None:
    assert config.load(PATH).study("noisy_sine").data.settings == {"noise": [0.0, 2.0], "test_series": 50}
    write({"studies.sine.data.settings": {"noise": [0.0, 2.0]}})
    with pytest.raises(UnrolledError, match="'settings' is no key here"):
        config.load()


@pytest.mark.parametrize(
    ("key", "misspelt", "meant"),
    [
        ("studies.sine", "scor", "score"),
        ("studies.sine.data", "trian", "train"),
        ("studies.silverbox.data.record", "souce", "source"),
        ("methods.rnn", "hiden", "hidden"),
        ("methods.lstm", "optimizer", "optimiser"),
        ("random_networks", "hiden", "hidden"),
    ],
)
def test_a_misspelt_key_is_named_with_the_one_meant(
    key: str, misspelt: str, meant: str, in_tmp: Path, refused: Refused
) -> None:
    row = RAW
    for part in key.split("."):
        row = row[part]
    write({f"{key}.{misspelt}": row.get(meant, 1)} | ({f"{key}.{meant}": DELETED} if meant in row else {}))
    with refused(f"'{key}.{misspelt}' is not known; did you mean '{meant}'?"):
        config.load()


def test_a_misspelt_source_is_named(in_tmp: Path, refused: Refused) -> None:
    write({"studies.sine.data.sytem": "sine", "studies.sine.data.system": DELETED})
    with refused("studies.sine.data: needs either a 'system' or a 'record'; is 'sytem' one of them"):
        config.load()


def test_a_misspelt_section_is_named_with_the_one_meant(in_tmp: Path, refused: Refused) -> None:
    write({"method": RAW["methods"], "methods": DELETED})
    with refused("'method' is not known", "did you mean 'methods'?"):
        config.load()


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("seed", -1, ["-1", "greater than or equal to 0"]),
        ("data_seed", "a", ["'a'", "integer"]),
        ("studies.sine.data.step", "fast", ["'fast'", "number"]),
        ("studies.sine.data.parameters", {"omega": "fast"}, ["'fast'", "number"]),
        ("studies.sine.data.parameters", {"omega": float("nan")}, ["nan"]),
        ("studies.sine.data.step", -0.1, ["-0.1", "greater than or equal to 0.0"]),
        ("studies.sine.data.step", 0, ["0", "greater than or equal to 0.0"]),
        ("studies.sine.data.step", float("nan"), ["nan"]),
        ("studies.sine.data.step", float("inf"), ["inf"]),
        ("studies.sine.data.train", 6.5, ["6.5", "integer"]),
        ("studies.sine.data.train", 0, ["0", "greater than or equal to 1"]),
        ("studies.sine.data.washout", -1, ["-1", "greater than or equal to 0"]),
        ("studies.silverbox.data.record.outputs", [], ["at least 1"]),
        ("studies.sine.methods", [], ["at least 1"]),
        ("studies.sine.methods", [{"rnn": None}], ["{'rnn': None} is neither a name nor"]),
        ("studies.sine.methods", [3], ["3 is neither a name nor"]),
        ("studies.sine.fit", None, ["None", "dictionary"]),
        ("methods.rnn.hidden", True, ["True", "integer"]),
        ("methods.rnn.clip_norm", [0.0], ["0.0", "greater than"]),
        ("methods.rnn.input_noise", -1.0, ["-1.0", "greater than"]),
        ("methods.rnn.requires", ["closed"], ["'closed'", "'closed_loop', 'linear_system', 'record'"]),
        ("methods.rnn", None, ["None"]),
        ("groups.newer", None, ["None", "list"]),
        ("random_networks.lengths", [100, 10, 50], ["the values ascend"]),
        ("random_networks.gains", [4.0, 0.25], ["the values ascend"]),
        ("random_networks.gains", [0.0, 4.0], ["greater than 0"]),
        ("random_networks.points", 1, ["greater than or equal to 4"]),
        ("random_networks.initialisers", {"orthogonal": "sine"}, ["'tanh' or 'relu'"]),
    ],
)
def test_a_value_that_is_not_allowed_is_named(
    key: str, value: Any, parts: list[str], in_tmp: Path, refused: Refused
) -> None:
    write({key: value})
    with refused(key, *parts):
        config.load()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("studies.silverbox.data.system", "sine", "studies.silverbox.data: needs either a 'system' or a 'record'"),
        ("studies.silverbox.data.parameters", {"a": 1.0}, "studies.silverbox.data: a record has no 'parameters'"),
        ("studies.sine.data.seed", 3, "studies.sine.data: 'seed' is no key here: it is 'data_seed' at the top"),
        ("random_networks.seed", 3, "random_networks: 'seed' is no key here: it is the one at the top"),
        ("studies.index", RAW["studies"]["sine"], "studies: 'index' cannot be a name"),
        ("methods.a/b", RAW["methods"]["rnn"], "methods: 'a/b' cannot be a name"),
    ],
)
def test_what_does_not_fit_its_section_is_said(key: str, value: Any, said: str, in_tmp: Path, refused: Refused) -> None:
    write({key: value})
    with refused(said):
        config.load()


@pytest.mark.parametrize("key", ["studies.sine.data.step", "studies.sine.score", "methods.rnn.label"])
def test_a_missing_key_is_named(key: str, in_tmp: Path, refused: Refused) -> None:
    write({key: DELETED})
    with refused(f"'{key}' is missing", "params.yaml"):
        config.load()


def test_an_unknown_study_lists_the_known(refused: Refused) -> None:
    with refused("study 'osc' is not known", *RAW["studies"]):
        config.load(PATH).study("osc")


def test_a_name_with_nothing_near_is_a_whole_sentence(refused: Refused) -> None:
    with refused("cell 'zzz' is not known. Known: alrnn"):
        registry.load("cells", "zzz")


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
    with refused("params.yaml", "studies", "methods", "random_networks"):
        config.load()


def test_a_method_takes_what_it_leaves_out_from_the_defaults() -> None:
    table = config.load(PATH)
    assert (table.methods["rnn_relu"].optimiser, table.methods["rnn_relu"].initialiser) == ("rmsprop", "keras")
    assert table.methods["rnn"].optimiser == RAW["defaults"]["optimiser"] == "adam"


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config.load(PATH).studies["sine"].data.step = 1.0


def test_merging_changes_one_key_and_leaves_its_neighbours() -> None:
    table = {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]}
    assert full.merged(table, {"a": {"c": {"d": 3}}, "e": [4]}) == {"a": {"b": 1, "c": {"d": 3}}, "e": [4]}
    assert table["a"]["c"] == {"d": 2}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_experiment_says_what_to_run(content: bytes, in_tmp: Path, refused: Refused) -> None:
    with refused("sine.json is missing", "run `dvc repro configure`"):
        config.experiment("sine")
    paths.EXPERIMENTS.mkdir(parents=True)
    paths.experiment("sine").write_bytes(content)
    with refused("sine.json is damaged", "run `dvc repro configure`"):
        config.experiment("sine")
