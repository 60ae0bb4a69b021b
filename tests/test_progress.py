"""One line for all stages: the time left from what is known, in a terminal and in a file, whatever the file holds."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from unrolled import files, paths, processes, progress
from unrolled.progress import FILE, USUAL, Line, Record, Stage, left, read, said, write

RUN = 1000.0


@pytest.fixture(autouse=True)
def run(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty folder, in a run that began at a known time, on two cores."""
    monkeypatch.setenv(progress.BEGAN, str(RUN))
    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr(Stage, "kept", False)


def configured(*studies: str) -> None:
    """Write the index of so many studies."""
    files.write_json(paths.EXPERIMENTS / "index.json", {"studies": studies})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "5 s"), (42, "40 s"), (57.4, "55 s"), (58, "1 min"), (100, "2 min"), (5300, "88 min"), (9000, "2.5 h")],
)
def test_time_is_said_as_exactly_as_an_estimate_deserves(seconds: float, words: str) -> None:
    assert said(seconds) == f"about {words}"


# --- the line


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_on_a_terminal_one_line_is_rewritten_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((10, 24)))
    line = Line(terminal := Terminal())
    for text in ("one", "two and much more"):
        line.show(text)
    line.clear()
    assert terminal.getvalue() == "\rone\033[K\rtwo and m\033[K\r\033[K"


def test_in_a_file_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e6
    monkeypatch.setattr(time, "monotonic", lambda: now)
    line = Line(file := io.StringIO())
    for passed in (0, 1, 13.9, 0.2, 1, 30):
        now += passed
        line.show(f"{now - 1e6:g}")
    line.clear()
    assert file.getvalue() == "0\n15.1\n46.1\n"


# --- what is left


def test_from_scratch_everything_to_come_is_counted_and_what_is_finished_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured("a", "b")
    whole = 2 * USUAL["generate"] + USUAL["train"] + USUAL["evaluate"] + USUAL["random_networks"] + USUAL["report"]
    assert Stage("configure")._after() == whole
    assert Stage("generate", "a")._after() == whole - USUAL["generate"], "its own rest is told apart"
    Stage("generate", "a").finish()
    Stage("random_networks").finish()  # DVC may run it at any time
    after = Stage("generate", "b")._after()
    assert after == whole - 2 * USUAL["generate"] - USUAL["random_networks"]
    monkeypatch.setattr(progress, "BORN", time.time())
    Stage("generate", "b").start()
    assert capsys.readouterr().out == f"generate b · {left(USUAL['generate'], after)}\n"


def test_what_will_be_kept_is_not_known_before_training_so_nothing_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Stage("configure")._after() is None, "no study is known"
    configured("a")
    assert Stage("configure")._after() is not None
    paths.TRAINED.mkdir(parents=True)
    Stage("generate", "a").start()
    assert capsys.readouterr().out == ""


def test_stages_go_by_what_training_has_planned() -> None:
    Stage("train").plan({"evaluate": 30.0, "report": 12.0}, 2)
    assert Stage("train")._after() == 42 and Stage("evaluate")._after() == 12 and Stage("report")._after() == 0
    Stage("evaluate").finish()
    assert Stage("train")._after() == 12


def test_what_follows_counts_the_studies_to_be_evaluated_side_by_side() -> None:
    record = Record(usual={"evaluate a": 10.0, "report": 7.0})
    other = USUAL["evaluate"]
    with_random = {"evaluate": (10 + other) / 2, "report": 7.0, "random_networks": USUAL["random_networks"]}
    assert progress.following(record, ["a", "b"]) == with_random
    files.write_json(paths.RANDOM_NETWORKS / "numbers.json", {})
    assert progress.following(record, ["a"]) == {"evaluate": 5.0, "report": 7.0}


def test_training_takes_what_the_fits_took_last_time_side_by_side() -> None:
    assert progress.usual(Record(), "train") == USUAL["train"]
    assert progress.usual(Record(trained={"a x": (30.0, 1.0), "a y": (50.0, 1.0)}), "train") == progress.START + 40


