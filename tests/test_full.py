"""The published study, on a tiny table: trained in two sittings, published from records alone, and used."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import small_studies
import tiny
import unrolled
from conftest import Experiments, Refused
from unrolled import cli, paths
from unrolled.analysis import record
from unrolled.full import project, publish, train
from unrolled.report import results

STUDY = small_studies.studies_of("response")[0]
AGAIN = {"data_seed": 1, "fit": {"seeds": 2}, "studies": [STUDY], "methods": ["rnn"]}


@pytest.fixture
def checkout(in_tmp: Path, monkeypatch: pytest.MonkeyPatch, random_networks: Experiments) -> Path:
    """Stand in a checkout with a tiny table, its changes, and the folder `full` with both."""
    for module in (train, publish):
        monkeypatch.setattr(module.lifetime, "begin", lambda module: None)
    monkeypatch.setattr(train.workers, "preload", lambda: None)
    monkeypatch.setattr(results, "random_networks", lambda: results.RandomNetworks(*random_networks))
    monkeypatch.setenv("UNROLLED_WORKERS", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{in_tmp}/mlflow.db")  # MLflow keeps a store by its address
    table = tiny.raw("response")
    paths.PARAMS.write_text(yaml.safe_dump(table))
    changes = {"studies": {STUDY: {"fit": {"epochs": 3}}}, "again": AGAIN}
    project.CHANGES.write_text(yaml.safe_dump(changes))
    (in_tmp / "full").mkdir()
    (in_tmp / "full/params.yaml").write_text(yaml.safe_dump(project.merged(table, changes)))
    return in_tmp


def sitting(checkout: Path, monkeypatch: pytest.MonkeyPatch, *studies: str) -> None:
    with monkeypatch.context() as patch:
        patch.chdir(checkout / "full")
        train.main(*studies)


def test_two_sittings_a_page_and_its_use(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    with pytest.raises(SystemExit, match=r"holds no record.*make full"):
        publish.main()
    sitting(checkout, monkeypatch, f"{STUDY}_again")
    files = {path: path.read_bytes() for path in paths.RECORDS.rglob("*.zip")}
    assert [str(path.relative_to(paths.RECORDS)) for path in files] == [f"{STUDY}_again/rnn.zip"]
    sitting(checkout, monkeypatch)
    assert all(path.read_bytes() == content for path, content in files.items())
    said = capsys.readouterr().out
    assert "1 of" in said and "have a record" in said
    methods = yaml.safe_load(paths.PARAMS.read_text())["studies"][STUDY]["methods"]
    assert sorted(path.stem for path in (paths.RECORDS / STUDY).iterdir()) == sorted(methods)

    publish.main()
    ledger = json.loads(paths.LEDGER.read_text())
    assert ledger["lacking"] == [] and ledger["records"] == len(methods) + 1
    page = (paths.FULL / "index.html").read_text()
    assert "It is under way" not in page and "Data or weights?" in page and f"{STUDY}_again" not in page
    rows = json.loads((paths.FULL / "metrics.json").read_text())[STUDY]["methods"]
    assert sorted(rows) == sorted(methods) and all(
        row["updates"] for name, row in rows.items() if row["trains"] and row["optimiser"] == "adam"
    )
    assert json.loads((paths.FULL / "spread.json").read_text())[STUDY]["methods"].keys() == {"rnn"}

    (chosen,) = (name for name, row in rows.items() if row["chosen_by_validation"])
    assert record.published(STUDY).method == chosen
    assert unrolled.published(STUDY, "rnn").about["study"] == STUDY
    for command in (
        ["list"],
        ["show", STUDY],
        ["forecast", STUDY],
        ["forecast", STUDY, "--method", "rnn"],
    ):
        cli.main([*command, "--published"])
        assert STUDY in capsys.readouterr().out
    cli.main(["track", "--published"])
    assert f"{STUDY}: {len(methods)} published methods" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=rf"published study '{STUDY[:-1]}'.*did you mean '{STUDY}'"):
        cli.main(["show", STUDY[:-1], "--published"])
    with refused("published method", "'rn'"):
        record.published(STUDY, "rn")

    one = paths.RECORDS / STUDY / f"{methods[-1]}.zip"
    one.unlink()
    publish.main()
    assert json.loads(paths.LEDGER.read_text())["lacking"] == [f"{STUDY} {methods[-1]}"]
    assert f"under way: 1 of {len(methods) + 1} are still to come" in (paths.FULL / "index.html").read_text()


def test_a_changed_row_makes_its_record_stale(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sitting(checkout, monkeypatch, f"{STUDY}_again")
    before = (paths.RECORDS / f"{STUDY}_again/rnn.zip").read_bytes()
    table: dict[str, Any] = yaml.safe_load((checkout / "full/params.yaml").read_text())
    table["studies"][f"{STUDY}_again"]["fit"]["epochs"] = 2
    (checkout / "full/params.yaml").write_text(yaml.safe_dump(table))
    sitting(checkout, monkeypatch, f"{STUDY}_again")
    after = paths.RECORDS / f"{STUDY}_again/rnn.zip"
    assert after.read_bytes() != before and record.read(after).numbers["asked"]["fit"]["epochs"] == 2


def test_the_published_study_is_read_without_its_tables(in_tmp: Path, refused: Refused) -> None:
    with refused("metrics.json is missing", "make publish"):
        results.of_published()
