"""The small table of the pipeline's tests holds all that the whole table uses, and grows with it."""

from pathlib import Path

import pytest
import yaml

import covering
import pipeline


@pytest.fixture(scope="module")
def table() -> Path:
    return pipeline.ROOT / "params.yaml"


def test_it_uses_all_that_the_table_uses_in_a_fraction_of_the_pairs(table: Path) -> None:
    studies = covering.experiments(table)
    every, kept = covering.pairs_of(studies), covering.covering(table)
    assert covering.uses(studies, kept) == covering.uses(studies, every)
    assert set(kept) < set(every) and 4 * len(kept) < len(every)


def test_a_new_row_is_in_it(table: Path, tmp_path: Path) -> None:
    rows = yaml.safe_load(table.read_text())
    rows["methods"]["new"] = {"label": "?", "cell": "elman", "hidden": 3, "input_noise": 0.1, "truncate": 3}
    rows["methods"]["rnn_truncated"].pop("truncate")
    rows["studies"]["sine"]["methods"].append("new")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(rows, sort_keys=False))
    assert ("sine", "new") in covering.covering(tmp_path / "params.yaml")
