"""What is said at the end of a run: of made-up numbers, the files of the repository, and where the time went."""

import json
from pathlib import Path
from typing import Any

import pytest

import made_up
from pipeline import ROOT
from unrolled import files, paths, progress
from unrolled.progress import Record
from unrolled.report import closing

CLAIMS: list[dict[str, Any]] = [{"verdict": verdict} for verdict in ("holds", "undecided", "holds")]


def said(*found: dict[str, Any], absent: dict[str, str] | None = None) -> dict[str, str]:
    """Return the lines of some studies, by their first word."""
    metrics = {str(number): each for number, each in enumerate(found)}
    lines = closing.findings(metrics, CLAIMS, absent or {})
    assert len(lines) == 5
    return {line[:10].strip(): line[10:] for line in lines}


def study(**change: Any) -> dict[str, Any]:
    """Return the made-up study, which `exact` would win if it had a rank, with some changes."""
    return made_up.study().metrics | change


def test_the_best_are_counted_by_rank_and_named_by_their_labels() -> None:
    lines = said(study(), made_up.reversed_ranks(made_up.study()).metrics, study())
    linear, gru = (study()["methods"][name]["label"] for name in ("linear", "gru"))
    assert lines["best"] == f"of 3 studies, chosen by validation: {linear} on 2; {gru} on 1"
    assert said()["best"] == "no study was evaluated"


def test_of_many_winners_the_first_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "MOST", 1)
    one, other = study(), made_up.reversed_ranks(made_up.study()).metrics
    assert said(one, other, one)["best"].endswith("on 2; others on 1")


def recall(steps: int, **solved: float) -> dict[str, Any]:
    """Return a recall study in which some methods solve it with a share of their five seeds."""
    own, rows = study(recall={"steps": steps, "chance": 1 / 6}), {}
    for name, row in own["methods"].items():
        extras = row["extras"] | {"solved": solved.get(name, 0.0)}
        rows[name] = row | {"extras": extras, "seeds": [0.1] * 5}
    return own | {"methods": rows}


def test_the_longest_memory_is_that_of_whoever_solves_with_enough_seeds() -> None:
    gru = study()["methods"]["gru"]["label"]
    short, long = recall(50, gru=1.0, rnn=1.0), recall(200, gru=0.8, rnn=0.6)
    assert said(long, short)["memory"] == f"recalled over 200 steps at most, by {gru}"
    both = said(short, recall(200))["memory"]
    assert both.startswith("recalled over 50 steps") and gru in both and " and " in both
    assert said(recall(200))["memory"] == "nothing was recalled"
    assert said(study(recall=None))["memory"] == "no study asks for a memory"


def test_chaos_is_where_an_exponent_is_known_and_the_loop_is_closed() -> None:
    label = study()["methods"]["linear"]["label"]
    assert said(study(lyapunov=0.9))["chaos"] == f"The study: {label}, MSE 0.35 mV²"
    for change in ({"lyapunov": None}, {"lyapunov": 0.9, "closed_loop": False}):
        assert said(study(**change))["chaos"] == "no study of chaos was evaluated"


def test_claims_are_counted_by_verdict_whatever_verdicts_there_are() -> None:
    assert said()["claims"] == "of 3: holds 2, undecided 1"


def test_what_has_not_run_or_diverged_is_said() -> None:
    rows = {name: row | {"diverged": 0, "trained": 4} for name, row in study()["methods"].items()}
    whole = study(methods=rows)
    assert said(whole)["complete"] == "every study has run; 0 of 20 networks diverged"
    rows = rows | {"rnn": rows["rnn"] | {"diverged": 3}}
    found = said(whole, study(methods=rows), absent={"silverbox": "no network here"})["complete"]
    assert found == "silverbox has not run: no network here; 3 of 40 networks diverged (The study)"


def test_a_method_without_a_score_is_no_winner() -> None:
    rows = {name: row | {"rank": None, "score": None} for name, row in study()["methods"].items()}
    assert said(study(methods=rows, lyapunov=0.9))["best"] == "no study was evaluated"


# --- where the time went

RECORD = Record(
    run=1000.0,
    spent={"configure": 3.0, "generate a": 10.0, "generate b": 5.0, "train": 120.0, "evaluate": 30.0, "report": 20.0},
    fits=200.0,
    compiling={"train": 10.0, "evaluate": 6.0},
    cores={"train": 2, "evaluate": 3},
)


def test_what_is_not_training_is_wall_time_less_fits_over_the_cores_and_compiling_apart() -> None:
    first, second = closing.accounts(RECORD, now=1200.0)
    assert "200 s: fits 100 s (200 core-seconds on 2 cores), compiling kernels 7 s, all else 93 s" in first
    parts = {part.rsplit(" ", 2)[0]: float(part.split()[-2]) for part in second.removeprefix("all else  ").split(", ")}
    expected = {
        "configure": 3,
        "generate": 15,
        "train beside the fits": 15,
        "evaluate": 28,
        "report": 20,
        "DVC and imports": 12,
    }
    assert parts == expected and sum(parts.values()) == 93


def test_a_run_with_nothing_to_do_has_no_accounts() -> None:
    assert closing.accounts(RECORD.model_copy(update={"spent": {}}), 1200.0) == []


def test_a_run_without_training_says_so() -> None:
    first, second = closing.accounts(Record(run=0.0, spent={"report": 20.0}), 25.0)
    assert "fits 0 s (0 core-seconds on 1 core)" in first and second == "all else  report 20 s, DVC and imports 5 s"


# --- the whole


@pytest.fixture
def here(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with the repository's own numbers, in a run of its own."""
    for path in (paths.METRICS, paths.CLAIMS):
        files.write_atomic(path, (ROOT / path).read_bytes())
    studies = [*json.loads(paths.METRICS.read_text()), "gone", "later"]
    files.write_sealed(paths.EXPERIMENTS / "index.json", {"studies": studies})
    files.write_sealed(paths.sidecar("gone"), {"not_run": "no network"})
    files.write_sealed(paths.sidecar("later"), {})
    monkeypatch.setenv(progress.BEGAN, "1000.0")
    return in_tmp


def test_the_files_of_the_repository_are_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closing.main()
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["best", "memory", "chaos", "claims", "complete", "report", "MLflow"]
    assert lines[1].startswith("memory    recalled over") and "Lorenz-63: " in lines[2]
    assert "gone has not run: no network; later has not run: not yet evaluated" in lines[4]
    assert lines[5].endswith(str(here / paths.INDEX))


def test_the_accounts_are_those_of_this_run_only(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress.write(RECORD)
    closing.main()
    assert "\ntime  " in capsys.readouterr().out
    monkeypatch.setenv(progress.BEGAN, "5000.0")
    closing.main()
    assert "\ntime  " not in capsys.readouterr().out


@pytest.mark.parametrize("path", [paths.METRICS, paths.CLAIMS])
def test_a_missing_file_is_one_line(here: Path, path: Path) -> None:
    path.unlink()
    with pytest.raises(SystemExit, match=rf"^unrolled: {path} is missing: run `dvc repro`$"):
        closing.main()