def test_the_line_says_stage_share_and_the_time_of_the_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = Stage("train")
    stage.plan({"evaluate": 100.0}, 2)
    stage.show("recall_200 gru", 140.0, 0.63)
    assert capsys.readouterr().out == "train 63 % · recall_200 gru · about 4 min left of the whole run\n"


# --- what is noted


def test_a_finished_stage_is_noted_and_what_was_kept_tells_nothing_of_the_next_time() -> None:
    stage = Stage("generate", "a")
    stage.begun = time.time() - 7
    stage.finish()
    assert read().spent["generate a"] == pytest.approx(7, abs=0.5) == read().usual["generate a"]
    Stage.kept = True
    stage.begun = time.time() - 1
    stage.finish()
    assert read().spent["generate a"] == pytest.approx(8, abs=0.5)
    assert read().usual["generate a"] == pytest.approx(7, abs=0.5)


def test_fits_add_up_and_each_is_known_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("train")
    stage.fitted("a x", 3.0, 2.0, 0.5)
    stage.fitted("a y", 4.0, 5.0, 0.0)
    Stage("evaluate").evaluated("a", 6.0, 0.25)
    stage.finish()
    assert read().fits == 7 and read().compiling == {"train": 0.5, "evaluate": 0.25}
    monkeypatch.setenv(progress.BEGAN, str(RUN + 100))
    assert read() == Record(run=RUN + 100, usual={"evaluate a": 6.0}, trained={"a x": (3.0, 2.0), "a y": (4.0, 5.0)}), (
        "a stage that notes its parts has no usual seconds as a whole, and another run begins at zero"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\x00", b"[]", b'{"usual": 3}', b'{"usual": {"report": -1}}', b'{"fits": NaN}',
     b'{"trained": {"a x": [1]}}', b'{"cores": {"train": 0}}'],
)  # fmt: skip
def test_a_damaged_file_is_as_none(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    files.write_atomic(FILE, content)
    assert read() == Record(run=RUN)
    stage = Stage("report")
    stage.start()
    stage.finish()
    assert json.loads(FILE.read_text())["spent"].keys() == {"report"}


def test_a_file_that_cannot_be_written_costs_nothing_but_the_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    FILE.parent.write_text("a file where a folder should be")
    stage = Stage("train")
    stage.plan({"evaluate": 100.0}, 2)
    stage.fitted("a x", 3.0, 2.0, 0.5)
    stage.show("a x", 100.0, 0.5)
    stage.finish()
    assert read() == Record(run=RUN) and "train 50 %" in capsys.readouterr().out


# --- when the run began


def test_a_run_is_as_old_as_dvc_or_as_make_says(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it from a script called `dvc`, through a shell, as DVC does."""
    code = "import time; from unrolled import progress; time.sleep(0.2); print(progress.began())"
    ask = [sys.executable, "-c", code]
    asked = f'{sys.executable} -c "{code}"'
    script = in_tmp / "dvc"
    script.write_text(f"import subprocess\nsubprocess.run({asked!r}, shell=True)\n")
    begun = time.time()
    monkeypatch.delenv(progress.BEGAN)

    def told(**more: Any) -> float:
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, check=True, env=os.environ | more
        )
        return float(done.stdout)

    first = told()
    assert begun - 1 <= first <= time.time() - 0.2, "to a second"
    time.sleep(1)
    assert told() > first + 1, "another one"
    assert told(**{progress.BEGAN: "123.0"}) == 123.0
    assert told(**{progress.BEGAN: "yesterday"}) > first
    begun = time.time()
    alone = float(subprocess.run(ask, capture_output=True, text=True, check=True).stdout)
    assert begun - 1 <= alone <= time.time() - 0.2, "by itself, as old as its process"


def test_an_own_run_is_told_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Record(run=RUN + 0.5, spent={"train": 1.0}))
    assert read().spent == {"train": 1.0}
    write(Record(run=RUN + 5, spent={"train": 1.0}))
    assert read().spent == {}
